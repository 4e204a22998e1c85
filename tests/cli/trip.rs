//! The trip as a person sees it, uncut: two stations, two keys, one stick.

use crate::station::{INDEX, Station};
use crate::support::Sandbox;

/// One machine's worth of commands in the order of the pages; each a snapshot of stdout, stderr and exit code.
#[test]
fn the_whole_way() {
    let station = Station::new();
    let images = "# release\noci:layout:v1 --as registry.example/team/app:1.4\n\
                  oci:single:v1 --as registry.example/infra/proxy:7\n";
    station.write("images.txt", images);
    let export = station
        .coldsign()
        .args(["export", "--from", "images.txt", "-a", "release=2026.18", "--note", "REL-412"])
        .args(["-o", "request.tar"])
        .expect(0);
    export.snapshot("trip-01-export");
    let digest = export.stdout_text().trim_end().to_owned();
    assert_eq!(export.stdout_bytes(), format!("{}\n", station.digest("request.tar")).as_bytes());

    station.coldsign().args(["inspect", "request.tar"]).expect(0).snapshot("trip-02-inspect");
    station.coldsign().args(["inspect", "--digest", "request.tar"]).expect(0).stdout(&format!("{digest}\n"));
    station
        .coldsign()
        .args(["inspect", "--format", "json", "request.tar"])
        .expect(0)
        .snapshot("trip-02-inspect-json");
    station.coldsign().args(["inspect", "release.pub"]).expect(0).snapshot("trip-02-inspect-key");
    station.signer().args(["inspect", "request.tar"]).expect(0).snapshot("trip-03-inspect-sealed");

    let sign = ["sign", "request.tar", "--key", "release", "--passphrase-file", "pass", "--allow-swap"];
    let signed = station.signer().args(sign).args(["--approve", &digest, "-o", "response.tar"]).expect(0);
    signed.stdout("").snapshot("trip-04-sign");
    station.coldsign().args(["inspect", "response.tar"]).expect(0).snapshot("trip-05-inspect-response");
    station.coldsign().args(["inspect", "--digest", "response.tar"]).expect(0).stdout(&format!("{digest}\n"));

    // Nothing stands there in part where nothing was to be written.
    for (name, more, exit) in [("layout", &["--dry-run"][..], 50), ("layout", &[], 51)] {
        let before = station.below(name);
        let outcome = station
            .importing(&["response.tar", "--key", "release.pub", "--request", "request.tar"])
            .args(more)
            .expect(exit);
        // The second image is in another layout.
        outcome.stdout("").snapshot(if more.is_empty() {
            "trip-06-import-partial"
        } else {
            "trip-06-dry-run"
        });
        assert_eq!(before == station.below(name), !more.is_empty());
    }
    station
        .coldsign()
        .args(["verify", "--key", "release.pub", "oci-archive:response.tar"])
        .expect(0)
        .snapshot("trip-07-verify-response");
    let verify = ["verify", "--key", "release.pub", "-a", "release=2026.18", "oci:layout:v1"];
    station.coldsign().args(verify).expect(0).snapshot("trip-08-verify-image");
    station.coldsign().args(["trusted-root", "create", "-o", "tr0.json"]).expect(0).snapshot("trip-09-root");
    station.coldsign().args(["trusted-root", "create", "-o", "tr0.json"]).expect(1);
}

/// The last line of what a layout of all images says, and that the same command again says that nothing changed.
#[test]
fn import_and_again() {
    let station = Station::with_response();
    let import = || {
        let run = station.importing(&["response.tar", "--key", "release.pub", "--request", "request.tar"]);
        run.args(["--attach", "both"]).expect(0)
    };
    import().stdout("").snapshot("trip-10-import");
    let before = station.everything();
    import().stdout("").snapshot("trip-11-import-again");
    assert!(before == station.everything(), "a second run changed something");
    let verify = |name: &str| station.coldsign().args(["verify", "--key", "release.pub", name]).run();
    let (named, digest) = (verify("oci:layout:v1"), verify(&format!("oci:layout@{INDEX}")));
    assert_eq!((named.code(), digest.code()), (Some(0), Some(0)), "{named}{digest}");
}

/// Two signers: side by side and combined, or one after the other, is the same file.
#[test]
fn two_signers() {
    let station = Station::with_request();
    station.sign("request.tar", &["--key", "release"], "a.tar");
    station.sign("request.tar", &["--key", "second"], "b.tar");
    station.coldsign().args(["combine", "a.tar", "b.tar", "-o", "c.tar"]).expect(0).snapshot("two-combine");
    station.coldsign().args(["combine", "b.tar", "a.tar", "a.tar", "-o", "d.tar"]).expect(0);
    station.sign("a.tar", &["--key", "second"], "e.tar").snapshot("two-second-signer");
    station
        .sign("request.tar", &["--key", "second", "--key", "release"], "f.tar")
        .snapshot("two-keys-at-once");
    for other in ["d.tar", "e.tar", "f.tar"] {
        station.same(other, "c.tar");
    }
    let both = ["a.tar", "b.tar", "--key", "release.pub", "--key", "second.pub", "--threshold", "2"];
    station.importing(&both).expect(0).stdout("").snapshot("two-import");
    let verify = ["verify", "--key", "release.pub", "--key", "second.pub", "--threshold", "2", "oci:layout"];
    station.coldsign().args(verify).expect(0).snapshot("two-verify");
    station.coldsign().args(["inspect", "c.tar"]).expect(0).stdout_line("signed by 41aaf2c0 2ef4e6cd[..]");
}

#[test]
fn self_test_and_version() {
    let sandbox = Sandbox::new();
    let digest = coldsign::digest::Digest::of(&std::fs::read(env!("CARGO_BIN_EXE_coldsign-signer")).unwrap());
    let expected = format!(
        "coldsign-signer {}, [..], sha256\n  {}\nok  [..]sha256[..]p256[..]rfc6979[..]scrypt[..]xchacha20-poly1305[..]\n",
        env!("CARGO_PKG_VERSION"),
        digest.grouped()
    );
    sandbox.signer().arg("self-test").expect(0).stdout(&expected).stderr("");
    for run in [sandbox.signer(), sandbox.coldsign()] {
        run.arg("--version").expect(0).stdout(&format!("[..] {}\n", env!("CARGO_PKG_VERSION"))).stderr("");
    }
}
