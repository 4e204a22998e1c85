//! Timestamps: strict DER with nothing after it, judged by real authorities.
#![no_main]

use std::sync::LazyLock;

use coldsign::limits;
use coldsign::trust::Trust;
use coldsign::verify::timestamp::Token;
use libfuzzer_sys::fuzz_target;

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let mut trust = Trust::default();
    trust
        .add_root(include_bytes!("../../fixtures/log/roots/tr-edtsa.json"), "tr-edtsa.json")
        .expect("a root");
    trust
        .add_root(include_bytes!("../../fixtures/log/roots/tr-v1tsa.json"), "tr-v1tsa.json")
        .expect("a root");
    trust
});

fuzz_target!(|data: &[u8]| {
    let Ok(token) = Token::parse(data) else { return };
    assert!(data.len() <= limits::TOKEN);
    assert!(Token::parse(&[data, &[0]].concat()).is_err(), "nothing stands behind it");
    let authorities = TRUST.authorities();
    if let Ok(Some(stamp)) = token.check(b"nobody stamped this", authorities) {
        panic!("forged: {stamp:?}");
    }
});
