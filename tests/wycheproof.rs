//! Verification against C2SP's Wycheproof: every file of it that speaks about what [`PublicKey::verify`] takes.
//!
//! 1. Files with SHA-256 (and pure Ed25519): a signature is taken exactly where it is `valid` there.
//! 2. Files of the same types of key with another hash: nothing is taken. cosign takes them with a flag only.
//! 3. Files of other curves and sizes: the key is refused by its name.
//!
//! ECDH, encryption and RSA-PSS are not what coldsign does.

use std::collections::BTreeMap;
use std::io::Write as _;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::keys::public::{KeyKind, PublicKey};
use wycheproof::ecdsa::TestName as Ecdsa;
use wycheproof::eddsa::TestName as Eddsa;
use wycheproof::rsa_pkcs1_verify::TestName as Rsa;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

/// One signature of a file.
struct Case {
    id: String,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    result: TestResult,
    flags: Vec<String>,
}

/// A file's cases; the three kinds of files have types of their own with members of the same names.
macro_rules! cases {
    ($module:ident, $name:expr) => {{
        let name = $name;
        let set = $module::TestSet::load(name).unwrap();
        let mut cases = Vec::new();
        for group in set.test_groups {
            for test in group.tests {
                cases.push(Case {
                    id: format!("{name:?} tcId {}", test.tc_id),
                    key: group.der.to_vec(),
                    message: test.msg.to_vec(),
                    signature: test.sig.to_vec(),
                    result: test.result,
                    flags: test.flags.iter().map(|flag| format!("{flag:?}")).collect(),
                });
            }
        }
        (format!("{name:?}"), cases)
    }};
}

/// Where the verdict is not Wycheproof's word: the flag that says which cases, our verdict, and why.
const EXCEPTIONS: &[(&str, TestResult, bool, &str)] = &[(
    "MissingNull",
    TestResult::Acceptable,
    false,
    "RSA padding without the NULL of RFC 8017: Wycheproof leaves it open, Go and hence cosign refuse it",
)];

/// Signatures in the files that apply, and how many of them are valid; in version 0.7 of the crate.
const APPLY: usize = 2_145;
const VALID: usize = 621;

#[test]
fn what_verify_takes() {
    let mut used = BTreeMap::new();
    let (mut checked, mut valid, mut mismatches) = (0, 0, Vec::new());
    for (file, cases) in [
        cases!(ecdsa, Ecdsa::EcdsaSecp256r1Sha256),
        cases!(ecdsa, Ecdsa::EcdsaSecp256r1Sha256P1363),
        cases!(ecdsa, Ecdsa::EcdsaSecp384r1Sha256),
        cases!(eddsa, Eddsa::Ed25519),
        cases!(rsa_pkcs1_verify, Rsa::Rsa2048Sha256),
        cases!(rsa_pkcs1_verify, Rsa::Rsa3072Sha256),
        cases!(rsa_pkcs1_verify, Rsa::Rsa4096Sha256),
    ] {
        let raw = file.ends_with("P1363");
        let mut keys = Keys::default();
        for case in cases {
            let Case { id, message, signature, .. } = &case;
            let key = keys.of(&case);
            let exception = EXCEPTIONS.iter().find(|(flag, result, ..)| {
                *result == case.result && case.flags.iter().any(|found| found == flag)
            });
            let expected = match (exception, case.result) {
                (Some((flag, _, ours, _)), _) => {
                    *used.entry(*flag).or_insert(0) += 1;
                    *ours
                }
                (None, TestResult::Valid) => true,
                (None, TestResult::Invalid) => false,
                (None, TestResult::Acceptable) => panic!("{id} is for us to decide: {:?}", case.flags),
            };
            let digest = Digest::of(message);
            let hashes = key.kind() != KeyKind::Ed25519;
            let found = [
                ("verify", key.verify(message, signature), expected),
                ("verify_digest", key.verify_digest(&digest, signature), expected && hashes),
                // Our own files hold DER only.
                ("verify_strict", key.verify_strict(message, signature), expected && !raw),
                (
                    "verify_digest_strict",
                    key.verify_digest_strict(&digest, signature),
                    expected && hashes && !raw,
                ),
            ];
            mismatches.extend(
                found
                    .into_iter()
                    .filter(|(_, found, expected)| found != expected)
                    .map(|(how, found, _)| format!("{id}: {how} says {found}, {:?}", case.flags)),
            );
            checked += 1;
            valid += usize::from(case.result == TestResult::Valid);
        }
    }
    say(&format!(
        "wycheproof: {checked} signatures in the files that apply, {valid} of them valid, {} mismatches",
        mismatches.len()
    ));
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    for (flag, _, _, why) in EXCEPTIONS {
        assert!(used.contains_key(flag), "a stale exception: {flag}: {why}");
    }
    assert_eq!((checked, valid), (APPLY, VALID));
}

/// SHA-256 whatever the curve: what is valid with another hash is taken by no key.
#[test]
fn other_hashes_are_not_taken() {
    let (mut checked, mut valid, mut ours) = (0, 0, 0);
    for (_, cases) in [
        cases!(ecdsa, Ecdsa::EcdsaSecp256r1Sha512),
        cases!(ecdsa, Ecdsa::EcdsaSecp256r1Sha512P1363),
        cases!(ecdsa, Ecdsa::EcdsaSecp256r1Sha3_256),
        cases!(ecdsa, Ecdsa::EcdsaSecp384r1Sha384),
        cases!(ecdsa, Ecdsa::EcdsaSecp384r1Sha384P1363),
        cases!(ecdsa, Ecdsa::EcdsaSecp384r1Sha512),
        cases!(ecdsa, Ecdsa::EcdsaSecp521r1Sha512),
        cases!(ecdsa, Ecdsa::EcdsaSecp521r1Sha512P1363),
        cases!(rsa_pkcs1_verify, Rsa::Rsa2048Sha512),
        cases!(rsa_pkcs1_verify, Rsa::Rsa3072Sha384),
        cases!(rsa_pkcs1_verify, Rsa::Rsa4096Sha512),
    ] {
        let mut keys = Keys::default();
        for case in cases {
            if keys.of(&case).verify(&case.message, &case.signature) {
                // A signature of our hash in a file of another one: wrong there, hence right here.
                assert_eq!(case.result, TestResult::Invalid, "{}", case.id);
                assert!(case.flags.iter().any(|flag| flag == "WrongHash"), "{}: {:?}", case.id, case.flags);
                ours += 1;
            }
            checked += 1;
            valid += usize::from(case.result == TestResult::Valid);
        }
    }
    say(&format!(
        "wycheproof: {checked} signatures with another hash, {valid} of them valid, none of these taken"
    ));
    assert_eq!((checked, valid, ours), (4_331, 1_766, 3));
}

/// Curves and sizes that are not taken, each by its name.
#[test]
fn other_keys_are_refused_by_name() {
    let mut refused = BTreeMap::new();
    for (file, cases) in [
        cases!(ecdsa, Ecdsa::EcdsaSecp256k1Sha256),
        cases!(ecdsa, Ecdsa::EcdsaSecp256k1Sha256P1363),
        cases!(ecdsa, Ecdsa::EcdsaSecp256k1Sha256Bitcoin),
        cases!(ecdsa, Ecdsa::EcdsaSecp224r1Sha256),
        cases!(eddsa, Eddsa::Ed448),
        cases!(rsa_pkcs1_verify, Rsa::Rsa8192Sha256),
    ] {
        for case in cases {
            let error =
                PublicKey::from_der(&case.key).err().unwrap_or_else(|| panic!("{} is taken", case.id));
            assert_eq!(error.check(), Check::KeyType, "{}", case.id);
            *refused.entry((file.clone(), error.at().to_owned())).or_insert(0) += 1;
        }
    }
    let refused: Vec<(String, usize)> =
        refused.into_iter().map(|((file, name), count)| (format!("{file}: {name}"), count)).collect();
    say(&format!("wycheproof: signatures by keys that are refused: {refused:?}"));
    let expected = [
        ("EcdsaSecp224r1Sha256: P-224", 481),
        ("EcdsaSecp256k1Sha256: secp256k1", 476),
        ("EcdsaSecp256k1Sha256Bitcoin: secp256k1", 463),
        ("EcdsaSecp256k1Sha256P1363: secp256k1", 252),
        ("Ed448: Ed448", 87),
        ("Rsa8192Sha256: RSA with 8192 bits", 258),
    ];
    assert!(refused.iter().map(|(name, count)| (name.as_str(), *count)).eq(expected), "{refused:?}");
}

/// The key of the last case: a file has few.
#[derive(Default)]
struct Keys(Option<(Vec<u8>, PublicKey)>);

impl Keys {
    fn of(&mut self, case: &Case) -> PublicKey {
        if let Some((_, key)) = self.0.as_ref().filter(|(der, _)| *der == case.key) {
            return key.clone();
        }
        let key = PublicKey::from_der(&case.key).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        self.0 = Some((case.key.clone(), key.clone()));
        key
    }
}

/// Past the test runner, which keeps what is printed of a test that passes: the counts are said.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
