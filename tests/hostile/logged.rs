//! Log entries and timestamps beside signatures: what stands there is bound to its signature, and has one form
//! (docs/format.md 6).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coldsign::check::Check;
use coldsign::combine::combine;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::Material;
use coldsign::response::{Place, Response};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;
use sha2::{Digest as _, Sha256};

use crate::cases::Cases;
use crate::forge::{Forge, Json, Layer, Part, hex, pae, quoted};
use crate::log::{Entry, Log, beside, dsse, hashed_rekord, leaf, pem, token_annotation};
use crate::plans::{
    one, request, request_of_attestation, request_of_file, request_of_hash, request_of_payload, response, two,
};

/// A timestamp, as far as a file goes: bytes.
pub(crate) const TOKEN: &[u8] = b"\x30\x03\x02\x01\x00";
/// One that stands before it, as bytes and as base64.
pub(crate) const EARLIER: &[u8] = b"\x30\x03\x01\x01\x00";

/// A change of a text.
type Bend = fn(String) -> String;

/// The entry of a layer of the first key, over its payload.
fn of_layer(layer: &Layer) -> Entry {
    Log::v1(1).enter("hashedrekord", 7, &hashed_rekord(&layer.digest[7..], &layer.signature, &one().spki))
}

fn annotation(name: &str, text: &str) -> String {
    format!(",\"{name}\":{}", quoted(text, true))
}

/// The annotations of an entry and a timestamp.
fn annotations(entry: &str, token: &str) -> String {
    let (log, tsa) = ("dev.sigstore.cosign/bundle", "dev.sigstore.cosign/rfc3161timestamp");
    [(log, entry), (tsa, token)]
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| annotation(name, text))
        .collect()
}

/// A response with annotations beside the first layer.
fn with_layer(forge: Forge, make: impl Fn(&Layer) -> String + 'static) -> Forge {
    forge.layers(0, move |layers| layers[0].more = make(&layers[0]))
}

/// What a bundle of ours signs.
pub(crate) struct Signed {
    pub(crate) signature: String,
    /// The statement, or nothing for a file.
    pub(crate) statement: Vec<u8>,
    /// The envelope's text.
    pub(crate) envelope: String,
    /// The SHA-256 of a file in hex.
    pub(crate) file: String,
}

impl Signed {
    pub(crate) fn of(bundle: &[u8]) -> Self {
        let value: Json = serde_json::from_slice(bundle).unwrap();
        let text = |pointer: &str| {
            value.pointer(pointer).and_then(Json::as_str).map(str::to_owned).unwrap_or_default()
        };
        let bytes = |pointer: &str| STANDARD.decode(text(pointer)).unwrap();
        let whole = String::from_utf8(bundle.to_vec()).unwrap();
        let envelope = whole.split_once("\"dsseEnvelope\":").map(|(_, envelope)| envelope);
        Self {
            signature: text("/dsseEnvelope/signatures/0/sig") + &text("/messageSignature/signature"),
            statement: bytes("/dsseEnvelope/payload"),
            envelope: envelope.map(|text| text[..text.len() - 1].to_owned()).unwrap_or_default(),
            file: hex(&bytes("/messageSignature/messageDigest/digest")),
        }
    }

    /// An entry of Rekor v1 for an envelope.
    pub(crate) fn v1(&self, log: u8, index: u64) -> Entry {
        let body = dsse(self.envelope.as_bytes(), &self.statement, &self.signature, &one().spki);
        Log::v1(log).enter("dsse", index, &body)
    }

    /// An entry of Rekor v2 for an envelope.
    pub(crate) fn v2(&self) -> Entry {
        let body = leaf(&pae(&self.statement), &self.signature, &one().spki);
        Log::v2(1).enter("hashedrekord", 0, &body)
    }

    /// Both, and one of a second log, in their order.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let mut entries = vec![self.v1(1, 7), self.v1(1, 9), self.v1(2, 0), self.v2()];
        entries.sort_by(|one, other| (&one.id, one.index).cmp(&(&other.id, other.index)));
        entries
    }
}

/// A response with this behind the `publicKey` of one bundle.
pub(crate) fn with_bundle(forge: Forge, place: usize, make: impl Fn(&Signed) -> String + 'static) -> Forge {
    forge.bend(Part::Bundle, place, move |bundle| {
        let more = make(&Signed::of(&bundle));
        let text = String::from_utf8(bundle).unwrap();
        let (head, tail) = text.split_once("\"}},").unwrap();
        format!("{head}\"}}{more}}},{tail}").into_bytes()
    })
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(Entry::in_bundle).collect()
}

/// The same of entries, with two timestamps.
fn with_entries(forge: Forge, make: impl Fn(&Signed) -> Vec<Entry> + 'static) -> Forge {
    with_bundle(forge, 0, move |signed| beside(&texts(&make(signed)), &[EARLIER, TOKEN]))
}

/// One image, logged in both forms.
pub(crate) fn logged() -> Forge {
    let forge =
        with_layer(response(), |layer| annotations(&of_layer(layer).annotation(), &token_annotation(TOKEN)));
    with_entries(forge, Signed::all)
}

/// One attestation, logged in both forms.
fn attestation_logged() -> Forge {
    let forge = with_entries(request_of_attestation().signed(&[one()]), Signed::all);
    with_att(forge, |signed| annotations(&smallest(signed).annotation(), ""))
}

/// The entry that an `.att` takes of all of them.
fn smallest(signed: &Signed) -> Entry {
    signed.all().into_iter().find(|entry| entry.kind == "dsse").unwrap()
}

/// Annotations in the first `.att` layer.
fn with_att(forge: Forge, make: impl Fn(&Signed) -> String + 'static) -> Forge {
    forge.envelopes(0, move |layers| {
        let text = String::from_utf8(layers[0].bytes.clone()).unwrap();
        layers[0].more = make(&Signed::of(format!("{{\"dsseEnvelope\":{text}}}").as_bytes()));
    })
}

fn file_logged(forge: Forge) -> Forge {
    with_entries(forge, |signed| {
        vec![Log::v1(1).enter(
            "hashedrekord",
            3,
            &hashed_rekord(&signed.file, &signed.signature, &one().spki),
        )]
    })
}

/// Every good file with log material.
pub(crate) fn accepted() -> Vec<(&'static str, Forge)> {
    let only = |forms: (bool, bool)| {
        let mut forge = response();
        forge.forms = forms;
        forge
    };
    let proved = |signed: &Signed| vec![Entry { promise: None, time: 0, ..signed.v1(1, 7) }];
    vec![
        ("logged", logged()),
        (
            "logged-sig",
            with_layer(only((true, false)), |layer| annotations(&of_layer(layer).annotation(), "")),
        ),
        ("logged-sig-token", with_layer(only((true, false)), |_| annotations("", &token_annotation(TOKEN)))),
        ("logged-bundle-v2", with_entries(only((false, true)), |signed| vec![signed.v2()])),
        ("logged-bundle-proof", with_entries(only((false, true)), proved)),
        ("logged-bundle-token", with_bundle(only((false, true)), 0, |_| beside(&[], &[TOKEN]))),
        (
            "logged-payload",
            with_layer(request_of_payload().signed(&[one()]), |layer| {
                annotations(&of_layer(layer).annotation(), "")
            }),
        ),
        ("logged-attestation", attestation_logged()),
        // An entry of Rekor v2 has no place in an `.att`.
        (
            "logged-attestation-v2",
            with_entries(request_of_attestation().signed(&[one()]), |signed| vec![signed.v2()]),
        ),
        // Nor has one that is of another spelling of the envelope.
        (
            "logged-attestation-respelled",
            with_entries(request_of_attestation().signed(&[one()]), |signed| {
                let body = dsse(b"as it was submitted", &signed.statement, &signed.signature, &one().spki);
                vec![Log::v1(1).enter("dsse", 7, &body)]
            }),
        ),
        ("logged-file", file_logged(request_of_file().signed(&[one()]))),
        ("logged-hash", file_logged(request_of_hash().signed(&[one()]))),
        // One of two keys.
        (
            "logged-one-of-two",
            with_bundle(request_of_attestation().signed(&[two(), one()]), 0, |signed| {
                if one().id() < two().id() {
                    beside(&[signed.v2().in_bundle()], &[])
                } else {
                    beside(&[], &[TOKEN])
                }
            }),
        ),
    ]
}

/// A base64 text without its padding.
fn unpadded(text: &str) -> String {
    text.trim_end_matches('=').to_owned()
}

/// One defect each.
pub(crate) fn add(cases: &mut Cases) {
    in_layers(cases);
    bound(cases);
    in_bundles(cases);
    in_atts(cases);
}

/// The annotations of a `.sig` layer.
fn in_layers(cases: &mut Cases) {
    let neighbour = logged();
    let mut layer = |stem: &str, make: fn(&Layer) -> String| {
        cases.add(stem, &neighbour, |forge| with_layer(forge, make));
    };
    layer("log-signature.sig", |layer| {
        // Another signature by the same key, over the same payload.
        let der = STANDARD.decode(&layer.signature).unwrap();
        let (r, s) = p256::ecdsa::Signature::from_der(&der).unwrap().split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap().to_der();
        let body = hashed_rekord(&layer.digest[7..], &STANDARD.encode(other.as_bytes()), &one().spki);
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-key.sig", |layer| {
        let body = hashed_rekord(&layer.digest[7..], &layer.signature, &two().spki);
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-hash.sig", |layer| {
        let body = hashed_rekord(&hex(&Sha256::digest(b"other")), &layer.signature, &one().spki);
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-hash.sig-sha512", |layer| {
        let body = hashed_rekord(&layer.digest[7..], &layer.signature, &one().spki);
        let body = body.replace("\"sha256\"", "\"sha512\"");
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-kind.sig-v2", |layer| {
        let body = leaf(b"payload", &layer.signature, &one().spki);
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-kind.sig-dsse", |layer| {
        let body = dsse(b"e", b"p", &layer.signature, &one().spki);
        annotations(&Log::v1(1).enter("dsse", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-body.sig-blank", |layer| {
        let body = hashed_rekord(&layer.digest[7..], &layer.signature, &one().spki).replacen(':', ": ", 1);
        annotations(&Log::v1(1).enter("hashedrekord", 7, &body).annotation(), &token_annotation(TOKEN))
    });
    layer("log-limit.sig", |layer| {
        let entry = of_layer(layer);
        let entry = Entry { promise: Some(vec![0x30; 48 * 1024]), ..entry };
        annotations(&entry.annotation(), &token_annotation(TOKEN))
    });
    layer("token-limit.sig", |layer| {
        annotations(&of_layer(layer).annotation(), &token_annotation(&vec![0x30; 64 * 1024 + 1]))
    });
    layer("token-syntax.sig-empty", |layer| {
        annotations(&of_layer(layer).annotation(), &token_annotation(b""))
    });
    let entry: [(&str, Bend); 11] = [
        ("unknown-member", |text| text.replacen('{', "{\"x\":1,", 1)),
        ("payload-member", |text| text.replacen("{\"body\"", "{\"x\":1,\"body\"", 1)),
        ("twice", |text| text.replacen("\"logIndex\":7", "\"logIndex\":7,\"logIndex\":7", 1)),
        ("index-text", |text| text.replacen("\"logIndex\":7", "\"logIndex\":\"7\"", 1)),
        ("index-float", |text| text.replacen("\"logIndex\":7", "\"logIndex\":7.0", 1)),
        ("index-large", |text| text.replacen("\"logIndex\":7", "\"logIndex\":9007199254740992", 1)),
        ("blank", |text| text.replacen(':', ": ", 1)),
        ("order", |text| {
            let (set, payload) = text.split_once(",\"Payload\"").unwrap();
            format!("{{\"Payload\"{},{}}}", &payload[..payload.len() - 1], &set[1..])
        }),
        ("id-upper-case", |text| {
            let id = hex(&Log::v1(1).id());
            text.replacen(&id, &id.to_uppercase(), 1)
        }),
        ("null", |_| "null".to_owned()),
        ("object", |_| "{}".to_owned()),
    ];
    for (variant, change) in entry {
        cases.add(&format!("sig-manifest.log-{variant}"), &neighbour, |forge| {
            with_layer(forge, move |layer| {
                annotations(&change(of_layer(layer).annotation()), &token_annotation(TOKEN))
            })
        });
    }
    let mut sig = |variant: &str, make: fn(&Layer) -> String| {
        cases.add(&format!("sig-manifest.{variant}"), &neighbour, |forge| with_layer(forge, make));
    };
    sig("log-empty", |_| annotation("dev.sigstore.cosign/bundle", ""));
    sig("log-no-promise", |layer| {
        annotations(&Entry { promise: None, ..of_layer(layer) }.annotation(), &token_annotation(TOKEN))
    });
    sig("token-before-log", |layer| {
        annotations("", &token_annotation(TOKEN)) + &annotations(&of_layer(layer).annotation(), "")
    });
    sig("token-unknown-member", |layer| {
        let token = token_annotation(TOKEN).replacen('{', "{\"x\":1,", 1);
        annotations(&of_layer(layer).annotation(), &token)
    });
    sig("token-unpadded", |layer| {
        let token = token_annotation(TOKEN);
        let (text, bare) = (STANDARD.encode(TOKEN), unpadded(&STANDARD.encode(TOKEN)));
        assert_ne!(text, bare);
        annotations(&of_layer(layer).annotation(), &token.replacen(&text, &bare, 1))
    });
    sig("token-null", |layer| annotations(&of_layer(layer).annotation(), "null"));
    sig("log-and-certificate", |layer| {
        let more = annotation("dev.sigstore.cosign/certificate", "");
        annotations(&of_layer(layer).annotation(), "") + &more
    });
}

/// Entries in bundles that are another's.
fn bound(cases: &mut Cases) {
    let neighbour = logged();
    let mut bundle = |stem: &str, make: fn(&Signed) -> Entry| {
        cases.add(stem, &with_entries(response(), |signed| vec![signed.v1(1, 7)]), |_| {
            with_entries(response(), move |signed| vec![make(signed)])
        });
    };
    bundle("log-signature.bundle", |signed| {
        let other = STANDARD.encode(two().sign(&pae(&signed.statement)));
        let body = dsse(signed.envelope.as_bytes(), &signed.statement, &other, &one().spki);
        Log::v1(1).enter("dsse", 7, &body)
    });
    bundle("log-signature.bundle-two", |signed| {
        let entry = signed.v1(1, 7);
        let (head, list) = entry.body.split_once("\"signatures\":[").unwrap();
        let only = list.trim_end_matches("]}}");
        Log::v1(1).enter("dsse", 7, &format!("{head}\"signatures\":[{only},{only}]}}}}"))
    });
    bundle("log-key.bundle", |signed| {
        let body = dsse(signed.envelope.as_bytes(), &signed.statement, &signed.signature, &two().spki);
        Log::v1(1).enter("dsse", 7, &body)
    });
    bundle("log-hash.bundle", |signed| {
        let body = dsse(signed.envelope.as_bytes(), b"another statement", &signed.signature, &one().spki);
        Log::v1(1).enter("dsse", 7, &body)
    });
    bundle("log-kind.bundle-hashedrekord", |signed| {
        let hash = hex(&Sha256::digest(pae(&signed.statement)));
        Log::v1(1).enter("hashedrekord", 7, &hashed_rekord(&hash, &signed.signature, &one().spki))
    });
    bundle("log-kind.bundle-other", |signed| Entry { kind: "intoto", ..signed.v1(1, 7) });
    bundle("log-body.bundle", |signed| {
        let body = signed.v1(1, 7).body.replacen(&STANDARD.encode(pem(&one().spki)), "AAAA", 1);
        Log::v1(1).enter("dsse", 7, &body)
    });
    bundle("log-proof.bundle", |signed| Entry { proof: None, ..signed.v1(1, 7) });
    bundle("log-checkpoint.bundle", |signed| {
        let mut entry = signed.v1(1, 7);
        entry.proof.as_mut().unwrap().note.push_str("more");
        entry
    });
    bundle("log-root.bundle", |signed| {
        let mut entry = signed.v1(1, 7);
        entry.proof.as_mut().unwrap().root = vec![0; 32];
        entry
    });
    bundle("log-inclusion.bundle", |signed| {
        let mut entry = signed.v1(1, 7);
        let root = vec![0; 32];
        let note = Log::v1(1).note(&root, 1);
        let proof = entry.proof.as_mut().unwrap();
        (proof.root, proof.note) = (root, note);
        entry
    });
    bundle("log-inclusion.bundle-hashes", |signed| {
        let mut entry = signed.v1(1, 7);
        entry.proof.as_mut().unwrap().hashes.push(vec![0; 32]);
        entry
    });
    let mut v2 = |stem: &str, make: fn(&Signed) -> Entry| {
        cases.add(stem, &with_entries(response(), |signed| vec![signed.v2()]), |_| {
            with_entries(response(), move |signed| vec![make(signed)])
        });
    };
    v2("log-leaf.bundle", |signed| {
        let body = leaf(b"another PAE", &signed.signature, &one().spki);
        Log::v2(1).enter("hashedrekord", 0, &body)
    });
    v2("log-leaf.bundle-payload", |signed| {
        let body = leaf(&signed.statement, &signed.signature, &one().spki);
        Log::v2(1).enter("hashedrekord", 0, &body)
    });
    v2("log-promise.bundle", |signed| Entry { promise: Some(vec![0x30]), ..signed.v2() });
    v2("log-index.bundle", |signed| Entry { index: 1, ..signed.v2() });
    cases.add("log-limit.bundle", &neighbour, |_| {
        with_entries(response(), |signed| (0..33).map(|index| signed.v1(1, index)).collect())
    });
    cases.add("token-limit.bundle", &neighbour, |_| {
        with_bundle(response(), 0, |_| {
            let tokens: Vec<Vec<u8>> = (0..33_u8).map(|number| vec![0x30, 1, number]).collect();
            beside(&[], &tokens.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
    });
    cases.add("log-signature.file", &file_logged(request_of_file().signed(&[one()])), |_| {
        with_entries(request_of_file().signed(&[one()]), |signed| {
            let other = STANDARD.encode(two().sign(b"x"));
            let body = hashed_rekord(&signed.file, &other, &one().spki);
            vec![Log::v1(1).enter("hashedrekord", 3, &body)]
        })
    });
    cases.add("log-hash.file", &file_logged(request_of_hash().signed(&[one()])), |_| {
        with_entries(request_of_hash().signed(&[one()]), |signed| {
            let body = hashed_rekord(&hex(&Sha256::digest(b"x")), &signed.signature, &one().spki);
            vec![Log::v1(1).enter("hashedrekord", 3, &body)]
        })
    });
}

/// The one form of what a bundle holds.
fn in_bundles(cases: &mut Cases) {
    let neighbour = logged();
    let mut bundle = |variant: &str, make: fn(&Signed) -> String| {
        cases.add(&format!("referrer-manifest.{variant}"), &neighbour, |_| {
            let forge = with_layer(response(), |layer| {
                annotations(&of_layer(layer).annotation(), &token_annotation(TOKEN))
            });
            with_bundle(forge, 0, make)
        });
    };
    bundle("log-order", |signed| {
        let mut entries = signed.all();
        entries.swap(0, 1);
        beside(&texts(&entries), &[EARLIER, TOKEN])
    });
    bundle("log-twice", |signed| {
        let entry = signed.v2().in_bundle();
        beside(&[entry.clone(), entry], &[EARLIER, TOKEN])
    });
    bundle("log-same-index", |signed| {
        // With another promise, by the same log: ECDSA has many signatures of one message.
        let (entry, mut other) = (signed.v1(1, 7), signed.v1(1, 7));
        other.promise.as_mut().unwrap().reverse();
        beside(&texts(&[entry, other]), &[EARLIER, TOKEN])
    });
    bundle("token-order", |signed| beside(&texts(&signed.all()), &[TOKEN, EARLIER]));
    bundle("token-twice", |signed| beside(&texts(&signed.all()), &[TOKEN, TOKEN]));
    bundle("token-before-log", |signed| beside(&[], &[EARLIER, TOKEN]) + &beside(&texts(&signed.all()), &[]));
    bundle("log-none", |_| ",\"tlogEntries\":[]".to_owned());
    bundle("log-null", |_| ",\"tlogEntries\":null".to_owned());
    bundle("log-no-list", |_| ",\"tlogEntries\":{}".to_owned());
    bundle("token-none", |_| ",\"timestampVerificationData\":{\"rfc3161Timestamps\":[]}".to_owned());
    bundle("token-nothing", |_| ",\"timestampVerificationData\":{}".to_owned());
    bundle("token-empty", |_| beside(&[], &[b""]));
    bundle("token-unpadded", |signed| {
        let text = STANDARD.encode(TOKEN);
        beside(&texts(&signed.all()), &[EARLIER, TOKEN]).replacen(&text, &unpadded(&text), 1)
    });
    bundle("token-unknown-member", |signed| {
        beside(&texts(&signed.all()), &[TOKEN]).replacen(
            "{\"signedTimestamp",
            "{\"x\":1,\"signedTimestamp",
            1,
        )
    });
    bundle("more-material", |signed| beside(&texts(&signed.all()), &[TOKEN]) + ",\"x\":{}");
    let entry: [(&str, Bend); 14] = [
        ("unknown-member", |text| text.replacen('{', "{\"x\":1,", 1)),
        ("member-order", |text| {
            let text = text.replacen("\"logIndex\":\"7\",", "", 1);
            text.replacen('}', "},\"logIndex\":\"7\"", 1)
        }),
        ("index-number", |text| text.replacen("\"logIndex\":\"7\"", "\"logIndex\":7", 1)),
        ("index-padded", |text| text.replacen("\"logIndex\":\"7\"", "\"logIndex\":\"07\"", 1)),
        ("index-large", |text| text.replacen("\"logIndex\":\"7\"", "\"logIndex\":\"9007199254740992\"", 1)),
        ("proof-zero-index", |text| text.replacen("\"rootHash\"", "\"logIndex\":\"0\",\"rootHash\"", 1)),
        ("proof-no-hashes", |text| text.replacen(",\"checkpoint\"", ",\"hashes\":[],\"checkpoint\"", 1)),
        ("promise-null", |text| {
            let (head, tail) = text.split_once("\"inclusionPromise\":{").unwrap();
            format!("{head}\"inclusionPromise\":null,{}", tail.split_once("},").unwrap().1)
        }),
        ("promise-nothing", |text| {
            let (head, tail) = text.split_once("\"inclusionPromise\":{").unwrap();
            format!("{head}\"inclusionPromise\":{{}},{}", tail.split_once("},").unwrap().1)
        }),
        ("promise-empty", |text| {
            let (head, tail) = text.split_once("\"signedEntryTimestamp\":\"").unwrap();
            format!("{head}\"signedEntryTimestamp\":\"\"{}", tail.split_once('"').unwrap().1)
        }),
        ("no-kind", |text| {
            let (head, tail) = text.split_once("\"kindVersion\":{").unwrap();
            format!("{head}{}", tail.split_once("},").unwrap().1)
        }),
        ("id-unpadded", |text| {
            let id = STANDARD.encode(Log::v1(1).id());
            text.replacen(&id, &unpadded(&id), 1)
        }),
        ("checkpoint-escaped", |text| text.replacen('\u{2014}', "\\u2014", 1)),
        ("blank", |text| text.replacen(':', ": ", 1)),
    ];
    for (variant, change) in entry {
        let good = with_bundle(response(), 0, |signed| beside(&[signed.v1(1, 7).in_bundle()], &[]));
        cases.add(&format!("referrer-manifest.log-{variant}"), &good, |_| {
            with_bundle(response(), 0, move |signed| {
                let text = signed.v1(1, 7).in_bundle();
                let changed = change(text.clone());
                assert_ne!(changed, text);
                beside(&[changed], &[])
            })
        });
    }
}

/// What stands in an `.att` follows from the bundle.
fn in_atts(cases: &mut Cases) {
    let neighbour = attestation_logged();
    let mut att = |variant: &str, make: fn(&Signed) -> String| {
        cases.add(&format!("att-manifest.{variant}"), &neighbour, |forge| with_att(forge, make));
    };
    att("log-absent", |_| String::new());
    att("log-of-another-index", |signed| {
        let taken = smallest(signed);
        let other = signed.all().into_iter().find(|entry| {
            entry.kind == "dsse"
                && entry.body == taken.body
                && (&entry.id, entry.index) != (&taken.id, taken.index)
        });
        annotations(&other.unwrap().annotation(), "")
    });
    att("token", |signed| annotations(&smallest(signed).annotation(), &token_annotation(TOKEN)));
    cases.add("att-manifest.log-without-bundle", &request_of_attestation().signed(&[one()]), |forge| {
        with_att(forge, |signed| annotations(&smallest(signed).annotation(), ""))
    });
}

/// What stands beside the signatures of one image in a part of a response.
#[derive(Clone, Debug)]
struct Beside {
    /// The other signature that is as good.
    mirrored: bool,
    /// Of the four entries of a bundle.
    entries: Vec<usize>,
    /// Of two timestamps, in the bundle.
    tokens: Vec<usize>,
    /// Of two entries of a layer.
    entry: Option<u64>,
    /// Of two timestamps, in the layer.
    token: Option<usize>,
}

const TOKENS: [&[u8]; 2] = [EARLIER, TOKEN];

impl Beside {
    fn forge(&self) -> Forge {
        let key = if self.mirrored { one().mirrored() } else { one() };
        let Self { entries, tokens, entry, token, .. } = self.clone();
        let forge = with_layer(request().signed(&[key]), move |layer| {
            let body = hashed_rekord(&layer.digest[7..], &layer.signature, &one().spki);
            let entry = entry.map(|index| Log::v1(1).enter("hashedrekord", index, &body).annotation());
            let token = token.map(|token| token_annotation(TOKENS[token]));
            annotations(&entry.unwrap_or_default(), &token.unwrap_or_default())
        });
        with_bundle(forge, 0, move |signed| {
            let all = signed.all();
            let entries: Vec<String> = entries.iter().map(|entry| all[*entry].in_bundle()).collect();
            let tokens: Vec<&[u8]> = tokens.iter().map(|token| TOKENS[*token]).collect();
            beside(&entries, &tokens)
        })
    }

    /// What both together are, where they are of one signature.
    fn with(&self, other: &Self) -> Self {
        let set = |one: &[usize], other: &[usize]| {
            let both: BTreeSet<usize> = one.iter().chain(other).copied().collect();
            both.into_iter().collect()
        };
        Self {
            mirrored: self.mirrored,
            entries: set(&self.entries, &other.entries),
            tokens: set(&self.tokens, &other.tokens),
            // The one that is smaller as it is written: its promise comes first.
            entry: [self.entry, other.entry].into_iter().flatten().min_by_key(|index| self.promise(*index)),
            token: [self.token, other.token].into_iter().flatten().min(),
        }
    }

    fn promise(&self, index: u64) -> String {
        let only =
            Self { entries: Vec::new(), tokens: Vec::new(), entry: Some(index), token: None, ..self.clone() };
        let file = String::from_utf8_lossy(&only.forge().write()).into_owned();
        let (_, text) = file.split_once("SignedEntryTimestamp").unwrap();
        text.split_once('}').unwrap().0.to_owned()
    }
}

fn besides() -> impl Strategy<Value = Beside> {
    let places = |count: usize| subsequence((0..count).collect::<Vec<_>>(), 0..=count);
    let parts = (any::<bool>(), places(4), places(2), option::of(7..9_u64), option::of(0..2_usize));
    parts.prop_map(|(mirrored, entries, tokens, entry, token)| Beside {
        mirrored,
        entries,
        tokens,
        entry,
        token,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Combining unites what stands beside one signature, in any order; of two signatures the smaller one stays in each
    /// place, with what is beside it and nothing of the other's.
    #[test]
    fn material_is_united(a in besides(), b in besides(), c in besides()) {
        let read = |part: &Beside| Response::read(&Bytes::from(part.forge().write())).unwrap();
        let bytes = |response: Response| response.render().to_bytes();
        let all = bytes(combine(read(&a), [read(&b), read(&c)]).unwrap());
        prop_assert!(bytes(combine(read(&c), [read(&b), read(&a)]).unwrap()) == all);
        prop_assert!(bytes(combine(read(&b), [combine(read(&a), [read(&c)]).unwrap()]).unwrap()) == all);
        let again = Response::read(&all).unwrap();
        prop_assert!(bytes(combine(again, [read(&b), read(&a)]).unwrap()) == all);
        prop_assert!(Response::read(&all).unwrap().read_back(&all).is_ok_and(|again| bytes(again) == all));
        if a.mirrored == b.mirrored {
            let both = bytes(combine(read(&a), [read(&b)]).unwrap());
            prop_assert!(both == a.with(&b).forge().write());
        }
    }
}

/// As a reader of bundles has it.
fn read_entry(entry: &Entry) -> coldsign::format::log::Entry {
    let value = Value::parse(format!("[{}]", entry.in_bundle()).as_bytes(), 16, Names::Exact).unwrap();
    coldsign::format::log::Entry::read_all(Some(&value)).unwrap().remove(0)
}

fn material(entries: &[Entry]) -> Material {
    Material { entries: entries.iter().map(read_entry).collect(), tokens: Vec::new() }
}

#[test]
fn what_is_added_is_bound_and_has_a_place() {
    let mut response = Response::read(&Bytes::from(response().write())).unwrap();
    let id = response.signers().next().unwrap().key().id();
    let (payload, statement) = (Place::Payload(0, 0), Place::Statement(0));
    let digest = response.request().groups()[0].payloads[0].payload.digest.hex();
    let text = |response: &Response, place| response.of(place, &id).unwrap().of().text.to_owned();
    let of_payload = hashed_rekord(&digest, &text(&response, payload), &one().spki);
    let of_other = hashed_rekord(&digest, &text(&response, statement), &one().spki);
    let logged = Log::v1(1).enter("hashedrekord", 7, &of_payload);
    let bare = Entry { promise: None, ..logged.clone() };
    let leaf = leaf(
        &response.request().blob(&response.request().groups()[0].payloads[0].payload.digest).unwrap().clone(),
        &text(&response, payload),
        &one().spki,
    );
    let v2 = Log::v2(1).enter("hashedrekord", 0, &leaf);
    let mut refused = |place, entry: &Entry| {
        let before = response.render().to_bytes();
        let error = response.add_material(&id, place, material(std::slice::from_ref(entry))).unwrap_err();
        assert!(response.render().to_bytes() == before);
        error.check()
    };
    assert_eq!(refused(payload, &Log::v1(1).enter("hashedrekord", 7, &of_other)), Check::LogSignature);
    assert_eq!(refused(statement, &logged), Check::LogKind);
    // A layer has a place for promises alone, a bundle for nothing without a proof.
    assert_eq!(refused(payload, &bare), Check::LogSet);
    assert_eq!(refused(payload, &v2), Check::LogSet);
    assert_eq!(refused(payload, &Entry { proof: None, ..logged.clone() }), Check::LogProof);
    let other = two().id();
    let other = coldsign::digest::Digest::parse(&format!("sha256:{other}")).unwrap();
    let absent = response.add_material(&other, payload, Material::default()).unwrap_err();
    assert_eq!(absent.check(), Check::SignatureInvalid);
    assert!(response.logged(payload, &id).is_none());
    assert!(response.add_material(&id, payload, material(std::slice::from_ref(&logged))).unwrap());
    assert!(!response.add_material(&id, payload, material(&[logged])).unwrap());
    assert!(response.logged(payload, &id).unwrap().entries[0].is_annotation());
    let annotation = response.logged(payload, &id).cloned().unwrap();
    let moved = response.add_material(&id, statement, annotation).unwrap_err();
    assert_eq!(moved.check(), Check::LogKind);
    let bytes = response.render().to_bytes();
    assert!(Response::read(&bytes).unwrap().render().to_bytes() == bytes);
}

/// Nothing is written that no reader takes.
#[test]
fn more_than_a_reader_takes_is_not_written() {
    let response = || Response::read(&Bytes::from(response().write())).unwrap();
    let logged = |count: u64| {
        let mut response = response();
        let id = response.signers().next().unwrap().key().id();
        let (bundle, _) = response.bundle(0, &id).unwrap();
        let signed = Signed::of(&bundle);
        let entry = |index| {
            let mut entry = signed.v1(1, index);
            let note = &mut entry.proof.as_mut().unwrap().note;
            *note = note.replacen("\n\n", &format!("\n{}\n\n", "x".repeat(130_000)), 1);
            entry
        };
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        assert!(response.add_material(&id, Place::Statement(0), material(&entries)).unwrap());
        response.render()
    };
    let large = logged(32);
    assert_eq!(large.check_limits().unwrap_err().check(), Check::BlobSize);
    assert_eq!(Response::read(&large.to_bytes()).unwrap_err().check(), Check::BlobSize);
    let fits = logged(31);
    fits.check_limits().unwrap();
    Response::read(&fits.to_bytes()).unwrap();
}
