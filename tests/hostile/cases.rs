//! One defect each. The stem is the check in lower case, with a variant behind a dot.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::too_many_lines, clippy::type_complexity)]
#![allow(clippy::assigning_clones, clippy::needless_pass_by_value)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::forge::{
    Blobs, Forge, Image, Json, Key, Member, Node, OCI_INDEX, OCI_MANIFEST, Part, digest, hex,
};
use crate::plans::{
    CONFIG, INDEX, MANIFEST, image, index, named, of, one, request, request_of_index, request_of_two,
    request_with_unseen, response, response_by_two, response_of_two, two,
};

/// A file with one defect, and the same without it.
pub(crate) struct Case {
    pub(crate) stem: String,
    pub(crate) neighbour: Forge,
    pub(crate) hostile: Forge,
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    headers(&mut cases);
    names_and_order(&mut cases);
    ends(&mut cases);
    blobs(&mut cases);
    index_json(&mut cases);
    wrappers(&mut cases);
    json_documents(&mut cases);
    json_evidence(&mut cases);
    members(&mut cases);
    strings(&mut cases);
    references(&mut cases);
    items(&mut cases);
    rendered(&mut cases);
    evidence_members(&mut cases);
    evidence_meaning(&mut cases);
    responses(&mut cases);
    signatures(&mut cases);
    sig_manifests(&mut cases);
    referrers(&mut cases);
    crate::kinds::add(&mut cases);
    crate::logged::add(&mut cases);
    cases.0
}

pub(crate) struct Cases(Vec<Case>);

impl Cases {
    /// `neighbour` with one defect.
    pub(crate) fn add(&mut self, stem: &str, neighbour: &Forge, defect: impl FnOnce(Forge) -> Forge) {
        let (neighbour, hostile) = (neighbour.clone(), defect(neighbour.clone()));
        self.0.push(Case { stem: stem.to_owned(), neighbour, hostile });
    }

    /// Two plans that differ in one thing.
    pub(crate) fn pair(&mut self, stem: &str, neighbour: Forge, hostile: Forge) {
        self.0.push(Case { stem: stem.to_owned(), neighbour, hostile });
    }
}

/// ARCHIVE-HEADER: one field each, the checksum repaired; of the second member, the first says what kind of file it is.
fn headers(cases: &mut Cases) {
    let base = request();
    let fields: [(&str, usize, &[u8]); 34] = [
        ("mode", 100, b"0000755\0"),
        ("mode-setuid", 100, b"0004644\0"),
        ("mode-form", 100, b"000644 \0"),
        ("mode-gnu", 100, b"0100644\0"),
        ("uid", 108, b"0001750\0"),
        ("uid-form", 108, b"000000 \0"),
        ("gid", 116, b"0001750\0"),
        ("size-blanks", 124, b"   "),
        ("size-space", 135, b" "),
        ("size-twelve-digits", 124, b"0"),
        ("mtime", 136, b"14700000000\0"),
        ("mtime-form", 136, b"0000000000\0\0"),
        ("type-old", 156, b"\0"),
        ("type-link", 156, b"1"),
        ("type-symlink", 156, b"2"),
        ("type-character", 156, b"3"),
        ("type-block", 156, b"4"),
        ("type-directory", 156, b"5"),
        ("type-fifo", 156, b"6"),
        ("type-contiguous", 156, b"7"),
        ("type-gnu-name", 156, b"L"),
        ("type-gnu-link", 156, b"K"),
        ("type-gnu-sparse", 156, b"S"),
        ("type-pax", 156, b"x"),
        ("type-pax-global", 156, b"g"),
        ("link-name", 157, b"index.json"),
        ("magic-gnu", 257, b"ustar  \0"),
        ("version", 263, b"01"),
        ("user", 265, b"root"),
        ("group", 297, b"root"),
        ("device-major", 329, b"0000000\0"),
        ("device-minor", 337, b"0000000\0"),
        ("prefix", 345, b"x"),
        ("tail", 511, b"x"),
    ];
    for (variant, at, bytes) in fields {
        let (at, bytes) = (at, bytes.to_vec());
        cases.add(&format!("archive-header.{variant}"), &base, |forge| {
            forge.tar(move |tar| {
                if variant == "size-twelve-digits" {
                    let digits = format!("{:012o}", tar.members[1].body.len());
                    tar.members[1].set(124, digits.as_bytes());
                } else if variant == "size-blanks" {
                    let digits = format!("{:>11o}\0", tar.members[1].body.len());
                    tar.members[1].set(124, digits.as_bytes());
                } else {
                    tar.members[1].set(at, &bytes);
                }
            })
        });
    }
    cases.add("archive-header.size-binary", &base, |forge| {
        forge.tar(|tar| {
            let size = u32::try_from(tar.members[1].body.len()).unwrap();
            tar.members[1].set(124, b"\x80\0\0\0\0\0\0\0");
            tar.members[1].set(132, &size.to_be_bytes());
        })
    });
    cases.add("archive-header.name-tail", &base, |forge| forge.tar(|tar| tar.members[1].set(78, b"x")));
    cases.add("archive-header.name-full", &base, |forge| {
        forge.tar(|tar| {
            let index = tar.members.len() - 2;
            tar.members[index].set(11, &[b'x'; 89]);
        })
    });
    cases.add("archive-header.checksum", &base, |forge| forge.tar(|tar| tar.members[1].header[154] ^= 1));
    cases.add("archive-header.checksum-gnu", &base, |forge| {
        forge.tar(|tar| {
            let text = format!("{:06o}\0 ", tar.members[1].sum());
            tar.members[1].header[148..156].copy_from_slice(text.as_bytes());
        })
    });
    cases.add("archive-header.checksum-signed", &base, |forge| {
        forge.tar(|tar| tar.members[1].header[148..156].copy_from_slice(b"        "))
    });
    cases.add("archive-header.first", &base, |forge| forge.tar(|tar| tar.members[0].set(100, b"0000600\0")));
    cases.add("archive-header.last", &base, |forge| {
        forge.tar(|tar| tar.members.last_mut().unwrap().set(100, b"0000600\0"))
    });
}

/// ARCHIVE-NAME and ARCHIVE-ORDER.
fn names_and_order(cases: &mut Cases) {
    let base = request();
    let zeros = "0".repeat(64);
    let long = "0".repeat(128);
    let odd: Vec<(&str, Vec<u8>)> = vec![
        ("dot", b"./index.json".to_vec()),
        ("absolute", b"/index.json".to_vec()),
        ("parent", format!("blobs/sha256/../{zeros}").into_bytes()),
        ("sha512", format!("blobs/sha512/{}", &long[..87]).into_bytes()),
        ("algorithm", format!("blobs/sha384/{zeros}").into_bytes()),
        ("upper-case", format!("blobs/sha256/{}", "A".repeat(64)).into_bytes()),
        ("short", format!("blobs/sha256/{}", &zeros[1..]).into_bytes()),
        ("longer", format!("blobs/sha256/{zeros}0").into_bytes()),
        ("no-hex", format!("blobs/sha256/{}g", &zeros[1..]).into_bytes()),
        ("empty", Vec::new()),
        ("directory", b"blobs/".to_vec()),
        ("slash", format!("blobs/sha256/{zeros}/").into_bytes()),
        ("double-slash", format!("blobs//sha256/{zeros}").into_bytes()),
        ("back-slash", format!("blobs\\sha256\\{zeros}").into_bytes()),
        ("not-utf8", b"index.json\xff".to_vec()),
        ("letter-case", b"Index.json".to_vec()),
        ("blank", b"index.json ".to_vec()),
        ("stranger", b"manifest.json".to_vec()),
        ("ingest", b"ingest".to_vec()),
    ];
    for (variant, name) in odd {
        cases.add(&format!("archive-name.{variant}"), &base, |forge| {
            forge.tar(move |tar| {
                let mut member = Member::new(&name, b"x");
                if name.is_empty() {
                    member.set(345, b"index.json");
                }
                tar.members.push(member);
                tar.members.sort_by_key(|member| member.header[..100].to_vec());
                tar.members.rotate_left(usize::from(name.is_empty()));
            })
        });
    }
    let extra: [(&str, &[u8], u8, &[u8]); 5] = [
        ("pax", b"PaxHeaders/index.json", b'x', b"19 mtime=1700000000\n"),
        ("pax-global", b"pax_global_header", b'g', b"19 comment=12345678\n"),
        ("gnu-name", b"././@LongLink", b'L', b"index.json\0"),
        ("link-out", b"etc", b'2', b""),
        ("volume", b"label", b'V', b""),
    ];
    for (variant, name, kind, body) in extra {
        cases.add(&format!("archive-name.{variant}"), &base, |forge| {
            forge.tar(move |tar| {
                let mut member = Member::new(name, body);
                member.set(156, &[kind]);
                let index = tar.members.len() - 2;
                tar.members.insert(index, member);
            })
        });
    }
    cases.add("archive-order.swapped", &base, |forge| forge.tar(|tar| tar.members.swap(0, 1)));
    cases.add("archive-order.duplicate", &base, |forge| {
        forge.tar(|tar| {
            let twin = tar.members[1].clone();
            tar.members.insert(1, twin);
        })
    });
    cases.add("archive-order.index-twice", &base, |forge| {
        forge.tar(|tar| {
            let index = tar.members.len() - 2;
            let twin = Member::new(b"index.json", b"{}");
            tar.members.insert(index, twin);
        })
    });
    cases.add("archive-order.layout-twice", &base, |forge| {
        forge.tar(|tar| {
            let twin = tar.members.last().unwrap().clone();
            tar.members.push(twin);
        })
    });
    cases.add("archive-order.layout-first", &base, |forge| forge.tar(|tar| tar.members.rotate_right(1)));
    cases.add("archive-order.index-first", &base, |forge| {
        forge.tar(|tar| {
            let index = tar.members.remove(tar.members.len() - 2);
            tar.members.insert(0, index);
        })
    });
    cases.add("archive-padding.nonzero", &base, |forge| {
        forge.tar(|tar| *tar.members[1].padding.last_mut().unwrap() = 1)
    });
    cases.add("archive-padding.layout", &base, |forge| {
        forge.tar(|tar| tar.members.last_mut().unwrap().padding[0] = b'\n')
    });
}

/// ARCHIVE-END and FILE-KIND.
fn ends(cases: &mut Cases) {
    let base = request();
    let tails: [(&str, usize); 4] =
        [("no-zeros", 0), ("one-block", 512), ("three-blocks", 1536), ("half-block", 1023)];
    for (variant, size) in tails {
        cases.add(&format!("archive-end.{variant}"), &base, |forge| {
            forge.tar(move |tar| tar.tail = vec![0; size])
        });
    }
    cases.add("archive-end.record", &base, |forge| {
        forge.tar(|tar| {
            tar.tail.clear();
            let size = tar.bytes().len();
            tar.tail = vec![0; (size + 1024).next_multiple_of(10240) - size];
        })
    });
    cases.add("archive-end.trailing", &base, |forge| forge.tar(|tar| tar.tail.push(b'x')));
    cases.add("archive-end.nonzero", &base, |forge| forge.tar(|tar| tar.tail[1023] = 1));
    cases.add("archive-end.zeros-between", &base, |forge| {
        forge.tar(|tar| {
            let mut gap = Member::new(b"", b"");
            gap.header = [0; 512];
            tar.members.insert(2, gap);
        })
    });
    cases.add("archive-end.concatenated", &base, |forge| {
        forge.bend(Part::File, 0, |bytes| [bytes.clone(), bytes].concat())
    });
    cases.add("archive-end.cut-header", &base, |forge| {
        forge.bend(Part::File, 0, |mut bytes| {
            bytes.truncate(1024 + 300);
            bytes
        })
    });
    cases.add("archive-end.cut-body", &base, |forge| {
        forge.tar(|tar| {
            tar.members.truncate(2);
            tar.members[1].padding.clear();
            tar.members[1].body.truncate(10);
            tar.tail.clear();
        })
    });
    cases.add("archive-end.size-too-large", &base, |forge| {
        forge.tar(|tar| tar.members.last_mut().unwrap().set(124, b"00000010000\0"))
    });
    cases.add("file-kind.gzip", &base, |forge| forge.bend(Part::File, 0, |bytes| gzip(&bytes)));
    cases.add("file-kind.empty", &base, |forge| forge.bend(Part::File, 0, |_| Vec::new()));
    cases.add("file-kind.zeros", &base, |forge| forge.bend(Part::File, 0, |_| vec![0; 1024]));
    cases.add("file-kind.text", &base, |forge| forge.bend(Part::File, 0, |_| b"not a tar\n".repeat(60)));
    cases.add("file-kind.old-tar", &base, |forge| forge.tar(|tar| tar.members[0].set(257, &[0; 8])));
    cases.add("file-kind.no-index", &base, |forge| {
        forge.tar(|tar| {
            let index = tar.members.len() - 2;
            tar.members.remove(index);
        })
    });
    cases.add("file-kind.no-layout", &base, |forge| {
        forge.tar(|tar| {
            tar.members.pop();
        })
    });
    cases.add("file-kind.image-layout", &base, |forge| {
        forge.entries(|entries| {
            entries.remove(0);
        })
    });
    cases.add("file-kind.item-first", &base, |forge| forge.entries(|entries| entries.swap(0, 1)));
    cases.add("file-kind.no-entries", &base, |forge| forge.entries(Vec::clear));
    cases.add("file-kind.artifact-type", &base, |forge| {
        forge
            .entries(|entries| entries[0]["artifactType"] = json!("application/vnd.coldsign.request.v2+json"))
    });
    cases.add("file-kind.index-array", &base, |forge| forge.bend(Part::Index, 0, |_| b"[]".to_vec()));
}

/// A gzip member of stored blocks (RFC 1952, RFC 1951).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let size = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(size.to_le_bytes().into_iter().chain((!size).to_le_bytes()));
        out.extend_from_slice(block);
    }
    out.extend((!crc).to_le_bytes().into_iter().chain(u32::try_from(bytes.len()).unwrap().to_le_bytes()));
    out
}

/// The hex of the blob that `pick` takes.
pub(crate) fn find(blobs: &Blobs, pick: impl Fn(&str) -> bool) -> String {
    let mut found = blobs.iter().filter(|(_, bytes)| std::str::from_utf8(bytes).is_ok_and(&pick));
    found.next().unwrap().0.clone()
}

/// BLOB-DIGEST, BLOB-MISSING, BLOB-EXTRA, LAYOUT-VERSION.
fn blobs(cases: &mut Cases) {
    let base = request();
    let parts: [(&str, fn(&str) -> bool); 13] = [
        ("manifest", |text| text.contains("\"layers\"") && text.contains("tar+gzip")),
        ("config", |text| text.contains("Labels")),
        ("payload", |text| text.starts_with("{\"critical\":{\"identity\"")),
        ("statement", |text| text.starts_with("{\"_type\"")),
        ("request-document", |text| text.starts_with("{\"critical\":{\"items\"")),
        ("request-manifest", |text| text.starts_with("{\"artifactType\":\"application/vnd.coldsign.request")),
        ("empty", |text| text == "{}"),
        ("sig-manifest", |text| text.contains("dev.cosignproject.cosign/signature")),
        ("sig-config", |text| text.contains("0001-01-01")),
        ("bundle", |text| text.contains("dsseEnvelope")),
        ("referrer", |text| text.contains("dsse-envelope")),
        ("response-document", |text| text.starts_with("{\"critical\":{\"key\"")),
        ("response-manifest", |text| {
            text.starts_with("{\"artifactType\":\"application/vnd.coldsign.response")
        }),
    ];
    for (variant, pick) in parts {
        let base = if variant.contains("sig")
            || variant.contains("response")
            || matches!(variant, "bundle" | "referrer")
        {
            response()
        } else {
            base.clone()
        };
        cases.add(&format!("blob-missing.{variant}"), &base, |forge| {
            forge.blobs(move |blobs| {
                let hex = find(blobs, pick);
                blobs.remove(&hex);
            })
        });
        cases.add(&format!("blob-digest.{variant}"), &base, |forge| {
            forge.blobs(move |blobs| {
                let hex = find(blobs, pick);
                let last = blobs.get_mut(&hex).unwrap().last_mut().unwrap();
                *last ^= 1;
            })
        });
    }
    cases.add("blob-digest.swapped", &base, |forge| {
        forge.blobs(|blobs| {
            let (a, b) = (
                find(blobs, |text| text.starts_with("{\"_type\"")),
                find(blobs, |text| text.contains("Labels")),
            );
            let bytes = blobs.insert(a.clone(), blobs[&b].clone()).unwrap();
            blobs.insert(b, bytes);
        })
    });
    cases.add("blob-digest.longer", &base, |forge| {
        forge.blobs(|blobs| {
            let hex = find(blobs, |text| text == "{}");
            blobs.get_mut(&hex).unwrap().push(b'\n');
        })
    });
    let stranger = |bytes: &'static [u8]| {
        move |blobs: &mut Blobs| drop(blobs.insert(hex(&Sha256::digest(bytes)), bytes.to_vec()))
    };
    cases.add("blob-extra.text", &base, |forge| forge.blobs(stranger(b"nobody names me")));
    cases.add("blob-extra.nothing", &base, |forge| forge.blobs(stranger(b"")));
    cases.add("blob-extra.response", &response(), |forge| forge.blobs(stranger(b"nobody names me")));
    let layer: &'static [u8] = b"a layer";
    let manifest = MANIFEST.replace(&format!("sha256:{}", "b".repeat(64)), &digest(layer));
    cases.add("blob-extra.layer", &of(Node::image(OCI_MANIFEST, CONFIG, &manifest)), |forge| {
        forge.blobs(stranger(layer))
    });
    cases.add("blob-extra.document", &base, |forge| {
        forge.blobs(stranger(b"{\"critical\":{\"items\":[],\"version\":1},\"optional\":{}}"))
    });
    cases.add("blob-extra.sig-not-in-index", &response(), |forge| {
        forge.entries(|entries| entries.retain(|entry| !entry.to_string().contains("cosign/sigs")))
    });
    cases.add("blob-extra.referrer-not-in-index", &response(), |forge| {
        forge.entries(|entries| entries.retain(|entry| !entry.to_string().contains("sigstore.bundle")))
    });
    for (variant, text) in [
        ("number", "{\"imageLayoutVersion\":\"1.0.1\"}"),
        ("blank", "{\"imageLayoutVersion\": \"1.0.0\"}"),
        ("newline", "{\"imageLayoutVersion\":\"1.0.0\"}\n"),
        ("member", "{\"imageLayoutVersion\":\"1.0.0\",\"x\":1}"),
        ("empty", ""),
    ] {
        cases.add(&format!("layout-version.{variant}"), &base, |forge| {
            forge.bend(Part::Layout, 0, move |_| text.as_bytes().to_vec())
        });
    }
}

/// LAYOUT-INDEX.
fn index_json(cases: &mut Cases) {
    let base = request();
    let entry = |cases: &mut Cases, variant: &str, base: &Forge, change: fn(&mut Vec<Json>)| {
        cases.add(&format!("layout-index.{variant}"), base, |forge| forge.entries(change));
    };
    entry(cases, "entry-twice", &base, |entries| entries.push(entries[1].clone()));
    entry(cases, "entry-missing", &base, |entries| drop(entries.pop()));
    entry(cases, "request-twice", &base, |entries| entries.push(entries[0].clone()));
    entry(cases, "items-swapped", &request_of_index(), |entries| entries.swap(1, 2));
    entry(cases, "annotation", &base, |entries| entries[1]["annotations"]["x"] = json!("y"));
    entry(cases, "annotation-of-request", &base, |entries| entries[0]["annotations"]["x"] = json!("y"));
    entry(cases, "annotation-created", &base, |entries| {
        entries[0]["annotations"]["org.opencontainers.image.created"] = json!("2026-01-02T03:04:05Z");
    });
    entry(cases, "platform", &base, |entries| {
        entries[1]["platform"] = json!({"architecture": "amd64", "os": "linux"});
    });
    entry(cases, "data", &base, |entries| entries[1]["data"] = json!("e30="));
    entry(cases, "urls", &base, |entries| entries[1]["urls"] = json!(["https://registry.example/"]));
    entry(cases, "artifact-type", &base, |entries| {
        entries[1]["artifactType"] = json!("application/vnd.example");
    });
    entry(cases, "no-artifact-type", &response(), |entries| {
        remove(entries.last_mut().unwrap(), "artifactType");
    });
    entry(cases, "media-type", &base, |entries| entries[1]["mediaType"] = json!(OCI_INDEX));
    entry(cases, "size", &base, |entries| entries[1]["size"] = json!(1));
    entry(cases, "digest", &base, |entries| entries[1]["digest"] = entries[0]["digest"].clone());
    entry(cases, "no-digest", &base, |entries| drop(entries[1].as_object_mut().unwrap().remove("digest")));
    entry(cases, "no-annotations", &base, |entries| {
        drop(entries[1].as_object_mut().unwrap().remove("annotations"));
    });
    entry(cases, "ref-name", &base, |entries| {
        entries[1]["annotations"]["org.opencontainers.image.ref.name"] = json!("latest");
    });
    entry(cases, "ref-name-of-request", &base, |entries| {
        entries[0]["annotations"]["org.opencontainers.image.ref.name"] = json!("request.1");
    });
    entry(cases, "image-name", &base, |entries| {
        entries[1]["annotations"]["io.containerd.image.name"] = json!("registry.example/other:1.4");
    });
    entry(cases, "no-image-name", &base, |entries| {
        drop(entries[1]["annotations"].as_object_mut().unwrap().remove("io.containerd.image.name"));
    });
    entry(cases, "image-name-of-request", &base, |entries| {
        entries[0]["annotations"]["io.containerd.image.name"] = json!("registry.example/app:request");
    });
    entry(cases, "no-kind", &base, |entries| {
        drop(entries[1]["annotations"].as_object_mut().unwrap().remove("kind"));
    });
    entry(cases, "kind-of-other", &base, |entries| {
        entries[1]["annotations"]["kind"] = json!("dev.cosignproject.cosign/imageIndex");
    });
    entry(cases, "kind-of-index", &request_of_index(), |entries| {
        entries[1]["annotations"]["kind"] = json!("dev.cosignproject.cosign/image");
    });
    entry(cases, "kind-on-second", &request_of_index(), |entries| {
        entries[2]["annotations"]["kind"] = json!("dev.cosignproject.cosign/image");
    });
    entry(cases, "kind-moved", &request_of_two(), |entries| {
        let kind = entries[1]["annotations"].as_object_mut().unwrap().remove("kind").unwrap();
        entries[2]["annotations"]["kind"] = kind;
    });
    entry(cases, "kind-on-second-sig", &response_of_two(), |entries| {
        entries[4]["annotations"]["kind"] = json!("dev.cosignproject.cosign/sigs");
    });
    entry(cases, "no-kind-on-sig", &response(), |entries| {
        drop(entries[2]["annotations"].as_object_mut().unwrap().remove("kind"));
    });
    entry(cases, "sigs-swapped", &response_of_two(), |entries| entries.swap(3, 4));
    entry(cases, "sig-name", &response(), |entries| {
        let name =
            entries[2]["annotations"]["io.containerd.image.name"].as_str().unwrap().replace("app", "web");
        entries[2]["annotations"]["io.containerd.image.name"] = json!(name);
    });
    entry(cases, "sig-twice", &response(), |entries| {
        let twin = entries[2].clone();
        entries.insert(3, twin);
    });
    entry(cases, "sig-before-item", &response(), |entries| entries.swap(1, 2));
    entry(cases, "referrers-swapped", &response_by_two(), |entries| entries.swap(3, 4));
    entry(cases, "referrer-twice", &response(), |entries| {
        let twin = entries[3].clone();
        entries.insert(4, twin);
    });
    entry(cases, "referrer-before-sig", &response(), |entries| entries.swap(2, 3));
    entry(cases, "referrer-annotations", &response(), |entries| {
        entries[3]["annotations"]["dev.sigstore.bundle.content"] = json!("dsse-envelope");
    });
    entry(cases, "responses-swapped", &response_by_two(), |entries| entries.swap(5, 6));
    entry(cases, "response-twice", &response(), |entries| entries.push(entries[4].clone()));
    entry(cases, "response-before-referrer", &response(), |entries| entries.swap(3, 4));
    entry(cases, "stranger", &base, |entries| {
        let mut stranger = entries[1].clone();
        stranger["artifactType"] = json!("application/vnd.example");
        entries.push(stranger);
    });
    for (variant, from, to) in [
        ("index-annotations", "{\"manifests\"", "{\"annotations\":{},\"manifests\""),
        ("index-artifact-type", "{\"manifests\"", "{\"artifactType\":\"a/b\",\"manifests\""),
        ("index-media-type", "vnd.oci.image.index", "vnd.oci.image.manifest"),
        ("index-schema-version", "\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("index-subject", "\"schemaVersion\":2", "\"schemaVersion\":2,\"subject\":{}"),
    ] {
        cases.add(&format!("layout-index.{variant}"), &base, |forge| forge.swap(Part::Index, 0, from, to));
    }
}

/// REQUEST-MANIFEST and RESPONSE-MANIFEST.
fn wrappers(cases: &mut Cases) {
    let second = ",{\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"size\":2}],\"mediaType\"";
    for (variant, from, to) in [
        ("annotations", "{\"artifactType\"", "{\"annotations\":{\"x\":\"y\"},\"artifactType\""),
        (
            "subject",
            "\"schemaVersion\":2}",
            "\"schemaVersion\":2,\"subject\":{\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"size\":2}}",
        ),
        ("second-layer", "],\"mediaType\"", second),
        ("no-layer", "\"layers\":[{", "\"layers\":[],\"lawyers\":[{"),
        ("empty-data", "\"config\":{", "\"config\":{\"data\":\"e30=\","),
        ("config-media-type", "vnd.oci.empty", "vnd.oci.image.config"),
        (
            "artifact-type",
            "{\"artifactType\":\"application/vnd.coldsign.",
            "{\"artifactType\":\"application/vnd.warmsign.",
        ),
        (
            "layer-media-type",
            "\"mediaType\":\"application/vnd.coldsign.",
            "\"mediaType\":\"application/vnd.warmsign.",
        ),
        ("layer-size", "v1+json\",\"size\":", "v1+json\",\"size\":1"),
        ("media-type", "vnd.oci.image.manifest", "vnd.oci.image.index"),
        ("schema-version", "\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("order", "\"schemaVersion\":2}", "\"schemaVersion\":2,\"a\":1}"),
        ("blank", "{\"artifactType\":", "{\"artifactType\": "),
        ("newline", "\"schemaVersion\":2}", "\"schemaVersion\":2}\n"),
        ("array", "{\"artifactType\"", "[{\"artifactType\""),
    ] {
        cases.add(&format!("request-manifest.{variant}"), &request(), |forge| {
            forge.swap(Part::RequestManifest, 0, from, to)
        });
        cases.add(&format!("response-manifest.{variant}"), &response(), |forge| {
            forge.swap(Part::ResponseManifest, 0, from, to)
        });
    }
}

/// The JSON of `index.json` and of our documents.
fn json_documents(cases: &mut Cases) {
    let base = request();
    for (name, part, base) in [
        ("document", Part::Document, &base),
        ("index", Part::Index, &base),
        ("response", Part::ResponseDocument, &response()),
    ] {
        for (variant, change) in syntax_errors() {
            cases.add(&format!("json-syntax.{name}-{variant}"), base, |forge| forge.bend(part, 0, change));
        }
        cases.add(&format!("json-canonical.{name}-blank"), base, |forge| {
            forge.bend(part, 0, |bytes| {
                String::from_utf8(bytes).unwrap().replacen("\":", "\": ", 1).into_bytes()
            })
        });
        cases.add(&format!("json-canonical.{name}-newline"), base, |forge| {
            forge.bend(part, 0, |mut bytes| {
                bytes.push(b'\n');
                bytes
            })
        });
        cases.add(&format!("json-duplicate.{name}"), base, |forge| {
            forge.bend(part, 0, |bytes| {
                let text = String::from_utf8(bytes).unwrap();
                let (first, rest) = text.split_at(text.find([':']).unwrap());
                format!("{first}:{{}},{}{rest}", &first[1..]).into_bytes()
            })
        });
    }
    cases.add("json-canonical.document-order", &base, |forge| {
        forge.bend(Part::Document, 0, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let (critical, optional) = text[1..text.len() - 1].split_once(",\"optional\":{\"note\"").unwrap();
            format!("{{\"optional\":{{\"note\"{optional},{critical}}}").into_bytes()
        })
    });
    cases.add("json-canonical.document-escape", &base, |forge| {
        forge.swap(Part::Document, 0, "\"prod\"", "\"pr\\u006fd\"")
    });
    cases.add("json-canonical.document-slash", &base, |forge| {
        forge.swap(Part::Document, 0, "example/app", "example\\/app")
    });
    cases.add("json-canonical.index-order", &base, |forge| {
        forge.swap(
            Part::Index,
            0,
            "\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2",
            "\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
        )
    });
    let mut astral = request();
    let sorted = [("\u{1f600}".to_owned(), "1".to_owned()), ("\u{fb33}".to_owned(), "2".to_owned())];
    astral.images[0].annotations = sorted.to_vec();
    cases.add("json-canonical.document-order-utf8", &astral, |forge| {
        forge.swap(
            Part::Document,
            0,
            "\"\u{1f600}\":\"1\",\"\u{fb33}\":\"2\"",
            "\"\u{fb33}\":\"2\",\"\u{1f600}\":\"1\"",
        )
    });
    cases.add("json-duplicate.document-escaped", &base, |forge| {
        forge.swap(Part::Document, 0, "\"env\":\"prod\"", "\"env\":\"prod\",\"\\u0065nv\":\"prod\"")
    });
    cases.add("json-duplicate.document-annotation", &base, |forge| {
        forge.swap(Part::Document, 0, "\"env\":\"prod\"", "\"env\":\"test\",\"env\":\"prod\"")
    });
    cases.add("json-duplicate.document-note", &base, |forge| {
        forge.swap(Part::Document, 0, "\"note\":\"REL-412\"", "\"note\":\"REL-411\",\"note\":\"REL-412\"")
    });
    let deep = |depth: usize| {
        let mut value = json!("bottom");
        for _ in 2..depth {
            value = json!([value]);
        }
        let mut forge = request();
        forge.optional = json!({"deep": value});
        forge
    };
    cases.pair("json-depth.document", deep(8), deep(9));
}

type Bend = fn(Vec<u8>) -> Vec<u8>;

/// What makes any JSON text no JSON text.
fn syntax_errors() -> [(&'static str, Bend); 9] {
    fn edit(bytes: Vec<u8>, change: impl Fn(&str) -> String) -> Vec<u8> {
        let text = String::from_utf8(bytes).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed);
        changed.into_bytes()
    }
    [
        ("bom", |bytes| [b"\xef\xbb\xbf".to_vec(), bytes].concat()),
        ("trailing", |bytes| [bytes, b"{}".to_vec()].concat()),
        ("cut", |mut bytes| {
            bytes.pop();
            bytes
        }),
        ("comma", |bytes| edit(bytes, |text| format!("{},}}", &text[..text.len() - 1]))),
        ("surrogate", |bytes| edit(bytes, |text| text.replacen('{', "{\"\\ud800\":1,", 1))),
        ("nan", |bytes| edit(bytes, |text| text.replacen('{', "{\"x\":NaN,", 1))),
        ("not-utf8", |bytes| [b"{\"\xff\":1,".as_slice(), &bytes[1..]].concat()),
        ("utf16", |bytes| edit(bytes, |text| text.chars().flat_map(|character| [character, '\0']).collect())),
        ("empty", |_| Vec::new()),
    ]
}

/// The JSON of manifests, indexes and configs.
fn json_evidence(cases: &mut Cases) {
    let good = || of(Node::image(OCI_MANIFEST, CONFIG, MANIFEST));
    let text = |bend: Bend, text: &str| bend(text.as_bytes().to_vec());
    for (variant, bend) in syntax_errors() {
        let mut config = of(image("amd64"));
        let bent = text(bend, CONFIG);
        let manifest = MANIFEST.replace("{cd}", &digest(&bent)).replace("{cs}", &bent.len().to_string());
        config.images[0].top.config = Some(bent);
        config.images[0].top.bytes = manifest.into_bytes();
        cases.pair(&format!("json-syntax.config-{variant}"), good(), config);
        let mut manifest = good();
        manifest.images[0].top.bytes = bend(manifest.images[0].top.bytes.clone());
        cases.pair(&format!("json-syntax.manifest-{variant}"), good(), manifest);
    }
    let config = |from: &str, to: &str| {
        assert!(CONFIG.contains(from));
        of(Node::image(OCI_MANIFEST, &CONFIG.replacen(from, to, 1), MANIFEST))
    };
    let manifest = |from: &str, to: &str| {
        assert!(MANIFEST.contains(from));
        of(Node::image(OCI_MANIFEST, CONFIG, &MANIFEST.replacen(from, to, 1)))
    };
    let mut pair = |stem: &str, hostile: Forge| cases.pair(stem, good(), hostile);
    pair("json-duplicate.config", config("\"os\":\"linux\"", "\"os\":\"plan9\",\"os\":\"linux\""));
    pair(
        "json-duplicate.config-escaped",
        config("\"os\":\"linux\"", "\"os\":\"linux\",\"\\u006fs\":\"plan9\""),
    );
    pair(
        "json-duplicate.config-label",
        config("\"version\":\"1.4\"", "\"version\":\"1.4\",\"version\":\"1.5\""),
    );
    pair("json-duplicate.config-unknown", config("{\"arch", "{\"history\":[{\"x\":1,\"x\":1}],\"arch"));
    pair("json-duplicate.manifest", manifest("\"layers\":", "\"layers\":[],\"layers\":"));
    pair("json-duplicate.manifest-config", manifest("\"config\":{", "\"config\":{},\"config\":{"));
    pair("json-duplicate.manifest-size", manifest("\"size\":7", "\"size\":7,\"size\":8"));
    pair(
        "json-duplicate.manifest-annotation",
        manifest("\"layers\":", "\"annotations\":{\"a\":\"1\",\"a\":\"2\"},\"layers\":"),
    );
    pair("json-fold.config", config("\"os\":\"linux\"", "\"os\":\"linux\",\"OS\":\"plan9\""));
    pair("json-fold.config-long-s", config("\"os\":\"linux\"", "\"os\":\"linux\",\"o\u{17f}\":\"plan9\""));
    pair("json-fold.config-long-s-alone", config("{\"arch", "{\"hi\u{17f}tory\":[],\"arch"));
    pair("json-fold.config-kelvin", config("{\"arch", "{\"bac\u{212a}\":1,\"arch"));
    pair("json-fold.config-not-ascii", config("{\"arch", "{\"gr\u{f6}\u{df}e\":1,\"arch"));
    pair("json-fold.config-labels", config("\"Labels\":{", "\"labels\":{\"version\":\"1.5\"},\"Labels\":{"));
    pair(
        "json-fold.config-below-label",
        config("\"Labels\":{\"version\":\"1.4\"}", "\"Volumes\":{\"/\":{\"a\":1,\"A\":2}}"),
    );
    pair("json-fold.manifest", manifest("\"layers\":", "\"Layers\":[],\"layers\":"));
    pair("json-fold.manifest-kelvin", manifest("\"layers\":", "\"\u{212a}\":[],\"layers\":"));
    pair("json-fold.manifest-descriptor", manifest("\"size\":7", "\"size\":7,\"Size\":8"));
    pair("json-fold.manifest-config-alone", manifest("\"layers\":", "\"Manifests\":[],\"layers\":"));
    pair("json-fold.manifest-subject-alone", manifest("\"layers\":", "\"Subject\":null,\"layers\":"));
    pair("json-fold.manifest-data-alone", manifest("\"size\":7", "\"size\":7,\"Data\":\"\""));
    pair("json-fold.config-variant-alone", config("{\"arch", "{\"Variant\":\"v8\",\"arch"));
    pair("json-fold.config-labels-alone", config("\"Labels\":{", "\"labels\":{"));
    let deep = |depth: usize| {
        config("{\"arch", &format!("{{\"x\":{}1{},\"arch", "[".repeat(depth - 1), "]".repeat(depth - 1)))
    };
    cases.pair("json-depth.config", deep(32), deep(33));
    let deep = |depth: usize| {
        let arrays = depth - 1;
        of(Node::image(
            OCI_MANIFEST,
            CONFIG,
            &MANIFEST.replace(
                "{\"schema",
                &format!("{{\"x\":{}{},\"schema", "[".repeat(arrays), "]".repeat(arrays)),
            ),
        ))
    };
    cases.pair("json-depth.manifest", deep(32), deep(33));
}

pub(crate) fn remove(value: &mut Json, name: &str) {
    assert!(value.as_object_mut().unwrap().remove(name).is_some(), "{name}");
}

/// DOCUMENT-MEMBER, DOCUMENT-VERSION, DOCUMENT-NUMBER, DOCUMENT-KIND, DOCUMENT-SORTED, DOCUMENT-EMPTY.
fn members(cases: &mut Cases) {
    let base = request();
    let mut swap = |stem: &str, from: &str, to: &str| {
        cases.add(stem, &base, |forge| forge.swap(Part::Document, 0, from, to));
    };
    swap("document-member.top", ",\"optional\":{\"note\"", ",\"more\":1,\"optional\":{\"note\"");
    swap(
        "document-member.critical",
        "{\"critical\":{\"items\"",
        "{\"critical\":{\"audience\":\"x\",\"items\"",
    );
    swap("document-member.version-string", "\"version\":1", "\"version\":\"1\"");
    swap("document-member.no-version", "],\"version\":1", "]");
    swap("document-member.no-optional", ",\"optional\":{\"note\":\"REL-412\"}", "");
    swap("document-member.optional-null", "\"optional\":{\"note\":\"REL-412\"}", "\"optional\":null");
    swap("document-member.note-number", "\"note\":\"REL-412\"", "\"note\":412");
    swap("document-member.note-null", "\"note\":\"REL-412\"", "\"note\":null");
    swap("document-version.two", "\"version\":1", "\"version\":2");
    swap("document-version.zero", "\"version\":1", "\"version\":0");
    swap("document-number.fraction", "\"version\":1", "\"version\":1.5");
    swap("document-number.point", "\"version\":1", "\"version\":1.0");
    swap("document-number.exponent", "\"number\":1", "\"number\":1e0");
    swap("document-number.negative", "\"number\":1", "\"number\":-1");
    swap("document-number.minus-zero", "\"number\":1", "\"number\":-0");
    swap("document-number.large", "\"note\":\"REL-412\"", "\"note\":\"REL-412\",\"x\":9007199254740992");
    swap(
        "document-number.huge",
        "\"note\":\"REL-412\"",
        "\"note\":\"REL-412\",\"x\":100000000000000000000000",
    );
    swap("document-empty.note", "\"note\":\"REL-412\"", "\"note\":\"\"");
    swap("document-empty.annotations", "\"annotations\":{\"env\":\"prod\"}", "\"annotations\":{}");
    swap(
        "document-member.subject-digest",
        "\"subject\":{\"digest\":\"sha256:",
        "\"subject\":{\"digest\":\"sha256:0",
    );
    let mut item = |stem: &str, change: fn(&mut Json)| cases.add(stem, &base, |forge| forge.item(0, change));
    item("document-member.item-critical", |item| item["expires"] = json!(1));
    item("document-member.item-kind-number", |item| item["kind"] = json!(1));
    item("document-member.item-number-string", |item| item["number"] = json!("1"));
    item("document-member.item-evidence-string", |item| item["evidence"] = item["evidence"][0].clone());
    item("document-member.item-evidence-number", |item| item["evidence"] = json!([1]));
    item("document-member.item-evidence-upper-case", |item| {
        let first = item["evidence"][0].as_str().unwrap().to_uppercase().replace("SHA256", "sha256");
        item["evidence"][0] = json!(first);
    });
    item("document-member.item-evidence-sha512", |item| {
        item["evidence"][0] = json!(format!("sha512:{}", "0".repeat(128)));
    });
    item("document-member.item-annotations-array", |item| item["annotations"] = json!(["env"]));
    item("document-member.item-annotations-null", |item| item["annotations"] = Json::Null);
    item("document-member.item-annotation-number", |item| item["annotations"]["env"] = json!(1));
    item("document-member.item-unseen-null", |item| item["unseen"] = Json::Null);
    item("document-member.payload-media-type", |item| {
        item["payload"]["mediaType"] = json!("application/json");
    });
    item("document-member.payload-no-size", |item| remove(&mut item["payload"], "size"));
    item("document-member.payload-member", |item| item["payload"]["urls"] = json!([]));
    item("document-member.payload-size-string", |item| item["payload"]["size"] = json!("1"));
    item("document-member.statement-media-type", |item| {
        item["statement"]["mediaType"] = json!("application/json");
    });
    item("document-member.statement-null", |item| item["statement"] = Json::Null);
    item("document-member.subject-member", |item| item["subject"]["platform"] = json!({}));
    for name in ["destination", "evidence", "identity", "kind", "number", "payload", "statement", "subject"] {
        let stem = format!("document-member.no-item-{name}");
        cases.add(&stem, &base, |forge| {
            forge.bend(Part::Document, 0, move |bytes| {
                let mut document: Json = serde_json::from_slice(&bytes).unwrap();
                remove(&mut document["critical"]["items"][0]["critical"], name);
                crate::forge::canonical(&document)
            })
        });
    }
    cases.add("document-member.item-member", &base, |forge| forge.items(|items| items[0]["more"] = json!(1)));
    cases.add("document-member.item-no-optional", &base, |forge| {
        forge.items(|items| remove(&mut items[0], "optional"))
    });
    cases.add("document-member.item-optional-array", &base, |forge| {
        forge.items(|items| items[0]["optional"] = json!([]))
    });
    cases.add("document-member.item-string", &base, |forge| {
        forge.swap(Part::Document, 0, "\"items\":[", "\"items\":[\"x\",")
    });
    let object = |bytes: Vec<u8>| {
        let mut document: Json = serde_json::from_slice(&bytes).unwrap();
        document["critical"]["items"] = document["critical"]["items"][0].clone();
        crate::forge::canonical(&document)
    };
    cases.add("document-member.items-object", &base, |forge| forge.bend(Part::Document, 0, object));
    cases.add("document-items.none", &base, |forge| {
        forge.bend(Part::Document, 0, |_| {
            b"{\"critical\":{\"items\":[],\"version\":1},\"optional\":{}}".to_vec()
        })
    });
    for (variant, kind) in [("unknown", "sbom"), ("letter-case", "Image"), ("empty", "")] {
        cases.add(&format!("document-kind.{variant}"), &base, |forge| {
            forge.item(0, move |item| item["kind"] = json!(kind))
        });
    }
    cases.add("document-sorted.evidence", &base, |forge| {
        forge.item(0, |item| item["evidence"].as_array_mut().unwrap().reverse())
    });
    cases.add("document-sorted.evidence-twice", &base, |forge| {
        forge.item(0, |item| {
            let first = item["evidence"][0].clone();
            item["evidence"].as_array_mut().unwrap().insert(0, first);
        })
    });
    let both = of(Node::index(OCI_INDEX, INDEX, Vec::new(), &[image("amd64"), image("arm64")]));
    cases.add("document-sorted.unseen", &both, |forge| {
        forge.item(0, |item| item["unseen"].as_array_mut().unwrap().reverse())
    });
    cases.add("document-sorted.unseen-twice", &both, |forge| {
        forge.item(0, |item| {
            let first = item["unseen"][0].clone();
            item["unseen"].as_array_mut().unwrap().insert(0, first);
        })
    });
    cases.add("document-empty.unseen", &base, |forge| forge.item(0, |item| item["unseen"] = json!([])));
}

/// DOCUMENT-STRING and DOCUMENT-ITEMS, at their borders.
fn strings(cases: &mut Cases) {
    let noted = |note: &str| {
        let mut forge = request();
        forge.optional = json!({"note": note});
        forge
    };
    let annotated = |key: &str, value: &str| {
        let mut forge = request();
        forge.images[0].annotations = vec![(key.to_owned(), value.to_owned())];
        forge
    };
    for (variant, text) in
        [("newline", "a\nb"), ("nul", "a\0"), ("escape", "\u{1b}[2J"), ("delete", "a\u{7f}"), ("tab", "a\tb")]
    {
        cases.pair(&format!("document-string.note-{variant}"), noted("a b"), noted(text));
        cases.pair(
            &format!("document-string.value-{variant}"),
            annotated("env", "a b"),
            annotated("env", text),
        );
        cases.pair(
            &format!("document-string.key-{variant}"),
            annotated("a b", "prod"),
            annotated(text, "prod"),
        );
    }
    let long = "x".repeat(4096);
    cases.pair("document-string.note-long", noted(&long), noted(&format!("{long}x")));
    cases.pair("document-string.value-long", annotated("env", &long), annotated("env", &format!("{long}x")));
    cases.pair("document-string.key-long", annotated(&long, "prod"), annotated(&format!("{long}x"), "prod"));
    // Bytes count, not characters.
    let wide = "\u{20ac}".repeat(1365);
    cases.pair("document-string.note-long-wide", noted(&format!("{wide}x")), noted(&format!("{wide}xx")));
    for name in ["creator", "timestamp", "Issuer", "Subject", "Bundle", "RFC3161Timestamp"] {
        let stem = format!("document-reserved.{}", name.to_ascii_lowercase());
        cases.pair(&stem, annotated(&format!("{name}s"), "x"), annotated(name, "x"));
    }
    let unknown = |names: Vec<String>| {
        let mut forge = request();
        forge.optional = names.into_iter().map(|name| (name, json!(1))).collect();
        forge
    };
    let numbered = |count: usize| (0..count).map(|number| format!("n{number:03}")).collect();
    cases.pair("document-items.unknown", unknown(numbered(256)), unknown(numbered(257)));
    let named = |name: &str| unknown(vec![name.to_owned()]);
    cases.pair("document-string.unknown-escape", named("A[2J"), named("A\u{1b}[2J"));
    cases.pair("document-string.unknown-long", named(&long), named(&format!("{long}x")));
    cases.pair("document-string.key-empty", annotated("env", ""), annotated("", "prod"));
    let many = |count: usize| {
        let mut forge = request();
        forge.images[0].annotations =
            (0..count).map(|number| (format!("k{number:03}"), String::new())).collect();
        forge
    };
    cases.pair("document-items.annotations", many(256), many(257));
}

/// DOCUMENT-REFERENCE: the payload follows the name, so that only the name is wrong.
fn references(cases: &mut Cases) {
    let good = "registry.example/app:1.4";
    let sha = format!("sha256:{}", "0".repeat(64));
    let plan = |destination: &str, identity: &str| {
        let mut forge = request();
        forge.images[0].destination = destination.to_owned();
        forge.images[0].identity = identity.to_owned();
        forge
    };
    let fits =
        |length: usize| format!("registry.example/{}:1", "a".repeat(length - "registry.example/:1".len()));
    let wrong = [
        ("upper-case", "registry.example/App:1.4".to_owned()),
        ("hub-short", "alpine:3".to_owned()),
        ("hub-user", "team/app:3".to_owned()),
        ("hub-alias", "docker.io/library/alpine:3".to_owned()),
        ("hub-no-library", "index.docker.io/alpine:3".to_owned()),
        ("ipv6", "[::1]:5000/app:1".to_owned()),
        ("port", "registry.example:99999/app:1".to_owned()),
        ("port-zero", "registry.example:05000/app:1".to_owned()),
        ("scheme", "https://registry.example/app:1".to_owned()),
        ("one-letter", "registry.example/a:1".to_owned()),
        ("double-slash", "registry.example//app:1".to_owned()),
        ("dots", "registry.example/../app:1".to_owned()),
        ("tag-dash", "registry.example/app:-1".to_owned()),
        ("tag-empty", "registry.example/app:".to_owned()),
        ("tag-long", format!("registry.example/app:{}", "1".repeat(129))),
        ("blank", "registry.example/app:1 ".to_owned()),
        ("newline", "registry.example/app:1\n".to_owned()),
        ("escape", "registry.example/app:\u{1b}[2J".to_owned()),
        ("host-not-ascii", "r\u{e9}gistry.example/app:1".to_owned()),
        ("long", fits(513)),
        ("empty", String::new()),
    ];
    for (variant, name) in wrong {
        cases.pair(&format!("document-reference.destination-{variant}"), plan(good, good), plan(&name, good));
        cases.pair(&format!("document-reference.identity-{variant}"), plan(good, good), plan(good, &name));
    }
    cases.pair(
        "document-reference.destination-bare",
        plan(good, "registry.example/app"),
        plan("registry.example/app", "registry.example/app"),
    );
    cases.pair(
        "document-reference.identity-digest",
        plan(good, good),
        plan(good, &format!("registry.example/app@{sha}")),
    );
    let top = image("amd64").digest();
    let by_digest = format!("registry.example/app@{top}");
    cases.pair(
        "document-reference.destination-tag-and-digest",
        plan(&by_digest, good),
        plan(&format!("{good}@{top}"), good),
    );
    cases.pair(
        "document-reference.destination-digest-upper-case",
        plan(&by_digest, good),
        plan(
            &by_digest.to_uppercase().replace("REGISTRY.EXAMPLE/APP@SHA256", "registry.example/app@sha256"),
            good,
        ),
    );
    cases.pair("document-reference.border", plan(&fits(512), good), plan(&fits(513), good));
}

pub(crate) fn renumber(items: &mut [Json]) {
    for (number, item) in (1..).zip(items) {
        item["critical"]["number"] = json!(number);
    }
}

/// ITEM-LIST, ITEM-UNSEEN, ITEM-EVIDENCE, ITEM-DESTINATION, ITEM-IDENTITY.
fn items(cases: &mut Cases) {
    let base = request_of_index();
    let mut list = |variant: &str, base: &Forge, change: fn(&mut Vec<Json>)| {
        cases.add(&format!("item-list.{variant}"), base, |forge| forge.items(change));
    };
    list("images-swapped", &request_of_two(), |items| {
        items.swap(0, 1);
        renumber(items);
    });
    list("children-swapped", &base, |items| {
        items.swap(1, 2);
        renumber(items);
    });
    list("parent-last", &base, |items| {
        items.rotate_left(1);
        renumber(items);
    });
    list("child-left-out", &base, |items| drop(items.pop()));
    list("first-child-left-out", &base, |items| {
        items.remove(1);
        renumber(items);
    });
    list("item-twice", &base, |items| {
        items.push(items[2].clone());
        renumber(items);
    });
    list("top-twice", &request(), |items| {
        items.push(items[0].clone());
        renumber(items);
    });
    list("number-gap", &base, |items| items[2]["critical"]["number"] = json!(4));
    list("number-zero", &request(), |items| items[0]["critical"]["number"] = json!(0));
    list("number-twice", &base, |items| items[2]["critical"]["number"] = json!(2));
    list("child-by-tag", &base, |items| {
        items[1]["critical"]["destination"] = json!("registry.example/app:1.4-amd64");
    });
    list("child-elsewhere", &base, |items| {
        let destination = items[1]["critical"]["destination"].as_str().unwrap().replace("app", "web");
        items[1]["critical"]["destination"] = json!(destination);
    });
    list("child-media-type", &base, |items| {
        items[1]["critical"]["subject"]["mediaType"] =
            json!("application/vnd.docker.distribution.manifest.v2+json");
    });
    list("child-size", &base, |items| items[1]["critical"]["subject"]["size"] = json!(1));
    let child = |change: fn(&mut Json, &str)| {
        let digest = image("amd64").digest();
        move |items: &mut Vec<Json>| change(&mut items[1]["critical"], &digest)
    };
    cases.add("item-list.child-identity", &base, |forge| {
        forge.items(child(|item, _| item["identity"] = json!("registry.example/app")))
    });
    cases.add("item-list.child-annotations", &base, |forge| {
        forge.items(child(|item, _| item["annotations"] = json!({"a": "b"})))
    });
    let unseen = request_with_unseen();
    let stranger = format!("sha256:{}", "0".repeat(64));
    cases.add("item-unseen.not-named", &unseen, |forge| forge.item(0, |item| remove(item, "unseen")));
    cases.add("item-unseen.stranger", &unseen, |forge| {
        forge.item(0, move |item| item["unseen"] = json!([stranger]))
    });
    let other = format!("sha256:{}", "f".repeat(64));
    cases.add("item-unseen.more", &unseen, |forge| {
        forge.item(0, move |item| item["unseen"].as_array_mut().unwrap().push(json!(other)))
    });
    cases.add("item-unseen.carried", &base, |forge| {
        forge.item(0, |item| item["unseen"] = json!([image("amd64").digest()]))
    });
    cases.add("item-unseen.carried-elsewhere", &unseen, |forge| {
        let mut forge = forge;
        forge.images.push(named("registry.example/web:1", image("arm64")));
        forge
    });
    cases.add("item-unseen.image", &request(), |forge| {
        forge.item(0, |item| item["unseen"] = json!([format!("sha256:{}", "0".repeat(64))]))
    });
    let second = image("arm64");
    cases.add("item-evidence.config-left-out", &request(), |forge| {
        forge.item(0, |item| item["evidence"] = json!([image("amd64").digest()]))
    });
    cases.add("item-evidence.manifest-left-out", &request(), |forge| {
        forge.item(0, |item| {
            item["evidence"].as_array_mut().unwrap().retain(|digest| *digest != image("amd64").digest());
        })
    });
    cases.add("item-evidence.child-left-out", &base, |forge| {
        let child = second.digest();
        forge.item(0, move |item| item["evidence"].as_array_mut().unwrap().retain(|digest| *digest != child))
    });
    cases.add("item-evidence.none", &request(), |forge| forge.item(0, |item| item["evidence"] = json!([])));
    cases.add("item-evidence.more", &request_of_two(), |forge| {
        forge.items(|items| {
            let mut all: Vec<Json> = items
                .iter()
                .flat_map(|item| item["critical"]["evidence"].as_array().unwrap().clone())
                .collect();
            all.sort_by_key(ToString::to_string);
            items[0]["critical"]["evidence"] = json!(all);
        })
    });
    let layer: &'static [u8] = b"a layer";
    let manifest = MANIFEST.replace(&format!("sha256:{}", "b".repeat(64)), &digest(layer));
    cases.add("item-evidence.layer", &of(Node::image(OCI_MANIFEST, CONFIG, &manifest)), |forge| {
        let forge = forge.blobs(move |blobs| drop(blobs.insert(hex(&Sha256::digest(layer)), layer.to_vec())));
        forge.item(0, move |item| {
            let evidence = item["evidence"].as_array_mut().unwrap();
            evidence.push(json!(digest(layer)));
            evidence.sort_by_key(ToString::to_string);
        })
    });
    cases.add("item-evidence.payload", &request(), |forge| {
        forge.item(0, move |item| {
            let payload = item["payload"]["digest"].clone();
            let evidence = item["evidence"].as_array_mut().unwrap();
            evidence.push(payload);
            evidence.sort_by_key(ToString::to_string);
        })
    });
    let mut by_digest = request();
    by_digest.images[0].destination = format!("registry.example/app@{}", image("amd64").digest());
    cases.add("item-destination.digest", &by_digest, |mut forge| {
        forge.images[0].destination = format!("registry.example/app@{}", image("arm64").digest());
        forge
    });
    let tagged = |identity: &str, top: Node| Image {
        identity: identity.to_owned(),
        ..named("registry.example/app:1.4", top)
    };
    let two = |top: Node| {
        Forge::new(vec![tagged("registry.example/app", image("amd64")), tagged("registry.example/base", top)])
    };
    cases.pair("item-destination.tag", two(image("amd64")), two(image("arm64")));
    // One place in two spellings: the letter case of the host, the port of https.
    let spelled = |host: &str, top: Node| {
        let second =
            Image { identity: "registry.example/base".to_owned(), ..named(&format!("{host}/app:1.4"), top) };
        let first = tagged("registry.example/app", image("amd64"));
        Forge::new(if host.starts_with('R') { vec![second, first] } else { vec![first, second] })
    };
    for (variant, host) in [("host-case", "Registry.example"), ("host-port", "registry.example:443")] {
        let stem = format!("item-destination.{variant}");
        cases.pair(&stem, spelled(host, image("amd64")), spelled(host, image("arm64")));
    }
    let share = |identity: &str| {
        let mut forge = request_of_two();
        forge.images.iter_mut().for_each(|image| image.identity = identity.to_owned());
        forge
    };
    cases.pair("item-identity.unrelated", share("registry.example/app"), share("registry.example/app:1.4"));
    let family = |other: Node| {
        let image = |destination: &str, top: Node| Image {
            identity: "registry.example/app:1.4".to_owned(),
            ..named(destination, top)
        };
        Forge::new(vec![
            image("registry.example/app:1.4", index()),
            image("registry.example/copy:1.4", other),
        ])
    };
    cases.pair("item-identity.other-child", family(image("arm64")), family(image("riscv64")));
}

/// ITEM-PAYLOAD and ITEM-STATEMENT: one byte off, everything above repaired.
fn rendered(cases: &mut Cases) {
    let base = request();
    let mut swap = |stem: &str, part: Part, from: &str, to: &str| {
        cases.add(stem, &base, |forge| forge.swap(part, 0, from, to));
    };
    swap("item-payload.value", Part::Payload, "prod", "pro1");
    swap("item-payload.identity", Part::Payload, "app:1.4", "app:1.5");
    swap("item-payload.type", Part::Payload, "cosign container", "atomic container");
    swap("item-payload.blank", Part::Payload, ",\"optional\"", ", \"optional\"");
    swap("item-payload.newline", Part::Payload, "\"prod\"}}", "\"prod\"}}\n");
    swap("item-payload.member", Part::Payload, "{\"env\"", "{\"creator\":\"x\",\"env\"");
    swap("item-payload.escape", Part::Payload, "prod", "pr\\u006fd");
    swap(
        "item-payload.order",
        Part::Payload,
        "{\"critical\":{\"identity\":{\"docker-reference\":\"registry.example/app:1.4\"},",
        "{\"critical\":{",
    );
    swap("item-statement.value", Part::Statement, "prod", "pro1");
    swap("item-statement.predicate", Part::Statement, "sign/v1", "sign/v2");
    swap("item-statement.blank", Part::Statement, ",\"predicate\":", ", \"predicate\":");
    swap("item-statement.newline", Part::Statement, "\"predicate\":{}}", "\"predicate\":{}}\n");
    swap("item-statement.no-predicate", Part::Statement, ",\"predicate\":{}", "");
    swap("item-statement.name", Part::Statement, "[{\"digest\"", "[{\"name\":\"app\",\"digest\"");
    let plain = of(image("amd64"));
    cases.add("item-payload.empty-object", &plain, |forge| {
        forge.swap(Part::Payload, 0, "\"optional\":null", "\"optional\":{}")
    });
    cases.add("item-statement.no-annotations", &plain, |forge| {
        forge.swap(Part::Statement, 0, ",\"annotations\":{}", "")
    });
    cases.add("item-payload.digest", &plain, |forge| {
        forge.bend(Part::Payload, 0, |_| {
            crate::forge::payload("registry.example/app:1.4", &image("arm64").digest(), &[])
        })
    });
    cases.add("item-payload.size", &base, |forge| forge.item(0, |item| item["payload"]["size"] = json!(1)));
    cases.add("item-statement.size", &base, |forge| {
        forge.item(0, |item| item["statement"]["size"] = json!(1))
    });
    let exchange = |name: &'static str| {
        move |items: &mut Vec<Json>| {
            let first = items[0]["critical"][name].clone();
            items[0]["critical"][name] = items[1]["critical"][name].clone();
            items[1]["critical"][name] = first;
        }
    };
    cases.add("item-payload.exchanged", &request_of_two(), |forge| forge.items(exchange("payload")));
    cases.add("item-statement.exchanged", &request_of_two(), |forge| forge.items(exchange("statement")));
    let mut markup = request();
    markup.images[0].annotations[0].1 = "<a&b>".to_owned();
    cases.add("item-payload.html", &markup, |forge| forge.swap(Part::Payload, 0, "\\u003c", "<"));
    cases.add("item-payload.html-upper-case", &markup, |forge| {
        forge.swap(Part::Payload, 0, "\\u003c", "\\u003C")
    });
    cases.add("item-statement.html", &markup, |forge| forge.swap(Part::Statement, 0, "<", "\\u003c"));
}

/// EVIDENCE-ABSENT, EVIDENCE-SIZE, EVIDENCE-MEMBER, EVIDENCE-ALGORITHM, EVIDENCE-MEDIA-TYPE, EVIDENCE-KIND.
fn evidence_members(cases: &mut Cases) {
    let good = || of(Node::image(OCI_MANIFEST, CONFIG, MANIFEST));
    let config = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        of(Node::image(OCI_MANIFEST, &CONFIG.replacen(from, to, 1), MANIFEST))
    };
    let manifest = |from: &str, to: &str| {
        assert!(MANIFEST.contains(from), "{from}");
        of(Node::image(OCI_MANIFEST, CONFIG, &MANIFEST.replacen(from, to, 1)))
    };
    let index = |from: &str, to: &str| {
        assert!(INDEX.contains(from), "{from}");
        of(Node::index(OCI_INDEX, &INDEX.replacen(from, to, 1), vec![image("amd64"), image("arm64")], &[]))
    };
    let absent = |pick: fn(&Node) -> String| {
        let gone = pick(&image("amd64"));
        move |forge: Forge| {
            let (listed, named) = (gone.clone(), gone[7..].to_owned());
            let forge = forge.item(0, move |item| {
                item["evidence"].as_array_mut().unwrap().retain(|digest| *digest != listed);
            });
            forge.blobs(move |blobs| drop(blobs.remove(&named)))
        }
    };
    cases.add("evidence-absent.manifest", &good(), absent(Node::digest));
    cases.add("evidence-absent.config", &good(), absent(|node| digest(node.config.as_ref().unwrap())));
    cases.add("evidence-size.subject", &good(), |forge| {
        forge.item(0, |item| item["subject"]["size"] = json!(1))
    });
    cases.pair("evidence-size.config", good(), manifest("\"size\":{cs}", "\"size\":1{cs}"));
    cases.pair("evidence-size.child", request_of_index(), index("\"size\":{0s}", "\"size\":1{0s}"));
    let artifact = MANIFEST.replace("vnd.oci.image.config", "vnd.example.config");
    let artifact =
        |size: &str| of(Node::image(OCI_MANIFEST, "any bytes", &artifact.replace("\"size\":{cs}", size)));
    cases.pair("evidence-size.artifact-config", artifact("\"size\":{cs}"), artifact("\"size\":1{cs}"));

    let mut pair =
        |variant: &str, hostile: Forge| cases.pair(&format!("evidence-member.{variant}"), good(), hostile);
    pair("schema-version", manifest("\"schemaVersion\":2", "\"schemaVersion\":1"));
    pair("schema-version-string", manifest("\"schemaVersion\":2", "\"schemaVersion\":\"2\""));
    pair("schema-version-fraction", manifest("\"schemaVersion\":2", "\"schemaVersion\":2.0"));
    pair("no-schema-version", manifest("\"schemaVersion\":2,", ""));
    pair("no-config", manifest("\"config\":", "\"x\":"));
    pair(
        "config-null",
        manifest(
            "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"{cd}\",\"size\":{cs}}",
            "\"config\":null",
        ),
    );
    pair("no-layers", manifest("\"layers\":", "\"x\":"));
    pair("layers-object", manifest("\"layers\":[", "\"layers\":{\"x\":[").edit_end());
    pair("layer-no-size", manifest(",\"size\":7", ""));
    pair("layer-size-negative", manifest("\"size\":7", "\"size\":-7"));
    pair("layer-size-fraction", manifest("\"size\":7", "\"size\":7.5"));
    pair("layer-size-huge", manifest("\"size\":7", "\"size\":9007199254740992"));
    pair("layer-size-string", manifest("\"size\":7", "\"size\":\"7\""));
    pair(
        "layer-no-media-type",
        manifest("\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",", ""),
    );
    pair("layer-no-digest", manifest(&format!("\"digest\":\"sha256:{}\",", "b".repeat(64)), ""));
    pair("subject-null", manifest("\"layers\":", "\"subject\":null,\"layers\":"));
    pair("subject-string", manifest("\"layers\":", "\"subject\":\"x\",\"layers\":"));
    pair("artifact-type-number", manifest("\"layers\":", "\"artifactType\":1,\"layers\":"));
    pair("annotation-number", manifest("\"layers\":", "\"annotations\":{\"a\":1},\"layers\":"));
    pair("annotations-array", manifest("\"layers\":", "\"annotations\":[],\"layers\":"));
    pair("config-no-os", config("\"os\":\"linux\",", ""));
    pair("config-os-number", config("\"os\":\"linux\"", "\"os\":1"));
    pair("config-no-architecture", config("\"architecture\":\"amd64\",", ""));
    pair("config-variant-null", config("{\"arch", "{\"variant\":null,\"arch"));
    pair("config-no-root", config("\"rootfs\"", "\"x\""));
    pair("config-diff-ids-object", config("\"diff_ids\":[", "\"diff_ids\":{},\"x\":["));
    pair("config-labels-array", config("\"Labels\":{\"version\":\"1.4\"}", "\"Labels\":[]"));
    pair("config-label-number", config("\"version\":\"1.4\"", "\"version\":1.4"));
    let mut array = good();
    array.images[0].top.bytes = b"[]".to_vec();
    pair("array", array);
    let mut pair = |variant: &str, hostile: Forge| {
        cases.pair(&format!("evidence-member.{variant}"), request_of_index(), hostile);
    };
    pair("manifests-null", index("\"manifests\":[", "\"manifests\":null,\"x\":["));
    pair("manifests-object", index("\"manifests\":[", "\"manifests\":{},\"x\":["));
    pair("no-manifests", index("\"manifests\":[", "\"x\":["));
    pair("child-string", index("\"manifests\":[", "\"manifests\":[\"x\","));
    pair("platform-no-os", index(",\"os\":\"linux\"", ""));
    pair("platform-no-architecture", index("\"architecture\":\"amd64\",", ""));
    pair("platform-null", index("{\"architecture\":\"amd64\",\"os\":\"linux\"}", "null"));
    pair(
        "platform-variant-number",
        index("\"architecture\":\"amd64\"", "\"architecture\":\"amd64\",\"variant\":1"),
    );

    let b = format!("sha256:{}", "b".repeat(64));
    let mut pair =
        |variant: &str, hostile: Forge| cases.pair(&format!("evidence-algorithm.{variant}"), good(), hostile);
    pair("sha512", manifest(&b, &format!("sha512:{}", "b".repeat(128))));
    pair("upper-case", manifest(&b, &b.to_uppercase().replace("SHA", "sha")));
    pair("no-algorithm", manifest(&b, &b[7..]));
    pair("short", manifest(&b, &b[..70]));
    let config_digest = digest(CONFIG.as_bytes());
    pair("config-upper-case", manifest("{cd}", &format!("sha256:{}", config_digest[7..].to_uppercase())));
    let unseen = |digest: &str| {
        of(Node::index(
            OCI_INDEX,
            &INDEX.replace("{1d}", digest).replace("{1s}", "7"),
            vec![image("amd64")],
            &[],
        ))
    };
    cases.pair(
        "evidence-algorithm.child-sha512",
        request_of_index(),
        unseen(&format!("sha512:{}", "b".repeat(128))),
    );

    let mut pair = |variant: &str, hostile: Forge| {
        cases.pair(&format!("evidence-media-type.{variant}"), good(), hostile);
    };
    pair(
        "manifest",
        manifest(
            "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
            "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"",
        ),
    );
    pair(
        "manifest-index",
        manifest(
            "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
            "\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
        ),
    );
    pair(
        "manifest-null",
        manifest("\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"", "\"mediaType\":null"),
    );
    pair("config", config("{\"arch", "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"arch"));
    cases.add("evidence-media-type.subject", &good(), |forge| {
        forge.item(0, |item| {
            item["subject"]["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json");
        })
    });
    cases.pair(
        "evidence-media-type.index",
        request_of_index(),
        index(
            "\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
            "\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\"",
        ),
    );
    cases.pair(
        "evidence-media-type.child",
        request_of_index(),
        index(
            "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
            "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"",
        ),
    );

    for (variant, media_type) in [
        ("unknown", "application/vnd.example.manifest.v1+json"),
        ("schema-1", "application/vnd.docker.distribution.manifest.v1+json"),
        ("schema-1-signed", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ("letter-case", "application/vnd.OCI.image.manifest.v1+json"),
        ("parameters", "application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        ("artifact-manifest", "application/vnd.oci.artifact.manifest.v1+json"),
        ("layer", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("empty", ""),
    ] {
        let hostile = index(
            "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
            &format!("\"mediaType\":\"{media_type}\""),
        );
        cases.pair(&format!("evidence-kind.child-{variant}"), request_of_index(), hostile);
        cases.add(&format!("evidence-kind.subject-{variant}"), &good(), |forge| {
            forge.item(0, move |item| item["subject"]["mediaType"] = json!(media_type))
        });
    }
    let unseen = |media_type: &str| {
        let text = format!("\"mediaType\":\"{media_type}\",\"digest\":\"{{1d}}\"");
        let text = INDEX.replace(
            "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{1d}\"",
            &text,
        );
        of(Node::index(OCI_INDEX, &text, vec![image("amd64")], &[image("arm64")]))
    };
    cases.pair("evidence-kind.unseen-child", request_with_unseen(), unseen("application/vnd.example"));
}

/// What a manifest may not say, or not beside something else.
fn evidence_meaning(cases: &mut Cases) {
    let good = || of(Node::image(OCI_MANIFEST, CONFIG, MANIFEST));
    let manifest = |from: &str, to: &str| {
        assert!(MANIFEST.contains(from), "{from}");
        of(Node::image(OCI_MANIFEST, CONFIG, &MANIFEST.replacen(from, to, 1)))
    };
    let index = |from: &str, to: &str| {
        assert!(INDEX.contains(from), "{from}");
        of(Node::index(OCI_INDEX, &INDEX.replacen(from, to, 1), vec![image("amd64"), image("arm64")], &[]))
    };
    cases.pair(
        "evidence-two-kinds.manifests",
        good(),
        manifest("\"layers\":", "\"manifests\":[],\"layers\":"),
    );
    cases.pair(
        "evidence-two-kinds.manifests-null",
        good(),
        manifest("\"layers\":", "\"manifests\":null,\"layers\":"),
    );
    cases.pair(
        "evidence-two-kinds.layers",
        request_of_index(),
        index("\"manifests\":", "\"layers\":[],\"manifests\":"),
    );
    cases.pair(
        "evidence-two-kinds.layers-null",
        request_of_index(),
        index("\"manifests\":", "\"layers\":null,\"manifests\":"),
    );
    cases.pair(
        "evidence-two-kinds.config",
        request_of_index(),
        index("\"manifests\":", "\"config\":{},\"manifests\":"),
    );

    let layer = |data: &str| {
        let text = MANIFEST.replace(&format!("sha256:{}", "b".repeat(64)), &digest(b"a layer"));
        of(Node::image(OCI_MANIFEST, CONFIG, &text.replace("\"size\":7", &format!("\"size\":7{data}"))))
    };
    let right = || layer(",\"data\":\"YSBsYXllcg==\"");
    cases.pair("evidence-data.layer", right(), layer(",\"data\":\"YSBsYXllcw==\""));
    cases.pair("evidence-data.layer-short", right(), layer(",\"data\":\"YSBsYXll\""));
    cases.pair("evidence-data.layer-base64", right(), layer(",\"data\":\"YSBsYXllcg\""));
    cases.pair("evidence-data.layer-newline", right(), layer(",\"data\":\"YSBsYXllcg==\\n\""));
    cases.pair("evidence-data.layer-null", right(), layer(",\"data\":null"));
    cases.pair("evidence-data.layer-empty", right(), layer(",\"data\":\"\""));
    cases.pair("evidence-data.config", good(), manifest("\"size\":{cs}", "\"size\":{cs},\"data\":\"e30=\""));
    cases.pair(
        "evidence-data.child",
        request_of_index(),
        index("\"size\":{0s}", "\"size\":{0s},\"data\":\"e30=\""),
    );
    cases.pair("evidence-data.subject", good(), manifest("\"layers\":", "\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2,\"data\":\"e3M=\"},\"layers\":"));

    let b = "b".repeat(64);
    let twin = |media_type: &str, size: usize| {
        let layer = format!(
            "{{\"mediaType\":\"application/vnd.oci.image.layer.v1.{media_type}\",\"digest\":\"sha256:{b}\",\"size\":{size}}}"
        );
        let config = CONFIG.replace("\"diff_ids\":[", &format!("\"diff_ids\":[\"sha256:{b}\","));
        of(Node::image(
            OCI_MANIFEST,
            &config,
            &MANIFEST.replace("\"layers\":[", &format!("\"layers\":[{layer},")),
        ))
    };
    cases.pair("evidence-descriptor.layer-media-type", twin("tar+gzip", 7), twin("tar", 7));
    cases.pair("evidence-descriptor.layer-size", twin("tar+gzip", 7), twin("tar+gzip", 8));
    let repeated = |media_type: &str, size: &str| {
        let child = format!(
            "{{\"mediaType\":\"application/vnd.{media_type}\",\"digest\":\"{{0d}}\",\"size\":{size}}}"
        );
        let text = INDEX.replace("}}]}", &format!("}}}},{child}]}}"));
        of(Node::index(OCI_INDEX, &text, vec![image("amd64"), image("arm64")], &[]))
    };
    let same = || repeated("oci.image.manifest.v1+json", "{0s}");
    cases.pair(
        "evidence-descriptor.child-media-type",
        same(),
        repeated("docker.distribution.manifest.v2+json", "{0s}"),
    );
    cases.pair("evidence-descriptor.child-size", same(), repeated("oci.image.manifest.v1+json", "1{0s}"));
    let across = |size: usize| {
        let second = Node::image(
            OCI_MANIFEST,
            &CONFIG.replace("amd64", "arm64"),
            &MANIFEST.replace("\"size\":7", &format!("\"size\":{size}")),
        );
        of(Node::index(OCI_INDEX, INDEX, vec![image("amd64"), second], &[]))
    };
    cases.pair("evidence-descriptor.across-children", across(7), across(8));
    let unseen = |size: &str| {
        let text = INDEX.replace("}}]}", &format!("}}}},{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{{1d}}\",\"size\":{size}}}]}}"));
        of(Node::index(OCI_INDEX, &text, vec![image("amd64")], &[image("arm64")]))
    };
    cases.pair("evidence-descriptor.unseen-child", unseen("{1s}"), unseen("1{1s}"));
    let subject = |size: usize| {
        manifest(
            "\"layers\":",
            &format!(
                "\"subject\":{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:{b}\",\"size\":{size}}},\"layers\":"
            ),
        )
    };
    cases.pair("evidence-descriptor.subject", subject(7), subject(8));
    let shared = |second: &str| {
        // Another image of the file names the child with another media type: both are read as what they are called.
        let mut forge = Forge::new(vec![
            named("registry.example/app:1.4", image("amd64")),
            named("registry.example/web:1", image("amd64")),
        ]);
        let second = second.to_owned();
        forge = forge.item(1, move |item| item["subject"]["mediaType"] = json!(second));
        forge
    };
    cases.pair(
        "evidence-descriptor.other-image",
        shared(OCI_MANIFEST),
        shared("application/vnd.docker.distribution.manifest.v2+json"),
    );

    cases.pair("evidence-platform.os", request_of_index(), index("\"os\":\"linux\"", "\"os\":\"windows\""));
    cases.pair(
        "evidence-platform.architecture",
        request_of_index(),
        index("\"architecture\":\"amd64\"", "\"architecture\":\"arm64\""),
    );
    cases.pair(
        "evidence-platform.letter-case",
        request_of_index(),
        index("\"os\":\"linux\"", "\"os\":\"Linux\""),
    );
    let optional = |member: &str, below: &str| {
        let config = CONFIG.replace("{\"arch", &format!("{{\"{member}\":\"1\",\"arch"));
        let child = Node::image(OCI_MANIFEST, &config, MANIFEST);
        let text =
            INDEX.replacen("\"os\":\"linux\"", &format!("\"os\":\"linux\",\"{member}\":\"{below}\""), 1);
        of(Node::index(OCI_INDEX, &text, vec![child, image("arm64")], &[]))
    };
    cases.pair("evidence-platform.variant", optional("variant", "1"), optional("variant", "2"));
    cases.pair("evidence-platform.os-version", optional("os.version", "1"), optional("os.version", "2"));
    let second = |architecture: &str| {
        let child = format!(
            "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{{0d}}\",\"size\":{{0s}},\"platform\":{{\"architecture\":\"{architecture}\",\"os\":\"linux\"}}}}"
        );
        let text = INDEX.replace("}}]}", &format!("}}}},{child}]}}"));
        of(Node::index(OCI_INDEX, &text, vec![image("amd64"), image("arm64")], &[]))
    };
    cases.pair("evidence-platform.second-mention", second("amd64"), second("riscv64"));

    let config =
        |from: &str, to: &str| of(Node::image(OCI_MANIFEST, &CONFIG.replacen(from, to, 1), MANIFEST));
    let a = format!("\"sha256:{}\"", "a".repeat(64));
    cases.pair("evidence-layers.more", good(), config(&a, &format!("{a},{a}")));
    cases.pair("evidence-layers.less", good(), config(&a, ""));
    let empty = INDEX.split_once('[').unwrap().0.to_owned() + "[]}";
    cases.pair(
        "evidence-empty-index.top",
        request_of_index(),
        of(Node::index(OCI_INDEX, &empty, Vec::new(), &[])),
    );
    let child = |node: Node| {
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{OCI_INDEX}\",\"digest\":\"{{0d}}\",\"size\":{{0s}}}}]}}"
        );
        of(Node::index(OCI_INDEX, &text, vec![node], &[]))
    };
    cases.pair(
        "evidence-empty-index.child",
        child(crate::plans::index()),
        child(Node::index(OCI_INDEX, &empty, Vec::new(), &[])),
    );
    for (variant, media_type) in [
        ("simple-signing", "application/vnd.dev.cosign.simplesigning.v1+json"),
        ("bundle", "application/vnd.dev.sigstore.bundle.v0.3+json"),
        ("bundle-old", "application/vnd.dev.sigstore.bundle+json;version=0.1"),
        ("simple-signing-capitals", "application/vnd.dev.cosign.SimpleSigning.v1+json"),
        ("simple-signing-parameter", "application/vnd.dev.cosign.simplesigning.v1+json; a=b"),
    ] {
        let hostile = manifest("application/vnd.oci.image.layer.v1.tar+gzip", media_type);
        cases.pair(&format!("evidence-signature.{variant}"), good(), hostile);
    }
    let below = Node::image(
        OCI_MANIFEST,
        &CONFIG.replace("amd64", "arm64"),
        &MANIFEST.replace(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
    );
    cases.pair(
        "evidence-signature.child",
        request_of_index(),
        of(Node::index(OCI_INDEX, INDEX, vec![image("amd64"), below], &[])),
    );
    let nested = |depth: usize| {
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{OCI_INDEX}\",\"digest\":\"{{0d}}\",\"size\":{{0s}}}}]}}"
        );
        of((1..depth).fold(crate::plans::index(), |below, _| Node::index(OCI_INDEX, &text, vec![below], &[])))
    };
    cases.pair("evidence-depth.nested", nested(4), nested(5));
    // The same index is reached on a short way first: it is the longest way that counts.
    let twice = |depth: usize| {
        let wrap = |below: Node| {
            let text = format!(
                "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{OCI_INDEX}\",\"digest\":\"{{0d}}\",\"size\":{{0s}}}}]}}"
            );
            Node::index(OCI_INDEX, &text, vec![below], &[])
        };
        let bottom = crate::plans::index();
        let long = (3..depth).fold(wrap(bottom.clone()), |below, _| wrap(below));
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{OCI_INDEX}\",\"digest\":\"{{0d}}\",\"size\":{{0s}}}},{{\"mediaType\":\"{OCI_INDEX}\",\"digest\":\"{{1d}}\",\"size\":{{1s}}}}]}}"
        );
        of(Node::index(OCI_INDEX, &text, vec![bottom, long], &[]))
    };
    cases.pair("evidence-depth.second-way", twice(4), twice(5));
}

trait EditEnd {
    fn edit_end(self) -> Self;
}

impl EditEnd for Forge {
    /// Closes the object that was opened in place of the layers' array.
    fn edit_end(mut self) -> Self {
        let bytes = &mut self.images[0].top.bytes;
        bytes.pop();
        bytes.extend_from_slice(b"}}");
        self
    }
}

/// Response documents and their keys.
fn responses(cases: &mut Cases) {
    let base = response();
    let mut swap = |stem: &str, from: &str, to: &str| {
        cases.add(stem, &base, |forge| forge.swap(Part::ResponseDocument, 0, from, to));
    };
    swap("document-version.response", "\"version\":1", "\"version\":2");
    swap("document-member.response-optional", "\"optional\":{}", "\"optional\":{\"note\":\"x\"}");
    swap("document-member.response-optional-null", "\"optional\":{}", "\"optional\":null");
    swap("document-member.response-critical", "\"version\":1", "\"version\":1,\"when\":2");
    swap("document-member.response-top", "\"optional\":{}", "\"optional\":{},\"x\":1");
    swap("document-member.response-key", "\"key\":{\"id\"", "\"key\":{\"comment\":\"x\",\"id\"");
    swap("document-member.response-id", "\"id\":\"sha256:", "\"id\":\"SHA256:");
    swap("document-member.response-public-key", "\"publicKey\":\"MF", "\"publicKey\":\"-F");
    swap("document-member.response-public-key-newline", "\"publicKey\":\"MF", "\"publicKey\":\"MF\\n");
    swap("document-member.response-no-request", "\"request\"", "\"require\"");
    swap("document-number.response", "\"version\":1", "\"version\":1.0");
    let own = one().id();
    swap("response-key.id", &format!("sha256:{own}"), &format!("sha256:{}", two().id()));
    let other = format!("sha256:{}", "0".repeat(64));
    cases.add("response-request.other", &base, |forge| {
        forge.bend(Part::ResponseDocument, 0, move |bytes| {
            let mut document: Json = serde_json::from_slice(&bytes).unwrap();
            document["critical"]["request"] = json!(other);
            crate::forge::canonical(&document)
        })
    });
    cases.add("response-request.second", &response_by_two(), |forge| {
        forge.bend(Part::ResponseDocument, 1, |bytes| {
            let mut document: Json = serde_json::from_slice(&bytes).unwrap();
            document["critical"]["request"] = json!(digest(b"{}"));
            crate::forge::canonical(&document)
        })
    });
    let keyed = |key: Key| request().signed(&[key]);
    let spki = one().spki;
    let mut compressed = b"\x30\x39\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x22\x00".to_vec();
    compressed.push(2 + (spki[90] & 1));
    compressed.extend_from_slice(&spki[27..59]);
    cases.pair("response-key.compressed", base.clone(), keyed(one().named(compressed)));
    let mut hybrid = spki.clone();
    hybrid[26] = 6 + (spki[90] & 1);
    cases.pair("response-key.hybrid", base.clone(), keyed(one().named(hybrid)));
    cases.pair("response-key.trailing", base.clone(), keyed(one().named([spki.clone(), vec![0]].concat())));
    let mut long = spki.clone();
    long.splice(1..2, [0x81, 0x59]);
    cases.pair("response-key.long-length", base.clone(), keyed(one().named(long)));
    let mut off = spki.clone();
    off[90] ^= 1;
    cases.pair("response-key.off-curve", base.clone(), keyed(one().named(off)));
    cases.pair("response-key.empty", base.clone(), keyed(one().named(Vec::new())));
    for (variant, pem) in [
        ("rsa", include_str!("../../fixtures/keys-openssl/rsa2048.pub")),
        ("p521", include_str!("../../fixtures/keys-openssl/p521.pub")),
        ("explicit-curve", include_str!("../../fixtures/keys-openssl/p256-explicit.pub")),
    ] {
        cases.pair(&format!("response-key.{variant}"), base.clone(), keyed(one().named(unarmoured(pem))));
    }
    cases.add("response-unused.one", &response_by_two(), |forge| {
        let two = two().id();
        let place = usize::from(one().id() < two);
        let forge = forge.layers(0, move |layers| drop(layers.remove(place)));
        let gone = format!(".{}", &two[..12]);
        forge
            .entries(move |entries| {
                entries.retain(|entry| {
                    !entry["annotations"]["org.opencontainers.image.ref.name"]
                        .as_str()
                        .unwrap()
                        .ends_with(&gone)
                });
            })
            .blobs(move |blobs| {
                let hint = STANDARD.encode(Sha256::digest(two_spki()));
                let bundle = find(blobs, |text| text.contains(&hint) && text.contains("dsseEnvelope"));
                let referrer = find(blobs, |text| text.contains(&bundle));
                blobs.remove(&bundle);
                blobs.remove(&referrer);
            })
    });
    cases.pair("response-absent.request", base, request());
}

/// The bytes in a PEM block.
fn unarmoured(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

fn two_spki() -> Vec<u8> {
    two().spki
}

/// SIGNATURE-ENCODING and SIGNATURE-INVALID.
fn signatures(cases: &mut Cases) {
    let base = response();
    let sig = |change: fn(String) -> String| {
        move |layers: &mut Vec<crate::forge::Layer>| layers[0].signature = change(layers[0].signature.clone())
    };
    let changes: [(&str, fn(String) -> String); 6] = [
        ("newline", |text| format!("{text}\n")),
        ("wrapped", |text| format!("{}\n{}", &text[..64], &text[64..])),
        ("blank", |text| format!(" {text}")),
        ("unpadded", |text| text.trim_end_matches('=').to_owned() + "A"),
        ("empty", |_| String::new()),
        ("not-base64", |text| text.replacen('M', "-", 1)),
    ];
    for (variant, change) in changes {
        cases.add(&format!("signature-encoding.{variant}"), &base, |forge| forge.layers(0, sig(change)));
    }
    cases.add("signature-encoding.bundle-newline", &base, |forge| {
        forge.swap(Part::Bundle, 0, "\"}]}}", "\\n\"}]}}")
    });
    cases.add("signature-encoding.bundle-empty", &base, |forge| {
        forge.bend(Part::Bundle, 0, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            format!("{}{{\"sig\":\"\"}}]}}}}", text.split_once("{\"sig\"").unwrap().0).into_bytes()
        })
    });
    let only = |forms: (bool, bool), key: Key| {
        let mut forge = request().signed(&[key]);
        forge.forms = forms;
        forge
    };
    for (form, forms) in [("sig", (true, false)), ("bundle", (false, true))] {
        cases.pair(
            &format!("signature-encoding.{form}-r-s"),
            only(forms, one()),
            only(forms, one().signing(raw)),
        );
        cases.pair(
            &format!("signature-invalid.{form}-altered"),
            only(forms, one()),
            only(
                forms,
                one().signing(|mut bytes| {
                    *bytes.last_mut().unwrap() ^= 1;
                    bytes
                }),
            ),
        );
        cases.pair(
            &format!("signature-invalid.{form}-trailing"),
            only(forms, one()),
            only(
                forms,
                one().signing(|mut bytes| {
                    bytes.push(0);
                    bytes
                }),
            ),
        );
        cases.pair(
            &format!("signature-invalid.{form}-ber"),
            only(forms, one()),
            only(
                forms,
                one().signing(|mut bytes| {
                    let size = bytes[1];
                    bytes.splice(1..2, [0x81, size]);
                    bytes
                }),
            ),
        );
        let stranger = two().named(one().spki);
        cases.pair(&format!("signature-invalid.{form}-stranger"), only(forms, one()), only(forms, stranger));
        let other_message = one().signing(|_| one().sign(b"another message"));
        cases.pair(
            &format!("signature-invalid.{form}-other-message"),
            only(forms, one()),
            only(forms, other_message),
        );
    }
    cases.add("signature-invalid.layer-twice", &base, |forge| {
        forge.layers(0, |layers| {
            let twin = layers[0].clone();
            layers.push(twin);
        })
    });
    cases.add("signature-invalid.layer-other-signature", &base, |forge| {
        forge.layers(0, |layers| {
            let mut twin = layers[0].clone();
            let message = crate::forge::payload(
                "registry.example/app:1.4",
                &image("amd64").digest(),
                &[("env".to_owned(), "prod".to_owned())],
            );
            twin.signature = STANDARD.encode(one().mirrored().sign(&message));
            layers.push(twin);
        })
    });
    cases.add("signature-invalid.layer-of-stranger", &base, |forge| {
        forge.layers(0, |layers| {
            let mut stranger = layers[0].clone();
            stranger.signature = STANDARD.encode(Key::small(3).sign(b"x"));
            layers.push(stranger);
        })
    });
    cases.add("signature-invalid.layer-payload", &response_of_two(), |forge| {
        let other =
            digest(&crate::forge::payload("registry.example/web:7.0.2", &image("arm64").digest(), &[]));
        forge.layers(0, move |layers| layers[0].digest.clone_from(&other))
    });
    cases.add("signature-invalid.hint", &base, |forge| {
        forge.bend(Part::Bundle, 0, |bytes| {
            let encode = |spki: Vec<u8>| STANDARD.encode(Sha256::digest(spki));
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&encode(one().spki), &encode(two().spki)).into_bytes()
        })
    });
    cases.add("signature-invalid.bundle-of-other", &response_of_two(), |forge| {
        forge.bend(Part::Bundle, 0, |bytes| {
            let mut text = String::from_utf8(bytes).unwrap();
            let statement = STANDARD.encode(b"{}");
            let payload = text.split("\"payload\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            text = text.replace(&payload, &statement);
            text.into_bytes()
        })
    });
}

/// `r || s` of a P-256 signature in DER.
pub(crate) fn raw(der: Vec<u8>) -> Vec<u8> {
    p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes().to_vec()
}

/// SIG-MANIFEST.
fn sig_manifests(cases: &mut Cases) {
    let base = response();
    let mut manifest = |variant: &str, from: &str, to: &str| {
        cases.add(&format!("sig-manifest.{variant}"), &base, |forge| {
            forge.swap(Part::SigManifest, 0, from, to)
        });
    };
    manifest("annotation", "\"annotations\":{", "\"annotations\":{\"a\":\"b\",");
    manifest("log-annotation", "\"}}]}", "\",\"dev.sigstore.cosign/bundle\":\"{}\"}}]}");
    manifest("certificate", "\"}}]}", "\",\"dev.sigstore.cosign/certificate\":\"\"}}]}");
    manifest("manifest-annotation", "}}]}", "}}],\"annotations\":{}}");
    manifest("subject", "}}]}", "}}],\"subject\":{}}");
    manifest("blank", "\"schemaVersion\":2", "\"schemaVersion\": 2");
    manifest("newline", "}}]}", "}}]}\n");
    manifest(
        "order",
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
        "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"schemaVersion\":2",
    );
    manifest(
        "media-type",
        "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"",
        "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"",
    );
    manifest("layer-media-type", "simplesigning.v1+json", "simplesigning.v2+json");
    manifest("layer-size", "simplesigning.v1+json\",\"size\":", "simplesigning.v1+json\",\"size\":1");
    manifest("layer-urls", ",\"annotations\":", ",\"urls\":[],\"annotations\":");
    manifest("config-size", "config.v1+json\",\"size\":", "config.v1+json\",\"size\":1");
    manifest("duplicate", "{\"schemaVersion\":2", "{\"schemaVersion\":2,\"schemaVersion\":2");
    manifest("no-annotations", "\"annotations\":", "\"annotation\":");
    manifest("trailing", "}}]}", "}}]}{}");
    let mut config = |variant: &str, from: &str, to: &str| {
        cases.add(&format!("sig-manifest.config-{variant}"), &base, |forge| {
            forge.swap(Part::SigConfig, 0, from, to)
        });
    };
    config(
        "created",
        "\"created\":\"0001-01-01T00:00:00Z\",\"history\"",
        "\"created\":\"2026-01-02T03:04:05Z\",\"history\"",
    );
    config("history", "[{\"created\":\"0001", "[{\"created\":\"0002");
    config("author", "{\"architecture\":\"\"", "{\"architecture\":\"\",\"author\":\"x\"");
    config("os", "\"os\":\"\"", "\"os\":\"linux\"");
    config("diff-ids", "\"diff_ids\":[", "\"diff_ids\":[\"sha256:\",");
    config("label", "\"config\":{}", "\"config\":{\"Labels\":{}}");
    config("newline", "\"config\":{}}", "\"config\":{}}\n");
    cases.add("sig-manifest.layers-swapped", &response_by_two(), |forge| {
        forge.layers(0, |layers| layers.swap(0, 1))
    });
    let mut units = request();
    let mut second = units.images[0].clone();
    units.images[0].identity = "registry.example/app".to_owned();
    second.identity = "registry.example/base".to_owned();
    units.images.push(second);
    let units = units.signed(&[one()]);
    cases.add("sig-manifest.payloads-swapped", &units, |forge| forge.layers(0, |layers| layers.swap(0, 1)));
    cases.add("sig-manifest.no-layers", &base, |forge| {
        forge.bend(Part::SigManifest, 0, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            format!("{}\"layers\":[]}}", text.split_once("\"layers\"").unwrap().0).into_bytes()
        })
    });
    cases.add("sig-manifest.config-of-other", &response_of_two(), |forge| {
        forge.bend(Part::SigManifest, 0, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let digest = text.split("\"digest\":\"").nth(1).unwrap()[..71].to_owned();
            text.replacen(&digest, &crate::forge::digest(b"{}"), 1).into_bytes()
        })
    });
}

/// REFERRER-MANIFEST.
fn referrers(cases: &mut Cases) {
    let base = response();
    let mut manifest = |variant: &str, from: &str, to: &str| {
        cases.add(&format!("referrer-manifest.{variant}"), &base, |forge| {
            forge.swap(Part::Referrer, 0, from, to)
        });
    };
    manifest(
        "created",
        "sign/v1\"}",
        "sign/v1\",\"org.opencontainers.image.created\":\"2026-01-02T03:04:05Z\"}",
    );
    manifest("annotation", "\"annotations\":{", "\"annotations\":{\"a\":\"b\",");
    manifest("no-subject", "\"subject\":", "\"object\":");
    manifest(
        "subject-size",
        "\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":",
        "\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":1",
    );
    manifest(
        "subject-media-type",
        "\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest",
        "\"subject\":{\"mediaType\":\"application/vnd.oci.image.index",
    );
    manifest(
        "artifact-type",
        "},\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}",
        "},\"artifactType\":\"application/vnd.example\"}",
    );
    manifest(
        "config-artifact-type",
        ",\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"},\"layers\"",
        "},\"layers\"",
    );
    manifest("blank", "\"schemaVersion\":2", "\"schemaVersion\": 2");
    manifest("newline", "v0.3+json\"}", "v0.3+json\" }");
    manifest(
        "layer-media-type",
        "[{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"",
        "[{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.2+json\"",
    );
    manifest("layer-size", "bundle.v0.3+json\",\"size\":", "bundle.v0.3+json\",\"size\":1");
    manifest("second-layer", "\"layers\":[", "\"layers\":[{},");
    manifest("duplicate", "{\"schemaVersion\":2", "{\"schemaVersion\":2,\"schemaVersion\":2");
    manifest("predicate", "cosign/sign/v1", "cosign/sign/v2");
    cases.add("referrer-manifest.subject-of-other", &response_of_two(), |forge| {
        forge.bend(Part::Referrer, 0, |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&image("amd64").digest(), &image("arm64").digest()).into_bytes()
        })
    });
    let mut bundle = |variant: &str, from: &str, to: &str| {
        cases.add(&format!("referrer-manifest.bundle-{variant}"), &base, |forge| {
            forge.swap(Part::Bundle, 0, from, to)
        });
    };
    bundle("key-id", "{\"sig\"", "{\"keyid\":\"\",\"sig\"");
    bundle("log-entries", "\"}},\"dsse", "\"},\"tlogEntries\":[]},\"dsse");
    bundle("log-entry", "\"}},\"dsse", "\"},\"tlogEntries\":[{}]},\"dsse");
    bundle("timestamps", "\"}},\"dsse", "\"},\"timestampVerificationData\":{}},\"dsse");
    bundle("blank", ",\"dsseEnvelope\"", ", \"dsseEnvelope\"");
    bundle("newline", "\"}]}}", "\"}]}}\n");
    bundle("media-type", "bundle.v0.3+json", "bundle.v0.2+json");
    bundle(
        "media-type-form",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
    );
    bundle("payload-type", "application/vnd.in-toto+json", "application/json");
    bundle("no-hint", "\"hint\"", "\"tint\"");
    bundle("hint-short", "{\"hint\":\"", "{\"hint\":\"AAAA");
    bundle("member", "{\"mediaType\"", "{\"x\":1,\"mediaType\"");
    bundle("second-signature", "\"}]}}", "\"},{\"sig\":\"AA==\"}]}}");
    bundle("no-signature", "\"signatures\":[{", "\"signatures\":[],\"x\":[{");
    bundle("duplicate", "{\"mediaType\"", "{\"mediaType\":\"x\",\"mediaType\"");
    bundle("trailing", "\"}]}}", "\"}]}}{}");
    bundle("payload-newline", "\"payload\":\"", "\"payload\":\"\\n");
    // Both signatures are good: the bytewise smaller one is the one that stays.
    cases.add("referrer-manifest.other-signature", &base, |mut forge| {
        forge.twice = true;
        forge
    });
}
