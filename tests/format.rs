//! The format against files that an independent program wrote from the specification (`fixtures/format`).

use bytes::Bytes;
use coldsign::combine::combine;
use coldsign::response::Response;

fn fixture(name: &str) -> Bytes {
    let path = format!("{}/fixtures/format/{name}", env!("CARGO_MANIFEST_DIR"));
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
