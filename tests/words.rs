//! Words of a digest: the published vector, and the table that the exporting side prints.

use coldsign::digest::Digest;
use coldsign::words::{same, table, words};

/// The fingerprint that the list's own article spells out; filled up with zeros to 32 bytes.
#[test]
fn published_vector() {
    let fingerprint = "e58294f2e9a227486e8b061b31cc528fd7fa3f19";
    let digest = Digest::parse_hex(&format!("{fingerprint}{}", "0".repeat(24))).unwrap();
    let spelled = "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa \
                   afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless";
    assert_eq!(words(&digest)[..20].join(" "), spelled);
    assert_eq!(words(&digest)[20..].join(" "), "aardvark adroitness ".repeat(6).trim_end());
}

#[test]
fn printed_in_four_columns() {
    let hex = "ebffc3fda34bc0ff73dffcfec67c5f7ac037f1996d497129cbc1d82b83fe96e1";
    let printed = "
   1 trouble        2 Yucatan        3 snowcap        4 Wyoming
   5 reform         6 disable        7 slowdown       8 Yucatan
   9 hockey        10 therapist     11 wayside       12 yesteryear
  13 southward     14 informant     15 eyetooth      16 infancy
  17 slowdown      18 consensus     19 unwind        20 nebula
  21 goggles       22 dinosaur      23 hamlet        24 certify
  25 spheroid      26 recover       27 stormy        28 Cherokee
  29 Mohawk        30 yesteryear    31 prefer        32 tolerance";
    assert_eq!(format!("\n{}", table(&Digest::parse_hex(hex).unwrap()).join("\n")), printed);
    let widest = Digest::parse_hex(&"6fa7".repeat(16)).unwrap();
    assert!(table(&widest).iter().all(|line| line.len() <= 80));
}

#[test]
fn letter_case_and_blanks_do_not_matter() {
    let asked = ["reform", "Yucatan", "hockey"];
    for typed in [
        "reform Yucatan hockey",
        "  REFORM\tyucatan   Hockey ",
        "reformyucatanhockey",
        "re form yuca tan hockey",
    ] {
        assert!(same(typed, &asked), "{typed}");
    }
    for typed in
        ["", "reform", "reform hockey Yucatan", "reform Yucatan hockey hockey", "reform Yucat\u{430}n hockey"]
    {
        assert!(!same(typed, &asked), "{typed}");
    }
}
