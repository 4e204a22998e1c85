//! Slow, broken and lying logs.

use super::*;

fn v1() -> Recorded {
    Recorded::read("v1-http.json")
}

fn v2() -> Recorded {
    Recorded::read("v2-http.json")
}

/// A success with this body.
fn created(body: impl AsRef<[u8]>) -> Reply {
    Reply::new("201 Created", "Content-Type: application/json\r\n", body)
}

fn outcome(
    version: Version,
    reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Option<Check>, usize) {
    let server = Server::start(reply);
    let root = if version == Version::V1 { "tr-v1.json" } else { "tr-both.json" };
    let outcome = submit(&server, version, &Signed::artifact(), &trust(root));
    (outcome.err().map(|error| error.check()), server.seen().len())
}

#[test]
fn other_entries_are_not_taken() {
    let all = v1();
    let good = all.body("a-hashedrekord").trim_end().to_owned();
    let id = &good[2..82];
    let inner = &good[84..good.len() - 1];
    let other = all.body("b-dsse").trim_end();
    let cases = [
        (good.clone(), None),
        // Two entries.
        (format!("{},{}", &good[..good.len() - 1], &other[1..]), Some(Check::LogSyntax)),
        ("{}".to_owned(), Some(Check::LogSyntax)),
        (format!("[{good}]"), Some(Check::LogSyntax)),
        // The id of another leaf, and ids that are none.
        (format!("{{\"{}0{}\":{inner}}}", &id[..16], &id[17..]), Some(Check::LogSyntax)),
        (format!("{{\"{}\":{inner}}}", &id[16..]), Some(Check::LogSyntax)),
        (format!("{{\"{}\":{inner}}}", id.to_uppercase()), Some(Check::LogSyntax)),
        // Another entry, whole and good.
        (other.to_owned(), Some(Check::LogAnswer)),
        (all.body("resigned").to_owned(), Some(Check::LogAnswer)),
        // Another time than was promised, another index, another root.
        (good.replace("1795381467", "1795381468"), Some(Check::LogSet)),
        (
            good.replace("\"logIndex\":0,\"verification\"", "\"logIndex\":1,\"verification\""),
            Some(Check::LogSet),
        ),
        (good.replace("\"treeSize\":1", "\"treeSize\":2"), Some(Check::LogRoot)),
        (
            good.replace("\"logIndex\":0,\"rootHash\"", "\"logIndex\":1,\"rootHash\""),
            Some(Check::LogInclusion),
        ),
        (good.replace("\"treeSize\":1", "\"treeSize\":1.0"), Some(Check::LogSyntax)),
        (good.replace("\"hashes\":[]", "\"hashes\":[],\"more\":0"), Some(Check::LogSyntax)),
        (good.replace("\"hashes\":[]", "\"hashes\":[\"00\"]"), Some(Check::LogSyntax)),
        (good[..good.len() - 1].to_owned(), Some(Check::LogSyntax)),
        (String::new(), Some(Check::LogSyntax)),
        ("null".to_owned(), Some(Check::LogSyntax)),
    ];
    for (body, expected) in cases {
        let shown = body.chars().take(120).collect::<String>();
        assert_eq!(outcome(Version::V1, move |_| created(&body)), (expected, 1), "{shown}");
    }
    let good = v2().body("ec-a-artifact").to_owned();
    let cases = [
        (good.clone(), None),
        (v2().body("ec-b-dsse-pae").to_owned(), Some(Check::LogAnswer)),
        (v2().body("ec-resigned-same-digest").to_owned(), Some(Check::LogAnswer)),
        (good.replacen("\"logIndex\":\"0\"", "\"logIndex\":\"1\"", 1), Some(Check::LogIndex)),
        (good.replacen("\"treeSize\":\"1\"", "\"treeSize\":\"2\"", 1), Some(Check::LogRoot)),
        (good.replacen("\"inclusionPromise\":null", "\"inclusionPromise\":{}", 1), Some(Check::LogPromise)),
        (good.replacen("0.0.2", "0.0.1", 1), Some(Check::LogKind)),
        (good.replacen("\"logIndex\"", "\"LogIndex\"", 1), Some(Check::LogSyntax)),
        (format!("[{good}]"), Some(Check::LogSyntax)),
        ("{}".to_owned(), Some(Check::LogSyntax)),
    ];
    for (body, expected) in cases {
        let shown = body.chars().take(120).collect::<String>();
        assert_eq!(outcome(Version::V2, move |_| created(&body)), (expected, 1), "{shown}");
    }
}

#[test]
fn what_is_there_already_is_on_the_log() {
    let id = "0f61ae7ac747595b52bdf1b69333cff2b6531d726967d42941af83efab939488a4e37b4759975672";
    let other = "0f61ae7ac747595b000f13b6dfe4afe648cf25bd4c9de486aef985a48bca6eb4364aaba0050c48a3";
    let bystander = Server::start(|_: &Seen| v1().reply("get-by-uuid"));
    let at = bystander.url("/api/v1/log/entries/");
    for (location, expected) in [
        (format!("/api/v1/log/entries/{id}"), None),
        (id.to_owned(), None),
        (format!("/api/v1/log/entries/{}", &id[16..]), None),
        (format!("{at}{id}"), Some(Check::LogRedirect)),
        (format!("//log.example/api/v1/log/entries/{id}"), Some(Check::LogRedirect)),
        (format!("https://127.0.0.1/api/v1/log/entries/{id}"), Some(Check::LogRedirect)),
        (format!("file:///api/v1/log/entries/{id}"), Some(Check::LogRedirect)),
        (format!("http://[/{id}"), Some(Check::LogRedirect)),
        (format!("/api/v1/log/entries/{other}"), Some(Check::LogAnswer)),
        (format!("/api/v1/log/entries/%2e%2e%2f{}", &id[16..]), Some(Check::LogAnswer)),
        ("/api/v1/log/entries/".to_owned(), Some(Check::LogAnswer)),
        (String::new(), Some(Check::LogAnswer)),
    ] {
        let header = format!("Location: {location}\r\n");
        let (check, requests) = outcome(Version::V1, move |seen| match seen.before {
            0 => Reply::new("409 Conflict", &header, "{}"),
            _ => v1().reply("get-by-uuid"),
        });
        assert_eq!((check, requests), (expected, if expected.is_none() { 2 } else { 1 }), "{location}");
    }
    assert!(bystander.seen().is_empty());
    let without = |_: &Seen| Reply::new("409 Conflict", "", "{}");
    assert_eq!(outcome(Version::V1, without), (Some(Check::LogAnswer), 1));
    // It says so again, or gives another one, or none.
    assert_eq!(outcome(Version::V1, |_| v1().reply("dup")), (Some(Check::LogAnswer), 2));
    for then in ["get-absent-uuid", "b-dsse"] {
        let (check, requests) = outcome(Version::V1, move |seen| match seen.before {
            0 => v1().reply("dup"),
            _ => v1().reply(then),
        });
        assert_eq!((check, requests), (Some(Check::LogAnswer), 2), "{then}");
    }
}

#[test]
fn nothing_is_redirected() {
    let bystander = Server::start(|_: &Seen| v1().reply("a-hashedrekord"));
    for status in [301, 302, 303, 307, 308] {
        let to = bystander.url("/api/v1/log/entries");
        let reply = move |_: &Seen| Reply::redirect(status, &to);
        assert_eq!(outcome(Version::V1, reply.clone()), (Some(Check::LogRedirect), 1), "{status}");
        assert_eq!(outcome(Version::V2, reply.clone()), (Some(Check::LogRedirect), 1), "{status}");
        let then = move |seen: &Seen| if seen.before == 0 { v1().reply("dup") } else { reply(seen) };
        assert_eq!(outcome(Version::V1, then), (Some(Check::LogRedirect), 2), "{status}");
    }
    assert!(bystander.seen().is_empty());
}

static MUCH: [u8; 1 << 16] = [b'x'; 1 << 16];

#[test]
fn answers_have_an_end() {
    let began = Instant::now();
    let large = |_: &Seen| created(vec![b' '; coldsign::limits::LOG_REPLY + 1]);
    assert_eq!(outcome(Version::V1, large), (Some(Check::LogAnswer), 1));
    let endless = |_: &Seen| {
        Reply::raw("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
            .then_again(b"8000\r\n", Duration::ZERO)
    };
    let (check, _) = outcome(Version::V1, endless);
    assert_eq!(check, Some(Check::LogAnswer));
    let endless = |_: &Seen| Reply::raw("HTTP/1.1 201 Created\r\n\r\n").then_again(&MUCH, Duration::ZERO);
    for version in [Version::V1, Version::V2] {
        assert_eq!(outcome(version, endless), (Some(Check::LogAnswer), 1));
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn broken_connections_and_failures_are_tried_again() {
    // Cut off in the middle of a body, dropped without a word, broken for a while.
    let cut = || Reply::raw("HTTP/1.1 201 Created\r\nContent-Length: 1447\r\n\r\n{\"0f61").then_close();
    for bad in [cut(), Reply::close(), Reply::status("502 Bad"), Reply::status("500 Broken")] {
        for (version, case) in [(Version::V1, "a-hashedrekord"), (Version::V2, "ec-a-artifact")] {
            let bad = bad.clone();
            let (check, requests) = outcome(version, move |seen| match (seen.before, version) {
                (0 | 1, _) => bad.clone(),
                (_, Version::V1) => v1().reply(case),
                (_, Version::V2) => v2().reply(case),
            });
            assert_eq!((check, requests), (None, 3));
        }
    }
    for (bad, expected) in [
        (cut(), Check::LogReach),
        (Reply::status("503 Busy"), Check::LogAnswer),
        (Reply::status("504 Slow"), Check::LogAnswer),
    ] {
        assert_eq!(outcome(Version::V2, move |_| bad.clone()), (Some(expected), 5), "and not for ever");
    }
    assert_eq!(
        outcome(Version::V1, |_| Reply::raw("garbage\r\n\r\n").then_close()),
        (Some(Check::LogAnswer), 1)
    );
}

#[test]
fn a_time_out_may_have_been_heard() {
    let http = client(Settings { request: Duration::from_millis(200), ..settings() });
    // The log took it, and said so too late.
    let server = Server::start(|seen: &Seen| match seen.before {
        0 => Reply::hang(),
        1 => v1().reply("dup"),
        _ => v1().reply("get-by-uuid"),
    });
    let logged = submit_by(&http, &server, Version::V1, &Signed::artifact(), &trust("tr-v1.json")).unwrap();
    assert!(logged.stood());
    assert_eq!(server.seen().len(), 3);
    let server = Server::start(|_: &Seen| Reply::hang());
    let outcome = submit_by(&http, &server, Version::V1, &Signed::artifact(), &trust("tr-v1.json"));
    let (check, shown) = refused(outcome);
    assert_eq!((check, server.seen().len()), (Check::LogTimeout, 3));
    assert!(shown.contains("tried 3 times"), "{shown}");
}
