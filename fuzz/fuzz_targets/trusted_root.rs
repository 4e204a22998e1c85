//! Trusted roots, and the other files that say whom a person trusts.
#![no_main]

use coldsign::limits;
use coldsign::trust::{Trust, TrustedRoot, render_root};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut trust = Trust::default();
    let read = TrustedRoot::parse(data);
    let added = trust.add_root(data, "a file");
    assert!(read.is_ok() || added.is_err());
    if added.is_ok() {
        assert!(trust.logs().len() + trust.authorities().len() <= limits::TRUSTED);
        let written = render_root(trust.logs(), trust.authorities());
        let mut again = Trust::default();
        again.add_root(written.as_bytes(), "ours").expect("what is written can be read");
        assert_eq!(render_root(again.logs(), again.authorities()), written);
        for log in trust.logs() {
            assert!(trust.logs_of(log.id()).any(|found| found.key() == log.key()));
        }
    }
    let _ = (trust.add_log_key(data, "a file"), trust.add_authority(data, "a file"));
});
