//! Import and verify in a registry against cosign, image by image and with all references in one run: the same olareg
//! in memory, the same images, the same signatures, alternating, the median of three.
//!
//! Prints ratios; judges nothing. Needs the tools of `tests/peers/install.sh` in `COLDSIGN_PEERS`; says so where they
//! are absent. `just bench`, or `cargo bench --bench registry -- [ITEMS]` for another size of the largest run.
#![expect(clippy::disallowed_types, reason = "a bench asks whether its registry listens")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Run, image, index, run};

mod support;

/// How many images the comparison has.
const COMPARED: usize = 100;
/// How many images ours alone is timed with.
const MORE: usize = 1_000;
/// Images are spread over at most this many repositories.
const REPOSITORIES: usize = 100;
const ROUNDS: usize = 3;

fn main() {
    let largest = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(10_000_usize);
    let peers = std::env::var_os("COLDSIGN_PEERS").map(|home| PathBuf::from(home).join("bin"));
    let Some(peers) = peers.filter(|bin| bin.join("olareg").exists() && bin.join("cosign3").exists()) else {
        println!("registry: skipped: COLDSIGN_PEERS=\"$(tests/peers/install.sh)\" brings olareg and cosign");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("its number").port();
    drop(free);
    let bench = Bench { folder: folder.path().to_owned(), peers, port };
    bench.home();
    let sizes = BTreeSet::from([10, MORE, largest]);
    for &count in sizes.union(&BTreeSet::from([COMPARED])) {
        bench.prepare(count);
    }
    let attach = bench.compare();
    bench.more(attach);
    println!("peak memory in MiB (goal: flat but for the response, which import holds)");
    for count in sizes {
        let _server = bench.serve(count);
        let (import, verify) = (bench.import(count), bench.verify_list(count));
        let response = fs::metadata(bench.path(&format!("response-{count}.tar"))).expect("a response").len();
        println!(
            "  {count} images: verify {}, import {} of a response of {}",
            mebibyte(verify.peak),
            mebibyte(import.peak),
            mebibyte(response)
        );
    }
}

struct Bench {
    folder: PathBuf,
    peers: PathBuf,
    port: u16,
}

/// One image of the comparison, and the files that `cosign attach signature` asks for.
struct Image {
    reference: String,
    payload: PathBuf,
    signature: PathBuf,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn coldsign(&self, arguments: &str) -> Run {
        run(&self.folder, env!("CARGO_BIN_EXE_coldsign"), arguments)
    }

    fn signer(&self, arguments: &str) -> Run {
        run(&self.folder, env!("CARGO_BIN_EXE_coldsign-signer"), arguments)
    }

    fn home(&self) {
        fs::write(self.path("pass"), "a passphrase for the bench\n").expect("a passphrase");
        self.signer("--home home init");
        self.signer("--home home key generate bench --allow-swap --passphrase-file pass");
        self.signer("--home home key public bench --allow-swap --passphrase-file pass");
        fs::rename(self.path("stdout"), self.path("bench.pub")).expect("a public key");
        self.coldsign("trusted-root create -o tr0.json");
    }

    /// Images of one layer each in `seeds-COUNT`, their list, and a response that signs them.
    fn prepare(&self, count: usize) {
        let mut list = String::new();
        for repository in 0..REPOSITORIES.min(count) {
            let layout = self.path(&format!("seeds-{count}/app{repository}"));
            fs::create_dir_all(layout.join("blobs/sha256")).expect("a layout");
            let numbers = (repository..count).step_by(REPOSITORIES);
            let entries = numbers.map(|number| {
                let descriptor = image(&layout, &format!("revision-{number}"), 3_000_000);
                let tag = format!("t{number}");
                let _ = writeln!(list, "{}/app{repository}:{tag}", self.host());
                format!(
                    "{{{descriptor},\"annotations\":{{\"org.opencontainers.image.ref.name\":\"{tag}\"}}}}"
                )
            });
            let entries: Vec<_> = entries.collect();
            index(&layout, &entries);
        }
        fs::write(self.path(&format!("images-{count}.txt")), list).expect("a list");
        let server = self.serve(count);
        let export = self.coldsign(&format!("export -o request-{count}.tar --from images-{count}.txt"));
        drop(server);
        let digest = fs::read_to_string(self.path("stdout")).expect("a digest");
        let sign = format!("--home home sign request-{count}.tar --key bench -o response-{count}.tar");
        let approve = format!("--approve {} --max-items {count}", digest.trim());
        self.signer(&format!("{sign} {approve} --allow-swap --passphrase-file pass"));
        println!("export of {count} images: {:.2?}, peak {} MiB", export.time, mebibyte(export.peak));
    }

    /// olareg with these images and nothing else.
    fn serve(&self, count: usize) -> Server {
        let address = self.host();
        let server = Command::new(self.peers.join("olareg"))
            .args(["serve", "--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--store-type", "mem", "--gc-frequency", "-1s", "--dir", &format!("seeds-{count}")])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("olareg");
        let server = Server(server);
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "olareg does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn import(&self, count: usize) -> Run {
        self.coldsign(&format!("import response-{count}.tar --key bench.pub"))
    }

    fn verify_list(&self, count: usize) -> Run {
        self.coldsign(&format!("verify --key bench.pub --from images-{count}.txt"))
    }

    fn verify(&self, images: &[Image]) -> Run {
        let references: Vec<_> = images.iter().map(|image| &*image.reference).collect();
        self.coldsign(&format!("verify --key bench.pub {}", references.join(" ")))
    }

    /// Runs cosign once; the time of its process.
    fn cosign(&self, arguments: &[&str]) -> Duration {
        let start = Instant::now();
        let said = Command::new(self.peers.join("cosign3"))
            .args(arguments)
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .output()
            .expect("cosign");
        let time = start.elapsed();
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        time
    }

    fn cosign_attach(&self, image: &Image) -> Duration {
        let (payload, signature) = (image.payload.to_string_lossy(), image.signature.to_string_lossy());
        self.cosign(&[
            "attach",
            "signature",
            "--payload",
            &payload,
            "--signature",
            &signature,
            &image.reference,
        ])
    }

    fn cosign_verify(&self, images: &[Image]) -> Duration {
        let flags = "verify --key bench.pub --insecure-ignore-tlog=true --trusted-root tr0.json";
        let references = images.iter().map(|image| &*image.reference);
        self.cosign(&flags.split(' ').chain(references).collect::<Vec<_>>())
    }

    /// The images of the comparison, out of the response as anybody can unpack it.
    fn images(&self) -> Vec<Image> {
        let folder = self.path("unpacked");
        let response = fs::File::open(self.path(&format!("response-{COMPARED}.tar"))).expect("a response");
        tar::Archive::new(response).unpack(&folder).expect("a response is a tar");
        let blob = |digest: &str| folder.join("blobs").join(digest.replace(':', "/"));
        let list = fs::read_to_string(self.path(&format!("images-{COMPARED}.txt"))).expect("a list");
        let index = json(&folder.join("index.json"));
        let entries = index.pointer("/manifests").and_then(Value::as_array).expect("an index");
        let named = |name: &str| {
            let tag = |entry: &&Value| text(entry, "/annotations/org.opencontainers.image.ref.name") == name;
            text(entries.iter().find(tag).expect("a name of the response"), "/digest").to_owned()
        };
        let images = list.lines().enumerate().map(|(number, reference)| {
            let (repository, tag) = reference.rsplit_once(':').expect("a tag");
            assert_eq!(tag, format!("t{number}"));
            let seeds = json(&self.path(&format!("seeds-{COMPARED}/app{number}/index.json")));
            let digest = text(&seeds, "/manifests/0/digest");
            let manifest = json(&blob(&named(&format!("{}.sig", digest.replace(':', "-")))));
            let signature = self.path(&format!("signature-{number}"));
            let signed = text(&manifest, "/layers/0/annotations/dev.cosignproject.cosign~1signature");
            fs::write(&signature, signed).expect("a signature");
            Image {
                reference: format!("{repository}@{digest}"),
                payload: blob(text(&manifest, "/layers/0/digest")),
                signature,
            }
        });
        images.collect()
    }

    /// The same work by both. Returns the time of cosign's pushes.
    fn compare(&self) -> Duration {
        let images = self.images();
        let (mut attach, mut import, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let (mut each, mut once, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = self.serve(COMPARED);
            attach.push(images.iter().map(|image| self.cosign_attach(image)).sum());
            drop(server);
            let _server = self.serve(COMPARED);
            let imported = self.import(COMPARED);
            import.push(imported.time);
            rest.push(imported.rest);
            each.push(images.iter().map(|image| self.cosign_verify(std::slice::from_ref(image))).sum());
            ours.push(self.verify(&images).time);
            once.push(self.cosign_verify(&images));
        }
        let [attach, import, rest, each, once, ours] = [attach, import, rest, each, once, ours].map(median);
        println!("{COMPARED} images, each time for all of them, median of {ROUNDS}");
        println!(
            "  cosign attach signature, each: {attach:.2?}; coldsign import: {import:.2?}, {rest:.2?} of it at rest"
        );
        println!("    ratio: {:.1} (goal 20)", ratio(attach, import));
        println!("    ratio without the rest: {:.1}", ratio(attach, import.saturating_sub(rest)));
        println!(
            "  cosign verify, each: {each:.2?}; one cosign verify: {once:.2?}; coldsign verify: {ours:.2?}"
        );
        println!("    ratio to each: {:.1} (goal 20)", ratio(each, ours));
        println!("    ratio to one: {:.1} (goal 2)", ratio(once, ours));
        attach
    }

    /// Ours with more images: what an image costs where the start and the rest no longer count.
    fn more(&self, attach: Duration) {
        let (mut import, mut rest, mut verify) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let _server = self.serve(MORE);
            let imported = self.import(MORE);
            import.push(imported.time);
            rest.push(imported.rest);
            verify.push(self.verify_list(MORE).time);
        }
        let [import, rest, verify] = [import, rest, verify].map(median);
        // It takes images one by one: as many cost that much more.
        let attach = attach * u32::try_from(MORE / COMPARED).expect("a small number");
        println!("{MORE} images, median of {ROUNDS}");
        println!("  coldsign import: {import:.2?}, {rest:.2?} of it at rest; coldsign verify: {verify:.2?}");
        println!(
            "    ratio of ten times cosign attach signature above: {:.1} (goal 20)",
            ratio(attach, import)
        );
    }
}

/// Ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The string at this place (RFC 6901).
fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{place}: {value}"))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ratio(time: Duration, of: Duration) -> f64 {
    time.as_secs_f64() / of.as_secs_f64()
}

fn mebibyte(bytes: u64) -> u64 {
    bytes / (1 << 20)
}
