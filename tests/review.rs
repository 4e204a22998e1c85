//! What a person is shown, and that nothing but their approval makes a request a reviewed one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::Result;
use coldsign::exit::Exit;
use coldsign::format::evidence::{Descriptor, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use coldsign::format::reference::{Identity, Reference};
use coldsign::request::{Asked, ImageSpec, Request, What};
use coldsign::review::{Review, check_approval};
use coldsign::secret::Random;
use coldsign::terminal::{Script, report};
use coldsign::words;
use serde_json::{Value, json};

const TERMS: &str = "both forms, key release (P-256, e6558978 501dfada)";

/// Bytes that count up: the places 1 to 6, then 7 to 12, and so on.
#[derive(Default)]
struct Counting(u8);

impl Random for Counting {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        for byte in buffer {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

/// Builds requests image by image.
#[derive(Default)]
struct Requests {
    images: Vec<ImageSpec>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Requests {
    fn blob(&mut self, media_type: &str, value: &Value) -> Descriptor {
        let bytes = serde_json::to_vec(value).unwrap();
        let descriptor = Descriptor::of(media_type, &bytes);
        self.blobs.insert(descriptor.digest, bytes);
        descriptor
    }

    fn platform(&mut self, architecture: &str, layers: &[u64], labels: &Value) -> Descriptor {
        let diff_ids: Vec<String> = (0..layers.len()).map(|number| format!("sha256:{number:064}")).collect();
        let config = self.blob(
            OCI_CONFIG,
            &json!({"os": "linux", "architecture": architecture, "created": "2026-04-28T09:12:33.5Z",
                "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}),
        );
        self.manifest(&config, layers, &json!({}))
    }

    fn manifest(&mut self, config: &Descriptor, layers: &[u64], more: &Value) -> Descriptor {
        let layer = |size: &u64| {
            let digest = Digest::of(&size.to_be_bytes());
            descriptor(&Descriptor {
                media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
                digest,
                size: *size,
            })
        };
        let mut manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config),
            "layers": layers.iter().map(layer).collect::<Vec<_>>()});
        manifest.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        self.blob(OCI_MANIFEST, &manifest)
    }

    fn index(&mut self, children: &[Value]) -> Descriptor {
        self.blob(OCI_INDEX, &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}))
    }

    fn add(&mut self, name: &str, subject: Descriptor) -> &mut ImageSpec {
        let reference = Reference::parse(name).unwrap();
        let annotations = BTreeMap::from([("release".to_owned(), "2026.18".to_owned())]);
        let (destination, identity) = (reference.destination().unwrap(), reference.identity());
        self.images.push(ImageSpec::image(destination, identity, annotations, subject));
        self.images.last_mut().unwrap()
    }

    fn build(&self, note: Option<&str>) -> Request {
        let (images, note) = (self.images.clone(), note.map(str::to_owned));
        Request::build(Asked { images, note, ..Asked::default() }, self.blobs.clone()).unwrap().request
    }
}

/// What an image is called, and what is said of it.
fn called(image: &mut ImageSpec) -> (&mut Identity, &mut BTreeMap<String, String>) {
    match &mut image.what {
        What::Image { identity, annotations } => (identity, annotations),
        other => panic!("{other}"),
    }
}

fn descriptor(descriptor: &Descriptor) -> Value {
    json!({"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size})
}

fn child(named: &Descriptor, architecture: &str) -> Value {
    let mut entry = descriptor(named);
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

fn labels() -> Value {
    json!({"org.opencontainers.image.version": "1.4.0", "org.opencontainers.image.revision": "7d1f0c2e",
        "org.opencontainers.image.source": "https://git.example/team/app", "maintainer": "team  \u{202e}"})
}

/// An index of two platforms under registry.example/team/app:1.4.
fn two_platforms() -> (Requests, Descriptor) {
    let mut requests = Requests::default();
    let amd64 = requests.platform("amd64", &[48_000_000, 100_000], &labels());
    let arm64 = requests.platform("arm64", &[6_900_000], &labels());
    let index = requests.index(&[child(&amd64, "amd64"), child(&arm64, "arm64")]);
    requests.add("registry.example/team/app:1.4", index.clone());
    (requests, index)
}

#[test]
fn a_row_uncut() {
    let (requests, index) = two_platforms();
    let request = requests.build(Some("REL-412"));
    let review = Review::of(&request);
    let expected = format!(
        " 1  registry.example/team/app:1.4                             index, 2 platforms
    {}
    version \"1.4.0\"  revision \"7d1f0c2e\"  source \"https://git.example/team/app\"
    linux/amd64   2 layers   48.1 MB   created 2026-04-28 09:12 UTC
    linux/arm64    1 layer    6.9 MB   created 2026-04-28 09:12 UTC",
        index.digest.grouped()
    );
    assert_eq!(review.rows().join("\n"), expected);
    let summary = [
        "1 image, 3 items, 1 repository, 1 registry",
        "requester says: \"REL-412\"         all items: release=\"2026.18\"",
        "look twice: at nothing",
    ];
    assert_eq!(review.summary(), summary);
    assert_eq!(review.counts(), "1 image, 3 items");
    let all = review.all_of(1).unwrap().join("\n");
    for part in [
        "identity     registry.example/team/app:1.4",
        "  label  maintainer=\"team \\u{20}\\u{202e}\"",
        "item 3  linux/arm64  1 layer  6.9 MB",
        "  layer  6.9 MB  application/vnd.oci.image.layer.v1.tar+gzip\n    ",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(review.all_of(0).is_none() && review.all_of(2).is_none());
}

#[test]
fn second_looks_come_first() {
    let (mut requests, _) = two_platforms();
    // 2: one platform, no labels, attached; 3: an artifact under another destination; 4: children that are not there.
    let config = requests.blob(
        OCI_CONFIG,
        &json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}),
    );
    let subject = descriptor(&Descriptor::of(OCI_MANIFEST, b"elsewhere"));
    let attached = requests.manifest(&config, &[], &json!({"subject": subject}));
    requests.add("registry.example/team/attached:1", attached);
    let chart = requests.blob("application/vnd.cncf.helm.config.v1+json", &json!({"name": "chart"}));
    let chart = requests.manifest(&chart, &[1_234], &json!({}));
    *called(requests.add("registry.example/team/chart:1", chart)).0 =
        Identity::parse("registry.example/other/chart:1").unwrap();
    let platform = requests.platform("amd64", &[10], &labels());
    let absent = Descriptor::of(OCI_MANIFEST, b"absent");
    let partial = requests.index(&[child(&platform, "amd64"), child(&absent, "s390x")]);
    requests.add("registry.example/team/partial:1", partial);
    let statement = requests.blob(
        OCI_CONFIG,
        &json!({"os": "unknown", "architecture": "unknown", "rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}),
    );
    let statement =
        requests.manifest(&statement, &[7], &json!({"artifactType": "application/vnd.example; x"}));
    let mut entry = descriptor(&statement);
    entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let other = requests.platform("arm64", &[11], &json!({"org.opencontainers.image.revision": "0000"}));
    let built = requests.index(&[child(&platform, "amd64"), child(&other, "arm64"), entry]);
    requests.add("other.example/zoo:1", built);

    let request = requests.build(None);
    let review = Review::of(&request);
    let expected = "\
NOT SEEN: 1 child manifest, in image 5
5 images, 11 items, 5 repositories, 2 registries
all items: release=\"2026.18\"
look twice: artifact: 4    attached to another manifest: 3
            identity and destination differ: 4    no revision label: 3
            platforms of different revisions: 1    one platform only: 3, 5
            attestations: 1";
    assert_eq!(review.summary().join("\n"), expected);
    let rows = review.rows().join("\n");
    for part in [
        "index, 1 platform, 1 NOT SEEN\n",
        "    NOT SEEN  linux/s390x\n",
        "    destination  registry.example/team/chart:1\n",
        "    config application/vnd.cncf.helm.config.v1+json   1 layer   1.2 kB",
        "    attached to\n    ",
        "    attestation   1 layer    7 B\n",
        "artifact\n",
        "      revision \"0000\"\n",
    ] {
        assert!(rows.contains(part), "{part}:\n{rows}");
    }
    assert!(rows.lines().chain(expected.lines()).all(|line| line.len() <= 80), "{rows}");
}

/// An index that calls a platform an attestation does not hide it.
#[test]
fn an_attestation_runs_nowhere() {
    let mut requests = Requests::default();
    let platform = requests.platform("amd64", &[10], &labels());
    let mut entry = child(&platform, "amd64");
    entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = requests.index(&[entry]);
    requests.add("registry.example/team/app:1", index);
    let request = requests.build(None);
    let rows = Review::of(&request).rows().join("\n");
    assert!(rows.contains("    linux/amd64   1 layer   10 B   created"), "{rows}");
    assert!(!rows.contains("attestation"), "{rows}");
}

#[test]
fn nothing_raw_from_the_request() {
    let evil = "x\u{1b}[2J\u{9b}1m\u{202e}\u{e0041}\u{430}\u{ff21}\u{200b}  ok  archive\\";
    let mut requests = Requests::default();
    let config = requests.blob(
        OCI_CONFIG,
        &json!({"os": evil, "architecture": evil, "variant": evil, "os.version": evil, "created": evil,
            "config": {"Labels": {"org.opencontainers.image.revision": evil, evil: evil,
                "org.opencontainers.image.version": "v".repeat(5_000)}},
            "rootfs": {"type": "layers", "diff_ids": []}}),
    );
    let image = requests.manifest(&config, &[], &json!({"artifactType": evil, "annotations": {evil: evil}}));
    let clean: String = evil.chars().filter(|character| !character.is_control()).collect();
    *called(requests.add("registry.example/team/app:1", image)).1 =
        BTreeMap::from([(clean.clone(), clean.clone())]);
    let request = requests.build(Some(&clean));
    let review = Review::of(&request);
    let lines = [review.summary(), review.rows(), review.all_of(1).unwrap()].concat();
    for line in &lines {
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        assert!(line.len() <= 80, "{line}");
        assert!(!line.trim_start().starts_with("ok "), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("more]")));
}

fn asked_words(digest: &Digest, screen: &str) -> Vec<&'static str> {
    let all = words::words(digest);
    let line = screen.lines().rev().find(|line| line.starts_with("Words ")).unwrap();
    let places = line.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty());
    places.map(|place| all[place.parse::<usize>().unwrap() - 1]).collect()
}

/// Approves at a terminal; `answers` are given to the challenge one by one, `None` is the right one.
fn at_terminal(request: &Request, answers: &[Option<&str>]) -> (Result<Digest, Check>, String, usize) {
    let mut answers = answers.iter();
    let digest = request.digest();
    let mut console = Script::at_terminal(move |prompt, screen| match prompt {
        "> " => answers.next().map(|typed| {
            typed.map_or_else(|| asked_words(&digest, screen).join(" ").to_uppercase(), str::to_owned)
        }),
        _ => Some(String::new()),
    });
    let approved = Review::of(request).approve(None, TERMS, &mut console, &mut Counting::default());
    let approved = approved.map(|reviewed| reviewed.request().digest()).map_err(|error| error.check());
    (approved, console.screen.clone(), console.dropped)
}

#[test]
fn words_approve() {
    let (requests, _) = two_platforms();
    let request = requests.build(None);
    let (approved, screen, dropped) = at_terminal(&request, &[None]);
    assert_eq!(approved, Ok(request.digest()), "{screen}");
    assert!(dropped >= 2, "typed-ahead input is dropped before each prompt");
    let expected = "\
-- approval ------------------------------------------------------- page 2 of 2
1 image, 3 items, both forms, key release (P-256, e6558978 501dfada)
The words are on the exporting side's paper; this screen does not show them.
Words 1, 2, 3, 4, 5 and 6 of the request (q refuses):
> 
ok: paper and stick agree
";
    assert!(screen.ends_with(expected), "{screen}");
}

#[test]
fn three_wrong_answers_end_it() {
    let (requests, _) = two_platforms();
    let request = requests.build(None);
    let (approved, screen, _) =
        at_terminal(&request, &[Some("wrong"), Some(""), Some("trouble Yucatan"), Some("x"), None]);
    assert_eq!(approved, Ok(request.digest()), "{screen}");
    for part in [
        "these are not the words of this request (attempt 1 of 3)\nWords 7, 8, 9, 10, 11 and 12 of",
        // A slip is not an answer: the same places are asked for again.
        "6 words are asked for, 2 given\n",
        "these are not the words of this request (attempt 2 of 3)\nWords 13, 14, 15, 16, 17 and 18 of",
    ] {
        assert!(screen.contains(part), "{screen}");
    }
    let (approved, screen, _) = at_terminal(&request, &[Some("a"), Some("b"), Some("c"), None]);
    assert_eq!(approved, Err(Check::Challenge), "{screen}");
    assert_eq!(Check::Challenge.exit(), Exit::Challenge);
    assert_eq!(at_terminal(&request, &[Some("a"), Some(" Q ")]).0, Err(Check::OperatorRefused));
    assert_eq!(at_terminal(&request, &[]).0, Err(Check::OperatorRefused));
}

/// The words of attempt 1 do not answer attempt 2.
#[test]
fn places_are_drawn_anew() {
    let (requests, _) = two_platforms();
    let request = requests.build(None);
    let first = words::words(&request.digest())[..6].join(" ");
    let (approved, _, _) = at_terminal(&request, &[Some("wrong"), Some(&first), Some(&first)]);
    assert_eq!(approved, Err(Check::Challenge));
}

#[test]
fn a_broken_random_source_asks_nothing() {
    struct Stuck;
    impl Random for Stuck {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(7);
            Ok(())
        }
    }
    let (requests, _) = two_platforms();
    let request = requests.build(None);
    let mut console = Script::at_terminal(|_, _| Some(String::new()));
    let refused = Review::of(&request).approve(None, TERMS, &mut console, &mut Stuck).err().unwrap();
    assert_eq!(refused.check(), Check::RandomSource);
}

#[test]
fn without_a_terminal_the_digest_approves() {
    let (requests, _) = two_platforms();
    let request = requests.build(None);
    let approve = |digest: Option<Digest>| {
        let mut console = Script::without_terminal();
        let approved =
            Review::of(&request).approve(digest.as_ref(), TERMS, &mut console, &mut Counting::default());
        (approved.map(|reviewed| reviewed.request().digest()), console.screen)
    };
    let (approved, screen) = approve(Some(request.digest()));
    assert_eq!(approved.map_err(|error| error.check()), Ok(request.digest()));
    assert!(screen.contains("registry.example/team/app:1.4"), "{screen}");
    let (refused, screen) = approve(Some(Digest::of(b"another")));
    let refused = refused.err().unwrap();
    assert_eq!((refused.check(), refused.exit()), (Check::ApprovalOther, Exit::OtherRequest));
    let told = screen + &report(&refused);
    assert!(!told.contains(&request.digest().hex()) && !told.contains(&request.digest().grouped()), "{told}");
    assert_eq!(approve(None).0.err().map(|error| error.check()), Some(Check::ApprovalMissing));
    let terminal = Script::at_terminal(|_, _| None);
    let refused = check_approval(Some(&request.digest()), &terminal).err().unwrap();
    assert_eq!((refused.check(), refused.exit()), (Check::ApprovalTerminal, Exit::Usage));
}

/// Before the approval the sealed side prints neither the digest nor the words.
#[test]
fn the_screen_does_not_tell() {
    let (requests, _) = two_platforms();
    let request = requests.build(Some("REL-412"));
    let (_, screen, _) = at_terminal(&request, &[Some("a"), Some("b"), Some("c")]);
    let review = Review::of(&request);
    let told =
        [screen, review.summary().join("\n"), review.rows().join("\n"), review.all_of(1).unwrap().join("\n")]
            .concat();
    assert!(!told.contains(&request.digest().hex()[..8]) && !told.contains(&request.digest().grouped()[..8]));
    let rare = words::words(&request.digest()).iter().filter(|word| told.contains(**word)).count();
    assert_eq!(rare, 0, "{told}");
}
