//! Defects of payloads of other tools, attestations and files: one each, as in `cases`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::too_many_lines, clippy::type_complexity)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cases::{Cases, find, raw, remove, renumber};
use crate::forge::{Blobs, Envelope, Extra, Forge, Json, Key, Node, Part, SIGN_TYPE, attested, digest, pae};
use crate::plans::{
    PREDICATE, PROVENANCE, SPDX, attestation, file, hash, image, index, of_extras, of_files, one, payload,
    request, request_of_attestation, request_of_file, request_of_hash, request_of_kinds, request_of_payload,
    request_of_two, request_with_unseen, response_of_kinds, two,
};

/// Adds every case.
pub(crate) fn add(cases: &mut Cases) {
    bytes_of_other_tools(cases);
    predicates(cases);
    members_of_payloads(cases);
    members_of_attestations(cases);
    members_of_files(cases);
    order(cases);
    tied_to_evidence(cases);
    rendered(cases);
    blobs(cases);
    index_json(cases);
    att_manifests(cases);
    bundles(cases);
    signatures(cases);
}

const APP: &str = "registry.example/app:1.4";

/// CUSTOM-PAYLOAD: of payloads and of files that are carried.
fn bytes_of_other_tools(cases: &mut Cases) {
    let odd: [(&str, &[u8], &[u8]); 9] = [
        ("dsse", b"DSSEv1", b"DSSEv1 28 application/vnd.in-toto+json 2 {}"),
        ("critical", b"{\"critica\":{}}", b"{\"critical\":{}}"),
        ("escaped", br#"{"\u0064ritical":1}"#, br#"{"\u0063ritical":1}"#),
        ("letter-case", br#"{"x":{"CRITICAL":1}}"#, br#"{"x":1,"CRITICAL" : 1}"#),
        ("not-utf8", b"{\"\xff\":0}", b"{\"\xff\":0,\"critical\":1}"),
        ("cut", b"{\"critical\"", b"{\"critical\":"),
        ("byte-order-mark", b"\xef\xbb\xbf{}", b"\xef\xbb\xbf{\"critical\":1}"),
        ("more-behind", b"{} critical", b"{\"critical\":1} and more"),
        ("blanks-before", b"\r\n\t [\"critical\"]", b"\r\n\t {\"critical\"\n:1}"),
    ];
    for (variant, good, bad) in odd {
        let plan = |bytes: &[u8]| of_extras(vec![payload(APP, image("amd64"), bytes)]);
        cases.pair(&format!("custom-payload.{variant}"), plan(good), plan(bad));
        let plan = |bytes: &[u8]| of_files(vec![file("release.json", bytes)]);
        cases.pair(&format!("custom-payload.file-{variant}"), plan(good), plan(bad));
    }
    let own = crate::forge::payload(APP, &image("amd64").digest(), &[]);
    let plan = |bytes: &[u8]| of_files(vec![file("payload.json", bytes)]);
    cases.pair("custom-payload.file-of-image", plan(&own[1..]), plan(&own));
    let statement = attested("registry.example/app", &image("amd64").digest(), PROVENANCE, b"{}");
    cases.pair("custom-payload.file-of-statement", plan(&statement), plan(&pae(&statement)));
}

/// PREDICATE-SYNTAX.
fn predicates(cases: &mut Cases) {
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let odd = [
        ("member-twice", r#"{"a":1,"A":1}"#.to_owned(), r#"{"a":1,"a":1}"#.to_owned()),
        (
            "member-twice-inside",
            r#"{"a":[{"b":1},{"b":2}]}"#.to_owned(),
            r#"{"a":[{"b":1,"\u0062":2}]}"#.to_owned(),
        ),
        ("array", "{\"a\":[]}".to_owned(), "[]".to_owned()),
        ("null", "{\"a\":null}".to_owned(), "null".to_owned()),
        ("empty", "{}".to_owned(), " ".to_owned()),
        ("byte-order-mark", "{\"a\":\"\u{feff}\"}".to_owned(), "\u{feff}{\"a\":1}".to_owned()),
        ("lone-surrogate", r#"{"a":"\ud83d\ude00"}"#.to_owned(), r#"{"a":"\ude00"}"#.to_owned()),
        ("too-deep", deep(64), deep(65)),
        ("not-a-number", "{\"a\":-0.5e+300}".to_owned(), "{\"a\":NaN}".to_owned()),
        ("more-behind", "{}\r\n\t ".to_owned(), "{} {}".to_owned()),
        ("control-character", r#"{"a":"\u0000"}"#.to_owned(), "{\"a\":\"\0\"}".to_owned()),
    ];
    let plan = |predicate: &str| of_extras(vec![attestation(APP, image("amd64"), PROVENANCE, predicate)]);
    for (variant, good, bad) in odd {
        cases.pair(&format!("predicate-syntax.{variant}"), plan(&good), plan(&bad));
    }
    let bytes = |bytes: &[u8]| {
        let mut forge = request_of_attestation();
        forge.extras[0].what = crate::forge::What::Attestation(PROVENANCE.to_owned(), bytes.to_vec());
        forge
    };
    cases.pair(
        "predicate-syntax.not-utf8",
        bytes("{\"a\":\"\u{ff}\"}".as_bytes()),
        bytes(b"{\"a\":\"\xff\"}"),
    );
}

/// One more member in `critical` of the first item.
fn with(name: &'static str, value: Json) -> impl FnOnce(Forge) -> Forge {
    move |forge| forge.item(0, move |item| item[name] = value.clone())
}

/// The first item without its subject, which `index.json` still names.
fn without_subject(forge: Forge) -> Forge {
    forge.bend(Part::Document, 0, |bytes| {
        let mut document: Json = serde_json::from_slice(&bytes).unwrap();
        remove(&mut document["critical"]["items"][0]["critical"], "subject");
        crate::forge::canonical(&document)
    })
}

/// One member less.
fn without(name: &'static str) -> impl FnOnce(Forge) -> Forge {
    move |forge| forge.item(0, move |item| remove(item, name))
}

fn other_type(member: &'static str) -> impl FnOnce(Forge) -> Forge {
    move |forge| forge.item(0, move |item| item[member]["mediaType"] = json!("text/plain"))
}

fn members_of_payloads(cases: &mut Cases) {
    let base = request_of_payload();
    let descriptor = crate::forge::descriptor(crate::forge::STATEMENT, b"{}");
    cases.add("document-member.custom-identity", &base, with("identity", json!(APP)));
    cases.add("document-member.custom-annotations", &base, with("annotations", json!({"a": "b"})));
    cases.add("document-member.custom-statement", &base, with("statement", descriptor));
    cases.add("document-member.custom-predicate-type", &base, with("predicateType", json!(SPDX)));
    cases.add("document-member.custom-name", &base, with("name", json!("payload")));
    for name in ["payload", "destination", "evidence", "number"] {
        cases.add(&format!("document-member.custom-no-{name}"), &base, without(name));
    }
    cases.add("document-member.custom-no-subject", &base, without_subject);
    cases.add("document-member.custom-media-type", &base, other_type("payload"));
}

fn members_of_attestations(cases: &mut Cases) {
    let base = request_of_attestation();
    let descriptor = crate::forge::descriptor(crate::forge::PAYLOAD, b"{}");
    cases.add("document-member.attestation-identity", &base, with("identity", json!(APP)));
    cases.add("document-member.attestation-annotations", &base, with("annotations", json!({"a": "b"})));
    cases.add("document-member.attestation-payload", &base, with("payload", descriptor));
    cases.add("document-member.attestation-content", &base, |forge| {
        forge.item(0, |item| item["content"] = item["predicate"].clone())
    });
    for name in ["predicate", "predicateType", "statement", "destination", "evidence"] {
        let variant = name.to_lowercase();
        cases.add(&format!("document-member.attestation-no-{variant}"), &base, without(name));
    }
    cases.add("document-member.attestation-no-subject", &base, without_subject);
    cases.add("document-member.attestation-predicate-media-type", &base, other_type("predicate"));
    cases.add("document-member.attestation-statement-media-type", &base, other_type("statement"));
    cases.add("document-member.attestation-type-number", &base, with("predicateType", json!(1)));
    // Statement and everything above follow the type: nothing but the type is wrong.
    let typed = |kind: &str| of_extras(vec![attestation(APP, image("amd64"), kind, PREDICATE)]);
    let long = |size: usize| format!("urn:{}", "x".repeat(size - 4));
    for (variant, good, bad) in [
        ("image", "https://sigstore.dev/cosign/sign/v2", SIGN_TYPE),
        ("name", "urn:slsaprovenance", "slsaprovenance"),
        ("empty", "urn:x", ""),
        ("no-path", "urn:x", "urn:"),
        ("blank", "urn:a%20b", "urn:a b"),
        ("escape", "urn:x", "urn:\u{1b}[2J"),
        ("newline", "urn:x", "urn:x\n"),
        ("not-ascii", "urn:%C3%A9", "urn:\u{e9}"),
        ("long", &long(512), &long(513)),
    ] {
        cases.pair(&format!("document-member.attestation-type-{variant}"), typed(good), typed(bad));
    }
    let image = request();
    cases.add("document-member.image-predicate-type", &image, with("predicateType", json!(SPDX)));
    cases.add("document-member.image-name", &image, with("name", json!("image")));
    let unseen = {
        let mut forge = request_of_attestation();
        forge.extras[0].top = request_with_unseen().images[0].top.clone();
        forge
    };
    cases.add("document-empty.attestation-unseen", &unseen, with("unseen", json!([])));
    cases.add("item-unseen.attestation", &unseen, without("unseen"));
    cases.add("item-unseen.attestation-carried", &base, |forge| {
        forge.item(0, |item| item["unseen"] = json!([digest(b"x")]))
    });
    cases.add("document-sorted.attestation-evidence", &base, |forge| {
        forge.item(0, |item| item["evidence"].as_array_mut().unwrap().reverse())
    });
    for (variant, base) in [("attestation", &base), ("custom", &request_of_payload())] {
        cases.add(&format!("item-evidence.{variant}"), base, |forge| {
            forge.item(0, |item| drop(item["evidence"].as_array_mut().unwrap().pop()))
        });
        cases.add(&format!("document-reference.{variant}-destination"), base, |forge| {
            forge.item(0, |item| item["destination"] = json!("app:1.4"))
        });
    }
}

fn members_of_files(cases: &mut Cases) {
    let (base, alone) = (request_of_file(), request_of_hash());
    let image = image("amd64");
    cases.add("document-member.file-destination", &base, with("destination", json!(APP)));
    cases.add("document-member.file-evidence", &base, with("evidence", json!([])));
    cases.add("document-member.file-unseen", &base, with("unseen", json!([image.digest()])));
    cases.add("document-member.file-subject", &base, with("subject", json!({})));
    cases.add("document-member.file-annotations", &base, with("annotations", json!({"a": "b"})));
    cases.add("document-member.file-both", &base, |forge| {
        forge.item(0, |item| item["digest"] = item["content"]["digest"].clone())
    });
    cases.add("document-member.file-neither", &alone, without("digest"));
    cases.add("document-member.file-no-name", &base, without("name"));
    cases.add("document-member.file-no-number", &base, without("number"));
    cases.add("document-member.file-name-number", &base, with("name", json!(1)));
    cases.add("document-member.file-media-type", &base, other_type("content"));
    cases.add("document-member.file-content-member", &base, |forge| {
        forge.item(0, |item| item["content"]["data"] = json!(""))
    });
    cases.add("document-member.file-content-string", &base, with("content", json!(digest(b"x"))));
    cases.add("document-member.hash-sha512", &alone, |forge| {
        forge.item(0, |item| item["digest"] = json!(format!("sha512:{}", "0".repeat(128))))
    });
    cases.add("document-member.hash-upper-case", &alone, |forge| {
        forge.item(0, |item| {
            let upper = item["digest"].as_str().unwrap()[7..].to_uppercase();
            item["digest"] = json!(format!("sha256:{upper}"));
        })
    });
    cases.add("document-member.hash-object", &alone, with("digest", json!({})));
    cases.add("document-member.file-optional", &base, |forge| {
        forge.items(|items| remove(&mut items[0], "optional"))
    });
    let called = |name: &str| of_files(vec![file(name, b"content")]);
    let (fits, long) = ("n".repeat(4096), "n".repeat(4097));
    for (variant, good, bad) in [
        ("empty", " ", ""),
        ("newline", "a\\nb", "a\nb"),
        ("escape", "\u{9b}2J", "\u{1b}[2J"),
        ("delete", "a\u{80}", "a\u{7f}"),
        ("nul", "a0", "a\0"),
        ("tab", "a b", "a\tb"),
        ("long", &fits, &long),
    ] {
        cases.pair(&format!("document-string.file-{variant}"), called(good), called(bad));
    }
}

/// ITEM-LIST: kinds, what stands within one, numbers.
fn order(cases: &mut Cases) {
    let kinds = request_of_kinds();
    // 0 to 2 images, 3 and 4 payloads, 5 to 7 attestations, 8 and 9 files.
    let mut moved = |variant: &str, from: usize, to: usize| {
        cases.add(&format!("item-list.{variant}"), &kinds, |forge| {
            forge.items(move |items| {
                let item = items.remove(from);
                items.insert(to, item);
                renumber(items);
            })
        });
    };
    moved("payload-before-image", 3, 0);
    moved("payload-between-children", 3, 2);
    moved("attestation-before-image", 5, 0);
    moved("attestation-before-payload", 5, 4);
    moved("payload-last", 4, 9);
    moved("file-first", 8, 0);
    moved("file-before-attestation", 8, 7);
    moved("payloads-swapped", 3, 4);
    moved("attestations-swapped", 7, 5);
    moved("attestation-types-swapped", 5, 6);
    moved("files-swapped", 8, 9);
    for (variant, place) in [("payload", 3), ("attestation", 5), ("file", 8)] {
        cases.add(&format!("item-list.{variant}-twice"), &kinds, |forge| {
            forge.items(move |items| {
                items.insert(place, items[place].clone());
                renumber(items);
            })
        });
        cases.add(&format!("item-list.{variant}-number-gap"), &kinds, |forge| {
            forge.items(move |items| {
                for (number, item) in (place + 2..).zip(&mut items[place..]) {
                    item["critical"]["number"] = json!(number);
                }
            })
        });
        cases.add(&format!("item-list.{variant}-number-again"), &kinds, |forge| {
            forge.item(place, move |item| item["number"] = json!(place))
        });
    }
    cases.add("item-list.file-number-from-one", &kinds, |forge| {
        forge.items(|items| {
            items[8]["critical"]["number"] = json!(1);
            items[9]["critical"]["number"] = json!(2);
        })
    });
    let swapped = |extras: Vec<Extra>| {
        let turned: Vec<Extra> = extras.iter().rev().cloned().collect();
        let ascending = |extras: &[Extra]| {
            let key = |extra: &Extra| match &extra.what {
                crate::forge::What::Payload(bytes) | crate::forge::What::Attestation(_, bytes) => {
                    digest(bytes)
                }
            };
            key(&extras[0]) < key(&extras[1])
        };
        if ascending(&extras) {
            (of_extras(extras), of_extras(turned))
        } else {
            (of_extras(turned), of_extras(extras))
        }
    };
    let (good, bad) = swapped(vec![payload(APP, image("amd64"), b"a"), payload(APP, image("amd64"), b"b")]);
    cases.pair("item-list.payload-digests", good, bad);
    let predicate = |text: &str| attestation(APP, image("amd64"), SPDX, text);
    let (good, bad) = swapped(vec![predicate("{}"), predicate("{ }")]);
    cases.pair("item-list.predicate-digests", good, bad);
    let mut twins = vec![file("same", b"a"), file("same", b"b")];
    twins.sort_by_key(|file| digest(file.content.as_ref().unwrap()));
    let good = of_files(twins.clone());
    twins.reverse();
    cases.pair("item-list.file-digests", good, of_files(twins));
    let two = |second| of_files(vec![file("a", b"content"), second]);
    cases.pair("item-list.file-digest-twice", two(file("b", b"content.")), two(file("b", b"content")));
    cases.pair("item-list.file-and-hash", two(hash("b", b"content.")), two(hash("b", b"content")));
    let hashes = |second: &[u8]| of_files(vec![hash("a", b"content"), hash("b", second)]);
    cases.pair("item-list.hash-twice", hashes(b"content."), hashes(b"content"));
    // An attestation is about what it names: nothing follows of the children of an index.
    let child = |digest: &str| format!("registry.example/app@{digest}");
    let about = |first: Extra| {
        of_extras(vec![first, attestation(&child(&image("amd64").digest()), image("amd64"), SPDX, "{}")])
    };
    cases.pair(
        "item-list.attestation-of-child-first",
        about(attestation(APP, index(), SPDX, "{}")),
        of_extras(vec![
            attestation(&child(&image("amd64").digest()), image("amd64"), SPDX, "{}"),
            attestation(APP, index(), SPDX, "{}"),
        ]),
    );
    cases.add("item-list.attestation-of-child-missing", &request_of_kinds(), |forge| {
        forge.items(|items| {
            items.remove(2);
            renumber(items);
        })
    });
}

/// ITEM-DESTINATION and evidence that is wrong below another kind.
fn tied_to_evidence(cases: &mut Cases) {
    let kinds: [(&str, fn(&str, Node, &str, &str) -> Extra); 2] = [
        ("attestation", attestation),
        ("custom", |destination, top, _, bytes| payload(destination, top, bytes.as_bytes())),
    ];
    for (variant, extra) in kinds {
        let plan = |destination: &str, architecture: &str| {
            let mut forge = request_of_two();
            forge.extras = vec![extra(destination, image(architecture), SPDX, "{}")];
            forge
        };
        cases.pair(&format!("item-destination.{variant}-tag"), plan(APP, "amd64"), plan(APP, "arm64"));
        let by = |digest: &str| format!("registry.example/app@{digest}");
        cases.pair(
            &format!("item-destination.{variant}-digest"),
            plan(&by(&image("amd64").digest()), "amd64"),
            plan(&by(&image("amd64").digest()), "arm64"),
        );
    }
    let two = |second: &str| {
        of_extras(vec![
            attestation(APP, image("amd64"), PROVENANCE, "{}"),
            attestation(APP, image(second), SPDX, "{}"),
        ])
    };
    cases.pair("item-destination.two-attestations", two("amd64"), two("arm64"));
    let sized = request_of_attestation();
    cases.add("evidence-size.attestation", &sized, |forge| {
        forge.item(0, |item| item["subject"]["size"] = json!(1))
    });
    let nested = |layer: &str| {
        let mut top = image("amd64");
        top.bytes = String::from_utf8(top.bytes)
            .unwrap()
            .replace("application/vnd.oci.image.layer.v1.tar+gzip", layer)
            .into();
        of_extras(vec![payload(APP, top, b"x")])
    };
    cases.pair(
        "evidence-signature.custom",
        nested("application/vnd.example.layer"),
        nested("application/vnd.dev.cosign.simplesigning.v1+json"),
    );
}

/// ITEM-PAYLOAD, ITEM-STATEMENT, ITEM-CONTENT.
fn rendered(cases: &mut Cases) {
    let sized = |name: &'static str, size: fn(u64) -> u64| {
        move |forge: Forge| {
            forge.item(0, move |item| item[name]["size"] = json!(size(item[name]["size"].as_u64().unwrap())))
        }
    };
    cases.add("item-payload.custom-size", &request_of_payload(), sized("payload", |size| size + 1));
    cases.add("item-payload.custom-size-none", &request_of_payload(), sized("payload", |_| 0));
    cases.add("item-content.size", &request_of_file(), sized("content", |size| size - 1));
    cases.add("item-content.size-none", &request_of_file(), sized("content", |_| 0));
    let base = request_of_attestation();
    cases.add("item-statement.predicate-size", &base, sized("predicate", |size| size + 1));
    cases.add("item-statement.attestation-size", &base, sized("statement", |size| size + 1));
    for (variant, from, to) in [
        ("version", "/Statement/v0.1", "/Statement/v1"),
        ("name", "registry.example/app\"", "registry.example/web\""),
        ("name-with-tag", "registry.example/app\"", "registry.example/app:1.4\""),
        ("type", PROVENANCE, SPDX),
        ("blanks-gone", "{\"builder\": ", "{\"builder\":"),
        ("newline-gone", "2.50]}\n", "2.50]}"),
        ("number", "2.50", "2.5"),
        ("html", "<1>", "\\u003c1>"),
        ("order", "\"_type\"", "\"subject\":[],\"_type\""),
        ("member", "\"predicateType\"", "\"x\":1,\"predicateType\""),
    ] {
        cases.add(&format!("item-statement.attestation-{variant}"), &base, |forge| {
            forge.swap(Part::Statement, 0, from, to)
        });
    }
    cases.add("item-statement.attestation-subject", &base, |forge| {
        let (from, to) = (image("amd64").digest(), image("arm64").digest());
        forge.swap(Part::Statement, 0, &from[7..], &to[7..])
    });
    cases.add("item-statement.attestation-newline", &base, |forge| {
        forge.bend(Part::Statement, 0, |mut bytes| {
            bytes.push(b'\n');
            bytes
        })
    });
    cases.add("item-statement.attestation-of-image", &base, |forge| {
        let of_image = crate::forge::statement(&image("amd64").digest(), &[]);
        forge.bend(Part::Statement, 0, move |_| of_image.clone())
    });
    let pair = of_extras(vec![
        attestation(APP, image("amd64"), PROVENANCE, "{}"),
        attestation(APP, image("amd64"), SPDX, "{}"),
    ]);
    cases.add("item-statement.attestations-exchanged", &pair, |forge| {
        forge.items(|items| {
            let first = items[0]["critical"]["statement"].clone();
            items[0]["critical"]["statement"] = items[1]["critical"]["statement"].clone();
            items[1]["critical"]["statement"] = first;
        })
    });
    // An image's statement is no attestation's, whatever the items say.
    let mut mixed = request();
    mixed.extras = vec![attestation(APP, image("amd64"), SPDX, "{}")];
    cases.add("item-statement.image-has-attestation", &mixed, |forge| {
        forge.items(|items| items[0]["critical"]["statement"] = items[1]["critical"]["statement"].clone())
    });
}

/// BLOB-MISSING, BLOB-DIGEST, BLOB-EXTRA.
fn blobs(cases: &mut Cases) {
    let parts: [(&str, fn(&str) -> bool); 9] = [
        ("predicate", |text| text == PREDICATE),
        ("custom-payload", |text| text == "another tool"),
        ("content", |text| text == "content"),
        ("attested", |text| text.starts_with("{\"_type\":\"https://in-toto.io/Statement/v0.1\"")),
        ("envelope", |text| text.starts_with("{\"payload\"")),
        ("att-manifest", |text| {
            text.contains("\"predicateType\":\"https://slsa.dev") && text.contains("cosign/signature\":\"\"")
        }),
        ("att-config", |text| text.contains("0001-01-01") && text.contains("},{\"created\"")),
        ("message-bundle", |text| text.contains("messageSignature")),
        ("artifact", |text| text.contains("message-signature")),
    ];
    let mut base = request_of_kinds().signed(&[one()]);
    base.files[1] = file("release.txt", b"content");
    for (variant, pick) in parts {
        cases.add(&format!("blob-missing.{variant}"), &base, |forge| {
            forge.blobs(move |blobs| {
                let hex = find(blobs, pick);
                blobs.remove(&hex);
            })
        });
        cases.add(&format!("blob-digest.{variant}"), &base, |forge| {
            forge.blobs(move |blobs| {
                let hex = find(blobs, pick);
                *blobs.get_mut(&hex).unwrap().last_mut().unwrap() ^= 1;
            })
        });
    }
    let stranger = |bytes: &'static [u8]| {
        move |blobs: &mut Blobs| drop(blobs.insert(digest(bytes)[7..].to_owned(), bytes.to_vec()))
    };
    // A hash alone is one because nobody carries the content.
    let seen: &'static [u8] = b"a disk that nobody carries";
    cases.add("blob-extra.hash-content", &request_of_hash(), |forge| forge.blobs(stranger(seen)));
    cases.add("blob-extra.predicate", &request_of_attestation(), |forge| {
        forge.blobs(stranger(b"{}")).blobs(stranger(b"{ }"))
    });
    cases.add("blob-extra.payload", &request_of_payload(), |forge| forge.blobs(stranger(b"payload")));
    cases.add("blob-extra.artifact-not-in-index", &response_of_kinds(), |forge| {
        forge.entries(|entries| {
            let disk = digest(b"a disk that nobody carries");
            entries.retain(|entry| !entry.to_string().contains(&disk[7..]));
        })
    });
}

/// LAYOUT-INDEX.
fn index_json(cases: &mut Cases) {
    let base = response_of_kinds();
    let is_att = |entry: &Json| entry["annotations"].to_string().contains(".att");
    let mut change = |variant: &str, change: fn(&mut Vec<Json>, usize)| {
        cases.add(&format!("layout-index.{variant}"), &base, |forge| {
            forge.entries(move |entries| {
                let place = entries.iter().position(is_att).unwrap();
                change(entries, place);
            })
        });
    };
    change("att-left-out", |entries, att| drop(entries.remove(att)));
    change("att-twice", |entries, att| entries.insert(att, entries[att].clone()));
    change("att-before-sig", |entries, att| entries.swap(att, att - 1));
    change("atts-swapped", |entries, att| entries.swap(att, att + 1));
    change("att-kind", |entries, att| {
        entries[att]["annotations"]["kind"] = json!("dev.cosignproject.cosign/sigs");
    });
    change("att-no-kind", |entries, att| remove(&mut entries[att]["annotations"], "kind"));
    change("att-second-kind", |entries, att| {
        entries[att + 1]["annotations"]["kind"] = json!("dev.cosignproject.cosign/atts");
    });
    change("att-tag", |entries, att| {
        let tag = entries[att]["annotations"]["org.opencontainers.image.ref.name"].clone();
        entries[att]["annotations"]["org.opencontainers.image.ref.name"] =
            json!(tag.as_str().unwrap().replace(".att", ".sig.att"));
    });
    change("att-artifact-type", |entries, att| {
        entries[att]["artifactType"] = json!("application/vnd.example");
    });
    change("file-before-statement", |entries, _| {
        // Two responses, two bundles of each of two files, and before them those of statements.
        let last = entries.len() - 7;
        entries.swap(last, last + 1);
    });
    change("file-keys-swapped", |entries, _| {
        let last = entries.len() - 3;
        entries.swap(last, last - 1);
    });
    change("file-twice", |entries, _| {
        let last = entries.len() - 3;
        entries.insert(last, entries[last].clone());
    });
    change("file-name", |entries, _| {
        let last = entries.len() - 3;
        entries[last]["annotations"]["org.opencontainers.image.ref.name"] = json!("release.tgz");
    });
    change("file-image-name", |entries, _| {
        let last = entries.len() - 3;
        entries[last]["annotations"]["io.containerd.image.name"] = json!(APP);
    });
    // A file is nothing that stands in a registry.
    cases.add("layout-index.file-as-item", &request_of_kinds(), |forge| {
        forge.entries(|entries| {
            let mut last = crate::forge::descriptor("application/octet-stream", b"\x1f\x8b release\n");
            last["annotations"] = json!({"org.opencontainers.image.ref.name": "item-10"});
            entries.push(last);
        })
    });
}

/// ATT-MANIFEST.
fn att_manifests(cases: &mut Cases) {
    let single = request_of_attestation().signed(&[one()]);
    for (variant, from, to) in [
        (
            "type-other",
            "\"predicateType\":\"https://slsa.dev/provenance/v1\"",
            "\"predicateType\":\"https://spdx.dev/Document\"",
        ),
        (
            "type-name",
            "\"predicateType\":\"https://slsa.dev/provenance/v1\"",
            "\"predicateType\":\"slsaprovenance1\"",
        ),
        ("signature", "cosign/signature\":\"\"", "cosign/signature\":\"MEUC\""),
        ("no-signature", "\"dev.cosignproject.cosign/signature\":\"\",", ""),
        ("annotation-more", "\"predicateType\"", "\"a\":\"b\",\"predicateType\""),
        (
            "media-type",
            "application/vnd.dsse.envelope.v1+json",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
        ("blank", "{\"schemaVersion\":2,", "{\"schemaVersion\": 2,"),
        ("schema-version", "\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("subject", "\"layers\"", "\"subject\":null,\"layers\""),
        ("artifact-type", "\"layers\"", "\"artifactType\":\"a/b\",\"layers\""),
        ("size", "\"size\":", "\"size\":1"),
    ] {
        cases.add(&format!("att-manifest.{variant}"), &single, |forge| {
            forge.swap(Part::AttManifest, 0, from, to)
        });
    }
    cases.add("att-manifest.newline", &single, |forge| {
        forge.bend(Part::AttManifest, 0, |mut bytes| {
            bytes.push(b'\n');
            bytes
        })
    });
    for (variant, from, to) in
        [("config-time", "0001-01-01", "1970-01-01"), ("config-os", "\"os\":\"\"", "\"os\":\"linux\"")]
    {
        cases.add(&format!("att-manifest.{variant}"), &single, |forge| {
            forge.swap(Part::AttConfig, 0, from, to)
        });
    }
    let envelope = |change: fn(String) -> String| {
        move |forge: Forge| {
            forge.envelopes(0, move |layers| {
                let text = String::from_utf8(layers[0].bytes.clone()).unwrap();
                layers[0].bytes = change(text).into_bytes();
            })
        }
    };
    cases.add(
        "att-manifest.envelope-key-id",
        &single,
        envelope(|text| text.replace("{\"sig\"", "{\"keyid\":\"\",\"sig\"")),
    );
    cases.add("att-manifest.envelope-blank", &single, envelope(|text| text.replace("\",\"", "\", \"")));
    cases.add(
        "att-manifest.envelope-order",
        &single,
        envelope(|text| {
            let (payload, rest) = text[1..].split_once(',').unwrap();
            let (kind, signatures) = rest.split_once(',').unwrap();
            format!("{{{kind},{payload},{signatures}")
        }),
    );
    cases.add(
        "att-manifest.envelope-type",
        &single,
        envelope(|text| text.replace("in-toto+json", "in-toto.json")),
    );
    cases.add(
        "att-manifest.envelope-twice-signed",
        &single,
        envelope(|text| {
            let signature = text.split_once('[').unwrap().1.trim_end_matches("]}").to_owned();
            text.replace("}]}", &format!("}},{signature}]}}"))
        }),
    );
    let statement =
        attested("registry.example/app", &image("amd64").digest(), PROVENANCE, PREDICATE.as_bytes());
    let by = move |key: &Key| {
        Envelope {
            more: String::new(),
        bytes: format!(
            "{{\"payload\":\"{}\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{{\"sig\":\"{}\"}}]}}",
            STANDARD.encode(&statement),
            STANDARD.encode(key.sign(&pae(&statement)))
        )
        .into_bytes(),
        kind: PROVENANCE.to_owned(),
    }
    };
    for (variant, key) in [("of-stranger", Key::small(3)), ("mirrored", one().mirrored())] {
        let other = by(&key);
        cases.add(&format!("att-manifest.{variant}"), &single, |forge| {
            forge.envelopes(0, move |layers| layers[0] = other.clone())
        });
    }
    let other = by(&Key::small(3));
    cases.add("att-manifest.more-of-stranger", &single, |forge| {
        forge.envelopes(0, move |layers| layers.push(other.clone()))
    });
    let both = request_of_attestation().signed(&[one(), two()]);
    cases.add("att-manifest.layers-swapped", &both, |forge| forge.envelopes(0, |layers| layers.swap(0, 1)));
    cases.add("att-manifest.layer-left-out", &both, |forge| forge.envelopes(0, |layers| drop(layers.pop())));
    cases.add("att-manifest.layer-twice", &both, |forge| {
        forge.envelopes(0, |layers| layers.push(layers[1].clone()))
    });
    // Signed in the `.att` alone: the bundle of the other key is there, so the key is used.
    let mut signed = request_of_two();
    signed.extras = vec![attestation(APP, image("amd64"), PROVENANCE, PREDICATE)];
    let mut signed = signed.signed(&[one()]);
    signed.skipped = vec![2];
    let own = by(&one());
    cases.add("att-manifest.nobody-signed", &signed, |forge| {
        forge.envelopes(0, move |layers| layers.push(own.clone()))
    });
    let kinds = response_of_kinds();
    cases.add("att-manifest.types-swapped", &kinds, |forge| {
        forge.envelopes(0, |layers| layers.rotate_left(2))
    });
    cases.add("att-manifest.of-other", &kinds, |forge| forge.envelopes(1, |layers| layers.reverse()));
}

/// REFERRER-MANIFEST: of attestations and of files.
fn bundles(cases: &mut Cases) {
    let attested = request_of_attestation().signed(&[one()]);
    let file = request_of_file().signed(&[one()]);
    let subject = format!(
        ",\"subject\":{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":{},\"digest\":\"{}\"}},\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}}",
        image("amd64").bytes.len(),
        image("amd64").digest()
    );
    let end = ",\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}";
    cases.add("referrer-manifest.file-subject", &file, |forge| {
        forge.bend(Part::Referrer, 0, move |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            text.strip_suffix(end)
                .unwrap()
                .to_owned()
                .into_bytes()
                .into_iter()
                .chain(subject.bytes())
                .collect()
        })
    });
    for (variant, from, to) in [
        ("content", "\"message-signature\"", "\"dsse-envelope\""),
        (
            "predicate-type",
            "\"message-signature\"",
            "\"message-signature\",\"dev.sigstore.bundle.predicateType\":\"https://sigstore.dev/cosign/sign/v1\"",
        ),
        (
            "created",
            "\"message-signature\"",
            "\"message-signature\",\"org.opencontainers.image.created\":\"2026-01-01T00:00:00Z\"",
        ),
        (
            "name",
            "\"message-signature\"",
            "\"message-signature\",\"org.opencontainers.image.title\":\"release.tgz\"",
        ),
        ("blank", "{\"schemaVersion\":", "{ \"schemaVersion\":"),
    ] {
        cases.add(&format!("referrer-manifest.file-{variant}"), &file, |forge| {
            forge.swap(Part::Referrer, 0, from, to)
        });
    }
    for (variant, from, to) in [
        ("algorithm", "SHA2_256", "SHA2_384"),
        ("algorithm-number", "\"SHA2_256\"", "1"),
        ("blank", "\"messageSignature\":", "\"messageSignature\": "),
        ("media-type", "bundle.v0.3+json", "bundle.v0.2+json"),
        ("no-digest", "\"digest\":", "\"digests\":"),
        ("key-id", "\"publicKey\":{", "\"publicKey\":{\"rawBytes\":\"\","),
        ("envelope-too", "\"messageSignature\":", "\"dsseEnvelope\":{},\"messageSignature\":"),
        ("twice", "\"messageSignature\":", "\"messageSignature\":{},\"messageSignature\":"),
    ] {
        cases.add(&format!("referrer-manifest.message-{variant}"), &file, |forge| {
            forge.swap(Part::Bundle, 0, from, to)
        });
    }
    for (variant, from, to) in [
        ("type-of-image", PROVENANCE, SIGN_TYPE),
        ("type-other", PROVENANCE, SPDX),
        ("content", "\"dsse-envelope\"", "\"message-signature\""),
    ] {
        cases.add(&format!("referrer-manifest.attestation-{variant}"), &attested, |forge| {
            forge.swap(Part::Referrer, 0, from, to)
        });
    }
}

/// SIGNATURE-INVALID, SIGNATURE-ENCODING, RESPONSE-UNUSED.
fn signatures(cases: &mut Cases) {
    let plans: [(&str, fn() -> Forge); 4] = [
        ("custom", request_of_payload),
        ("attestation", request_of_attestation),
        ("file", request_of_file),
        ("hash", request_of_hash),
    ];
    let last = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    for (variant, plan) in plans {
        let signed = |key: Key| plan().signed(&[key]);
        let good = signed(one());
        cases.pair(
            &format!("signature-invalid.{variant}-altered"),
            good.clone(),
            signed(one().signing(last)),
        );
        cases.pair(
            &format!("signature-invalid.{variant}-stranger"),
            good.clone(),
            signed(two().named(one().spki)),
        );
        cases.pair(&format!("signature-encoding.{variant}-r-s"), good.clone(), signed(one().signing(raw)));
        if variant == "custom" {
            cases.add("response-unused.custom", &good, |forge| forge.layers(0, Vec::clear));
        } else {
            cases.add(&format!("response-unused.{variant}"), &good, |mut forge| {
                forge.skipped = vec![0];
                forge
            });
        }
    }
    for (variant, text) in [("newline", "\\n\"}}"), ("padding", "=\"}}")] {
        cases.add(
            &format!("signature-encoding.message-{variant}"),
            &request_of_file().signed(&[one()]),
            |forge| {
                forge.swap(Part::Bundle, 0, "\"}}", "\"}}").bend(Part::Bundle, 0, move |bytes| {
                    let body = String::from_utf8(bytes).unwrap();
                    format!("{}{text}", body.strip_suffix("\"}}").unwrap()).into_bytes()
                })
            },
        );
    }
    // Ed25519 signs messages: over a hash it could only sign the hash's bytes, which is no signature of the file.
    cases.pair(
        "signature-invalid.hash-ed25519",
        request_of_hash().signed(&[one()]),
        request_of_hash().signed(&[Key::ed25519()]),
    );
    let carried = request_of_file().signed(&[one()]);
    let over = |message: Vec<u8>| request_of_file().signed(&[one().signing(move |_| one().sign(&message))]);
    let content: &[u8] = b"\x1f\x8b release\n";
    cases.pair("signature-invalid.file-hash-signed", carried.clone(), over(Sha256::digest(content).to_vec()));
    cases.pair("signature-invalid.file-pae", carried.clone(), over(pae(content)));
    let statement =
        attested("registry.example/app", &image("amd64").digest(), PROVENANCE, PREDICATE.as_bytes());
    cases.pair(
        "signature-invalid.attestation-without-pae",
        request_of_attestation().signed(&[one()]),
        request_of_attestation().signed(&[one().signing(move |_| one().sign(&statement))]),
    );
    cases.add("signature-invalid.message-hint", &carried, |forge| {
        let encode = |spki: Vec<u8>| STANDARD.encode(Sha256::digest(spki));
        forge.swap(Part::Bundle, 0, &encode(one().spki), &encode(two().spki))
    });
    cases.add("signature-invalid.message-digest", &carried, |forge| {
        forge.swap(
            Part::Bundle,
            0,
            &STANDARD.encode(Sha256::digest(content)),
            &STANDARD.encode(Sha256::digest(b"another file")),
        )
    });
    let both = of_files(vec![file("a", b"first"), hash("b", b"second")]).signed(&[one()]);
    cases.add("signature-invalid.message-of-other", &both, |forge| {
        forge.swap(
            Part::Bundle,
            0,
            &STANDARD.encode(Sha256::digest(b"first")),
            &STANDARD.encode(Sha256::digest(b"second")),
        )
    });
    // A payload of another tool in the place of the image's, and the other way round.
    let mut beside = request();
    beside.extras = vec![payload(APP, image("amd64"), b"another tool")];
    cases.add("signature-invalid.custom-for-image", &beside.signed(&[one()]), |forge| {
        forge.layers(0, |layers| {
            let custom = layers[1].signature.clone();
            layers[0].signature = custom;
        })
    });
    cases.add(
        "response-unused.one-of-two-attests",
        &request_of_attestation().signed(&[one(), two()]),
        |mut forge| {
            forge.skipped = vec![1];
            forge
        },
    );
}
