//! The document of a request, alone and above the blobs of a good file.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use coldsign::digest::Digest;
use coldsign::format::archive::{Archive, Blobs};
use coldsign::format::document::{RequestDocument, ResponseDocument};
use coldsign::request::Request;
use coldsign::response::Response;
use libfuzzer_sys::fuzz_target;

/// Everything that the documents in `fixtures/format` name.
static BLOBS: LazyLock<Blobs> = LazyLock::new(|| {
    let files: [&[u8]; 3] = [
        include_bytes!("../../fixtures/format/single.request.tar"),
        include_bytes!("../../fixtures/format/index.request.tar"),
        include_bytes!("../../fixtures/format/kinds.request.tar"),
    ];
    let archives = files.map(|file| Archive::parse(&Bytes::from_static(file)).expect("a good file"));
    archives.into_iter().flat_map(|archive| archive.blobs).collect()
});

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = RequestDocument::parse(data) {
        // Unknown members of `optional` are read and not written.
        assert!(document.render() == data || !document.unknown.is_empty());
    }
    if let Ok(document) = ResponseDocument::parse(data) {
        assert!(document.render() == data);
    }
    if let Ok(request) = Request::read(Bytes::copy_from_slice(data), BLOBS.clone()) {
        assert_eq!(request.digest(), Digest::of(data));
        let file = Response::unsigned(request).render().to_bytes();
        let again = Response::read(&file).expect("what is written can be read");
        assert_eq!(again.request().digest(), Digest::of(data));
    }
});
