//! Getting in: certificates of one's own, logins as the other tools write them, a registry that says «not so fast»,
//! signatures kept in another repository.

use std::fmt::Write as _;
use std::fs;

use crate::registries::{SINGLE, manifest, push};
use crate::support::{Run, Sandbox};
use crate::tools::{COSIGNS, Kind, Login, Options, Registry, SEEDS, Tls, all_there, cosign_verify, tool};
use crate::written::{approve, export, key};

const PEERS: [&str; 7] = ["olareg", "openssl", "skopeo", "oras", "crane", "cosign2", "cosign3"];

/// `user:secret`, as a file of credentials has it.
const GOOD: &str = "dXNlcjpzZWNyZXQ=";
/// `user:wrong`.
const WRONG: &str = "dXNlcjp3cm9uZw==";

#[test]
fn certificate_of_an_authority_of_ones_own() {
    if !all_there(&PEERS) {
        return;
    }
    let sandbox = Sandbox::new();
    let (_registry, name) = serve(&sandbox, Login::None);
    let image = format!("{name}:1.4");
    // Whoever speaks plain HTTP, or does not know the authority, gets no request and no signature.
    let plain = sandbox.coldsign().args(["export", "-o", "request.tar", &image]).expect(50);
    plain
        .stderr_line("error[REGISTRY-ANSWER]: [..]")
        .stderr_line("hint: it speaks TLS: --registry-ca FILE[..]");
    let stranger = sandbox
        .coldsign()
        .args(["export", "-o", "request.tar", "--registry-ca", "other.pem", &image])
        .expect(50);
    stranger.stderr_line("error[REGISTRY-REACH]: [..]");
    assert!(stranger.stderr_text().contains("--registry-ca"), "{stranger}");
    sandbox.no_file("request.tar");
    // The platform's own store counts beside the file.
    sandbox
        .coldsign()
        .env("SSL_CERT_FILE", sandbox.path("ca.pem"))
        .args(["export", "-o", "by-store.tar", "--registry-ca", "other.pem", &image])
        .expect(0);
    trip(&sandbox, &name, |run| run);
}

/// What guides for registries tell people to make: a certificate that nobody but itself signed. As OpenSSL makes it,
/// it is one for an authority, which is no server's; made for a server, it is trusted by its own name.
#[test]
fn certificate_that_signed_itself() {
    if !all_there(&["olareg", "openssl"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.fixture("format/single", format!("{SEEDS}/app"));
    for (itself, code) in [(Tls::ItselfAuthority, 50), (Tls::Itself, 0)] {
        let registry =
            Registry::serve_with(&sandbox, Kind::Olareg, Options { tls: itself, ..Options::PLAIN });
        let image = format!("{}/app:v1", registry.address());
        let run = sandbox
            .coldsign()
            .args(["export", "-o", "request.tar", "--registry-ca", "server.pem", &image])
            .expect(code);
        if code == 50 {
            run.stderr_line("error[REGISTRY-REACH]: [..]");
            assert!(run.stderr_text().contains("CA:FALSE"), "{run}");
            sandbox.no_file("request.tar");
        }
    }
}

#[test]
fn basic_login() {
    logins(Login::Basic);
}

#[test]
fn login_for_a_token() {
    logins(Login::Token);
}

fn logins(login: Login) {
    if !all_there(&PEERS) {
        return;
    }
    let sandbox = Sandbox::new();
    let (registry, name) = serve(&sandbox, login);
    let host = registry.address();
    let image = format!("{name}:1.4");
    let export = || exporting(&sandbox, &image);
    export().expect(50).stderr_line("error[REGISTRY-LOGIN]: [..]");
    sandbox.no_file("request.tar");

    // The files as oras, crane and skopeo write them, each where it is looked for.
    trusting(tool(&sandbox, "oras").args(["login", "-u", "user", "-p", "secret", host])).expect(0);
    assert!(sandbox.path(".docker/config.json").exists(), "oras writes docker's file");
    export().expect(0);
    fs::remove_file(sandbox.path(".docker/config.json")).expect("the sandbox is writable");
    trusting(tool(&sandbox, "crane").args(["auth", "login", host, "-u", "user", "-p", "secret"])).expect(0);
    export().expect(0);
    fs::remove_file(sandbox.path(".docker/config.json")).expect("the sandbox is writable");
    trusting(tool(&sandbox, "skopeo").args([
        "login",
        "--authfile",
        "podman.json",
        "-u",
        "user",
        "-p",
        "secret",
        host,
    ]))
    .expect(0);
    export().expect(50).stderr_line("error[REGISTRY-LOGIN]: [..]");
    export().env("REGISTRY_AUTH_FILE", sandbox.path("podman.json")).expect(0);
    sandbox.write(".config/containers/auth.json", sandbox.read("podman.json"));
    export().expect(0);
    fs::remove_file(sandbox.path(".config/containers/auth.json")).expect("the sandbox is writable");

    // docker's, in a folder that DOCKER_CONFIG names.
    sandbox
        .write("good/config.json", docker_config(host, GOOD))
        .write("bad/config.json", docker_config(host, WRONG));
    let good = sandbox.path("good");
    trip(&sandbox, &name, |run| run.env("DOCKER_CONFIG", &good));

    // A wrong password: nothing was pushed, and it is nowhere to be seen.
    let fresh = format!("{host}/team/fresh");
    copied(&sandbox, &fresh);
    let exported = exporting(&sandbox, &format!("{fresh}:1.4")).env("DOCKER_CONFIG", &good).expect(0);
    approve(&sandbox, exported.stdout_text().trim_end(), "release", "fresh.tar", &[]);
    let refused = sandbox
        .coldsign()
        .env("DOCKER_CONFIG", sandbox.path("bad"))
        .args(["import", "fresh.tar", "--key", "release.pub", "--registry-ca", "ca.pem"])
        .expect(50);
    refused.stderr_line("error[REGISTRY-LOGIN]: [..]").stderr_line("[..]nothing was pushed[..]");
    assert!(refused.stderr_text().contains(&format!("docker login {host}")), "{refused}");
    assert!(refused.stderr_text().contains("bad/config.json"), "{refused}");
    refused.never("wrong").never(WRONG);
    let listed = trusting(tool(&sandbox, "crane").env("DOCKER_CONFIG", &good).args(["ls", &fresh])).expect(0);
    listed.stdout("1.4\n");
}

#[test]
fn registry_that_limits_requests() {
    if !all_there(&["olareg", "crane", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let mut list = String::new();
    for number in 0..20 {
        sandbox.fixture("format/single", format!("{SEEDS}/app{number}"));
    }
    let limited = Options { rate_limit: Some(40), ..Options::PLAIN };
    let registry = Registry::serve_with(&sandbox, Kind::Olareg, limited);
    let host = registry.address();
    for number in 0..20 {
        writeln!(list, "{host}/app{number}:v1").expect("a string takes it");
    }
    sandbox.write("images.txt", list);
    let digest = export(&sandbox, &["--from", "images.txt"]);
    key(&sandbox, "release");
    approve(&sandbox, &digest, "release", "response.tar", &[]);
    sandbox
        .coldsign()
        .args(["import", "response.tar", "--key", "release.pub"])
        .expect(0)
        .stderr_line("done: 20 images pushed, 0 unchanged; read back and verified");
    sandbox.coldsign().args(["verify", "--key", "release.pub", "--from", "response.tar"]).expect(0);
}

#[test]
fn signatures_in_another_repository() {
    if !all_there(&PEERS) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    let (name, other) =
        (format!("{}/team/app", registry.address()), format!("{}/team/sigs", registry.address()));
    push(&sandbox, "single", &name);
    let digest = export(&sandbox, &[&format!("{name}:1.4")]);
    key(&sandbox, "release");
    key(&sandbox, "stranger");
    approve(&sandbox, &digest, "release", "response.tar", &[]);
    sandbox
        .coldsign()
        .env("COSIGN_REPOSITORY", &other)
        .args(["import", "response.tar", "--key", "release.pub"])
        .expect(0);
    assert_eq!(manifest(&sandbox, &format!("{name}:sha256-{SINGLE}.sig")), None);
    assert!(manifest(&sandbox, &format!("{other}:sha256-{SINGLE}.sig")).is_some());
    let image = format!("{name}:1.4");
    for (key, code) in [("release.pub", 0), ("stranger.pub", 12)] {
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, key).env("COSIGN_REPOSITORY", &other).arg(&image).expect(code);
            cosign_verify(&sandbox, cosign, key).arg(&image).expect(10);
        }
        let verify = || sandbox.coldsign().args(["verify", "--key", key, &image]);
        verify().env("COSIGN_REPOSITORY", &other).expect(code);
        verify().args(["--signature-repository", &other]).expect(code);
        verify().expect(10);
    }
    // The flag wins over the environment, and the same again changes nothing.
    sandbox
        .coldsign()
        .env("COSIGN_REPOSITORY", format!("{}/nowhere", registry.address()))
        .args(["import", "response.tar", "--key", "release.pub", "--signature-repository", &other])
        .expect(0)
        .stderr_line("done: 0 images pushed, 1 unchanged; read back and verified");
}

/// An export to `request.tar`, whether one is there or not.
fn exporting<'a>(sandbox: &'a Sandbox, image: &str) -> Run<'a> {
    drop(fs::remove_file(sandbox.path("request.tar")));
    sandbox.coldsign().args(["export", "-o", "request.tar", "--registry-ca", "ca.pem", image])
}

/// olareg with TLS and an image in it.
fn serve(sandbox: &Sandbox, login: Login) -> (Registry, String) {
    let registry =
        Registry::serve_with(sandbox, Kind::Olareg, Options { tls: Tls::Authority, login, ..Options::PLAIN });
    let name = format!("{}/team/app", registry.address());
    copied(sandbox, &name);
    (registry, name)
}

/// Pushes the image of the fixtures to a registry with TLS.
fn copied(sandbox: &Sandbox, name: &str) {
    sandbox.fixture("format/single", "image");
    let copy = ["copy", "--insecure-policy", "--preserve-digests", "--dest-creds", "user:secret"];
    trusting(tool(sandbox, "skopeo").args(copy).args(["oci:image:v1", &format!("docker://{name}:1.4")]))
        .expect(0);
}

/// A tool that trusts the sandbox's authority.
fn trusting(run: Run<'_>) -> Run<'_> {
    run.env("SSL_CERT_FILE", "ca.pem")
}

fn docker_config(host: &str, auth: &str) -> String {
    format!("{{\n\t\"auths\": {{\n\t\t\"{host}\": {{\n\t\t\t\"auth\": \"{auth}\"\n\t\t}}\n\t}}\n}}")
}

/// The whole trip over TLS: the others verify, too. `login` gives each run what it needs to get in.
fn trip(sandbox: &Sandbox, name: &str, login: impl for<'a> Fn(Run<'a>) -> Run<'a>) {
    let image = format!("{name}:1.4");
    let ours = || login(sandbox.coldsign());
    let exported = login(exporting(sandbox, &image)).expect(0);
    key(sandbox, "release");
    key(sandbox, "stranger");
    approve(sandbox, exported.stdout_text().trim_end(), "release", "response.tar", &[]);
    let imported = ours()
        .args([
            "import",
            "response.tar",
            "--key",
            "release.pub",
            "--registry-ca",
            "ca.pem",
            "--attach",
            "both",
        ])
        .expect(0);
    imported
        .stderr_line("done: 1 image pushed, 0 unchanged; read back and verified")
        .never("secret")
        .never(GOOD);
    for (key, code, refused) in [("release.pub", 0, 0), ("stranger.pub", 12, 1)] {
        ours().args(["verify", "--key", key, "--registry-ca", "ca.pem", &image]).expect(code);
        for cosign in COSIGNS {
            trusting(login(cosign_verify(sandbox, cosign, key))).arg(&image).expect(refused);
        }
    }
}
