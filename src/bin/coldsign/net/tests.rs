//! Each rule of the client against a server that does what a script says.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::terminal;
use url::Url;

use self::server::{Reply, Seen, Server};
use super::{Answer, Condition, Http, Method, Request, Settings};

pub(crate) mod server;
mod tls;

const METHODS: [Method; 5] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete];

pub(crate) fn settings() -> Settings {
    Settings { plain_http: Vec::new(), ca: None, request: Duration::from_secs(60), connections: 10 }
}

/// A client whose own pauses are short.
pub(crate) fn client(settings: Settings) -> Http {
    client_in(settings, |_| None)
}

fn client_in(settings: Settings, variable: impl Fn(&str) -> Option<String>) -> Http {
    let mut http = Http::with_environment(settings, variable).unwrap();
    http.pauses.first = Duration::from_millis(1);
    http
}

fn request(method: Method, url: &str) -> Request<'static> {
    let url = Url::parse(url).unwrap();
    Request {
        method,
        url,
        accept: None,
        body: None,
        authorization: None,
        limit: 1000,
        redirects: true,
        condition: None,
        stream: None,
    }
}

fn get(url: &str) -> Request<'static> {
    request(Method::Get, url)
}

fn send(request: &Request<'_>) -> Result<Answer> {
    client(settings()).send(request)
}

/// The error of a request, and what a person reads of it.
fn refused(outcome: Result<Answer>) -> (Check, String) {
    let error: Error = outcome.unwrap_err();
    (error.check(), terminal::report(&error))
}

#[test]
fn requests_say_what_they_are_asked_to_say() {
    let server = Server::start(|_: &Seen| {
        Reply::new("200 OK", "Link: <a>\r\nLink: <b>\r\nX-Odd: \u{fc}\r\n", "hello")
    });
    let http = client(settings());
    let asked = Request {
        accept: Some("application/vnd.oci.image.index.v1+json, text/plain"),
        authorization: Some("Bearer secret"),
        ..get(&server.url("/v2/app/manifests/1?n=1"))
    };
    let answer = http.send(&asked).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    assert_eq!(answer.url, asked.url);
    assert_eq!((answer.header("content-length"), answer.header("x-none")), (Some("5"), None));
    assert_eq!(answer.header("x-odd"), None);
    assert_eq!(answer.all("link").collect::<Vec<_>>(), ["<a>", "<b>"]);
    let mut lines = server.seen()[0].lines.clone();
    assert_eq!(lines.remove(0), "GET /v2/app/manifests/1?n=1 HTTP/1.1");
    lines.sort();
    assert_eq!(
        lines,
        [
            "accept-encoding: identity".to_owned(),
            "accept: application/vnd.oci.image.index.v1+json, text/plain".to_owned(),
            "authorization: Bearer secret".to_owned(),
            format!("host: 127.0.0.1:{}", server.port()),
            concat!("user-agent: coldsign/", env!("CARGO_PKG_VERSION")).to_owned(),
        ]
    );
}

#[test]
fn bodies_go_with_their_type_and_length() {
    let server = Server::start(|_: &Seen| Reply::status("201 Created"));
    let http = client(settings());
    let body = vec![7; 300_000];
    for method in [Method::Put, Method::Post] {
        let asked = Request { body: Some(("text/x", &body)), ..request(method, &server.url("/put")) };
        assert_eq!(http.send(&asked).unwrap().status, 201);
        let seen = server.seen().pop().unwrap();
        assert_eq!(
            (seen.header("content-type"), seen.header("content-length")),
            (Some("text/x"), Some("300000"))
        );
        assert_eq!(seen.body, body);
        // Without a body a length is said all the same: some servers wait for one.
        http.send(&request(method, &server.url("/empty"))).unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!((seen.header("content-type"), seen.header("content-length")), (None, Some("0")));
    }
    http.send(&request(Method::Delete, &server.url("/upload"))).unwrap();
    assert_eq!(server.seen().pop().unwrap().lines[0], "DELETE /upload HTTP/1.1");
}

#[test]
fn connections_are_kept_and_no_more_than_workers() {
    let server = Server::start(|_: &Seen| Reply::ok("x"));
    let http = client(settings());
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(http.send(&get(&server.url("/"))).unwrap().status, 200);
                }
            });
        }
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 200);
    assert!(seen.iter().all(|seen| seen.connection < 10));
}

#[test]
fn bodies_have_a_limit() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/fits" => Reply::ok([b'x'; 1000]),
        "/over" => Reply::ok([b'x'; 1001]),
        "/said" => Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").then_hang(),
        "/chunks" => {
            Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n3\r\nyyy\r\n0\r\n\r\n")
        }
        "/endless" => {
            let chunk = b"100\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
            Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .then_again(chunk, Duration::ZERO)
        }
        "/closed" => Reply::raw("HTTP/1.0 200 OK\r\n\r\nuntil the end").then_close(),
        "/error" => Reply::new("404 Not Found", "", vec![b'x'; 65_537]),
        "/errors" => Reply::new("404 Not Found", "", vec![b'x'; 65_536]),
        other => panic!("{other}"),
    });
    let http = client(settings());
    let ask = |path: &str| http.send(&get(&server.url(path)));
    assert_eq!(ask("/fits").unwrap().body.len(), 1000);
    assert_eq!(ask("/chunks").unwrap().body, b"xyyy");
    assert_eq!(ask("/closed").unwrap().body, b"until the end");
    for path in ["/over", "/said", "/endless"] {
        let (check, shown) = refused(ask(path));
        assert_eq!(check, Check::RegistryLimit, "{path}");
        assert!(shown.contains("body of more than 1000 bytes"), "{shown}");
    }
    // What a HEAD says of a body that it does not have is not its size.
    let answer = http.send(&request(Method::Head, &server.url("/said"))).unwrap();
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("1001"), 0));
    // Errors are cut, not refused.
    assert_eq!(ask("/error").unwrap().body.len(), 65_536);
    assert_eq!(ask("/errors").unwrap().body.len(), 65_536);
}

#[test]
fn headers_have_a_limit() {
    let server = Server::start(|seen: &Seen| {
        let size = seen.path().trim_start_matches('/').parse().unwrap();
        Reply::new("200 OK", &format!("X-Pad: {}\r\n", "x".repeat(size)), "")
    });
    assert_eq!(send(&get(&server.url("/32000"))).unwrap().header("x-pad").unwrap().len(), 32_000);
    for size in ["/33000", "/10000000"] {
        assert_eq!(refused(send(&get(&server.url(size)))).0, Check::RegistryLimit, "{size}");
    }
}

#[test]
fn nothing_is_decompressed() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/identity" => Reply::new("200 OK", "Content-Encoding: Identity\r\n", "plain"),
        "/gzip" => Reply::new("200 OK", "Content-Encoding: gzip\r\n", "packed"),
        _ => Reply::new("404 Not Found", "Content-Encoding: gzip\r\n", "packed"),
    });
    assert_eq!(send(&get(&server.url("/identity"))).unwrap().body, b"plain");
    let (check, shown) = refused(send(&get(&server.url("/gzip"))));
    assert_eq!(check, Check::RegistryAnswer);
    assert!(shown.contains("body is encoded, asked for as it is: gzip"), "{shown}");
    assert_eq!(send(&get(&server.url("/absent"))).unwrap().status, 404);
}

#[test]
fn what_is_no_http_is_an_answer_of_no_use() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/ssh" => Reply::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n").then_hang(),
        "/lengths" => {
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy").then_hang()
        }
        _ => Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").then_hang(),
    });
    for path in ["/ssh", "/lengths", "/chunk"] {
        assert_eq!(refused(send(&get(&server.url(path)))).0, Check::RegistryAnswer, "{path}");
    }
}

/// A server that never comes to an end, and what is said of it within a second.
fn never_ends(reply: Reply, expected: &str) {
    let server = Server::start(move |_: &Seen| reply.clone());
    let http = client(Settings { request: Duration::from_secs(1), ..settings() });
    let began = Instant::now();
    let (check, shown) = refused(http.send(&get(&server.url("/v2/?_state=secret"))));
    assert_eq!(check, Check::RegistryTimeout);
    assert!(began.elapsed() >= Duration::from_millis(900), "{shown}");
    assert!(
        shown.contains(expected) && shown.contains("not sent again") && !shown.contains("secret"),
        "{shown}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_does_not_end_is_ended() {
    let tick = Duration::from_millis(50);
    let cases = [
        (Reply::hang(), "1 s"),
        (Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").then_hang(), "1 s"),
        // What drips is never silent: the time of the request ends it.
        (Reply::raw("HTTP/1.1 200 OK\r\n").then_again(b"X: x\r\n", tick), DRIPPED),
        (Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n").then_again(b".", tick), DRIPPED),
        (Reply::raw("HTTP/1.1 500 Oops\r\nContent-Length: 900\r\n\r\n").then_again(b".", tick), DRIPPED),
        (Reply::raw("").then_again(b"HTTP/1.1 100 Continue\r\n\r\n", tick), DRIPPED),
    ];
    thread::scope(|scope| {
        for (reply, expected) in cases {
            scope.spawn(move || never_ends(reply, expected));
        }
    });
}

const DRIPPED: &str = "not answered within 1 s";

#[test]
fn a_time_out_after_a_retry_is_within_the_time_of_the_request() {
    let server = Server::start(|seen: &Seen| match seen.before {
        0 => Reply::new("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        _ => Reply::hang(),
    });
    let http = client(Settings { request: Duration::from_secs(2), ..settings() });
    let began = Instant::now();
    assert_eq!(refused(http.send(&get(&server.url("/")))).0, Check::RegistryTimeout);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn passing_failures_are_tried_again() {
    for status in ["429 Too Many Requests", "500 Oops", "502 Bad", "503 Busy", "504 Late"] {
        for method in METHODS {
            let server = Server::start(move |seen: &Seen| match seen.before {
                0..3 => Reply::status(status),
                _ => Reply::status("200 OK"),
            });
            let asked = Request { body: None, ..request(method, &server.url("/")) };
            assert_eq!(send(&asked).unwrap().status, 200, "{method:?} {status}");
            assert_eq!(server.seen().len(), 4);
        }
    }
}

#[test]
fn lasting_failures_are_handed_over() {
    for (status, tries) in [
        ("500 Oops", 5),
        ("503 Busy", 5),
        ("429 Too Many Requests", 10),
        ("400 Bad", 1),
        ("404 Not Found", 1),
        ("501 Not Implemented", 1),
    ] {
        let server = Server::start(move |_: &Seen| Reply::new(status, "", "why"));
        let answer = send(&get(&server.url("/"))).unwrap();
        assert_eq!((answer.status.to_string().as_str(), &answer.body[..]), (&status[..3], &b"why"[..]));
        assert_eq!(server.seen().len(), tries, "{status}");
    }
}

#[test]
fn dropped_connections_are_tried_again() {
    let short = || Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").then_close();
    let cut_chunks =
        || Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n").then_close();
    let cut_header = || Reply::raw("HTTP/1.1 200 OK\r\nContent-").then_close();
    for method in [Method::Get, Method::Put, Method::Post, Method::Delete] {
        let server = Server::start(move |seen: &Seen| match seen.before {
            0 => Reply::close(),
            1 => short(),
            2 => cut_chunks(),
            3 => cut_header(),
            _ => Reply::ok("whole"),
        });
        let asked = request(method, &server.url("/"));
        let asked = match method {
            Method::Put | Method::Post => Request { body: Some(("text/x", b"the same body")), ..asked },
            _ => asked,
        };
        assert_eq!(send(&asked).unwrap().body, b"whole", "{method:?}");
        let seen = server.seen();
        assert_eq!(seen.len(), 5);
        assert!(seen.windows(2).all(|pair| pair[0].body == pair[1].body && pair[0].lines == pair[1].lines));
    }
    for reply in [Reply::close(), short(), cut_chunks(), cut_header()] {
        let server = Server::start(move |_: &Seen| reply.clone());
        let (check, shown) = refused(send(&get(&server.url("/v2/?q=secret"))));
        assert_eq!(check, Check::RegistryReach);
        assert!(shown.contains("connection dropped before the answer was whole"), "{shown}");
        assert!(shown.contains("tried 5 times") && !shown.contains("secret"), "{shown}");
        assert_eq!(server.seen().len(), 5);
    }
}

#[test]
fn a_kept_connection_that_is_gone_costs_nothing() {
    // Answers as if it kept the connection, then ends it: what an idle time-out of a server looks like.
    let server = Server::start(|_: &Seen| Reply::ok("x").then_close());
    let http = client(settings());
    for _ in 0..20 {
        assert_eq!(http.send(&get(&server.url("/"))).unwrap().status, 200);
    }
}

#[test]
fn a_host_that_is_not_there_fails_fast() {
    let server = Server::start(|_: &Seen| Reply::ok(""));
    let url = server.url("/v2/");
    drop(server);
    let (check, shown) = refused(send(&get(&url)));
    assert_eq!(check, Check::RegistryReach);
    assert!(
        shown.starts_with(&format!("error[REGISTRY-REACH]: registry cannot be reached: GET {url}\n")),
        "{shown}"
    );
    assert!(shown.contains("connection refused by 127.0.0.1") && shown.contains("tried 2 times"), "{shown}");
}

#[test]
fn retry_after_is_waited_for() {
    thread::scope(|scope| {
        for status in ["429 Too Many Requests", "503 Busy"] {
            scope.spawn(move || {
                let server = Server::start(move |seen: &Seen| match seen.before {
                    0 => Reply::new(status, "Retry-After: 1\r\n", ""),
                    _ => Reply::ok(""),
                });
                assert_eq!(send(&get(&server.url("/"))).unwrap().status, 200);
                let seen = server.seen();
                assert!(seen[1].at - seen[0].at >= Duration::from_secs(1), "{status}");
                assert_eq!(seen.len(), 2);
            });
        }
    });
}

#[test]
fn retry_after_has_a_limit() {
    let far = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(7200));
    for (status, wish, shown_as) in [
        ("429 Too Many Requests", "61".to_owned(), "status 429: asks to wait 61 s, at most 60 s are waited"),
        ("503 Busy", "3600".to_owned(), "status 503: asks to wait 3600 s, at most 60 s are waited"),
        ("429 Too Many Requests", far, "status 429: asks to wait 7"),
        ("429 Too Many Requests", "9".repeat(30), "status 429: asks to wait 18446744073709551615 s"),
    ] {
        let server =
            Server::start(move |_: &Seen| Reply::new(status, &format!("Retry-After: {wish}\r\n"), ""));
        let (check, shown) = refused(send(&get(&server.url("/v2/?q=secret"))));
        assert_eq!(check, Check::RegistryAnswer);
        assert!(shown.contains(shown_as) && !shown.contains("secret"), "{shown}");
        assert_eq!(server.seen().len(), 1);
    }
    // Longer than a request may take in all.
    let server = Server::start(|_: &Seen| Reply::new("429 Too Many Requests", "Retry-After: 30\r\n", ""));
    let http = client(Settings { request: Duration::from_secs(5), ..settings() });
    let (check, shown) = refused(http.send(&get(&server.url("/"))));
    assert_eq!(check, Check::RegistryAnswer);
    assert!(shown.contains("status 429: asks to wait 30 s, a request takes at most 5 s in all"), "{shown}");
    // What cannot be read is not asked for.
    let server = Server::start(|seen: &Seen| match seen.before {
        0 => Reply::new("503 Busy", "Retry-After: later\r\n", ""),
        _ => Reply::ok(""),
    });
    assert_eq!(send(&get(&server.url("/"))).unwrap().status, 200);
}

#[test]
fn patience_ends_with_the_time_of_the_request() {
    let server = Server::start(|_: &Seen| Reply::new("429 Too Many Requests", "Retry-After: 0\r\n", ""));
    let http = client(Settings { request: Duration::from_secs(1), ..settings() });
    assert_eq!(http.send(&get(&server.url("/"))).unwrap().status, 429);
    // Growing pauses all the same: a registry that asks for none is not run down.
    assert!((8..=12).contains(&server.seen().len()), "{}", server.seen().len());
}

#[test]
fn one_worker_is_told_and_all_wait() {
    let server = Server::start(|seen: &Seen| match seen.before {
        0 => Reply::new("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        _ => Reply::ok(""),
    });
    let other = Server::start(|_: &Seen| Reply::ok(""));
    let http = client(settings());
    thread::scope(|scope| {
        scope.spawn(|| http.send(&get(&server.url("/first"))).unwrap());
        while http.gates.closed(|| server.url("")).is_none() {
            thread::yield_now();
        }
        for _ in 0..4 {
            scope.spawn(|| http.send(&get(&server.url("/others"))).unwrap());
        }
        // Another registry is another matter.
        http.send(&get(&other.url("/"))).unwrap();
        assert_eq!(server.seen().len(), 1);
    });
    let seen = server.seen();
    assert_eq!(seen.len(), 6);
    assert!(seen[1..].iter().all(|later| later.at - seen[0].at >= Duration::from_secs(1)));
}

#[test]
fn redirects_are_followed() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/v2/a?n=1" => Reply::redirect(307, "b?m=2"),
        "/v2/b?m=2" => Reply::redirect(301, "/c"),
        "/c" => Reply::redirect(
            302,
            "//127.0.0.1:PORT/d"
                .replace("PORT", seen.header("host").unwrap().rsplit(':').next().unwrap())
                .as_str(),
        ),
        "/d" => Reply::redirect(303, &format!("http://{}/e", seen.header("host").unwrap())),
        "/e" => Reply::redirect(308, "./f#fragment"),
        "/f" => Reply::ok("there"),
        "/304" => Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
        other => panic!("{other}"),
    });
    for method in [Method::Get, Method::Head] {
        let asked = Request {
            accept: Some("text/x"),
            authorization: Some("Bearer secret"),
            ..request(method, &server.url("/v2/a?n=1"))
        };
        let answer = send(&asked).unwrap();
        assert_eq!((answer.status, answer.url.path()), (200, "/f"));
        assert_eq!(answer.body, if method == Method::Get { &b"there"[..] } else { b"" });
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 12);
    for seen in &seen {
        assert_eq!(seen.header("accept"), Some("text/x"));
        assert_eq!(seen.header("authorization"), Some("Bearer secret"), "the same origin: {}", seen.path());
    }
    assert_eq!(send(&get(&server.url("/304"))).unwrap().status, 304);
}

#[test]
fn authorization_stays_with_its_origin() {
    static OTHER: OnceLock<String> = OnceLock::new();
    static HOME: OnceLock<String> = OnceLock::new();
    let other = Server::start(|seen: &Seen| match seen.path() {
        "/elsewhere" => Reply::ok("x"),
        _ => Reply::redirect(302, &format!("{}/home", HOME.get().unwrap())),
    });
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/port" => Reply::redirect(302, &format!("{}/elsewhere", OTHER.get().unwrap())),
        "/host" => Reply::redirect(
            302,
            &format!("http://localhost:{}/home", seen.header("host").unwrap().rsplit(':').next().unwrap()),
        ),
        "/back" => Reply::redirect(302, &format!("{}/back", OTHER.get().unwrap())),
        _ => Reply::ok("x"),
    });
    OTHER.set(other.url("")).unwrap();
    HOME.set(server.url("")).unwrap();
    for (path, hops) in [("/port", 2), ("/host", 2), ("/back", 3)] {
        let (before, elsewhere) = (server.seen().len(), other.seen().len());
        let asked = Request { authorization: Some("Basic secret"), ..get(&server.url(path)) };
        assert_eq!(send(&asked).unwrap().status, 200, "{path}");
        let seen: Vec<_> =
            server.seen().split_off(before).into_iter().chain(other.seen().split_off(elsewhere)).collect();
        assert_eq!(seen.len(), hops, "{path}");
        assert_eq!(seen[0].header("authorization"), Some("Basic secret"), "{path}");
        assert!(seen[1..].iter().all(|seen| seen.header("authorization").is_none()), "{path}");
    }
}

#[test]
fn redirects_that_nobody_follows() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/loop" => Reply::redirect(302, "/loop"),
        "/nowhere" => Reply::status("302 Found"),
        "/garbage" => Reply::redirect(302, "http://:99999/?q=secret"),
        "/file" => Reply::redirect(302, "file:///etc/passwd"),
        "/user" => Reply::redirect(302, "http://user:secret@localhost/?q=secret"),
        _ => Reply::redirect(307, "/elsewhere"),
    });
    for (path, why) in [
        ("/loop", "status 302: more than 5 redirects, the next one to http://127.0.0.1:"),
        ("/nowhere", "status 302: it does not say where to"),
        ("/garbage", "status 302: where to is not an address"),
        ("/file", "status 302: to the scheme file"),
        ("/user", "status 302: to an address with a user or password: http://localhost/"),
    ] {
        let (check, shown) = refused(send(&get(&server.url(path))));
        assert_eq!(check, Check::RegistryRedirect, "{path}");
        assert!(shown.contains(why) && !shown.contains("secret"), "{path}: {shown}");
    }
    let before = server.seen().len();
    assert_eq!(before, 6 + 4);
    for method in [Method::Post, Method::Put, Method::Delete] {
        let (check, shown) = refused(send(&request(method, &server.url("/upload"))));
        assert_eq!(check, Check::RegistryRedirect);
        assert!(shown.contains("status 307: only GET and HEAD are redirected"), "{shown}");
    }
    assert_eq!(server.seen().len(), before + 3);
    // Token requests take what comes, whatever the method.
    for method in METHODS {
        let answer = send(&Request { redirects: false, ..request(method, &server.url("/loop")) }).unwrap();
        assert_eq!((answer.status, answer.header("location")), (302, Some("/loop")));
    }
}

#[test]
fn addresses_with_a_user_are_refused_before_anything_is_sent() {
    let server = Server::start(|_: &Seen| Reply::ok(""));
    let url = server.url("/v2/").replace("//", "//user:secret@");
    let (check, shown) = refused(send(&get(&url)));
    assert_eq!(check, Check::RegistryRedirect);
    assert!(!shown.contains("secret") && !shown.contains("user:"), "{shown}");
    assert!(server.seen().is_empty());
}

#[test]
fn credentials_that_no_header_can_hold_are_not_sent() {
    let server = Server::start(|_: &Seen| Reply::ok(""));
    let asked = Request { authorization: Some("Bearer secret\r\nX-Other: 1"), ..get(&server.url("/")) };
    let (check, shown) = refused(send(&asked));
    assert_eq!(check, Check::RegistryCredentials);
    assert!(!shown.contains("secret"), "{shown}");
    assert!(server.seen().is_empty());
}

#[test]
fn requests_are_described_without_their_secrets() {
    let asked = Request {
        authorization: Some("Bearer secret"),
        body: Some(("text/x", b"secret")),
        ..request(Method::Put, "https://user:secret@registry.example:5000/v2/a?digest=secret#secret")
    };
    assert_eq!(format!("{asked:?}"), "PUT https://registry.example:5000/v2/a");
}

#[test]
fn proxies_carry_what_is_not_loopback() {
    let proxy = Server::start(|seen: &Seen| match seen.lines[0].as_str() {
        "CONNECT registry.example:80 HTTP/1.1" => Reply::raw("HTTP/1.1 200 Connected\r\n\r\n"),
        "GET /v2/ HTTP/1.1" => Reply::ok("through"),
        _ => Reply::status("407 Proxy Authentication Required"),
    });
    let server = Server::start(|_: &Seen| Reply::ok("direct"));
    let address = proxy.url("").replace("//", "//user:secret@");
    let http = client_in(settings(), |name| (name == "HTTP_PROXY").then(|| address.clone()));
    // The proxy learns the host and its own password, the registry behind it nothing of that.
    assert_eq!(http.send(&get("http://registry.example/v2/")).unwrap().body, b"through");
    let seen = proxy.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(
        (seen[1].header("proxy-authorization"), seen[1].header("host")),
        (None, Some("registry.example"))
    );
    // A proxy's loopback is another machine.
    assert_eq!(http.send(&get(&server.url("/"))).unwrap().body, b"direct");
    assert_eq!(http.send(&get(&server.url("/").replace("127.0.0.1", "localhost"))).unwrap().body, b"direct");
    // A proxy that does not want to.
    let (check, shown) = refused(http.send(&get("http://other.example/v2/")));
    assert_eq!(check, Check::RegistryReach);
    assert!(shown.contains("proxy server responded 407") && !shown.contains("secret"), "{shown}");
    // A proxy that is not there.
    drop(proxy);
    let (check, shown) = refused(http.send(&get("http://third.example/v2/")));
    assert_eq!(check, Check::RegistryReach);
    assert!(shown.contains("connection refused by the proxy of HTTP_PROXY"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    // A proxy that is none.
    for value in
        ["socks5://user:secret@proxy.example", "http://user:secret@:x", "user:secret@", "http://[secret"]
    {
        let http = client_in(settings(), |name| (name == "ALL_PROXY").then(|| value.to_owned()));
        let (check, shown) = refused(http.send(&get("http://registry.example/v2/")));
        assert_eq!(check, Check::RegistryReach);
        assert!(shown.contains("ALL_PROXY") && !shown.contains("secret"), "{shown}");
        assert_eq!(http.send(&get(&server.url("/"))).unwrap().body, b"direct");
    }
}

#[test]
fn a_condition_is_asked_where_something_had_to_wait() {
    let busy_once = |seen: &Seen| match seen.before {
        0 => Reply::status("503 Busy"),
        _ => Reply::ok("taken"),
    };
    for (answers, sent, asked) in [(&[true][..], 2, 1), (&[false], 1, 1)] {
        let server = Server::start(busy_once);
        let http = client(settings());
        let (put, count) = (request(Method::Put, &server.url("/tag")), Cell::new(0));
        let holds = || {
            count.set(count.get() + 1);
            Ok(answers[count.get() - 1])
        };
        let condition = |since| Some(Condition { since, holds: &holds });
        let answer = http.send(&Request { condition: condition(http.held_up()), ..put.clone() }).unwrap();
        assert_eq!((server.seen().len(), count.get()), (sent, asked));
        assert_eq!(answer.status, if sent == 2 { 200 } else { 503 }, "what came of it before");
        // Nothing had to wait since.
        http.send(&Request { condition: condition(http.held_up()), ..put }).unwrap();
        assert_eq!((server.seen().len(), count.get()), (sent + 1, asked));
    }
    // It waits for another's gate, before it is sent for the first time.
    let server = Server::start(|_: &Seen| Reply::ok(""));
    let http = client(settings());
    let since = http.held_up();
    let origin = Url::parse(&server.url("")).unwrap().origin().ascii_serialization();
    http.gates.close(&origin, Instant::now() + Duration::from_millis(20));
    let put = request(Method::Put, &server.url("/tag"));
    let fails = Condition { since, holds: &|| Ok(false) };
    let (check, shown) = refused(http.send(&Request { condition: Some(fails), ..put.clone() }));
    assert_eq!(check, Check::RegistryAnswer);
    assert!(shown.contains("not sent: what it was to be put over has changed"), "{shown}");
    // It cannot be asked: that is what is wrong.
    let broken = Condition { since, holds: &|| Err(Error::new(Check::RegistryTimeout, "tag")) };
    let (check, _) = refused(http.send(&Request { condition: Some(broken), ..put }));
    assert_eq!(check, Check::RegistryTimeout);
    assert!(server.seen().is_empty());
}
