//! Who gets to know a password or a token: the registry itself and the token service that it names, nobody else; and
//! nothing of it is ever shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::registry::{
    Asked, Auth, Fault, IDENTITY, Manners, PASSWORD, READER, Registry, Reply, TOKEN, USER,
};
use crate::support::{Outcome, Run};
use crate::trip::{Trip, release, together};

/// A trip to a registry with this login, exported and signed by a person who may.
fn trip(auth: Auth) -> Trip {
    let trip = Trip::unsigned(Registry::with(Manners { auth, ..Manners::default() }), 1);
    log_in(&trip, USER, PASSWORD);
    seen(&trip.export("request.tar").expect(0));
    trip.sign(&release(), "response.tar");
    trip.registry.asked();
    trip
}

/// As `docker login` leaves it.
pub(crate) fn log_in(trip: &Trip, user: &str, password: &str) {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    let config = json!({"auths": {trip.registry.host(): {"auth": auth}}});
    trip.station.write(".docker/config.json", config.to_string());
}

/// No secret of these tests in any of their spellings is on the screen.
#[track_caller]
fn seen(outcome: &Outcome) {
    let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for secret in [PASSWORD, TOKEN, IDENTITY, "canary", &pair] {
        outcome.never(secret);
    }
}

#[track_caller]
fn ends(run: Run<'_>, code: i32, check: &str) -> Outcome {
    let outcome = run.expect(code);
    seen(&outcome);
    if !check.is_empty() {
        outcome.error(check);
    }
    outcome
}

fn carries(asked: &Asked) -> bool {
    asked.header("authorization").is_some() || String::from_utf8_lossy(&asked.body).contains("canary")
}

#[test]
fn basic_and_bearer_through_the_whole_trip() {
    for auth in [Auth::Basic, Auth::Bearer(None)] {
        let trip = trip(auth);
        ends(trip.import(&["--attach", "both"]), 0, "");
        ends(trip.verify(&[]), 0, "");
        let asked = trip.registry.asked();
        let tokens: Vec<&Asked> = asked.iter().filter(|asked| asked.path() == "/token").collect();
        // Never more than what is needed: verify pulls, import pushes, both in the one repository.
        for token in &tokens {
            let scope = token.target.contains("app0%3Apull") || token.target.contains("app0:pull");
            assert!(scope, "{}", token.target);
        }
        assert!(tokens.len() <= 3, "{tokens:#?}");
    }
}

#[test]
fn a_token_that_expires_is_fetched_again_once() {
    let trip = trip(Auth::Bearer(None));
    let sig = "/v2/app0/manifests/*.sig";
    trip.registry.on("GET", sig, 1..=1, Fault::Unauthorized);
    ends(trip.import(&[]), 0, "");
    trip.registry.well().on("GET", sig, 1.., Fault::Unauthorized);
    ends(trip.verify(&[]), 50, "REGISTRY-LOGIN");
}

/// REGISTRY-LOGIN: which file was read, what was asked for, that nothing was pushed, and what to type.
#[test]
fn a_wrong_password_pushes_nothing() {
    for auth in [Auth::Basic, Auth::Bearer(None)] {
        let trip = trip(auth);
        let before = trip.registry.contents();
        log_in(&trip, USER, "canary-of-last-year");
        let outcome = ends(trip.import(&[]), 50, "REGISTRY-LOGIN");
        outcome.says(".docker/config.json").says("asked: pull and push").says("nothing was pushed");
        outcome.says(&format!("docker login {}", trip.registry.host()));
        assert!(before == trip.registry.contents() && !trip.registry.asked().iter().any(Asked::writes));
        ends(trip.verify(&[]), 50, "REGISTRY-LOGIN");
        ends(trip.export("again.tar"), 50, "REGISTRY-LOGIN");
        trip.station.no_file("again.tar");
        fs::remove_file(trip.station.path(".docker/config.json")).unwrap();
        ends(trip.import(&[]), 50, "REGISTRY-LOGIN").says("credentials: ");
        log_in(&trip, USER, PASSWORD);
        ends(trip.import(&[]), 0, "");
    }
}

/// REGISTRY-DENIED: many registries say 401 of a missing right, as of a wrong password; the login may read.
#[test]
fn a_missing_right_to_push_is_no_wrong_password() {
    for auth in [Auth::Basic, Auth::Bearer(None)] {
        let trip = trip(auth);
        log_in(&trip, READER, PASSWORD);
        let before = trip.registry.contents();
        let outcome = ends(trip.import(&[]), 50, "REGISTRY-DENIED");
        let repository = trip.registry.at("app0");
        assert_eq!(
            outcome.stderr_text().lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>(),
            [
                format!("error[REGISTRY-DENIED]: registry does not allow it: {repository}"),
                "  401 unauthorized: UNAUTHORIZED: authentication required".to_owned(),
                format!("  the login may read {repository} and not push to it"),
                "  credentials: ~/.docker/config.json, user reader".to_owned(),
                "  nothing was pushed".to_owned(),
                "hint: ask for the right to push".to_owned(),
            ],
            "{outcome}"
        );
        assert!(before == trip.registry.contents());
        ends(trip.verify(&[]), 10, "SIG-ABSENT");
        // A repository that is not there yet may be read as well.
        trip.registry.on("GET", "/v2/app0/tags/list", 2.., Fault::status(404));
        ends(trip.import(&[]), 50, "REGISTRY-DENIED");
        trip.registry.well();
        // A login that fails is one, and who was meant is said.
        log_in(&trip, READER, "canary-of-last-year");
        let outcome = ends(trip.import(&[]), 50, "REGISTRY-LOGIN");
        outcome.stderr_line("  credentials: ~/.docker/config.json, user reader");
        fs::remove_file(trip.station.path(".docker/config.json")).unwrap();
        let outcome = ends(trip.import(&[]), 50, "REGISTRY-LOGIN");
        outcome.stderr_line("  credentials: no file: no login was sent");
    }
    // Where anybody may read, reading says nothing about a password.
    let trip = trip(Auth::Basic);
    log_in(&trip, READER, PASSWORD);
    trip.registry.on("GET", "/v2/app0/tags/list", 1.., Fault::Answer(Reply::new(200)));
    let outcome = ends(trip.import(&[]), 50, "REGISTRY-LOGIN");
    outcome.stderr_line("  anybody may read there: a wrong password, or no right to push");
}

/// The other places of credentials, each alone.
#[test]
fn every_place_of_credentials() {
    let trip = trip(Auth::Bearer(None));
    let entry = fs::read(trip.station.path(".docker/config.json")).unwrap();
    let host = trip.registry.host();
    let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let alone = || fs::remove_file(trip.station.path(".docker/config.json"));
    alone().unwrap();
    trip.station.write("some/where.json", &entry).write("docker/config.json", &entry);
    ends(trip.verify(&[]), 50, "REGISTRY-LOGIN");
    ends(trip.import(&[]).env("REGISTRY_AUTH_FILE", trip.station.path("some/where.json")), 0, "");
    ends(trip.verify(&[]).env("DOCKER_CONFIG", trip.station.path("docker")), 0, "");
    ends(trip.verify(&[]).env("REGISTRY_AUTH_FILE", trip.station.path("absent")), 1, "REGISTRY-CREDENTIALS");
    // podman's, for one repository, beside a wrong one for the registry.
    let wrong = STANDARD.encode("nobody:canary");
    let config = json!({"auths": {&host: {"auth": wrong}, format!("{host}/app0"): {"auth": pair}}});
    trip.station.write(".config/containers/auth.json", config.to_string());
    ends(trip.verify(&[]), 0, "");
    fs::remove_file(trip.station.path(".config/containers/auth.json")).unwrap();
    // An identity token.
    let config = json!({"auths": {&host: {"auth": STANDARD.encode("<token>:"), "identitytoken": IDENTITY}}});
    trip.station.write(".docker/config.json", config.to_string());
    ends(trip.verify(&[]), 0, "");
    // A helper, which says what it was asked for, or that it has nothing, or something that nobody must see.
    let answers = json!({"ServerURL": host, "Username": USER, "Secret": PASSWORD});
    let helper =
        format!("#!/bin/sh\nread -r server\n[ \"$server\" = \"{host}\" ] && printf '%s' '{answers}'\n");
    let absent = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n";
    let broken = format!("#!/bin/sh\necho '{PASSWORD}'; echo '{PASSWORD}' >&2; exit 1\n");
    for (name, script) in [("good", helper.as_str()), ("absent", absent), ("broken", &broken)] {
        let path = format!("bin/docker-credential-{name}");
        trip.station.write(&path, script);
        fs::set_permissions(trip.station.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", trip.station.path("bin").display());
    for (helper, code, check) in [
        ("good", 0, ""),
        ("absent", 50, "REGISTRY-LOGIN"),
        ("broken", 1, "REGISTRY-CREDENTIALS"),
        ("not-there", 1, "REGISTRY-CREDENTIALS"),
    ] {
        for config in [json!({"credHelpers": {&host: helper}}), json!({"credsStore": helper})] {
            trip.station.write(".docker/config.json", config.to_string());
            ends(trip.verify(&[]).env("PATH", &path), code, check);
        }
    }
}

/// Redirected to another host, to storage for example, a request leaves its login behind.
#[test]
fn a_login_does_not_follow_a_redirect() {
    for auth in [Auth::Basic, Auth::Bearer(None)] {
        let trip = trip(auth);
        ends(trip.import(&[]), 0, "");
        let storage = Registry::start();
        storage.put_back(&trip.registry.contents());
        for blob in trip.registry.held("app0").blobs.keys() {
            let path = format!("/v2/app0/blobs/{blob}");
            trip.registry.on("GET", &path, 1.., Fault::with(307, "Location", storage.url(&path)));
        }
        trip.registry.asked();
        ends(trip.verify(&[]), 0, "");
        let asked = storage.asked();
        assert!(!asked.is_empty() && !asked.iter().any(carries), "{asked:#?}");
        assert!(trip.registry.asked().iter().any(carries));
        // A challenge of the storage is no challenge of the registry.
        storage.on("*", "*", 1.., Fault::Unauthorized);
        ends(trip.verify(&[]), 50, "REGISTRY-LOGIN");
        assert!(!storage.asked().iter().any(carries));
    }
}

/// A token service on another port, as Docker Hub has it: it gets the password, and the registry its token only.
#[test]
fn a_token_service_elsewhere_gets_the_password_and_the_registry_does_not() {
    let tokens = Registry::start();
    let trip = trip(Auth::Bearer(Some(tokens.url("/token"))));
    ends(trip.import(&["--attach", "both"]), 0, "");
    assert!(tokens.asked().iter().all(|asked| asked.path() == "/token"));
    for asked in trip.registry.asked() {
        let given = asked.header("authorization").unwrap_or("Bearer ");
        assert!(given.starts_with("Bearer ") && asked.path() != "/token", "{given}");
    }
}

/// REGISTRY-REALM: a token service that redirects, or that is named in a way that is none.
#[test]
fn a_realm_that_nobody_should_trust_gets_nothing() {
    let thief = Registry::start();
    let with_user = thief.url("/token").replace("//", "//user:pass@");
    let realms = ["ftp://127.0.0.1/token".to_owned(), "/token".to_owned(), "token".to_owned(), with_user];
    together(realms, |realm| {
        let trip = Trip::imported("sig");
        log_in(&trip, USER, PASSWORD);
        let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
        trip.registry.on("*", "/v2/*", 1.., Fault::with(401, "WWW-Authenticate", challenge));
        ends(trip.verify(&[]), 50, "REGISTRY-REALM");
        ends(trip.import(&[]), 50, "REGISTRY-REALM").says("nothing was pushed");
    });
    let trip = trip(Auth::Bearer(None));
    let away = Fault::with(307, "Location", thief.url("/token"));
    trip.registry.on("*", "/token", 1.., away);
    ends(trip.import(&[]), 50, "REGISTRY-REALM").says("nothing was pushed");
    assert!(thief.asked().is_empty());
}

/// What a token service may answer, and no more.
#[test]
fn a_token_service_that_goes_wrong() {
    let json = |text: String| Fault::Answer(Reply::new(200).body("application/json", text));
    let scenarios = [
        ("401", Fault::status(401), "REGISTRY-LOGIN"),
        ("403", Fault::status(403), "REGISTRY-LOGIN"),
        ("500", Fault::status(500), "REGISTRY-ANSWER"),
        ("no JSON", json("canary".to_owned()), "REGISTRY-ANSWER"),
        ("no token", json("{}".to_owned()), "REGISTRY-ANSWER"),
        ("two lines", json("{\"token\":\"canary\\r\\nHost: x\"}".to_owned()), "REGISTRY-ANSWER"),
        ("large", json(format!("{{\"token\":\"{}\"}}", "canary".repeat(20_000))), "REGISTRY-LIMIT"),
        ("endless", Fault::Endless, "REGISTRY-LIMIT"),
        ("another's token", json(format!("{{\"token\":\"{TOKEN}.eA\"}}")), "REGISTRY-LOGIN"),
    ];
    let scenarios = scenarios.map(|(name, fault, check)| (name, Wrong(fault), check));
    together(scenarios, |(_, fault, check)| {
        let trip = trip(Auth::Bearer(None));
        trip.registry.on("*", "/token", 1.., fault.0.clone());
        ends(trip.import(&[]), 50, check).says("nothing was pushed");
        trip.registry.well();
        ends(trip.import(&[]), 0, "");
    });
}

/// A token that was not given in time is asked for once, not for each image of the repository.
#[test]
fn a_silent_token_service_is_waited_for_once() {
    let trip = trip(Auth::Bearer(None));
    let names: Vec<String> = (2..=4)
        .map(|n| {
            trip.registry.image("app0", &n.to_string(), &format!("image {n}"));
            trip.registry.at(&format!("app0:{n}"))
        })
        .collect();
    trip.registry.on("*", "/token", 1.., Fault::Hang);
    for workers in ["1", "3"] {
        trip.registry.asked();
        let verify = ["verify", "--key", "release.pub", "--request-timeout", "1", "--max-workers", workers];
        let outcome = ends(trip.station.coldsign().args(verify).args(&names), 50, "REGISTRY-TIMEOUT");
        let at = trip.registry.url("/token");
        for name in &names {
            let line = format!("error[REGISTRY-TIMEOUT]: registry took too long: {name}: GET {at}");
            outcome.stderr_line(&line);
        }
        let asked = trip.registry.asked();
        assert_eq!(asked.iter().filter(|asked| asked.path() == "/token").count(), 1, "{asked:#?}");
    }
    trip.registry.well();
    ends(trip.import(&[]), 0, "");
}

struct Wrong(Fault);

impl std::fmt::Debug for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fault")
    }
}

/// What a registry says in an error is shown, harmless and short.
#[test]
fn words_of_a_registry_are_harmless() {
    let trip = Trip::imported("sig");
    let words = format!("\u{1b}[2J\u{202e}{}", "long ".repeat(10_000));
    for status in [400, 401, 403, 500] {
        trip.registry.well();
        trip.registry.on("GET", "*.sig", 1.., Fault::Answer(Reply::error(status, "DENIED", &words)));
        let outcome = trip.verify(&[]).expect(50);
        let text = outcome.stderr_text();
        assert!(text.is_ascii() && text.len() < 4000 && !text.contains('\u{1b}'), "{outcome}");
    }
}
