//! The only code that opens connections: HTTP/1.1 over TCP and TLS, with bounds on time, bytes, redirects and retries.

mod agents;
mod failure;
mod http;
mod names;
mod proxy;
mod retry;
mod settings;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use http::{Answer, Condition, Http, Method, Request, Stream, described};
pub(crate) use settings::Settings;
