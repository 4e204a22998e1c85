//! What others sign and what we sign, at one image: we verify theirs, and neither loses the other's.

use std::thread;

use crate::registries::{SINGLE, by_the_printed_command, import, manifest, push};
use crate::support::Sandbox;
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};
use crate::written::{approve, export, key};

const PEERS: [&str; 5] = ["skopeo", "oras", "crane", "cosign2", "cosign3"];

macro_rules! on_each_registry {
    ($($kind:ident $name:ident;)+) => { $(
        mod $name {
            use super::{Kind, beside, others_sign, six};

            #[test]
            fn we_verify_what_others_sign() {
                others_sign(Kind::$kind);
            }

            #[test]
            fn ours_stands_beside_theirs() {
                beside(Kind::$kind);
            }

            #[test]
            fn six_imports_at_once() {
                six(Kind::$kind);
            }
        }
    )+ };
}

on_each_registry! {
    Olareg olareg;
    OlaregWithoutReferrers olareg_without_referrers;
    Registry2 registry2;
    Registry3 registry3;
    Crane crane;
}

/// A registry, with a key of each cosign: `cosign2.key`, `cosign2.pub`, `cosign3.key`, `cosign3.pub`.
fn with_keys(sandbox: &Sandbox, kind: Kind) -> Option<Registry> {
    if !all_there(&[&PEERS, [kind.program()].as_slice()].concat()) {
        return None;
    }
    for cosign in COSIGNS {
        tool(sandbox, cosign).args(["generate-key-pair", "--output-key-prefix", cosign]).expect(0);
    }
    Some(Registry::serve(sandbox, kind))
}

/// `cosign sign` without a log, by that cosign's own key.
fn sign_by(sandbox: &Sandbox, cosign: &str, bundle: bool, name: &str, code: i32) {
    let form: &[&str] = if bundle { &[] } else { &["--new-bundle-format=false"] };
    tool(sandbox, cosign)
        .args([
            "sign",
            "--key",
            &format!("{cosign}.key"),
            "--use-signing-config=false",
            "--tlog-upload=false",
            "-y",
        ])
        .args(form)
        .arg(format!("{name}@sha256:{SINGLE}"))
        .expect(code);
}

/// Our verify of a tag and of a digest by a key.
fn verify(sandbox: &Sandbox, key: &str, name: &str, code: i32) {
    for reference in [format!("{name}:1.4"), format!("{name}@sha256:{SINGLE}")] {
        sandbox.coldsign().args(["verify", "--key", key, &reference]).expect(code);
    }
}

fn others_sign(kind: Kind) {
    let sandbox = Sandbox::new();
    let Some(registry) = with_keys(&sandbox, kind) else { return };
    let name = |repository: &str| format!("{}/{repository}", registry.address());
    for (cosign, other) in [("cosign2", "cosign3"), ("cosign3", "cosign2")] {
        let name = name(&format!("sig-{cosign}"));
        push(&sandbox, "single", &name);
        sign_by(&sandbox, cosign, false, &name, 0);
        verify(&sandbox, &format!("{cosign}.pub"), &name, 0);
        verify(&sandbox, &format!("{other}.pub"), &name, 12);
    }

    let bundle = name("bundle");
    push(&sandbox, "single", &bundle);
    // Where the registry answers 405, cosign signs no bundle.
    let signs = kind != Kind::OlaregWithoutReferrers;
    sign_by(&sandbox, "cosign3", true, &bundle, i32::from(!signs));
    verify(&sandbox, "cosign3.pub", &bundle, if signs { 0 } else { 10 });
    verify(&sandbox, "cosign2.pub", &bundle, if signs { 12 } else { 10 });

    let skopeo = name("skopeo");
    let host = registry.address();
    sandbox
        .write("registries.d/all.yaml", format!("docker:\n  {host}:\n    use-sigstore-attachments: true\n"))
        .write("cosign-pass", "pass");
    tool(&sandbox, "skopeo")
        .args(["--registries.d", "registries.d", "copy", "--insecure-policy", "--preserve-digests"])
        .args(["--dest-tls-verify=false", "--sign-by-sigstore-private-key", "cosign3.key"])
        .args(["--sign-passphrase-file", "cosign-pass", "oci:single:v1", &format!("docker://{skopeo}:1.4")])
        .expect(0);
    verify(&sandbox, "cosign3.pub", &skopeo, 0);
    verify(&sandbox, "cosign2.pub", &skopeo, 12);
}

fn beside(kind: Kind) {
    let sandbox = Sandbox::new();
    let Some(registry) = with_keys(&sandbox, kind) else { return };
    let name = format!("{}/team/app", registry.address());
    push(&sandbox, "single", &name);
    sign_by(&sandbox, "cosign2", false, &name, 0);
    let digest = export(&sandbox, &[&format!("{name}:1.4")]);
    key(&sandbox, "release");
    key(&sandbox, "other");
    approve(&sandbox, &digest, "release", "response.tar", &[]);
    import(&sandbox, &["response.tar"])
        .stderr_line(&format!("pushed     {name}:1.4[..]1 .sig, beside another key's"));
    // And cosign beside ours.
    sign_by(&sandbox, "cosign3", false, &name, 0);
    let sig = manifest(&sandbox, &format!("{name}:sha256-{SINGLE}.sig")).expect("it is there");
    assert_eq!(sig.matches("dev.cosignproject.cosign/signature").count(), 3, "{sig}");
    let keys = ["cosign2.pub", "cosign3.pub", "release.pub"];
    let all_verify = |refused: i32| {
        for key in keys {
            verify(&sandbox, key, &name, 0);
            for cosign in COSIGNS {
                cosign_verify(&sandbox, cosign, key).arg(format!("{name}:1.4")).expect(0);
            }
        }
        verify(&sandbox, "other.pub", &name, 12);
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "other.pub").arg(format!("{name}:1.4")).expect(refused);
        }
    };
    all_verify(12);
    if kind == Kind::OlaregWithoutReferrers {
        return;
    }

    // A bundle by cosign's key hides every `.sig` from cosign, and import says so, and what to do.
    sign_by(&sandbox, "cosign3", true, &name, 0);
    verify(&sandbox, "release.pub", &name, 0);
    let warned = import(&sandbox, &["response.tar"]);
    warned.stderr_line(&format!("warning[BUNDLE-HIDES-SIG]: stock cosign will not look at .sig: {name}:1.4"));
    for cosign in COSIGNS {
        cosign_verify(&sandbox, cosign, "release.pub").arg(format!("{name}:1.4")).expect(1);
    }
    assert!(warned.stderr_text().contains("--attach both"), "{warned}");
    let both = import(&sandbox, &["response.tar", "--attach", "both"]);
    by_the_printed_command(&sandbox, &both, &name, "both");
    let found = tool(&sandbox, "oras")
        .args(["discover", "--plain-http", "--format", "json", &format!("{name}:1.4")])
        .expect(0);
    assert_eq!(found.stdout_text().matches("\"reference\"").count() - 1, 2, "{found}");
    for key in ["cosign3.pub", "release.pub"] {
        verify(&sandbox, key, &name, 0);
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, key).arg(format!("{name}:1.4")).expect(0);
        }
    }
    verify(&sandbox, "other.pub", &name, 12);
}

/// Six keys' imports for one image, started together: nobody's signature is lost, in either form.
fn six(kind: Kind) {
    if !all_there(&[&PEERS, [kind.program()].as_slice()].concat()) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, kind);
    let name = format!("{}/team/app", registry.address());
    push(&sandbox, "single", &name);
    let digest = export(&sandbox, &[&format!("{name}:1.4")]);
    let keys = ["key1", "key2", "key3", "key4", "key5", "key6"];
    for name in keys {
        key(&sandbox, name);
        approve(&sandbox, &digest, name, &format!("{name}.tar"), &[]);
    }
    key(&sandbox, "other");
    let (sandbox, name) = (&sandbox, &*name);
    thread::scope(|scope| {
        for key in keys {
            scope.spawn(move || {
                sandbox
                    .coldsign()
                    .args([
                        "import",
                        &format!("{key}.tar"),
                        "--key",
                        &format!("{key}.pub"),
                        "--attach",
                        "both",
                    ])
                    .expect(0)
                    .stderr_line("done: 1 image pushed, 0 unchanged; read back and verified");
            });
        }
    });
    let sig = manifest(sandbox, &format!("{name}:sha256-{SINGLE}.sig")).expect("it is there");
    assert_eq!(sig.matches("dev.cosignproject.cosign/signature").count(), 6, "{sig}");
    let (accepted, refused) = if kind == Kind::OlaregWithoutReferrers { (0, 12) } else { (0, 1) };
    for key in keys.map(|key| format!("{key}.pub")) {
        verify(sandbox, &key, name, 0);
        for cosign in COSIGNS {
            cosign_verify(sandbox, cosign, &key).arg(format!("{name}:1.4")).expect(accepted);
        }
        cosign_verify(sandbox, "cosign3", &key)
            .args(["--new-bundle-format=false", &format!("{name}:1.4")])
            .expect(accepted);
    }
    verify(sandbox, "other.pub", name, 12);
    cosign_verify(sandbox, "cosign3", "other.pub").arg(format!("{name}:1.4")).expect(refused);
    let index = format!("{name}:sha256-{SINGLE}");
    let fallback = manifest(sandbox, &index);
    if kind == Kind::Olareg {
        assert_eq!(fallback, None);
    } else {
        let fallback = fallback.expect("the referrers are there");
        assert_eq!(fallback.matches("\"digest\"").count(), 6, "{fallback}");
    }
    // Nothing more is to be done for anybody.
    for key in keys {
        sandbox
            .coldsign()
            .args(["import", &format!("{key}.tar"), "--key", &format!("{key}.pub"), "--attach", "both"])
            .expect(0)
            .stderr_line("done: 0 images pushed, 1 unchanged; read back and verified");
    }
}
