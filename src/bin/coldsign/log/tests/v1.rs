//! Rekor v1.

use super::*;

const ENTRIES: &str = "/api/v1/log/entries";

fn recorded() -> Recorded {
    Recorded::read("v1-http.json")
}

/// The entry of the recorded answer, as it was read by hand into another form.
fn entry(name: &str) -> Entry {
    Entry::read_reply(recorded().body(name).as_bytes()).unwrap()
}

#[test]
fn new_entries_are_proposed_and_come_back_checked() {
    for (case, signed, kind, time) in [
        ("a-hashedrekord", Signed::artifact(), "hashedrekord 0.0.1", 1_795_381_467),
        ("b-dsse", Signed::statement(), "dsse 0.0.1", 1_795_381_468),
    ] {
        let server = Server::start(move |_: &Seen| recorded().reply(case));
        let logged = submit(&server, Version::V1, &signed, &trust("tr-v1.json")).unwrap();
        assert_eq!(logged.entry().kind.as_ref().unwrap().to_string(), kind);
        assert_eq!(logged.time().unwrap().0, time);
        assert!(!logged.stood());
        let [seen] = &server.seen()[..] else { panic!("one request") };
        assert_eq!(seen.lines[0], format!("POST {ENTRIES} HTTP/1.1"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("user-agent"), Some(concat!("coldsign/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(String::from_utf8_lossy(&seen.body), recorded().sent(case), "what Rekor took");
        assert_eq!(logged.into_entry(), entry(case));
    }
}

#[test]
fn an_envelope_is_proposed_as_it_stands() {
    let signed = Signed::statement();
    let text = fixture("recorded/v1/envelope.json");
    let of = Of { content: Content::Layer(&text, &signed.bytes), ..signed.of() };
    let server = Server::start(|_: &Seen| recorded().reply("b-dsse"));
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V1, &server.url(""), None).unwrap();
    rekor.submit(&of, &trust("tr-v1.json")).unwrap();
    assert_eq!(String::from_utf8_lossy(&server.seen()[0].body), recorded().sent("b-dsse"));
    // Another text of the same envelope is another entry: the answer is not about this one.
    let other = String::from_utf8(text.clone()).unwrap().replacen(':', ": ", 1);
    let of = Of { content: Content::Layer(other.as_bytes(), &signed.bytes), ..signed.of() };
    assert_eq!(refused(rekor.submit(&of, &trust("tr-v1.json"))).0, Check::LogAnswer);
    // Of two signatures the log would want two keys.
    let two = String::from_utf8(text).unwrap().replace("}]", "},{\"sig\":\"AA==\"}]");
    let of = Of { content: Content::Layer(two.as_bytes(), &signed.bytes), ..signed.of() };
    assert_eq!(refused(rekor.check_log_refused(&of)).0, Check::LogRefused);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn an_entry_that_is_there_is_fetched() {
    let server = Server::start(|seen: &Seen| match seen.before {
        0 => recorded().reply("dup"),
        _ => recorded().reply("get-by-uuid"),
    });
    let logged = submit(&server, Version::V1, &Signed::artifact(), &trust("tr-v1.json")).unwrap();
    assert!(logged.stood());
    assert_eq!(logged.entry(), &entry("get-by-uuid"));
    let id = "0f61ae7ac747595b52bdf1b69333cff2b6531d726967d42941af83efab939488a4e37b4759975672";
    assert_eq!(paths(&server), [format!("POST {ENTRIES}"), format!("GET {ENTRIES}/{id}")]);
}

/// Every recorded answer, to one proposal.
#[test]
fn every_answer_of_a_real_log_is_understood() {
    let all = recorded();
    let posts: Vec<&String> = all
        .0
        .keys()
        .filter(|name| all.0[*name].request.starts_with("POST /api/v1/log/entries HTTP"))
        .collect();
    assert!(posts.len() > 20, "the control: {}", posts.len());
    for name in posts {
        let case = name.clone();
        let server = Server::start(move |seen: &Seen| match seen.lines[0].split_once(' ') {
            Some(("POST", _)) => recorded().reply(&case),
            _ => recorded().reply("get-by-uuid"),
        });
        let outcome = submit(&server, Version::V1, &Signed::artifact(), &trust("tr-v1.json"));
        let sent = server.seen().len();
        let (expected, requests) = match (name.as_str(), all.status(name)) {
            ("a-hashedrekord", 201) => (None, 1),
            // Other entries: of the same key and hash, or of other content.
            (_, 201) | ("b-dsse-dup", 409) => (Some(Check::LogAnswer), 1),
            (_, 409) => (None, 2),
            (_, 400..=499) => (Some(Check::LogRefused), 1),
            (_, 500) => (Some(Check::LogAnswer), 5),
            (name, status) => panic!("{name}: {status}"),
        };
        assert_eq!(outcome.as_ref().err().map(coldsign::error::Error::check), expected, "{name}");
        assert_eq!(sent, requests, "{name}");
        if let (400..=499, Some(Check::LogRefused), Err(error)) = (all.status(name), expected, outcome) {
            let answer: serde_json::Value = serde_json::from_str(all.body(name)).unwrap();
            let words = answer["message"].as_str().unwrap();
            let said = format!("status {}: {words}", all.status(name));
            assert!(error.details().any(|line| line == said), "{name}: {:?}", error.details().next());
        }
    }
}

#[test]
fn entries_are_found_by_their_leaf() {
    let leaf = "52bdf1b69333cff2b6531d726967d42941af83efab939488a4e37b4759975672";
    let ask = |case: &'static str| {
        let server = Server::start(move |_: &Seen| match case {
            "no such path" => {
                Reply::new("404 Not Found", "", r#"{"code":404,"message":"path /api was not found"}"#)
            }
            _ => recorded().reply(case),
        });
        let http = client(settings());
        let rekor = Rekor::new(&http, Version::V1, &server.url(""), None).unwrap().hasty();
        let found = rekor.find(&Signed::artifact().of(), None, &trust("tr-v1.json"));
        assert_eq!(paths(&server), [format!("GET {ENTRIES}/{leaf}")]);
        found
    };
    let found = ask("get-by-leafhash").unwrap().expect("the log has it");
    assert_eq!((found.entry(), found.stood()), (&entry("get-by-leafhash"), true));
    assert!(ask("get-absent-uuid").unwrap().is_none());
    assert_eq!(refused(ask("no such path")).0, Check::LogRefused);
    assert_eq!(refused(ask("err-bad-sig")).0, Check::LogRefused);
}

#[test]
fn entries_in_hand_are_looked_for_as_they_are() {
    // What a log answers to a POST with 201 it answers to a GET with 200.
    let reply = || recorded().reply("b-dsse-same-sig-other-envelope-text").with_status("200 OK");
    let server = Server::start(move |_: &Seen| reply());
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V1, &server.url(""), None).unwrap();
    // Of another text of the same envelope: an entry of this signature, that submitting would not make.
    let mine = entry("b-dsse-same-sig-other-envelope-text");
    let trust = trust("tr-v1.json");
    let found = rekor.find(&Signed::statement().of(), Some(&mine), &trust).unwrap().unwrap();
    assert_eq!(found.entry(), &mine);
    assert_eq!(refused(rekor.find(&Signed::statement().of(), None, &trust)).0, Check::LogAnswer);
    assert_eq!(refused(rekor.find(&Signed::artifact().of(), Some(&mine), &trust)).0, Check::LogKind);
    let leaf = coldsign::format::log::merkle::leaf_hash(&mine.body).hex();
    assert_eq!(paths(&server)[0], format!("GET {ENTRIES}/{leaf}"));
}

#[test]
fn keys_that_no_such_log_takes_are_not_shown_to_it() {
    let server = Server::start(|_: &Seen| recorded().reply("a-hashedrekord"));
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V1, &server.url(""), None).unwrap();
    let signed = Signed::artifact();
    let ed25519 = PublicKey::from_pem(
        &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/blob/ed25519.pub")).unwrap(),
    )
    .unwrap();
    let of = Of { key: &ed25519, ..signed.of() };
    assert_eq!(refused(rekor.submit(&of, &Trust::default())).0, Check::LogRefused);
    let of = Of { content: Content::Hash(Hash::Sha512, &signed.hash), ..signed.of() };
    assert_eq!(refused(rekor.submit(&of, &Trust::default())).0, Check::LogRefused);
    assert!(server.seen().is_empty());
    rekor.check_log_refused(&signed.of()).unwrap();
}

#[test]
fn a_log_that_nobody_trusts_gives_nothing() {
    let server = Server::start(|_: &Seen| recorded().reply("a-hashedrekord"));
    let (check, shown) = refused(submit(&server, Version::V1, &Signed::artifact(), &trust("tr-both.json")));
    assert_eq!(check, Check::LogRequired);
    assert!(shown.contains("of no log that was given") && shown.contains("03d9e78e2d14b40e"), "{shown}");
}
