//! Key files: public ones, sealed ones, those of other tools. None is opened that asks for work.
#![no_main]

use coldsign::digest::Digest;
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::public::PublicKey;
use coldsign::keys::sealed::SealedKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for key in [PublicKey::from_pem(data), PublicKey::from_der(data)].into_iter().flatten() {
        assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()).expect("ours"), key);
        assert_eq!(key.id(), Digest::of(key.spki()));
        assert!(!key.verify(b"message", data));
    }
    if let Ok(key) = PublicKey::from_der(data) {
        assert!(key.spki() == data, "a key has one encoding");
    }
    if let Ok(key) = SealedKey::from_pem(data) {
        let written = key.to_pem();
        assert_eq!(SealedKey::from_pem(written.as_bytes()).expect("ours").to_pem(), written);
    }
    if let Ok(key) = ForeignKey::from_pem(data)
        && !key.format().needs_passphrase()
        && let Ok(public) = key.public_key(None)
    {
        assert_eq!(PublicKey::from_der(public.spki()).expect("a key of ours"), public);
    }
});
