//! What the benches share: images to sign, and programs that are watched while they run.
#![allow(dead_code)] // each bench compiles this module and uses a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use coldsign::digest::Digest;

/// A program that has run.
pub(crate) struct Run {
    /// From its start to its end.
    pub(crate) time: Duration,
    /// The most memory that it held, in bytes.
    pub(crate) peak: u64,
    /// The longest time in which it used no processor.
    pub(crate) rest: Duration,
}

/// Runs a program and watches how much memory it holds at most.
pub(crate) fn run(folder: &Path, program: &str, arguments: &str) -> Run {
    let stdout = fs::File::create(folder.join("stdout")).expect("a file");
    let stderr = fs::File::create(folder.join("stderr")).expect("a file");
    let start = Instant::now();
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments.split(' ')).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let mut child = command.spawn().expect("the program");
    let about = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut peak, mut rest, mut used, mut since) = (0, Duration::ZERO, 0, start);
    let ended = loop {
        let now = ticks(&fs::read_to_string(about.join("stat")).unwrap_or_default());
        if now != used {
            (used, since) = (now, Instant::now());
        }
        rest = rest.max(since.elapsed());
        let text = fs::read_to_string(about.join("status")).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = high.and_then(|high| high.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0) * 1024);
        match child.try_wait().expect("its end") {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let time = start.elapsed();
    let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    assert!(ended.success(), "{program} {arguments}: {ended}\n{said}");
    Run { time, peak, rest }
}

/// Processor time of all threads, in the kernel's ticks, out of `/proc/PID/stat`.
fn ticks(stat: &str) -> u64 {
    // The name may hold blanks: fields are counted behind its bracket.
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    fields.skip(12).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Writes manifest and config of an image with one layer; returns the manifest's descriptor members.
pub(crate) fn image(layout: &Path, revision: &str, layer: u64) -> String {
    let put = |bytes: &str| {
        let digest = Digest::of(bytes.as_bytes());
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
        (digest, bytes.len())
    };
    let layer_digest = Digest::of(b"layer");
    let (config, size) = put(&format!(
        "{{\"created\":\"2026-01-02T03:04:05Z\",\"architecture\":\"amd64\",\"os\":\"linux\",\
         \"config\":{{\"Labels\":{{\"org.opencontainers.image.revision\":\"{revision}\"}}}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{layer_digest}\"]}}}}"
    ));
    let (manifest, size) = put(&format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
         \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"{config}\",\"size\":{size}}},\
         \"layers\":[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{layer_digest}\",\"size\":{layer}}}]}}"
    ));
    format!(
        "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{manifest}\",\"size\":{size}"
    )
}

pub(crate) fn index(layout: &Path, entries: &[String]) {
    let entries = entries.join(",");
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{entries}]}}"
    );
    fs::write(layout.join("index.json"), index).expect("an index");
    fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").expect("a layout");
}
