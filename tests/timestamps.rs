//! Timestamps (RFC 3161): what cosign, timestamp-authority and OpenSSL wrote, and what must be refused, each by its check.
//!
//! Cases are `fixtures/log` and `fixtures/timestamps`; `COLDSIGN_CASES` may name a folder with the bundles of
//! sigstore-conformance.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::error::Error;
use coldsign::limits;
use coldsign::trust::{Authority, Time, Window};
use coldsign::verify::timestamp::{Token, check_reply, check_token_count, check_token_repeated, request};
use serde_json::Value;

/// What became of a timestamp: its time and the authority's index, or why not; `Ok(None)` is unchecked.
type Outcome = Result<Option<(u64, usize)>, Check>;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn read(path: &str) -> Vec<u8> {
    fs::read(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn made(name: &str) -> Vec<u8> {
    read(&format!("timestamps/{name}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn base64(value: &Value) -> Vec<u8> {
    // One of sigstore-conformance has line breaks in it.
    STANDARD.decode(value.as_str().unwrap().replace('\n', "")).unwrap()
}

fn refused<T>(result: Result<T, Error>) -> Option<Check> {
    result.err().map(|error| error.check())
}

fn judge(token: &[u8], message: &[u8], authorities: &[Authority]) -> Outcome {
    let outcome = Token::parse(token).and_then(|token| {
        let stamp = token.check(message, authorities)?;
        assert!(stamp.is_none_or(|stamp| stamp.time() == token.time()));
        Ok(stamp.map(|stamp| (stamp.time().0, stamp.authority())))
    });
    outcome.map_err(|error| error.check())
}

/// The authorities of a trusted root.
fn authorities(root: &Path) -> Vec<Authority> {
    let root = json(root);
    let one = |authority: &Value| {
        let chain = authority["certChain"]["certificates"].as_array().unwrap().iter();
        let chain: Vec<Vec<u8>> = chain.map(|certificate| base64(&certificate["rawBytes"])).collect();
        let time = |name: &str| authority["validFor"][name].as_str().map(|text| Time::parse(text).unwrap());
        let window = time("start").map(|start| Window { start, end: time("end") });
        Authority::new(&chain, window, authority["uri"].as_str().map(str::to_owned)).unwrap()
    };
    root["timestampAuthorities"].as_array().into_iter().flatten().map(one).collect()
}

/// The tokens of a bundle, and the signature that they are of.
fn stamped(bundle: &Value) -> (Vec<Vec<u8>>, Vec<u8>) {
    let tokens = &bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    let tokens = tokens.as_array().into_iter().flatten();
    let signature = bundle
        .pointer("/messageSignature/signature")
        .or_else(|| bundle.pointer("/dsseEnvelope/signatures/0/sig"));
    (tokens.map(|token| base64(&token["signedTimestamp"])).collect(), base64(signature.unwrap()))
}

/// Every token of the cases of a real timestamp authority, by what the trusted root of the case says.
#[test]
fn cases_of_tokens() {
    use Check::{TokenImprint, TokenSignature, TokenSyntax, TokenWindow};
    let wanted: &[(&str, &[Result<bool, Check>])] = &[
        ("tsa-base", &[Ok(true)]),
        ("tsa-token-no-cert", &[Ok(true)]),
        ("tsa-token-sha512", &[Ok(true)]),
        ("tsa-base-tlog-demanded", &[Ok(true)]),
        ("tsa-token-without-resp", &[Err(TokenSyntax)]),
        ("tsa-trailing-bytes", &[Err(TokenSyntax)]),
        ("tsa-flipped", &[Err(TokenSignature)]),
        ("tsa-flipped-without-flag", &[Err(TokenSignature)]),
        ("tsa-v1-flipped", &[Err(TokenSignature)]),
        ("tsa-token-over-payload", &[Err(TokenImprint)]),
        ("tsa-other-tsa", &[Ok(false)]),
        ("tb-v1-base", &[Ok(true)]),
        ("tb-v2ed-base", &[Ok(true)]),
        ("tb-token-with-cert", &[Ok(true)]),
        ("tb-flipped-not-demanded", &[Err(TokenSignature)]),
        ("tb-token-of-other-signature", &[Err(TokenImprint)]),
        ("tb-trailing-byte", &[Err(TokenSyntax)]),
        ("tb-good-and-garbage", &[Ok(true), Err(TokenSyntax)]),
        ("tb-good-and-untrusted", &[Ok(true), Ok(false)]),
        ("tb-duplicate", &[Ok(true), Ok(true)]),
        ("tb-duplicate-threshold2", &[Ok(true), Ok(true)]),
        ("tb-root-no-leaf-token-with-cert", &[Ok(false)]),
        ("tb-root-tsa-expired", &[Err(TokenWindow)]),
        ("tb-other-tsa", &[Ok(false)]),
    ];
    let cases = json(&fixture("log/cases.json"));
    let mut judged = BTreeSet::new();
    for case in cases["cases"].as_array().unwrap() {
        let (name, family) = (case["name"].as_str().unwrap(), case["family"].as_str().unwrap());
        if !family.starts_with("tsa-") {
            continue;
        }
        let root = case["trusted_root"].as_str().unwrap();
        let authorities = authorities(&fixture("log").join(root));
        let (tokens, message) = if family == "tsa-bundle" {
            stamped(&serde_json::from_str(case["referrers"][0]["bundle_raw"].as_str().unwrap()).unwrap())
        } else {
            let annotations = &case["layers"][0]["annotations"];
            // What is no JSON with a token in it is not for this parser.
            let annotation = annotations["dev.sigstore.cosign/rfc3161timestamp"].as_str().unwrap_or_default();
            let annotation: Value = serde_json::from_str(annotation).unwrap_or_default();
            let token = annotation.get("SignedRFC3161Timestamp").map(base64);
            (token.into_iter().collect(), base64(&annotations["dev.cosignproject.cosign/signature"]))
        };
        let outcomes = tokens.iter().map(|token| judge(token, &message, &authorities));
        let outcomes: Vec<_> = outcomes.map(|outcome| outcome.map(|stamp| stamp.is_some())).collect();
        let wanted = wanted.iter().find(|(case, _)| *case == name).map_or(&[][..], |(_, wanted)| wanted);
        assert_eq!(outcomes, wanted, "{name}");
        let repeated = name.starts_with("tb-duplicate").then_some(Check::TokenRepeated);
        assert_eq!(refused(check_token_repeated(&tokens)), repeated, "{name}");
        judged.insert(name);
    }
    assert!(wanted.iter().all(|(name, _)| judged.contains(name)));
    assert_eq!(judged.len(), 30);
}

#[test]
fn a_recorded_answer() {
    let message = read("log/recorded/v2/artifact.sig.der");
    let answer = read("log/recorded/tsa/r.tsr");
    let ours = Authority::from_pem(&read("log/recorded/tsa/mem-chain.pem")).unwrap();
    let other = Authority::from_pem(&read("log/recorded/tsa/chain2.pem")).unwrap();
    assert_eq!((ours.name(), other.name()), ("Test TSA Timestamping", "Other TSA"));
    // openssl ts -reply -in r.tsr -text: Nov 22 21:06:49 2026 GMT
    let time = Time::parse("2026-11-22T21:06:49Z").unwrap().0;
    assert_eq!(judge(&answer, &message, &[other.clone(), ours.clone()]), Ok(Some((time, 1))));
    assert_eq!(judge(&answer, &message, &[other]), Ok(None));
    assert_eq!(judge(&answer, &message, &[]), Ok(None));
    assert_eq!(judge(&answer, b"", &[ours]), Err(Check::TokenImprint));
}

/// What `openssl ts` and `openssl cms` made, by the authority of the same name unless another is given.
#[test]
fn tokens_of_openssl() {
    let message = made("message");
    let time = |token: &[u8]| Token::parse(token).unwrap().time().0;
    for (token, chain, wanted) in [
        ("leaf", "leaf", None),
        ("fraction", "leaf", None),
        ("p384", "p384", None),
        ("p384", "any-order", None),
        ("p521", "p521", None),
        ("rsa", "rsa", None),
        ("under-plain", "under-plain", None),
        ("forged", "leaf", None),
        ("modified", "leaf", Some(Check::TokenSyntax)),
        ("rejected", "leaf", Some(Check::TokenSyntax)),
        ("other-type", "leaf", Some(Check::TokenSyntax)),
        ("two-signers", "leaf", Some(Check::TokenSyntax)),
        ("sha1", "leaf", Some(Check::TokenImprint)),
        ("by-sha1", "leaf", Some(Check::TokenSignature)),
        ("by-pss", "rsa", Some(Check::TokenSignature)),
        ("unsigned", "leaf", Some(Check::TokenSignature)),
        ("unnamed", "leaf", Some(Check::TokenSignature)),
        ("twin", "twin", None),
        ("twin", "leaf", Some(Check::TokenSignature)),
        ("leaf", "twin", Some(Check::TokenSignature)),
        ("uncritical", "uncritical", Some(Check::TokenUsage)),
        ("two", "two", Some(Check::TokenUsage)),
        ("none", "none", Some(Check::TokenUsage)),
        ("encipher", "encipher", Some(Check::TokenUsage)),
        ("leaf-over", "leaf-over", Some(Check::TokenChain)),
        ("under-over", "under-over", Some(Check::TokenChain)),
        ("under-sealed", "under-sealed", Some(Check::TokenChain)),
        ("under-code", "under-code", Some(Check::TokenChain)),
    ] {
        let bytes = made(&format!("{token}.tsr"));
        let authority = Authority::from_pem(&made(&format!("{chain}.chain"))).unwrap();
        let outcome = judge(&bytes, &message, std::slice::from_ref(&authority));
        match wanted {
            // A fraction of a second is rounded up: not younger than that.
            None => assert_eq!(
                outcome,
                Ok(Some((time(&bytes) + u64::from(token == "fraction"), 0))),
                "{token} by {chain}"
            ),
            Some(check) => assert_eq!(outcome, Err(check), "{token} by {chain}"),
        }
        if wanted.is_none() {
            assert_eq!(judge(&bytes, b"other bytes", &[authority]), Err(Check::TokenImprint), "{token}");
        }
    }
}

/// The files that `--timestamp-certificate-chain` takes.
#[test]
fn chains() {
    for (file, name, detail) in [
        ("leaf", Some("Stamps"), ""),
        ("encipher", Some("example"), ""),
        ("any-order", Some("Stamps by P-384"), ""),
        ("no-leaf", None, "the authority's own certificate is not there"),
        ("no-root", None, "the chain does not end at a root"),
        ("gap", None, "the chain does not end at a root"),
        ("two-leaves", None, "more than one certificate that is not a CA's"),
        ("left-over", None, "certificate 3 is not part of the chain"),
    ] {
        match (name, Authority::from_pem(&made(&format!("{file}.chain")))) {
            (Some(name), Ok(authority)) => {
                assert_eq!(authority.name(), name);
                assert!(authority.has_leaf());
                assert_eq!((authority.window(), authority.uri()), (None, None));
            }
            (None, Err(error)) => {
                assert_eq!(error.check(), Check::TrustChain, "{file}");
                assert!(error.details().any(|line| line.contains(detail)), "{file}: {error:?}");
            }
            (_, outcome) => panic!("{file}: {outcome:?}"),
        }
    }
    let order = |file: &str| {
        let authority = Authority::from_pem(&made(file)).unwrap();
        authority.chain().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let chain = order("p384.chain");
    assert_eq!(chain.len(), 3);
    assert_eq!(chain, order("any-order.chain"));

    let text = String::from_utf8(made("leaf.chain")).unwrap();
    for broken in [
        String::new(),
        "no PEM".to_owned(),
        text[..400].to_owned(),
        text.replacen("MII", "MI!", 1),
        text.replacen("MII", "MIJ", 1),
        text.replace("CERTIFICATE", "PUBLIC KEY"),
        text.repeat(limits::CHAIN),
    ] {
        assert_eq!(refused(Authority::from_pem(broken.as_bytes())), Some(Check::TrustChain), "{broken}");
    }
}

/// The chains of a trusted root: the first certificate is the authority's own, whatever follows.
#[test]
fn chains_of_a_trusted_root() {
    let chain: Vec<Vec<u8>> =
        Authority::from_pem(&made("p384.chain")).unwrap().chain().map(<[u8]>::to_vec).collect();
    let new = |chain: &[Vec<u8>]| Authority::new(chain, None, Some("https://tsa.example".to_owned()));
    let (token, message) = (made("p384.tsr"), made("message"));
    let outcome = |chain: &[Vec<u8>]| judge(&token, &message, &[new(chain).unwrap()]).map(|it| it.is_some());

    assert_eq!(outcome(&chain), Ok(true));
    assert_eq!(new(&chain).unwrap().uri(), Some("https://tsa.example"));
    // Without its own certificate it is kept, and no token is its.
    assert!(!new(&chain[1..]).unwrap().has_leaf());
    assert_eq!(new(&chain[1..]).unwrap().name(), "Intermediate for timestamps");
    assert_eq!(outcome(&chain[1..]), Ok(false));
    // A root that is missing, a link that is missing; an intermediate may be what is trusted.
    assert_eq!(outcome(&chain[..1]), Err(Check::TokenChain));
    assert_eq!(outcome(&[chain[0].clone(), chain[2].clone()]), Err(Check::TokenChain));
    assert_eq!(outcome(&chain[..2]), Ok(true));
    assert_eq!(outcome(&[chain[0].clone(), chain[0].clone()]), Err(Check::TokenChain));

    let trailing = [chain[0].as_slice(), &[0]].concat();
    for broken in [vec![], vec![vec![]], vec![trailing], vec![chain[0].clone(); limits::CHAIN + 1]] {
        assert_eq!(refused(new(&broken)), Some(Check::TrustChain));
    }
    assert!(new(&vec![chain[0].clone(); limits::CHAIN]).is_ok());
}

/// Both ends of a window are in it; a fraction of a second after the end is not.
#[test]
fn windows_are_closed() {
    let chain: Vec<Vec<u8>> =
        Authority::from_pem(&made("leaf.chain")).unwrap().chain().map(<[u8]>::to_vec).collect();
    for (file, fraction) in [("leaf.tsr", false), ("fraction.tsr", true)] {
        let token = made(file);
        let time = Token::parse(&token).unwrap().time().0;
        for (start, end, good) in [
            (time, Some(time), !fraction),
            (time, Some(time + 1), true),
            (time, None, true),
            (0, Some(time - 1), false),
            (time + 1, None, false),
        ] {
            let window = Window { start: Time(start), end: end.map(Time) };
            let authority = Authority::new(&chain, Some(window), None).unwrap();
            let wanted = if good { Ok(Some((time, 0))) } else { Err(Check::TokenWindow) };
            assert_eq!(judge(&token, &made("message"), &[authority]), wanted, "{file} {start} {end:?}");
        }
        // The same authority with two windows: one that holds is enough, whichever stands first.
        let window = |start| Some(Window { start: Time(start), end: None });
        let late = Authority::new(&chain, window(time + 1), None).unwrap();
        let good = Authority::new(&chain, window(0), None).unwrap();
        assert_eq!(judge(&token, &made("message"), &[late.clone(), good.clone()]), Ok(Some((time, 1))));
        assert_eq!(judge(&token, &made("message"), &[good, late]), Ok(Some((time, 0))));
    }
}

/// A request is, byte for byte, what `openssl ts -query` writes, and its answer is one to it alone.
#[test]
fn requests_and_answers() {
    let message = made("message");
    let authority = [Authority::from_pem(&made("leaf.chain")).unwrap()];
    let stranger = [Authority::from_pem(&made("rsa.chain")).unwrap()];
    for (name, certificate) in [("leaf", false), ("fraction", true)] {
        let nonce = u64::from_str_radix(str::from_utf8(&made(&format!("{name}.nonce"))).unwrap().trim(), 16);
        let nonce = nonce.unwrap().to_be_bytes();
        assert_eq!(request(&message, nonce, certificate), made(&format!("{name}.tsq")));

        let answer = made(&format!("{name}.tsr"));
        let check = |message: &[u8], nonce, authorities: &[Authority]| {
            check_reply(&answer, message, nonce, authorities)
                .map(|(token, stamp)| stamp.is_some_and(|stamp| stamp.time() == token.time()))
                .map_err(|error| error.check())
        };
        assert_eq!(check(&message, nonce, &authority), Ok(true));
        assert_eq!(check(&message, nonce, &stranger), Ok(false));
        assert_eq!(check(&message, [0; 8], &authority), Err(Check::TokenImprint));
        // Also where nobody can check the rest.
        assert_eq!(check(b"another", nonce, &[]), Err(Check::TokenImprint));
        assert_eq!(check(&message, [7; 8], &[]), Err(Check::TokenImprint));
    }
    let without = check_reply(&made("p521.tsr"), &message, [0; 8], &[]);
    assert_eq!(refused(without), Some(Check::TokenImprint));
    let rejected = check_reply(&made("rejected.tsr"), &message, [0; 8], &[]).unwrap_err();
    assert_eq!(rejected.check(), Check::TokenSyntax);
    assert_eq!(rejected.details().next(), Some("the authority granted none: status 2"));
    // Leading zeros of a nonce are not in its DER.
    let small = request(b"", [0, 0, 0, 0, 0, 0, 0, 0x80], true);
    assert!(small.ends_with(&[2, 2, 0, 0x80, 1, 1, 0xff]));
    let zero = request(b"", [0; 8], false);
    assert!(zero.ends_with(&[2, 1, 0]));
}

#[test]
fn limits_of_tokens() {
    let token = made("leaf.tsr");
    let tokens = |count: usize| (0..count).map(|index| [&token[..], &[0, 7][..index % 2]].concat()).collect();
    let many: Vec<Vec<u8>> = tokens(limits::TOKENS);
    assert_eq!(refused(check_token_count(&many)), None);
    let more: Vec<Vec<u8>> = tokens(limits::TOKENS + 1);
    assert_eq!(refused(check_token_count(&more)), Some(Check::TokenLimit));
    assert_eq!(refused(check_token_repeated(&more)), Some(Check::TokenRepeated));
    assert_eq!(refused(check_token_repeated(&more[..2])), None);
    assert_eq!(refused(check_token_repeated(&[])), None);

    let long = |size: usize| refused(Token::parse(&[token.clone(), vec![0; size - token.len()]].concat()));
    assert_eq!(long(limits::TOKEN), Some(Check::TokenSyntax));
    assert_eq!(long(limits::TOKEN + 1), Some(Check::TokenLimit));
}

/// A token of a public authority: RSA-4096 with SHA-512, its certificate named by SHA-1.
#[test]
fn a_token_of_freetsa() {
    let (token, message) = (made("freetsa/token.tsr"), made("freetsa/message"));
    let authority = Authority::from_pem(&made("freetsa/authority.chain")).unwrap();
    assert_eq!(authority.name(), "www.freetsa.org");
    // openssl ts -reply -in token.tsr -text: Aug  6 19:38:49 2025 GMT
    let time = Time::parse("2025-08-06T19:38:49Z").unwrap().0;
    assert_eq!(judge(&token, &message, std::slice::from_ref(&authority)), Ok(Some((time, 0))));
    // Its authority with the certificate of another, and the other way round.
    let chain: Vec<Vec<u8>> = authority.chain().map(<[u8]>::to_vec).collect();
    let other = Authority::from_pem(&made("rsa.chain")).unwrap();
    let other: Vec<Vec<u8>> = other.chain().map(<[u8]>::to_vec).collect();
    let mixed = |own: &[u8], root: &[u8]| Authority::new(&[own.to_vec(), root.to_vec()], None, None).unwrap();
    let outcome = |authority| judge(&token, &message, &[authority]);
    assert_eq!(outcome(mixed(&chain[0], &other[1])), Err(Check::TokenChain));
    assert_eq!(outcome(mixed(&other[0], &chain[1])), Ok(None));
}

/// The bundles of sigstore-conformance that have a token: whether that verifies by the trusted root beside it.
#[test]
fn conformance() {
    use Check::{TokenChain, TokenImprint, TokenWindow};
    let Some(cases) = std::env::var_os("COLDSIGN_CASES") else { return };
    let folder = Path::new(&cases).join("conformance");
    let mut judged = 0;
    for case in fs::read_dir(folder.join("assets/bundle-verify")).unwrap() {
        let path = case.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(bundle) = fs::read(path.join("bundle.sigstore.json")).ok() else { continue };
        let Ok(bundle) = serde_json::from_slice::<Value>(&bundle) else { continue };
        if bundle.pointer("/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0").is_none() {
            continue;
        }
        let root = Some(path.join("trusted_root.json")).filter(|root| root.exists());
        let authorities = authorities(&root.unwrap_or_else(|| folder.join("production_trusted_root.json")));
        let (tokens, message) = stamped(&bundle);
        let wanted: Result<bool, Check> = match name.as_str() {
            "rekor2-timestamp-outside-trust-root-tsa-validity_fail" => Err(TokenWindow),
            "rekor2-timestamp-outside-tsa-cert-validity_fail" => Err(TokenChain),
            "rekor2-timestamp-payload-mismatch_fail" => Err(TokenImprint),
            "rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail"
            | "rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail" => Ok(false),
            _ => Ok(true),
        };
        for token in tokens {
            let outcome = judge(&token, &message, &authorities).map(|stamp| stamp.is_some());
            assert_eq!(outcome, wanted, "{name}");
            judged += 1;
        }
    }
    assert_eq!(judged, 33);
}

/// A signer that is named by the id of its key is nobody: cosign knows issuer and number alone.
#[test]
fn a_signer_by_key_id() {
    let authority = Authority::from_pem(&made("leaf.chain")).unwrap();
    assert_eq!(judge(&made("key-id.tsr"), &made("message"), &[authority]), Ok(None));
}

/// Each byte of a good token, changed: it is refused, unchecked, or says the same. What may change without a word is what
/// nothing covers and nobody compares: the versions of CMS, its list of hashes, and the certificates behind the authority's
/// own.
#[test]
fn flipped_tokens() {
    // TimeStampResp, ContentInfo and SignedData begin in 31 bytes; then the version and the list.
    const VERSION: usize = 34;
    const HASHES: std::ops::RangeInclusive<usize> = 40..=50;
    const BITS: &[u8] = &[1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff];
    for (token, chain, signed, flips) in [
        ("leaf", "leaf", "message", BITS),
        ("fraction", "leaf", "message", &BITS[..1]),
        ("p384", "p384", "message", &BITS[..1]),
        ("freetsa/token", "freetsa/authority", "freetsa/message", &BITS[..1]),
    ] {
        let (good, message) = (made(&format!("{token}.tsr")), made(signed));
        let authority = Authority::from_pem(&made(&format!("{chain}.chain"))).unwrap();
        let root = authority.chain().last().unwrap().to_vec();
        let root = good.windows(root.len()).position(|window| window == root).map(|at| at..at + root.len());
        let authorities = [authority];
        let wanted = judge(&good, &message, &authorities);
        assert!(matches!(wanted, Ok(Some(_))), "{token} {wanted:?}");
        let mut taken = BTreeSet::new();
        let behind = |at: &usize| root.as_ref().is_some_and(|root| root.contains(at));
        // Each change behind costs the whole check.
        for at in (0..good.len()).filter(|at| !behind(at) || at % 64 == 0) {
            for flip in flips {
                let mut flipped = good.clone();
                flipped[at] ^= flip;
                if let outcome @ Ok(Some(_)) = judge(&flipped, &message, &authorities) {
                    assert_eq!(outcome, wanted, "{token} at {at}");
                    taken.insert(at);
                }
            }
            assert_eq!(
                judge(&good[..at], &message, &authorities),
                Err(Check::TokenSyntax),
                "{token} at {at}"
            );
        }
        let covered = |at: &usize| -> bool {
            let listed = *at == VERSION || HASHES.contains(at);
            // INTEGER 1 or 3 before the name of the signer.
            let signer = good[at - 2..*at] == [2, 1] && matches!(good[at + 1], 0x30 | 0x80);
            !listed && !behind(at) && !signer
        };
        assert!(!taken.is_empty());
        let wrong: Vec<usize> = taken.iter().copied().filter(covered).collect();
        assert!(wrong.is_empty(), "{token} {wrong:?}");
    }
}
