//! A file of ours, whole: what is read is written again with the same bytes.
#![no_main]

use bytes::Bytes;
use coldsign::digest::Digest;
use coldsign::format::archive::{self, Archive};
use coldsign::response::Response;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let file = Bytes::copy_from_slice(data);
    if let Ok(parsed) = Archive::parse(&file) {
        assert!(parsed.blobs.iter().all(|(digest, body)| Digest::of(body) == *digest));
        let blobs = parsed.blobs.iter().map(|(digest, body)| (*digest, &body[..]));
        let written: Vec<u8> = archive::chunks(blobs, &parsed.index, &parsed.layout)
            .flat_map(std::borrow::Cow::into_owned)
            .collect();
        assert!(written == data, "an archive has one spelling");
    }
    if let Ok(response) = Response::read(&file) {
        assert!(response.render().to_bytes() == file, "a file has one spelling");
        assert_eq!(Response::read_digest(&file).unwrap().0, response.request().digest());
    }
});
