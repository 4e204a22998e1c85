//! Rekor v2.

use super::*;

fn recorded() -> Recorded {
    Recorded::read("v2-http.json")
}

/// A file of a recorded log, or 404; `log` is its folder.
fn tile(log: &str, path: &str) -> Reply {
    match fs::read(super::path("recorded/v2-store").join(log).join(path)) {
        Ok(bytes) => Reply::ok(bytes),
        Err(_) => Reply::new("404 Not Found", "Content-Type: text/plain\r\n", "404 page not found\n"),
    }
}

/// Says 409, and has the tiles of the P-256 log below `/api/v2/`, unless `tiles` has other ones.
fn duplicate(index: u64, tiles: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |seen: &Seen| match seen.path() {
        "/api/v2/log/entries" => Reply::new("409 Conflict", &format!("X-Log-Index: {index}\r\n"), "{}"),
        path => {
            let path = path.strip_prefix("/api/v2/").unwrap();
            tiles(path).unwrap_or_else(|| tile("ec.log.test", path))
        }
    })
}

#[test]
fn new_entries_are_proposed_and_come_back_checked() {
    for (case, signed, index) in [
        ("ed-a-artifact", Signed::artifact(), 0),
        ("ec-a-artifact", Signed::artifact(), 0),
        ("ed-b-dsse-pae", Signed::statement(), 1),
        ("ec-b-dsse-pae", Signed::statement(), 1),
    ] {
        let server = Server::start(move |_: &Seen| recorded().reply(case));
        let logged = submit(&server, Version::V2, &signed, &trust("tr-both.json")).unwrap();
        assert_eq!((logged.entry().index, logged.time(), logged.stood()), (index, None, false), "{case}");
        let [seen] = &server.seen()[..] else { panic!("one request") };
        assert_eq!(seen.lines[0], "POST /api/v2/log/entries HTTP/1.1");
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(String::from_utf8_lossy(&seen.body), recorded().sent(case), "what Rekor took");
    }
}

/// Every recorded answer, to one proposal.
#[test]
fn every_answer_of_a_real_log_is_understood() {
    let all = recorded();
    assert!(all.0.len() > 25, "the control: {}", all.0.len());
    for name in all.0.keys() {
        let case = name.clone();
        let server = Server::start(move |seen: &Seen| match seen.path() {
            "/api/v2/log/entries" => recorded().reply(&case),
            path => tile("ec.log.test", path.strip_prefix("/api/v2/").unwrap()),
        });
        let outcome = submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json"));
        let expected = match (name.as_str(), all.status(name)) {
            ("ed-a-artifact" | "ec-a-artifact", 201) | (_, 409) => None,
            (_, 201) => Some(Check::LogAnswer),
            (_, 400) => Some(Check::LogRefused),
            (name, status) => panic!("{name}: {status}"),
        };
        assert_eq!(outcome.as_ref().err().map(coldsign::error::Error::check), expected, "{name}");
        let requests = if all.status(name) == 409 { 4 } else { 1 };
        assert_eq!(server.seen().len(), requests, "{name}");
    }
}

#[test]
fn an_entry_that_is_there_is_put_together_from_tiles() {
    for (signed, index) in [(Signed::artifact(), 0), (Signed::statement(), 1)] {
        let server = duplicate(index, |_| None);
        let logged = submit(&server, Version::V2, &signed, &trust("tr-both.json")).unwrap();
        assert!(logged.stood());
        let entry = logged.entry();
        assert_eq!((entry.index, entry.time, &entry.promise), (index, 0, &None));
        let proof = entry.proof.as_ref().unwrap();
        assert_eq!((proof.index, proof.size, proof.hashes.len()), (index, 4, 2));
        assert_eq!(
            paths(&server)[1..],
            ["GET /api/v2/checkpoint", "GET /api/v2/tile/entries/000.p/4", "GET /api/v2/tile/0/000.p/4"]
        );
    }
}

#[test]
fn tiles_may_be_elsewhere() {
    let tiles = Server::start(|seen: &Seen| tile("ec.log.test", seen.path().strip_prefix("/log/").unwrap()));
    let server = Server::start(|_: &Seen| recorded().reply("ec-dup"));
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V2, &server.url(""), Some(&tiles.url("/log"))).unwrap();
    rekor.submit(&Signed::artifact().of(), &trust("tr-both.json")).unwrap();
    assert_eq!((server.seen().len(), tiles.seen().len()), (1, 3));
}

#[test]
fn a_checkpoint_over_the_entry_is_waited_for() {
    // What another server of the log has not seen yet: the same log when it was smaller.
    let small =
        "ec.log.test\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} ec.log.test 1RoX1AA=\n";
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let server = duplicate(1, move |path| {
        let early = path == "checkpoint" && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
        early.then(|| Reply::ok(small))
    });
    submit(&server, Version::V2, &Signed::statement(), &trust("tr-both.json")).unwrap();
    assert_eq!(paths(&server).iter().filter(|path| path.ends_with("checkpoint")).count(), 4);
    let server = duplicate(1, move |path| (path == "checkpoint").then(|| Reply::ok(small)));
    let (check, shown) = refused(submit(&server, Version::V2, &Signed::statement(), &trust("tr-both.json")));
    assert_eq!(check, Check::LogAnswer);
    assert!(shown.contains("its checkpoint is over 1 entries, and stays so"), "{shown}");
}

#[test]
fn a_log_that_has_grown_may_have_whole_tiles_only() {
    let server = duplicate(1, |path| match path {
        "tile/0/000.p/4" | "tile/entries/000.p/4" => Some(Reply::status("404 Not Found")),
        "tile/0/000" | "tile/entries/000" => {
            let name = format!("recorded/v2-store/ec.log.test/{path}.p/4");
            Some(Reply::ok([fixture(&name), vec![0; 252 * 32]].concat()))
        }
        _ => None,
    });
    submit(&server, Version::V2, &Signed::statement(), &trust("tr-both.json")).unwrap();
}

#[test]
fn tiles_that_are_not_the_logs_prove_nothing() {
    let file = |name: &str| fixture(&format!("recorded/v2-store/ec.log.test/{name}"));
    let changed = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let note = String::from_utf8(file("checkpoint")).unwrap();
    let tile = file("tile/0/000.p/4");
    let entries = file("tile/entries/000.p/4");
    let other =
        String::from_utf8(fixture("recorded/v2-store/na.log.test-same-leaf-3-times/checkpoint")).unwrap();
    for (at, bytes, expected) in [
        ("tile/0/000.p/4", tile.clone(), None),
        ("tile/0/000.p/4", changed(tile.clone(), 40), Some(Check::LogInclusion)),
        ("tile/0/000.p/4", tile[..127].to_vec(), Some(Check::LogTile)),
        ("tile/0/000.p/4", [tile, vec![0]].concat(), Some(Check::LogTile)),
        ("tile/entries/000.p/4", changed(entries.clone(), 10), Some(Check::LogAnswer)),
        ("tile/entries/000.p/4", entries[..1963].to_vec(), Some(Check::LogTile)),
        ("tile/entries/000.p/4", [&entries[..], &[0, 0]].concat(), Some(Check::LogTile)),
        ("tile/entries/000.p/4", Vec::new(), Some(Check::LogTile)),
        ("checkpoint", note.replacen("\n4\n", "\n5\n", 1).into_bytes(), Some(Check::LogTile)),
        ("checkpoint", note.replacen("\n4\n", "\n3\n", 1).into_bytes(), Some(Check::LogNote)),
        ("checkpoint", note.replace("ec.log.test", "ed.log.test").into_bytes(), Some(Check::LogRequired)),
        ("checkpoint", other.into_bytes(), Some(Check::LogRequired)),
        ("checkpoint", b"checkpoint".to_vec(), Some(Check::LogCheckpoint)),
        ("checkpoint", vec![0xff; 100], Some(Check::LogCheckpoint)),
        ("checkpoint", vec![b'a'; coldsign::limits::LOG_NOTE + 1], Some(Check::LogAnswer)),
    ] {
        let server = duplicate(0, move |path| (path == at).then(|| Reply::ok(&bytes)));
        let outcome = submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json"));
        assert_eq!(outcome.err().map(|error| error.check()), expected, "{at}");
    }
    for (at, status, expected) in [
        ("checkpoint", "404 Not Found", Check::LogTile),
        ("checkpoint", "501 Not Implemented", Check::LogTile),
        ("tile/0/000.p/4", "403 Forbidden", Check::LogTile),
        ("tile/entries/000.p/4", "500 Broken", Check::LogAnswer),
    ] {
        let server = duplicate(0, move |path| (path == at).then(|| Reply::status(status)));
        let outcome = submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json"));
        assert_eq!(refused(outcome).0, expected, "{at} {status}");
    }
}

#[test]
fn duplicates_say_where_they_are() {
    for headers in [
        "",
        "X-Log-Index: \r\n",
        "X-Log-Index: -1\r\n",
        "X-Log-Index: 9007199254740992\r\n",
        "X-Log-Index: 1x\r\n",
    ] {
        let server = Server::start(move |_: &Seen| Reply::new("409 Conflict", headers, "{}"));
        let (check, shown) =
            refused(submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json")));
        assert_eq!(check, Check::LogAnswer, "{headers}");
        assert!(shown.contains("X-Log-Index"), "{shown}");
        assert_eq!(server.seen().len(), 1);
    }
    // At another entry.
    let server = duplicate(2, |_| None);
    let (check, shown) = refused(submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json")));
    assert_eq!(check, Check::LogAnswer);
    assert!(shown.contains("the entry at that index is another one"), "{shown}");
}

#[test]
fn entries_are_found_by_their_index() {
    let server = duplicate(0, |_| None);
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V2, &server.url(""), None).unwrap().hasty();
    let trust = trust("tr-both.json");
    let entry = |name: &str, index| {
        let entry = Entry::read_reply(recorded().body(name).as_bytes()).unwrap();
        Entry { index, ..entry }
    };
    let find = |signed: &Signed, entry: Entry| {
        let found = rekor.find(&signed.of(), Some(&entry), &trust).unwrap();
        found.map(|found| (found.entry().index, found.stood()))
    };
    let (artifact, statement) = (Signed::artifact(), Signed::statement());
    assert_eq!(find(&artifact, entry("ec-a-artifact", 0)), Some((0, true)));
    assert_eq!(find(&statement, entry("ec-b-dsse-pae", 1)), Some((1, true)));
    // Another one is there, or none yet.
    for index in [1, 4, u64::MAX] {
        assert_eq!(find(&artifact, entry("ec-a-artifact", index)), None, "{index}");
    }
    // The log has it, and it is another signature's.
    let other = rekor.find(&artifact.of(), Some(&entry("ec-b-dsse-pae", 1)), &trust);
    assert_eq!(refused(other).0, Check::LogLeaf);
    let (check, shown) = refused(rekor.find(&artifact.of(), None, &trust));
    assert_eq!(check, Check::Usage);
    assert!(shown.contains("has no search"), "{shown}");
    assert!(paths(&server).iter().all(|path| path.starts_with("GET ")));
}

#[test]
fn what_no_such_log_takes_is_not_shown_to_it() {
    let server = Server::start(|_: &Seen| Reply::status("500 Panic"));
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V2, &server.url(""), None).unwrap();
    let signed = Signed::artifact();
    let ed25519 = PublicKey::from_pem(
        &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/blob/ed25519.pub")).unwrap(),
    )
    .unwrap();
    for of in [
        Of { key: &ed25519, ..signed.of() },
        Of { content: Content::Hash(Hash::Sha512, &signed.hash), ..signed.of() },
        Of { content: Content::Layer(b"{}", b"{}"), ..signed.of() },
    ] {
        assert_eq!(refused(rekor.submit(&of, &Trust::default())).0, Check::LogRefused);
        assert_eq!(refused(rekor.check_log_refused(&of)).0, Check::LogRefused);
    }
    assert!(server.seen().is_empty());
    rekor.check_log_refused(&signed.of()).unwrap();
}

#[test]
fn a_frozen_log_says_so() {
    let server = Server::start(|_: &Seen| {
        let words = "This log has been frozen, please switch to the latest log.";
        Reply::new("405 Method Not Allowed", "Content-Type: text/plain; charset=utf-8\r\n", words)
    });
    let (check, shown) = refused(submit(&server, Version::V2, &Signed::artifact(), &trust("tr-both.json")));
    assert_eq!(check, Check::LogRefused);
    assert!(shown.contains("status 405: This log has been frozen"), "{shown}");
    assert_eq!(server.seen().len(), 1);
}
