//! Each rule of the client against a server that does what a script says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coldsign::check::Check;
use coldsign::error::Result;
use url::Url;

use self::server::{Reply, Seen, Server};
use super::{Answer, Http, Method, Request, Settings};

mod server;

fn settings() -> Settings {
    Settings { plain_http: Vec::new(), ca: None, request: Duration::from_secs(20), connections: 10 }
}

/// A client whose own pauses are short.
fn client(settings: Settings) -> Http {
    let mut http = Http::with_environment(settings, |_| None).unwrap();
    http.pauses.first = Duration::from_millis(1);
    http
}

fn request(method: Method, url: &str) -> Request<'static> {
    let url = Url::parse(url).unwrap();
    Request { method, url, accept: None, body: None, authorization: None, limit: 1000, redirects: true }
}

fn get(url: &str) -> Request<'static> {
    request(Method::Get, url)
}

fn send(request: &Request<'_>) -> Result<Answer> {
    client(settings()).send(request)
}

#[test]
fn smoke() {
    let server = Server::start(|_: &Seen| Reply::ok("hello"));
    let answer = send(&get(&server.url("/v2/?n=1"))).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    assert_eq!(answer.header("content-length"), Some("5"));
    assert_eq!(server.seen()[0].lines[0], "GET /v2/?n=1 HTTP/1.1");
    println!("{:?}", server.seen()[0].lines);
}
