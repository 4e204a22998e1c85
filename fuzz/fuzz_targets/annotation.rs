//! Annotations of signature layers: log entries and timestamps.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::{Entry, read_token_annotation, token_annotation};
use coldsign::format::signature::check_signature_encoding;
use coldsign::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(entry) = Entry::read_annotation(text) {
        assert!(text.len() <= limits::LOG_ANNOTATION);
        assert!(entry.index <= limits::INTEGER && entry.time <= limits::INTEGER && entry.is_annotation());
        // What the log promised is canonical.
        let promised = entry.promised();
        let value = Value::parse(&promised, 4, Names::Exact).expect("ours");
        assert_eq!(value.to_canonical(), promised);
        if let Some(written) = entry.annotation() {
            assert_eq!(Entry::read_annotation(&written).expect("ours"), entry);
        }
    }
    if let Ok(token) = read_token_annotation(text) {
        assert_eq!(read_token_annotation(&token_annotation(&token)).expect("ours"), token);
    }
    if let Ok(signature) = check_signature_encoding(text) {
        assert_eq!(STANDARD.encode(signature), text, "a signature has one spelling");
    }
});
