//! Checkpoints: what is read says all that stands there.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::format::log::note::Checkpoint;
use coldsign::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return };
    assert!(text.len() <= limits::LOG_NOTE && checkpoint.lines().len() <= limits::LOG_NOTE_LINES);
    assert!(checkpoint.size() <= limits::INTEGER && !checkpoint.lines().is_empty());
    let root = STANDARD.encode(checkpoint.root().as_bytes());
    let head = format!("{}\n{}\n{root}\n", checkpoint.origin(), checkpoint.size());
    assert!(checkpoint.text().starts_with(head.as_bytes()));
    let mut written = String::from_utf8(checkpoint.text().to_vec()).expect("text");
    written.push('\n');
    for line in checkpoint.lines() {
        let signature = STANDARD.encode([&line.id[..], &line.signature].concat());
        written.extend(["\u{2014} ", &line.name, " ", &signature, "\n"]);
    }
    assert_eq!(written, text, "a note has one spelling");
});
