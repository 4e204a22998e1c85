//! Timestamp authorities.

use super::*;

/// The nonce of the recorded questions.
const NONCE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn authority_of(chain: &str) -> Trust {
    let mut trust = Trust::default();
    trust.add_authority(&fixture(&format!("recorded/tsa/{chain}")), chain).unwrap();
    trust
}

fn reply(name: &str) -> Reply {
    let body = fixture(&format!("recorded/tsa/{name}"));
    Reply::new("200 OK", "Content-Type: application/timestamp-reply\r\n", body)
}

/// A question with the recorded nonce.
fn ask(
    server: &Server,
    message: &[u8],
    certificate: bool,
    trust: &Trust,
) -> Result<crate::log::timestamp::Stamped> {
    let http = client(settings());
    let url = server.url("/api/v1/timestamp");
    TimestampAuthority::new(&http, &url)?.hasty().stamp_with(message, NONCE, certificate, trust)
}

#[test]
fn signatures_are_stamped() {
    let signature = fixture("recorded/v2/artifact.sig.der");
    for (name, certificate) in [("nonce", false), ("nonce-certificate", true)] {
        let server = Server::start(move |_: &Seen| reply(&format!("{name}.tsr")));
        let stamped = ask(&server, &signature, certificate, &authority_of("nonce-chain.pem")).unwrap();
        assert_eq!(stamped.authority(), "Test TSA");
        assert_eq!(stamped.time().to_string()[..10], *"2026-11-29");
        assert_eq!(stamped.der(), fixture(&format!("recorded/tsa/{name}.tsr")), "as received");
        assert_eq!(stamped.clone().into_der(), stamped.der());
        let [seen] = &server.seen()[..] else { panic!("one request") };
        assert_eq!(seen.lines[0], "POST /api/v1/timestamp HTTP/1.1");
        assert_eq!(seen.header("content-type"), Some("application/timestamp-query"));
        assert_eq!(seen.body, fixture(&format!("recorded/tsa/{name}.tsq")), "what the authority took");
    }
}

#[test]
fn nonces_are_drawn_anew() {
    let server = Server::start(|_: &Seen| reply("nonce.tsr"));
    let http = client(settings());
    let authority = TimestampAuthority::new(&http, &server.url("/")).unwrap();
    let signature = fixture("recorded/v2/artifact.sig.der");
    for _ in 0..2 {
        // An answer to another question, of the same signature.
        let outcome = authority.stamp(&signature, false, &authority_of("nonce-chain.pem"));
        assert_eq!(refused(outcome).0, Check::TokenImprint);
    }
    let [one, two] = &server.seen()[..] else { panic!("two requests") };
    assert_ne!(one.body, two.body);
}

#[test]
fn answers_that_are_no_timestamp_of_it() {
    let signature = fixture("recorded/v2/artifact.sig.der");
    let json = "Content-Type: application/timestamp-reply\r\n";
    let words = r#"{"code":400,"message":"Weak hash algorithm in timestamp request"}"#;
    let der = fixture("recorded/tsa/nonce.tsr");
    let cut = der[..der.len() - 1].to_vec();
    let longer = [&der[..], &[0]].concat();
    let cases: Vec<(Reply, Check, usize)> = vec![
        // An error is words under the content type of timestamps.
        (Reply::new("400 Bad Request", json, words), Check::TsaRefused, 1),
        (Reply::new("400 Bad Request", json, der), Check::TsaRefused, 1),
        (Reply::status("404 Not Found"), Check::TsaRefused, 1),
        (Reply::status("500 Broken"), Check::TsaAnswer, 5),
        (Reply::status("204 No Content"), Check::TsaAnswer, 1),
        (Reply::redirect(307, "/elsewhere"), Check::TsaAnswer, 1),
        (Reply::ok(vec![0; coldsign::limits::TOKEN + 1]), Check::TsaAnswer, 1),
        (Reply::ok(cut), Check::TokenSyntax, 1),
        (Reply::ok(longer), Check::TokenSyntax, 1),
        (Reply::ok(words), Check::TokenSyntax, 1),
        // Of the same signature without a nonce: an old one.
        (reply("r.tsr"), Check::TokenImprint, 1),
    ];
    for (reply, expected, requests) in cases {
        let said = reply.clone();
        let server = Server::start(move |_: &Seen| said.clone());
        let (check, shown) = refused(ask(&server, &signature, false, &authority_of("nonce-chain.pem")));
        assert_eq!((check, server.seen().len()), (expected, requests), "{shown}");
    }
    let server = Server::start(move |_: &Seen| Reply::new("400 Bad Request", json, words));
    let (_, shown) = refused(ask(&server, &signature, false, &authority_of("nonce-chain.pem")));
    assert!(shown.contains("status 400: Weak hash algorithm in timestamp request"), "{shown}");
    let server = Server::start(|_: &Seen| reply("nonce.tsr"));
    let of_another = ask(&server, b"another signature", false, &authority_of("nonce-chain.pem"));
    assert_eq!(refused(of_another).0, Check::TokenImprint);
    let unknown = ask(&server, &signature, false, &authority_of("mem-chain.pem"));
    assert_eq!(refused(unknown).0, Check::TokenRequired);
}

#[test]
fn a_silent_authority_is_asked_three_times() {
    let http = client(Settings { request: Duration::from_millis(200), ..settings() });
    let server = Server::start(|_: &Seen| Reply::hang());
    let authority = TimestampAuthority::new(&http, &server.url("/")).unwrap().hasty();
    assert_eq!(refused(authority.stamp(b"x", false, &Trust::default())).0, Check::TsaTimeout);
    assert_eq!(server.seen().len(), 3);
}
