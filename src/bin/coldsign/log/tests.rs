//! Each client against a server that says what real ones said (`fixtures/log/recorded`), or what none should.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::Result;
use coldsign::format::log::Entry;
use coldsign::keys::public::{Hash, PublicKey};
use coldsign::terminal;
use coldsign::trust::Trust;
use coldsign::verify::log::{Content, Of, spelled};

use super::{Logged, Rekor, TimestampAuthority, Version};
use crate::net::tests::server::{Reply, Seen, Server};
use crate::net::tests::{client, settings};
use crate::net::{Http, Settings};

mod lies;
mod stamps;
mod v1;
mod v2;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log").join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// What went over the wire, by the name of its case.
struct Recorded(BTreeMap<String, Exchange>);

#[derive(serde::Deserialize)]
struct Exchange {
    request: String,
    response: String,
}

impl Recorded {
    fn read(name: &str) -> Self {
        Self(serde_json::from_slice(&fixture(&format!("recorded/{name}"))).unwrap())
    }

    fn reply(&self, name: &str) -> Reply {
        Reply::raw(self.0[name].response.clone()).then_close()
    }

    /// The body that was sent.
    fn sent(&self, name: &str) -> &str {
        self.0[name].request.split_once("\r\n\r\n").unwrap().1
    }

    fn status(&self, name: &str) -> u16 {
        self.0[name].response.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn body(&self, name: &str) -> &str {
        self.0[name].response.split_once("\r\n\r\n").unwrap().1
    }
}

/// A signature of the recorded exchanges: of the file, or of the statement.
struct Signed {
    key: PublicKey,
    signature: Vec<u8>,
    text: String,
    bytes: Vec<u8>,
    hash: Vec<u8>,
    is_envelope: bool,
}

impl Signed {
    fn new(bytes: Vec<u8>, signature: Vec<u8>, is_envelope: bool) -> Self {
        let key = PublicKey::from_pem(&fixture("keys/img.pub")).unwrap();
        let text = spelled(&signature);
        Self { key, signature, text, hash: Digest::of(&bytes).as_bytes().to_vec(), bytes, is_envelope }
    }

    fn artifact() -> Self {
        Self::new(fixture("artifact.txt"), fixture("recorded/v2/artifact.sig.der"), false)
    }

    fn statement() -> Self {
        Self::new(fixture("recorded/v2/statement.json"), fixture("recorded/v2/statement.sig.der"), true)
    }

    fn of(&self) -> Of<'_> {
        let content = if self.is_envelope {
            Content::Envelope(&self.bytes, Digest::of(&fixture("recorded/v2/statement.pae")))
        } else {
            Content::Hash(Hash::Sha256, &self.hash)
        };
        Of { key: &self.key, signature: &self.signature, text: &self.text, content }
    }
}

fn trust(root: &str) -> Trust {
    let mut trust = Trust::default();
    trust.add_root(&fixture(&format!("roots/{root}")), root).unwrap();
    trust
}

fn submit(server: &Server, version: Version, signed: &Signed, trust: &Trust) -> Result<Logged> {
    submit_by(&client(settings()), server, version, signed, trust)
}

fn submit_by(
    http: &Http,
    server: &Server,
    version: Version,
    signed: &Signed,
    trust: &Trust,
) -> Result<Logged> {
    Rekor::new(http, version, &server.url(""), None)?.hasty().submit(&signed.of(), trust)
}

/// The check that refused, and what a person reads of it.
fn refused<T>(outcome: Result<T>) -> (Check, String) {
    let error = outcome.err().expect("a refusal");
    (error.check(), terminal::report(&error))
}

fn paths(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| seen.lines[0].trim_end_matches(" HTTP/1.1").to_owned()).collect()
}

#[test]
fn servers_are_asked_what_they_speak() {
    let v1 = Recorded::read("v1-http.json");
    let first = Server::start(move |_: &Seen| v1.reply("retrieve-loginfo"));
    let no_v1 = || Reply::new("404 Not Found", "", r#"{"code":5, "message":"Not Found", "details":[]}"#);
    // rekor-tiles on POSIX: tiles are for another server to serve.
    let second = Server::start(move |seen: &Seen| match seen.path() {
        "/api/v2/checkpoint" => Reply::status("501 Not Implemented"),
        _ => no_v1(),
    });
    let third = Server::start(move |seen: &Seen| match seen.path() {
        "/rekor/api/v2/checkpoint" => Reply::ok("log.example\n..."),
        _ => no_v1(),
    });
    let neither = Server::start(move |_: &Seen| no_v1());
    let http = client(settings());
    assert_eq!(Rekor::ask(&http, &first.url(""), None).unwrap().version(), Version::V1);
    assert_eq!(Rekor::ask(&http, &second.url("/"), None).unwrap().version(), Version::V2);
    assert_eq!(Rekor::ask(&http, &third.url("/rekor"), None).unwrap().version(), Version::V2);
    let (check, shown) = refused(Rekor::ask(&http, &neither.url(""), None).map(drop));
    assert_eq!(check, Check::LogAnswer);
    assert!(shown.contains("neither Rekor v1 nor Rekor v2"), "{shown}");
    let all = [&first, &second, &third, &neither].map(paths).concat();
    assert!(all.iter().all(|path| path.starts_with("GET ")), "{all:?}");
}

#[test]
fn addresses_are_https_or_this_machine() {
    let http = client(settings());
    for address in ["http://log.example", "log.example", "https://u:secret@log.example", "https://l/?a=b"] {
        let (check, shown) = refused(Rekor::new(&http, Version::V1, address, None).map(drop));
        assert_eq!(check, Check::Usage, "{address}");
        assert!(!shown.contains("secret"), "{shown}");
        let tiles = Rekor::new(&http, Version::V2, "https://log.example", Some(address)).map(drop);
        assert_eq!(refused(tiles).0, Check::Usage, "{address}");
        assert_eq!(refused(TimestampAuthority::new(&http, address).map(drop)).0, Check::Usage, "{address}");
    }
    let plain = Settings { plain_http: vec!["log.example".to_owned()], ..settings() };
    Rekor::new(&client(plain), Version::V1, "http://log.example:3000/rekor", None).unwrap();
}

#[test]
fn a_log_that_is_not_there_is_named() {
    let server = Server::start(|_: &Seen| Reply::ok(""));
    let url = server.url("");
    drop(server);
    let http = client(settings());
    let rekor = Rekor::new(&http, Version::V1, &url, None).unwrap().hasty();
    let (check, shown) = refused(rekor.submit(&Signed::artifact().of(), &trust("tr-v1.json")));
    assert_eq!(check, Check::LogReach);
    assert!(shown.contains("connection refused by 127.0.0.1"), "{shown}");
    let authority = TimestampAuthority::new(&http, &url).unwrap().hasty();
    assert_eq!(refused(authority.stamp(b"x", true, &Trust::default())).0, Check::TsaReach);
}
