//! Bodies of log entries: each has one spelling, and those that we write are written so.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::body::{Body, Hash, Signed, dsse_body, hashed_rekord_body};
use coldsign::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok((kind, body)) = Body::parse(data) else { return };
    assert!(data.len() <= limits::LOG_BODY);
    let value = Value::parse(data, limits::DEPTH_EVIDENCE, Names::Exact).expect("it was read");
    assert_eq!(value.to_canonical(), data, "{kind}");
    let written = match &body {
        Body::HashedRekord { algorithm, hash, signed } => rekord(algorithm, hash, signed),
        Body::Dsse { envelope, payload, signed } => match &signed[..] {
            [only] => dsse(envelope, payload, only),
            _ => None,
        },
        _ => None,
    };
    if let Some(written) = written {
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(data));
    }
});

/// `None` for what we would not write.
fn rekord(algorithm: &str, hash: &str, signed: &Signed) -> Option<Vec<u8>> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (signature, key) = parts(signed)?;
    (plain(algorithm) && plain(hash)).then(|| hashed_rekord_body(algorithm, hash, &signature, key))
}

fn dsse(envelope: &Hash, payload: &Hash, signed: &Signed) -> Option<Vec<u8>> {
    let digest = |hash: &Hash| Digest::parse_hex(&hash.value).ok().filter(|_| hash.algorithm == "sha256");
    let (signature, key) = parts(signed)?;
    Some(dsse_body(&digest(envelope)?, &digest(payload)?, &signature, key))
}

fn parts(signed: &Signed) -> Option<(Vec<u8>, &str)> {
    Some((STANDARD.decode(&signed.signature).ok()?, std::str::from_utf8(&signed.key).ok()?))
}
