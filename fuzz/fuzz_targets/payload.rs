//! What is signed: payloads, statements, predicates, envelopes.
#![no_main]

use coldsign::format::attestation::{self, Predicate};
use coldsign::format::payload::Payload;
use coldsign::format::statement::Statement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(payload) = Payload::parse(data) {
        // Another reader finds the same digest.
        let value: serde_json::Value = serde_json::from_slice(data).expect("strict JSON is JSON");
        let members = [
            ["critical", "image", "docker-manifest-digest"],
            ["Critical", "Image", "Docker-manifest-digest"],
        ];
        let found = members.iter().find_map(|[a, b, c]| value[a][b][c].as_str());
        assert_eq!(found, Some(payload.digest().to_string().as_str()));
    }
    for statement in [Statement::parse(data), Statement::parse_attestation(data)].into_iter().flatten() {
        let value: serde_json::Value = serde_json::from_slice(data).expect("strict JSON is JSON");
        assert_eq!(value["predicateType"], statement.predicate_type());
        for digest in statement.subjects() {
            assert!(statement.annotations_of(&digest).is_some());
        }
    }
    if let Ok(predicate) = Predicate::parse(data.to_vec()) {
        let value: serde_json::Value = serde_json::from_slice(data).expect("strict JSON is JSON");
        assert!(predicate.as_bytes() == data);
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(predicate.members().len()));
    }
    if let Ok((statement, signature)) = attestation::read_envelope(data) {
        let written = attestation::render_envelope(&statement, &signature);
        let again = attestation::read_envelope(&written).expect("ours");
        assert_eq!(again, (statement, signature));
    }
});
