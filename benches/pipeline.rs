//! The whole trip with the real programs, 10,000 items in both forms, against what the machine can do at least: the
//! same number of raw P-256 operations with the same crate on the same cores, and the writes alone.
//!
//! Prints ratios; judges nothing. `just bench`, or `cargo bench --bench pipeline -- [ITEMS]`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use coldsign::digest::Digest;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use rayon::prelude::*;

use crate::support::{Run, image, index, run};

mod support;

fn main() {
    let items = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(10_000_usize);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench { folder: folder.path().to_owned(), items };
    println!("{items} images of one item, both forms, {} cores", rayon::current_num_threads());
    let raw = raw(2 * items);
    bench.layout();
    let export = bench.export();
    let kdf = bench.home();
    let sign = bench.sign();
    let writes = bench.writes();
    let import = bench.import();
    let verify = bench.verify();
    let file = fs::metadata(bench.path("response.tar")).expect("the response").len();
    let mebibyte = |bytes: u64| bytes / (1 << 20);
    println!("response: {} MiB", mebibyte(file));
    println!(
        "raw sign and verify: {:.2?}; raw verify: {:.2?}; raw writes of an import: {writes:.2?}",
        raw.both, raw.verify
    );
    println!("export: {:.2?}, peak {} MiB", export.time, mebibyte(export.peak));
    let ratio = |time: Duration, of: Duration| time.as_secs_f64() / of.as_secs_f64();
    println!(
        "sign: {:.2?} ({kdf:.2?} of it to start and unlock), peak {} MiB",
        sign.time,
        mebibyte(sign.peak)
    );
    println!("  time / raw sign and verify: {:.2} (goal 1.50)", ratio(sign.time, raw.both));
    println!("  without the start: {:.2}", ratio(sign.time.saturating_sub(kdf), raw.both));
    let limit = 2 * file + (64 << 20) + (132 << 20);
    println!(
        "  peak / (twice the response + 64 MiB + 132 MiB of scrypt): {:.2} (goal 1.00)",
        share(sign.peak, limit)
    );
    println!("import: {:.2?}, peak {} MiB", import.time, mebibyte(import.peak));
    println!(
        "  (time - writes) / raw verify: {:.2} (goal 1.50)",
        ratio(import.time.saturating_sub(writes), raw.verify)
    );
    println!(
        "  peak / (twice the response + 64 MiB): {:.2} (goal 1.00)",
        share(import.peak, 2 * file + (64 << 20))
    );
    println!("verify of the response: {:.2?}, peak {} MiB", verify.time, mebibyte(verify.peak));
    layers(folder.path());
}

struct Bench {
    folder: PathBuf,
    items: usize,
}

struct Raw {
    both: Duration,
    verify: Duration,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A layout of many small images and the list that names them.
    fn layout(&self) {
        let layout = self.path("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a layout");
        let mut entries = Vec::new();
        let mut list = String::new();
        for number in 0..self.items {
            let descriptor = image(&layout, &format!("revision-{number}"), 3_000_000);
            let tag = format!("t{number}");
            entries.push(format!(
                "{{{descriptor},\"annotations\":{{\"org.opencontainers.image.ref.name\":\"{tag}\"}}}}"
            ));
            let _ = writeln!(list, "oci:layout:{tag} --as registry.example/team/app{}:{tag}", number % 100);
        }
        index(&layout, &entries);
        fs::write(self.path("images.txt"), list).expect("a list");
    }

    fn export(&self) -> Run {
        self.run(env!("CARGO_BIN_EXE_coldsign"), "export -o request.tar --from images.txt")
    }

    /// Makes home and key; returns what the signer takes to start and to unlock.
    fn home(&self) -> Duration {
        fs::write(self.path("pass"), "a passphrase for the bench\n").expect("a passphrase");
        let signer = env!("CARGO_BIN_EXE_coldsign-signer");
        self.run(signer, "--home home init");
        self.run(signer, "--home home key generate bench --allow-swap --passphrase-file pass");
        let unlock = self.run(signer, "--home home key public bench --allow-swap --passphrase-file pass");
        fs::rename(self.path("stdout"), self.path("bench.pub")).expect("a public key");
        unlock.time
    }

    fn sign(&self) -> Run {
        self.run(env!("CARGO_BIN_EXE_coldsign"), "inspect --digest request.tar");
        let digest = fs::read_to_string(self.path("stdout")).expect("a digest");
        let digest = digest.trim();
        let rest = format!("--key bench -o response.tar --max-items {} --approve {digest}", self.items);
        let sign = format!("--home home sign request.tar {rest} --allow-swap --passphrase-file pass");
        self.run(env!("CARGO_BIN_EXE_coldsign-signer"), &sign)
    }

    /// The files that an import of both forms writes, each given its name when it is whole, and brought to the medium.
    fn writes(&self) -> Duration {
        let folder = self.path("writes");
        fs::create_dir_all(&folder).expect("a folder");
        let start = Instant::now();
        for number in 0..self.items {
            for (kind, size) in
                [("payload", 250), ("config", 233), ("manifest", 700), ("bundle", 675), ("referrer", 819)]
            {
                let name = folder.join(format!("{kind}{number}"));
                let partial = name.with_extension("partial");
                fs::write(&partial, vec![b'x'; size]).expect("a file");
                fs::rename(&partial, &name).expect("its name");
            }
        }
        let synced = Command::new("sync").arg("-f").arg(&folder).status();
        assert!(synced.is_ok_and(|status| status.success()), "sync");
        start.elapsed()
    }

    fn import(&self) -> Run {
        let import =
            "import response.tar --request request.tar --key bench.pub --to oci:layout --attach both";
        self.run(env!("CARGO_BIN_EXE_coldsign"), import)
    }

    fn verify(&self) -> Run {
        self.run(env!("CARGO_BIN_EXE_coldsign"), "verify --key bench.pub oci-archive:response.tar")
    }

    fn run(&self, program: &str, arguments: &str) -> Run {
        run(&self.folder, program, arguments)
    }
}

/// That many P-256 signatures on all cores, each verified, and the verification alone.
fn raw(count: usize) -> Raw {
    let key = SigningKey::from_slice(&[7; 32]).expect("a key");
    let public = VerifyingKey::from(&key);
    let messages: Vec<Vec<u8>> = (0..count).map(|number| format!("{number:0250}").into_bytes()).collect();
    let start = Instant::now();
    let signatures: Vec<Signature> = messages
        .par_iter()
        .map(|message| {
            let signature: Signature = key.sign(message);
            public.verify(message, &signature).expect("a good signature");
            signature
        })
        .collect();
    let both = start.elapsed();
    let start = Instant::now();
    let good = messages
        .par_iter()
        .zip(&signatures)
        .filter(|(message, signature)| public.verify(message, *signature).is_ok());
    assert_eq!(good.count(), count);
    Raw { both, verify: start.elapsed() }
}

/// Export of an image with a large layer against one with a small layer.
fn layers(folder: &Path) {
    let mut times = Vec::new();
    for (name, size) in [("small", 1_u64 << 10), ("large", 4 << 30)] {
        let layout = folder.join(name);
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a layout");
        let descriptor = image(&layout, name, size);
        index(&layout, &[format!("{{{descriptor}}}")]);
        let layer =
            fs::File::create(layout.join("blobs/sha256").join(Digest::of(b"layer").hex())).expect("a layer");
        layer.set_len(size).expect("a sparse layer");
        let tar = format!("tar --create --file {name}.tar --directory {name} blobs index.json oci-layout");
        let made = Command::new("sh").args(["-c", &tar]).current_dir(folder).status();
        assert!(made.is_ok_and(|status| status.success()), "{tar}");
        for source in [format!("oci:{name}"), format!("oci-archive:{name}.tar")] {
            let times_of = (0..5).map(|number| {
                let export = format!("export -o {name}-{number}.req {source} --as registry.example/app:1");
                let time = run(folder, env!("CARGO_BIN_EXE_coldsign"), &export).time;
                fs::remove_file(folder.join(format!("{name}-{number}.req"))).expect("a request");
                time
            });
            let mut times_of: Vec<Duration> = times_of.collect();
            times_of.sort_unstable();
            times.push(times_of.get(2).copied().unwrap_or_default());
        }
    }
    if let [small, small_tar, large, large_tar] = times.as_slice() {
        println!("export of a 4 GiB layer / of a 1 KiB layer, median of 5:");
        println!(
            "  directory {:.2}, archive {:.2}",
            large.as_secs_f64() / small.as_secs_f64(),
            large_tar.as_secs_f64() / small_tar.as_secs_f64()
        );
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio of sizes, printed")]
fn share(bytes: u64, of: u64) -> f64 {
    bytes as f64 / of as f64
}
