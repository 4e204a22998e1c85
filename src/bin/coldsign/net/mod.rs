//! The only code that opens connections: HTTP/1.1 over TCP and TLS, with bounds on time, bytes, redirects and retries.

mod http;
mod settings;

pub(crate) use http::{Answer, Http, Method, Request};
pub(crate) use settings::Settings;
