//! TLS: who is trusted, and what is said of the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// A server that speaks TLS with a certificate of `fixtures/tls`.
fn secure(certificate: &str, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    let chain = vec![CertificateDer::from_pem_file(fixture(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    Server::start_with(script, move |stream| {
        Some(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream))
    })
}

/// Settings with the authority of the fixtures.
fn trusting() -> Settings {
    Settings { ca: Some(fixture("authority.pem")), ..settings() }
}

fn https(server: &Server, path: &str) -> String {
    server.url(path).replace("http:", "https:")
}

#[test]
fn authorities_of_the_file_are_trusted() {
    let server = secure("loopback.pem", |_| Reply::ok("whole"));
    let http = client(trusting());
    for _ in 0..3 {
        assert_eq!(http.send(&get(&https(&server, "/v2/"))).unwrap().body, b"whole");
    }
    assert_eq!(http.send(&get(&https(&server, "/").replace("127.0.0.1", "localhost"))).unwrap().status, 200);
    let body = vec![7; 300_000];
    let put = Request { body: Some(("text/x", &body)), ..request(Method::Put, &https(&server, "/")) };
    assert_eq!(http.send(&put).unwrap().status, 200);
    let seen = server.seen();
    assert_eq!(seen.iter().map(|seen| seen.connection).max(), Some(1), "connections are kept");
    assert_eq!(seen.last().unwrap().body, body);
}

#[test]
fn authorities_that_nobody_named_are_not() {
    let server = secure("loopback.pem", |_| Reply::ok(""));
    let (check, shown) = refused(send(&get(&https(&server, "/v2/"))));
    assert_eq!(check, Check::RegistryReach);
    // A machine without any authority cannot even begin.
    let unknown = "certificate of 127.0.0.1 is by an authority that this machine does not know";
    assert!(shown.contains(unknown) || shown.contains("no certificate authority of this machine"), "{shown}");
    assert!(shown.contains("hint: --registry-ca FILE"), "{shown}");
    assert!(server.seen().is_empty());
}

#[test]
fn certificates_are_for_their_host_and_time() {
    for (certificate, why) in [
        ("elsewhere.pem", "certificate is not for 127.0.0.1"),
        ("expired.pem", "certificate of 127.0.0.1 has expired"),
    ] {
        let server = secure(certificate, |_| Reply::ok(""));
        let (check, shown) = refused(client(trusting()).send(&get(&https(&server, "/v2/"))));
        assert_eq!(check, Check::RegistryReach);
        assert!(shown.contains(why), "{shown}");
        assert!(server.seen().is_empty());
    }
}

#[test]
fn an_authoritys_own_certificate_is_no_servers() {
    let server = secure("self.pem", |_| Reply::ok(""));
    let settings = Settings { ca: Some(fixture("self.pem")), ..settings() };
    let (check, shown) = refused(client(settings).send(&get(&https(&server, "/v2/"))));
    assert_eq!(check, Check::RegistryReach);
    assert!(shown.contains("certificate of 127.0.0.1 is an authority's own"), "{shown}");
    assert!(shown.contains("hint: ") && shown.contains("CA:FALSE"), "{shown}");
    assert!(server.seen().is_empty());
}

#[test]
fn a_server_without_tls_is_named_as_such() {
    // What Go's server says to a TLS hello begins with HTTP; the script is asked for what looks like no request.
    let server = Server::start_with(
        |_| Reply::ok(""),
        |mut stream| {
            use std::io::{Read as _, Write as _};
            let _ = stream.read(&mut [0; 5]);
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nnot a TLS handshake");
            Some(stream)
        },
    );
    let (check, shown) = refused(client(trusting()).send(&get(&https(&server, "/v2/"))));
    assert_eq!(check, Check::RegistryReach);
    let port = server.port();
    assert!(shown.contains(&format!("127.0.0.1:{port} does not speak TLS")), "{shown}");
    assert!(shown.contains(&format!("--plain-http 127.0.0.1:{port}")), "{shown}");
}

#[test]
fn redirects_never_leave_tls() {
    let plain = Server::start(|_: &Seen| Reply::ok("plain"));
    let to = plain.url("/plain?q=secret");
    let server = secure("loopback.pem", move |seen| match seen.path() {
        "/down" => Reply::redirect(302, &to),
        "/up" => Reply::redirect(302, "/there"),
        _ => Reply::ok("there"),
    });
    let up = https(&server, "/up");
    let from_plain = Server::start(move |_: &Seen| Reply::redirect(302, &up));
    let http = client(trusting());
    let (check, shown) = refused(http.send(&get(&https(&server, "/down"))));
    assert_eq!(check, Check::RegistryRedirect);
    assert!(shown.contains(&format!("status 302: from https to {}", plain.url("/plain"))), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(plain.seen().is_empty());
    assert_eq!(http.send(&get(&from_plain.url("/"))).unwrap().body, b"there");
}

#[test]
fn silence_instead_of_a_handshake_ends() {
    let server = Server::start_with(
        |_| Reply::ok(""),
        |stream| {
            thread::sleep(Duration::from_millis(1500));
            Some(stream)
        },
    );
    let http = client(Settings { request: Duration::from_secs(1), ..trusting() });
    assert_eq!(refused(http.send(&get(&https(&server, "/")))).0, Check::RegistryTimeout);
    assert!(server.seen().is_empty());
}

#[test]
fn files_of_authorities_hold_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let good = fs::read_to_string(fixture("authority.pem")).unwrap();
    let key = fs::read_to_string(fixture("server-key.pem")).unwrap();
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        Http::with_environment(Settings { ca: Some(file.clone()), ..settings() }, |_| None).map(drop)
    };
    read(&good).unwrap();
    read(&format!("# the authorities of our house\n\n{good}\nthe second one:\n{good}")).unwrap();
    read(&format!("{key}{good}")).unwrap();
    let body = good.lines().nth(1).unwrap();
    for bad in [
        String::new(),
        "garbage".to_owned(),
        key.clone(),
        good.replace(body, &format!("!{}", &body[1..])),
        good.replace(body, &body[..8]),
        good.replace("-----END CERTIFICATE-----", ""),
        format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let error = read(&bad).unwrap_err();
        assert_eq!(error.check(), Check::RegistryAuthorities, "{bad}");
        assert_eq!(error.at(), file.display().to_string());
    }
    fs::File::create(&file).unwrap().set_len(coldsign::limits::AUTHORITIES_FILE + 1).unwrap();
    let open = |path: &Path| {
        Http::with_environment(Settings { ca: Some(path.to_owned()), ..settings() }, |_| None).map(drop)
    };
    assert_eq!(open(&file).unwrap_err().check(), Check::FileSize);
    assert_eq!(open(folder.path()).unwrap_err().check(), Check::FileNotRegular);
    assert_eq!(open(&folder.path().join("absent")).unwrap_err().check(), Check::FileRead);
}
