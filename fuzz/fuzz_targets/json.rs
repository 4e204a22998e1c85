//! The reader of JSON below everything: stricter than another one, never of another opinion.
#![no_main]

use coldsign::format::json::{Names, Value};
use coldsign::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let exact = Value::parse(data, limits::DEPTH_EVIDENCE, Names::Exact);
    if let Ok(folded) = Value::parse(data, limits::DEPTH_EVIDENCE, Names::Folded) {
        assert_eq!(exact.as_ref().ok(), Some(&folded), "stricter is never more");
    }
    if let Ok(value) = exact {
        let other: serde_json::Value = serde_json::from_slice(data).expect("strict JSON is JSON");
        let canonical = value.to_canonical();
        let again =
            Value::parse(&canonical, limits::DEPTH_EVIDENCE, Names::Exact).expect("canonical is JSON");
        assert_eq!(again.to_canonical(), canonical, "canonical bytes are their own canonical bytes");
        if whole(&value) {
            assert_eq!(
                serde_json_canonicalizer::to_vec(&other).expect("JSON"),
                canonical,
                "another hand's RFC 8785"
            );
        }
    }
    if let Ok(document) = Value::parse_document(data) {
        assert_eq!(document.to_canonical(), data, "a document has one spelling");
    }
});

/// Whether no integer is larger than every reader holds: those are rounded, each in its way, and refused where they stand
/// in anything of ours.
fn whole(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number <= limits::INTEGER,
        Value::Array(elements) => elements.iter().all(whole),
        Value::Object(members) => members.iter().all(|(_, value)| whole(value)),
        _ => true,
    }
}
