//! The format against files that an independent program wrote from the specification (`fixtures/format`), and what fuzzing
//! found (`fixtures/fuzz`).

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::combine::combine;
use coldsign::format::signature;
use coldsign::response::Response;

fn fixture(name: &str) -> Bytes {
    read(&format!("format/{name}"))
}

fn read(name: &str) -> Bytes {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

#[test]
fn written_by_another_program_rendered_the_same() {
    for name in [
        "single.request.tar",
        "single.response.tar",
        "index.request.tar",
        "index.response.tar",
        "kinds.request.tar",
        "kinds.response.tar",
    ] {
        let file = fixture(name);
        let response = Response::read(&file).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let rendered = response.render();
        assert_eq!(rendered.size(), u64::try_from(file.len()).unwrap(), "{name}");
        assert_eq!(rendered.to_bytes(), file, "{name}");
    }
}

#[test]
fn combining_is_idempotent_and_nothing_is_lost() {
    for name in ["single", "index", "kinds"] {
        let request = || Response::read(&fixture(&format!("{name}.request.tar"))).unwrap();
        let response = || Response::read(&fixture(&format!("{name}.response.tar"))).unwrap();
        let file = fixture(&format!("{name}.response.tar"));
        for (first, second) in [(request(), response()), (response(), request()), (response(), response())] {
            assert_eq!(combine(first, [second]).unwrap().render().to_bytes(), file);
        }
    }
}

/// An entry in an annotation is a promise: one with nothing in it was read, and written again as none.
#[test]
fn a_promise_with_nothing_in_it_is_refused() {
    let found = String::from_utf8(read("fuzz/sig-log.empty-promise.json").to_vec()).unwrap();
    let refused = signature::read_layers(found.as_bytes()).unwrap_err();
    assert_eq!(refused.check(), Check::SigManifest);
    let nothing = "SignedEntryTimestamp\\\":\\\"";
    assert!(found.contains(nothing));
    let promised = found.replace(nothing, &format!("{nothing}MAA="));
    let layers = signature::read_layers(promised.as_bytes()).unwrap();
    let written = signature::render(&layers).manifest;
    assert_eq!(signature::read_layers(&written).unwrap(), layers);
}
