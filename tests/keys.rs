//! Key files against what real tools wrote and read (`fixtures/keys`, `fixtures/keys-openssl`), sealed keys against
//! every edit, and no secret in any output.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::keys::foreign::{ForeignFormat, ForeignKey};
use coldsign::keys::public::PublicKey;
use coldsign::keys::sealed::{Cost, SealedKey, Use, Uses, is_sealed};
use coldsign::keys::signing::{Signer as _, SigningKey, SigningKind};
use coldsign::keys::{cosign, open_foreign};
use coldsign::secret::{OsRandom, Passphrase};
use der::pem::{self, LineEnding};
use serde_json::{Value, json};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

fn openssl(file: &str) -> Vec<u8> {
    fs::read(fixtures("keys-openssl").join(file)).unwrap()
}

fn pass(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec())
}

fn check<T>(result: Result<T>) -> Option<Check> {
    result.err().map(|error| error.check())
}

/// Every case of key files in cosign's format, or nearly; more of them where `COLDSIGN_CASES` names a folder.
#[test]
fn cases_of_cosign_keys() {
    let mut folders = vec![fixtures("keys")];
    folders.extend(
        std::env::var_os("COLDSIGN_CASES")
            .map(|cases| Path::new(&cases).join("keys"))
            .filter(|more| more.is_dir()),
    );
    for folder in folders {
        let cases: Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let cases = cases["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 24);
        for case in cases {
            one_case(&folder, case);
        }
    }
}

fn one_case(folder: &Path, case: &Value) {
    let name = case["name"].as_str().unwrap();
    let file = fs::read(folder.join(case["file"].as_str().unwrap())).unwrap();
    let opened = open_foreign(&file, Some(&pass(case["passphrase"].as_str().unwrap())));
    if let Some(public) = case["public_key"].as_str() {
        let public = PublicKey::from_pem(&fs::read(folder.join(public)).unwrap());
        if !public.as_ref().is_ok_and(PublicKey::may_sign_files) {
            // RSA verifies and does not sign: refused by the name of the type, which the passphrase brought to light.
            assert_eq!(case["class"], "type", "{name}");
            let error = opened.err().unwrap();
            assert_eq!((error.check(), error.exit().code()), (Check::KeyType, 43), "{name}");
            let named = public.map_or_else(|error| error.at().to_owned(), |public| public.kind().to_string());
            assert!(named.starts_with(error.at()), "{name}: {named}, {}", error.at());
            return;
        }
        assert_eq!(case["expected"], "accept", "{name}");
        let key = opened.map_err(|error| format!("{name}: {error}")).ok().unwrap();
        assert_eq!(key.public_key(), &public.unwrap(), "{name}");
        assert!(key.public_key().verify_strict(b"x", &key.sign(b"x").unwrap()), "{name}");
        return;
    }
    assert_eq!(case["expected"], "reject", "{name}");
    let expected = match (name, case["error"].as_str().unwrap()) {
        (_, "unsupported parameters") => (Check::KeyParameters, 43),
        (_, "unknown format") => (Check::KeyFormat, 43),
        (_, error) if error.starts_with("wrong passphrase or damaged") => (Check::KeyPassphraseDamaged, 41),
        (_, other) => panic!("{name}: {other}"),
    };
    let error = opened.err().unwrap();
    assert_eq!((error.check(), error.exit().code()), expected, "{name}");
}

/// The connected side reads the public key of every type that verifies.
#[cfg(feature = "connected")]
#[test]
fn public_keys_of_private_ones() {
    let public = |file: &str| ForeignKey::from_pem(&openssl(file))?.public_key(Some(&pass("pass")));
    for file in [
        "p256.pem",
        "p256-sec1.pem",
        "p256-pbkdf2.pem",
        "p256-scrypt.pem",
        "p384.pem",
        "p384-sec1.pem",
        "p384-pbkdf2.pem",
        "p521.pem",
        "p521-sec1.pem",
        "p521-pbkdf2.pem",
        "ed25519.pem",
        "ed25519-pbkdf2.pem",
        "rsa2048.pem",
        "rsa2048-pkcs1.pem",
        "rsa2048-pbkdf2.pem",
    ] {
        let expected = openssl(&format!("{}.pub", file.split(['-', '.']).next().unwrap()));
        assert_eq!(public(file).ok().unwrap().to_pem().as_bytes(), expected, "{file}");
    }
    for (file, name) in [
        ("rsa1024.pem", "RSA with 1024 bits"),
        ("rsa8192.pem", "RSA with 8192 bits"),
        ("secp256k1.pem", "secp256k1"),
        ("secp256k1-sec1.pem", "secp256k1"),
    ] {
        let error = public(file).unwrap_err();
        assert_eq!((error.check(), error.at()), (Check::KeyType, name), "{file}");
    }
    // Numbers that do not belong together: the last byte of a prime, of the point beside the private number.
    let altered = |file: &str, at: usize| {
        let file = openssl(file);
        let (label, mut der) = pem::decode_vec(&file).unwrap();
        let at = der.len() - at;
        der[at] ^= 2;
        let file = pem::encode_string(label, LineEnding::LF, &der).unwrap();
        check(ForeignKey::from_pem(file.as_bytes()).ok().unwrap().public_key(None))
    };
    assert_eq!(altered("p521.pem", 1), Some(Check::KeyMismatch));
    assert_eq!(altered("p521-sec1.pem", 1), Some(Check::KeyMismatch));
    // Behind the second prime stand two exponents and the coefficient, 131 or 132 bytes each.
    assert_eq!(altered("rsa2048-pkcs1.pem", 3 * 132 + 40), Some(Check::KeyMismatch));
}

#[test]
fn wrong_passphrase_of_foreign_keys() {
    for file in ["keys/by-cosign-3.1.1.key", "keys-openssl/p256-pbkdf2.pem", "keys-openssl/p256-scrypt.pem"] {
        let file = fs::read(fixtures(file)).unwrap();
        for wrong in ["", "Pass", "pass "] {
            let error = open_foreign(&file, Some(&pass(wrong))).err().unwrap();
            assert_eq!((error.check(), error.exit().code()), (Check::KeyPassphraseDamaged, 41));
        }
        assert_eq!(check(open_foreign(&file, None)), Some(Check::PassphraseSource));
        assert!(open_foreign(&file, Some(&pass("pass"))).is_ok());
    }
}

/// CBC has no tag: of several hundred wrong passphrases some give well-padded bytes, and the answer is the same.
#[test]
fn wrong_passphrase_of_cbc_is_never_another_error() {
    let file = openssl("p256-pbkdf2.pem");
    for number in 0..700 {
        let result = open_foreign(&file, Some(&pass(&number.to_string())));
        assert_eq!(check(result), Some(Check::KeyPassphraseDamaged), "{number}");
    }
}

#[test]
fn keys_of_openssl() {
    for (file, format, passphrase) in [
        ("p256.pem", ForeignFormat::Pkcs8, None),
        ("p256-sec1.pem", ForeignFormat::Sec1, None),
        ("p256-pbkdf2.pem", ForeignFormat::EncryptedPkcs8, Some("pass")),
        ("p256-pbkdf2-600000.pem", ForeignFormat::EncryptedPkcs8, Some("pass")),
        ("p256-scrypt.pem", ForeignFormat::EncryptedPkcs8, Some("pass")),
        ("p256-pbkdf2-empty.pem", ForeignFormat::EncryptedPkcs8, Some("")),
        ("p384.pem", ForeignFormat::Pkcs8, None),
        ("p384-sec1.pem", ForeignFormat::Sec1, None),
        ("p384-pbkdf2.pem", ForeignFormat::EncryptedPkcs8, Some("pass")),
        ("ed25519.pem", ForeignFormat::Pkcs8, None),
        ("ed25519-pbkdf2.pem", ForeignFormat::EncryptedPkcs8, Some("pass")),
    ] {
        let kind = file.split(['-', '.']).next().unwrap();
        let public = PublicKey::from_pem(&openssl(&format!("{kind}.pub"))).unwrap();
        let foreign = ForeignKey::from_pem(&openssl(file)).ok().unwrap();
        assert_eq!(foreign.format(), format, "{file}");
        assert_eq!(foreign.format().needs_passphrase(), passphrase.is_some(), "{file}");
        let key = foreign.open(passphrase.map(pass).as_ref()).ok().unwrap();
        assert_eq!(key.public_key(), &public, "{file}");
    }
}

#[test]
fn keys_of_openssl_that_are_refused() {
    for (file, expected, at, hint) in [
        ("p256-pbkdf2-20000000.pem", Check::KeyParameters, "", "openssl pkcs8 -topk8"),
        ("p256-pbkdf2-sha1.pem", Check::KeyParameters, "", "openssl pkcs8 -topk8"),
        ("p256-pbkdf2-3des.pem", Check::KeyParameters, "", "openssl pkcs8 -topk8"),
        ("p256-pbes1.pem", Check::KeyParameters, "", "openssl pkcs8 -topk8"),
        ("p256-sec1-encrypted.pem", Check::KeyFormat, "", "openssl pkcs8 -topk8"),
        ("p256-with-parameters.pem", Check::KeyFormat, "", "openssl ec"),
        ("p256.pub", Check::KeyFormat, "", "private keys are"),
        ("p521.pem", Check::KeyType, "P-521", "key generate"),
        ("p521-sec1.pem", Check::KeyType, "P-521", "key generate"),
        ("p521-pbkdf2.pem", Check::KeyType, "P-521", "key generate"),
        ("rsa2048.pem", Check::KeyType, "RSA", "key generate"),
        ("rsa2048-pkcs1.pem", Check::KeyType, "RSA", "key generate"),
    ] {
        let error = open_foreign(&openssl(file), Some(&pass("pass"))).err().unwrap();
        assert_eq!((error.check(), error.at(), error.exit().code()), (expected, at, 43), "{file}");
        assert!(error.hints().any(|line| line.contains(hint)), "{file}: {error:?}");
    }
}

#[test]
fn one_block_only() {
    let good = String::from_utf8(openssl("p256.pem")).unwrap();
    assert!(open_foreign(format!("\n{good}\r\n ").as_bytes(), None).is_ok());
    assert!(open_foreign(good.replace('\n', "\r\n").as_bytes(), None).is_ok());
    let relabelled = |label: &str| good.replace("PRIVATE KEY", label).into_bytes();
    for (file, expected) in [
        (format!("{good}{good}").into_bytes(), Check::KeyFormat),
        (format!("release\n{good}").into_bytes(), Check::KeyFormat),
        (format!("{good}release").into_bytes(), Check::KeyFormat),
        (b"".to_vec(), Check::KeyFormat),
        (b"\xff\xfe".to_vec(), Check::KeyFormat),
        (good.as_bytes()[..150].to_vec(), Check::KeyDamaged),
        (good.replacen('M', "*", 1).into_bytes(), Check::KeyDamaged),
        (relabelled("OPENSSH PRIVATE KEY"), Check::KeyFormat),
        (relabelled("PRIVATE KEYS"), Check::KeyFormat),
        (relabelled("COLDSIGN SEALED PRIVATE KEY"), Check::KeyFormat),
        (relabelled("DSA PRIVATE KEY"), Check::KeyType),
        (relabelled("EC PRIVATE KEY"), Check::KeyDamaged),
        (relabelled("ENCRYPTED PRIVATE KEY"), Check::KeyDamaged),
        (relabelled("ENCRYPTED COSIGN PRIVATE KEY"), Check::KeyDamaged),
    ] {
        assert_eq!(
            check(open_foreign(&file, Some(&pass("")))),
            Some(expected),
            "{}",
            String::from_utf8_lossy(&file)
        );
    }
}

/// The caps of PBES2's scrypt stand before the work: N, r and p of OpenSSL's file are raised in its DER.
#[test]
fn pbes2_scrypt_is_bounded() {
    let file = openssl("p256-scrypt.pem");
    let (label, der) = pem::decode_vec(&file).unwrap();
    // INTEGER 16384, INTEGER 8, INTEGER 1
    let at = der.windows(10).position(|window| window == [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1]).unwrap();
    let with = |offset: usize, value: u8| {
        let mut der = der.clone();
        der[at + offset] = value;
        open_foreign(pem::encode_string(label, LineEnding::LF, &der).unwrap().as_bytes(), Some(&pass("pass")))
    };
    assert_eq!(check(with(6, 8)), None);
    assert_eq!(check(with(6, 127)), Some(Check::KeyPassphraseDamaged));
    // 16384 * 127 * 8 > 2^23
    let mut der = der.clone();
    (der[at + 6], der[at + 9]) = (127, 8);
    let file = pem::encode_string(label, LineEnding::LF, &der).unwrap();
    assert_eq!(check(open_foreign(file.as_bytes(), Some(&pass("pass")))), Some(Check::KeyParameters));
    // N that is no power of two
    assert_eq!(check(with(3, 1)), Some(Check::KeyParameters));
}

fn cosign_envelope(change: impl Fn(&mut Value)) -> Result<SigningKey> {
    let file = fs::read(fixtures("keys/cosign32.key")).unwrap();
    let (label, body) = pem::decode_vec(&file).unwrap();
    let mut value: Value = serde_json::from_slice(&body).unwrap();
    change(&mut value);
    let file = pem::encode_string(label, LineEnding::LF, value.to_string().as_bytes()).unwrap();
    open_foreign(file.as_bytes(), Some(&pass("pass")))
}

#[test]
fn envelopes_of_cosign() {
    assert_eq!(check(cosign_envelope(|_| {})), None);
    assert_eq!(check(cosign_envelope(|value| value["more"] = json!({"deep": [1, -2.5, null]}))), None);
    let damaged: [&dyn Fn(&mut Value); 7] = [
        &|value| value["cipher"]["nonce"] = json!("AAAA"),
        &|value| value["cipher"]["nonce"] = json!(7),
        &|value| value["kdf"]["salt"] = json!("not base64"),
        &|value| value["ciphertext"] = json!(null),
        &|value| *value = json!({"kdf": value["kdf"]}),
        &|value| *value = json!([]),
        &|value| *value = json!("x"),
    ];
    for (number, change) in damaged.iter().enumerate() {
        assert_eq!(check(cosign_envelope(change)), Some(Check::KeyDamaged), "{number}");
    }
    let parameters: [&dyn Fn(&mut Value); 6] = [
        &|value| value["kdf"]["params"]["p"] = json!(2),
        &|value| value["kdf"]["params"]["N"] = json!(-32768),
        &|value| value["kdf"]["params"]["N"] = json!(32768.5),
        &|value| value["kdf"]["params"] = json!(null),
        &|value| value["kdf"]["name"] = json!("SCRYPT"),
        &|value| value["cipher"]["name"] = json!("aes-gcm"),
    ];
    for (number, change) in parameters.iter().enumerate() {
        assert_eq!(check(cosign_envelope(change)), Some(Check::KeyParameters), "{number}");
    }
    assert_eq!(
        check(cosign_envelope(|value| value["ciphertext"] = json!(""))),
        Some(Check::KeyPassphraseDamaged)
    );
}

#[test]
fn export_to_cosign_and_back() {
    for kind in [SigningKind::P384, SigningKind::Ed25519] {
        let key = SigningKey::generate(kind, &mut OsRandom).unwrap();
        let file = cosign::to_pem(&key, &pass("new"), &mut OsRandom).ok().unwrap();
        let back = open_foreign(file.expose(), Some(&pass("new"))).ok().unwrap();
        assert_eq!(back.public_key(), key.public_key(), "{kind:?}");
    }
    let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).unwrap();
    let export = || cosign::to_pem(&key, &pass("new"), &mut OsRandom).ok().unwrap();
    let (file, other) = (export(), export());
    assert!(file.expose() != other.expose(), "salt and nonce are new each time");
    let foreign = ForeignKey::from_pem(file.expose()).ok().unwrap();
    assert_eq!(foreign.format(), ForeignFormat::Cosign);
    assert_eq!(foreign.open(Some(&pass("new"))).ok().unwrap().public_key(), key.public_key());
    assert_eq!(check(foreign.open(Some(&pass("old")))), Some(Check::KeyPassphraseDamaged));
    assert_eq!(check(cosign::to_pem(&key, &pass(""), &mut OsRandom)), Some(Check::PassphraseEmpty));
    // Members, their order and the length are those of cosign's own file.
    let shape = |file: &[u8]| {
        let (label, body) = pem::decode_vec(file).unwrap();
        let text = String::from_utf8(body).unwrap();
        let names: Vec<String> =
            text.split('"').skip(1).step_by(2).filter(|word| word.len() < 20).map(str::to_owned).collect();
        (label.to_owned(), names, text.len(), file.len())
    };
    assert_eq!(shape(file.expose()), shape(&fs::read(fixtures("keys/by-cosign-3.1.1.key")).unwrap()));
}

/// The vector of the page, its document changed; `mended` gives it the checksum of what it is now.
fn vector(change: impl Fn(&mut Value), mended: bool) -> String {
    let file = fs::read(fixtures("keys-sealed/vector.key")).unwrap();
    let (label, body) = pem::decode_vec(&file).unwrap();
    let mut value: Value = serde_json::from_slice(&body).unwrap();
    change(&mut value);
    if mended {
        value.as_object_mut().unwrap().remove("checksum");
        value["checksum"] = json!(Digest::of(value.to_string().as_bytes()).to_string());
    }
    pem::encode_string(label, LineEnding::LF, value.to_string().as_bytes()).unwrap()
}

fn unlock(file: &str) -> Result<SigningKey> {
    SealedKey::from_pem(file.as_bytes())?.unlock(&pass("paper and stick"))
}

#[test]
fn header_edited_is_damage_or_no_passphrase() {
    assert_eq!(check(unlock(&vector(|_| {}, true))), None);
    let other = PublicKey::from_pem(&openssl("p256.pub")).unwrap();
    let spki: String = other.to_pem().lines().filter(|line| !line.starts_with('-')).collect();
    let edits: [&dyn Fn(&mut Value); 8] = [
        &|value| value["comment"] = json!("release key"),
        &|value| value["uses"] = json!(["blob", "image"]),
        &|value| value["uses"] = json!(["custom-payload"]),
        &|value| value["kdf"]["N"] = json!(65536),
        &|value| value["kdf"]["salt"] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4="),
        &|value| value["cipher"]["nonce"] = json!("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY4"),
        &|value| {
            value["publicKey"] = json!(spki);
            value["keyId"] = json!(other.id().to_string());
        },
        &|value| value["ciphertext"] = json!("AAAA"),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let error = unlock(&vector(edit, false)).err().unwrap();
        assert_eq!((error.check(), error.exit().code()), (Check::KeyDamaged, 42), "{number}");
        let error = unlock(&vector(edit, true)).err().unwrap();
        assert_eq!((error.check(), error.exit().code()), (Check::KeyPassphrase, 41), "{number}");
    }
    let sealed = SealedKey::from_pem(vector(|_| {}, false).as_bytes()).ok().unwrap();
    for wrong in ["", "paper and stick ", "Paper and stick", "paper and stick\n"] {
        assert_eq!(check(sealed.unlock(&pass(wrong))), Some(Check::KeyPassphrase), "{wrong:?}");
    }
}

#[test]
fn every_bit_of_a_sealed_key_counts() {
    let good = vector(|_| {}, false);
    let body = good.find('\n').unwrap() + 1..good.rfind("-----END").unwrap() - 1;
    let mut bytes = good.clone().into_bytes();
    for at in body {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let found = check(SealedKey::from_pem(&bytes));
            // CR for LF is no change.
            let harmless = bytes[at].is_ascii_whitespace() && found.is_none();
            assert!(found == Some(Check::KeyDamaged) || harmless, "{at}.{bit}: {found:?}");
            bytes[at] ^= 1 << bit;
        }
    }
    for length in 0..good.len() - 1 {
        let found = check(SealedKey::from_pem(&good.as_bytes()[..length]));
        let label_is_whole = length >= "-----BEGIN COLDSIGN SEALED PRIVATE KEY-----".len();
        assert_eq!(
            found,
            Some(if label_is_whole { Check::KeyDamaged } else { Check::KeyFormat }),
            "{length}"
        );
    }
}

#[test]
fn sealed_keys_of_another_form() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let error = SealedKey::from_pem(vector(change, true).as_bytes()).err().unwrap();
        (error.check(), error.exit().code())
    };
    let damaged: [&dyn Fn(&mut Value); 18] = [
        &|value| value["more"] = json!(1),
        &|value| value["kdf"]["more"] = json!(1),
        &|value| value["cipher"]["more"] = json!(1),
        &|value| value["kdf"]["salt"] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="),
        &|value| value["kdf"]["salt"] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
        &|value| value["cipher"]["nonce"] = json!("AAAA"),
        &|value| value["uses"] = json!([]),
        &|value| value["uses"] = json!("image"),
        &|value| value["uses"] = json!(["image", "blob"]),
        &|value| value["uses"] = json!(["image", "image"]),
        &|value| value["uses"] = json!(["everything"]),
        &|value| value["comment"] = json!("bell \u{7}"),
        &|value| value["comment"] = json!("x".repeat(4097)),
        &|value| value["comment"] = json!(null),
        &|value| value["keyId"] = json!("5a7a"),
        &|value| value["version"] = json!("1"),
        &|value| value["kdf"]["N"] = json!(4_611_686_018_427_387_904_u64),
        &|value| value["kdf"]["N"] = json!("32768"),
    ];
    for (number, change) in damaged.iter().enumerate() {
        assert_eq!(refused(change), (Check::KeyDamaged, 42), "{number}");
    }
    for member in ["cipher", "ciphertext", "comment", "kdf", "keyId", "publicKey", "uses", "version"] {
        let without = |value: &mut Value| drop(value.as_object_mut().unwrap().remove(member));
        assert_eq!(refused(&without), (Check::KeyDamaged, 42), "{member}");
    }
    let parameters: [&dyn Fn(&mut Value); 9] = [
        &|value| value["kdf"]["N"] = json!(16384),
        &|value| value["kdf"]["N"] = json!(98304),
        &|value| value["kdf"]["N"] = json!(2_097_152),
        &|value| value["kdf"]["N"] = json!(9_007_199_254_740_991_u64),
        &|value| value["kdf"]["N"] = json!(0),
        &|value| value["kdf"]["r"] = json!(16),
        &|value| value["kdf"]["p"] = json!(2),
        &|value| value["kdf"]["name"] = json!("argon2id"),
        &|value| value["cipher"]["name"] = json!("aes-256-gcm"),
    ];
    for (number, change) in parameters.iter().enumerate() {
        assert_eq!(refused(change), (Check::KeyParameters, 43), "{number}");
    }
    assert_eq!(refused(&|value| value["version"] = json!(2)), (Check::KeyFormat, 43));
    assert_eq!(
        refused(&|value| value["keyId"] = json!(Digest::of(b"").to_string())),
        (Check::KeyMismatch, 42)
    );
    assert_eq!(refused(&|value| value["publicKey"] = json!("AAAA")), (Check::KeyEncoding, 43));
    // 2^20 is the last one that is allowed.
    let costly = vector(|value| value["kdf"]["N"] = json!(1_048_576), true);
    assert_eq!(SealedKey::from_pem(costly.as_bytes()).ok().unwrap().cost(), Cost::new(1 << 20).unwrap());
}

#[test]
fn sealed_keys_are_told_from_others() {
    let good = vector(|_| {}, false);
    assert!(is_sealed(good.as_bytes()) && is_sealed(format!("\n {good}").as_bytes()));
    let foreign = openssl("p256.pem");
    assert!(!is_sealed(&foreign));
    for bad in [foreign, b"".to_vec(), format!("{good}{good}").into_bytes(), format!("x{good}").into_bytes()]
    {
        assert_eq!(check(SealedKey::from_pem(&bad)), Some(Check::KeyFormat));
    }
    assert!(SealedKey::from_pem(good.replace('\n', "\r\n").as_bytes()).is_ok());
    // Blanks in the document, its checksum right: not its one spelling.
    let (label, body) = pem::decode_vec(good.as_bytes()).unwrap();
    let spaced = String::from_utf8(body).unwrap().replacen(',', ", ", 1);
    let spaced = pem::encode_string(label, LineEnding::LF, spaced.as_bytes()).unwrap();
    assert_eq!(check(SealedKey::from_pem(spaced.as_bytes())), Some(Check::KeyDamaged));
}

/// A sealed key of each type opens, and its header names the type.
#[test]
fn sealed_keys_of_every_type() {
    for (file, name) in [("p256", "P-256"), ("p384", "P-384"), ("ed25519", "Ed25519")] {
        let key = open_foreign(&openssl(&format!("{file}.pem")), None).ok().unwrap();
        let cost = Cost::new(1 << 15).unwrap();
        let sealed =
            SealedKey::seal(&key, Uses::default(), "", &pass("x"), cost, &mut OsRandom).ok().unwrap();
        let sealed = SealedKey::from_pem(sealed.to_pem().as_bytes()).ok().unwrap();
        assert_eq!(sealed.public_key().kind().to_string(), name);
        assert_eq!(sealed.public_key().to_pem().as_bytes(), openssl(&format!("{file}.pub")));
        let opened = sealed.unlock(&pass("x")).ok().unwrap();
        assert_eq!(opened.sign(b"x").unwrap(), key.sign(b"x").unwrap());
    }
}

#[test]
fn changing_the_passphrase_keeps_key_uses_and_comment() {
    let key = open_foreign(&openssl("p256.pem"), None).ok().unwrap();
    let uses = Uses::new([Use::Image, Use::Attestation]).unwrap();
    let cost = Cost::new(1 << 15).unwrap();
    let old = SealedKey::seal(&key, uses, "first", &pass("old"), cost, &mut OsRandom).ok().unwrap();
    let opened = old.unlock(&pass("old")).ok().unwrap();
    let new = SealedKey::seal(&opened, old.uses().clone(), old.comment(), &pass("new"), cost, &mut OsRandom)
        .ok()
        .unwrap();
    let new = SealedKey::from_pem(new.to_pem().as_bytes()).ok().unwrap();
    assert_eq!((new.uses(), new.comment(), new.public_key()), (old.uses(), "first", key.public_key()));
    assert!(new.unlock(&pass("new")).is_ok());
    assert_eq!(check(new.unlock(&pass("old"))), Some(Check::KeyPassphrase));
}

/// No part of a private key and no passphrase stands in a file that is sealed, or in what any error says.
#[test]
fn no_canary_leaves() {
    for (file, secret) in [("p256.pem", 36..68), ("p384.pem", 35..83), ("ed25519.pem", 16..48)] {
        no_canary_of(file, secret);
    }
}

/// `secret` is where the private number or seed stands in the file's DER.
fn no_canary_of(file: &str, secret: std::ops::Range<usize>) {
    const CANARY: &str = "canary-passphrase-5f1c";
    let file = openssl(file);
    let key = open_foreign(&file, None).ok().unwrap();
    let plain = key.to_pkcs8_der().unwrap();
    let scalar = &plain.expose()[secret];
    let sealed =
        SealedKey::seal(&key, Uses::default(), "", &pass(CANARY), Cost::new(1 << 15).unwrap(), &mut OsRandom)
            .ok()
            .unwrap();
    let exported = cosign::to_pem(&key, &pass(CANARY), &mut OsRandom).ok().unwrap();
    let mut outputs: Vec<Vec<u8>> = vec![
        sealed.to_pem().into_bytes(),
        pem::decode_vec(sealed.to_pem().as_bytes()).unwrap().1,
        exported.expose().to_vec(),
        pem::decode_vec(exported.expose()).unwrap().1,
        format!("{:?} {:?}", key.public_key(), sealed.public_key()).into_bytes(),
        key.sign(b"x").unwrap(),
    ];
    let say = |error: Error| {
        let mut text = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            write!(text, " {cause} {cause:?}").unwrap();
            source = cause.source();
        }
        text.into_bytes()
    };
    let wrong = pass("canary-passphrase-5f1d");
    outputs.push(say(sealed.unlock(&wrong).err().unwrap()));
    outputs.push(say(open_foreign(exported.expose(), Some(&wrong)).err().unwrap()));
    // A plain key, cut and altered at every byte: whatever is refused, it is not shown.
    for at in 0..plain.expose().len() {
        outputs.extend(SigningKey::from_pkcs8_der(&plain.expose()[..at]).err().map(say));
        let mut altered = plain.expose().to_vec();
        altered[at] ^= 1;
        outputs.extend(SigningKey::from_pkcs8_der(&altered).err().map(say));
    }
    for at in 0..file.len() {
        outputs.extend(open_foreign(&file[..at], None).err().map(say));
    }
    let hex = Digest::from_bytes(scalar[..32].try_into().unwrap()).hex();
    let decimal = scalar[..6].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let base64 = String::from_utf8(file).unwrap().lines().nth(1).unwrap()[48..64].to_owned();
    let canaries: [&[u8]; 6] = [
        CANARY.as_bytes(),
        &scalar[..8],
        &scalar[scalar.len() - 8..],
        &hex.as_bytes()[..16],
        decimal.as_bytes(),
        base64.as_bytes(),
    ];
    for output in outputs {
        for (number, canary) in canaries.iter().enumerate() {
            let found = output.windows(canary.len()).any(|window| window == *canary);
            assert!(!found, "canary {number} in {}", String::from_utf8_lossy(&output));
        }
    }
}
