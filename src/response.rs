//! A response: a request and the signatures over it.
