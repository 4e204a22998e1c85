//! What reaches a screen: foreign text made harmless, messages, pages.

use coldsign::check::Check;
use coldsign::error::Error;
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console as _, Pages, Script, Section, filled, quoted, report, rule, shown};

#[test]
fn foreign_text_is_shown_as_printable_ascii() {
    for (text, expected) in [
        ("plain text, as it is: ~!#$%", "plain text, as it is: ~!#$%"),
        ("", ""),
        ("C:\\path", "C:\\u{5c}path"),
        ("\\u{41} is not A", "\\u{5c}u{41} is not A"),
        ("tab\tnewline\nreturn\rnul\0", "tab\\u{9}newline\\u{a}return\\u{d}nul\\u{0}"),
        ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
        ("\u{1b}]52;c;ZXZpbA==\u{1b}\u{5c}", "\\u{1b}]52;c;ZXZpbA==\\u{1b}\\u{5c}"),
        ("\u{9b}31mred\u{9d}8;;\u{85}\u{7f}", "\\u{9b}31mred\\u{9d}8;;\\u{85}\\u{7f}"),
        (
            "\u{202e}gnp.exe\u{2066}\u{2069}\u{200f}\u{61c}",
            "\\u{202e}gnp.exe\\u{2066}\\u{2069}\\u{200f}\\u{61c}",
        ),
        ("\u{e0001}\u{e0041}x\u{e007f}", "\\u{e0001}\\u{e0041}x\\u{e007f}"),
        ("p\u{430}ypal", "p\\u{430}ypal"),
        ("\u{ff21}\u{6f22}\u{1f600}", "\\u{ff21}\\u{6f22}\\u{1f600}"),
        (
            "zero\u{200b}width\u{feff}\u{200d}\u{2060}e\u{301}",
            "zero\\u{200b}width\\u{feff}\\u{200d}\\u{2060}e\\u{301}",
        ),
        ("no\u{a0}break\u{2028}line\u{2029}", "no\\u{a0}break\\u{2028}line\\u{2029}"),
        ("one two", "one two"),
        ("a  b   c", "a \\u{20}b \\u{20}\\u{20}c"),
        (" both ends ", "\\u{20}both ends\\u{20}"),
        (" ", "\\u{20}"),
    ] {
        assert_eq!(shown(text), expected, "{text:?}");
        assert!(shown(text).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    assert_eq!(quoted("say \"yes\""), "\"say \\u{22}yes\\u{22}\"");
}

#[test]
fn every_control_character_is_escaped() {
    for character in (0..0x20).chain(0x7f..0xa0).map(|number| char::from_u32(number).unwrap()) {
        assert_eq!(shown(&format!("a{character}b")), format!("a\\u{{{:x}}}b", u32::from(character)));
    }
}

#[test]
fn long_text_is_cut_and_the_rest_counted() {
    assert_eq!(shown(&"x".repeat(256)), "x".repeat(256));
    assert_eq!(shown(&"x".repeat(300)), format!("{}\\[44 more]", "x".repeat(256)));
    assert_eq!(
        shown(&format!("{}\\[44 more]", "x".repeat(240))),
        format!("{}\\u{{5c}}[44 more]", "x".repeat(240))
    );
    assert_eq!(shown(&"\u{1b}".repeat(257)), format!("{}\\[1 more]", "\\u{1b}".repeat(256)));
}

#[test]
fn foreign_text_never_starts_a_line() {
    let text = format!("{}ok  archive; 415 blobs", "x".repeat(75));
    for line in filled("    ", &[quoted(&text), quoted("short")], "  ") {
        assert!(line.len() <= 80 && line.starts_with("    "), "{line}");
    }
    let pieces = ["version \"1.4.0\"", "revision \"7d1f0c2e\"", "source \"https://git.example/team/app\""];
    let line = "    version \"1.4.0\"  revision \"7d1f0c2e\"  source \"https://git.example/team/app\"";
    assert_eq!(filled("    ", &pieces.map(str::to_owned), "  "), [line]);
    let pieces = ["a".repeat(40), "b".repeat(40), "c".repeat(100)];
    let expected = [
        format!("say {}", "a".repeat(40)),
        format!("    {}", "b".repeat(40)),
        format!("    {}", "c".repeat(76)),
        format!("    \\ {}", "c".repeat(24)),
    ];
    assert_eq!(filled("say ", &pieces, " "), expected);
}

#[test]
fn report_says_what_where_and_what_to_do() {
    let error = Error::new(Check::Challenge, "")
        .detail("nothing was signed or written, the key was not opened")
        .hint("stick and paper do not belong together; on the connected side compare")
        .hint("coldsign inspect request.tar");
    let expected = "error[CHALLENGE]: three wrong answers
  nothing was signed or written, the key was not opened
hint: stick and paper do not belong together; on the connected side compare
      coldsign inspect request.tar
";
    assert_eq!(report(&error), expected);
    assert_eq!(error.exit(), Exit::Challenge);

    let cause = std::io::Error::other("\u{1b}[31mdevice\nfull");
    let error = Error::new(Check::FileWrite, "evil\r\u{202e}name.tar").detail("wrote\t0").caused_by(cause);
    let expected = "error[FILE-WRITE]: cannot write: evil\\u{d}\\u{202e}name.tar
  wrote\\u{9}0
  cause: \\u{1b}[31mdevice\\u{a}full
";
    assert_eq!(report(&error), expected);
    assert!(terminal::warning(&error).starts_with("warning[FILE-WRITE]: cannot write: "));
}

#[test]
fn console_lets_nothing_raw_through() {
    let mut console = Script::at_terminal(|_, _| Some(String::new()));
    console.say("ok  \u{1b}[2J\\").unwrap();
    console.ask("\u{9b}? ").unwrap();
    console.show("sha256\u{202e}").unwrap();
    assert_eq!(console.screen, "ok  \\u{1b}[2J\\\n\\u{9b}? \n");
    assert_eq!(console.output, b"sha256\\u{202e}\n");
}

#[test]
fn rules_have_one_width() {
    let first = "-- registry.example/team, 31 images ------------------------------- page 1 of 8";
    assert_eq!(rule("registry.example/team, 31 images", 1, 8), first);
    let last = "-- approval ------------------------------------------------------- page 8 of 8";
    assert_eq!(rule("approval", 8, 8), last);
    for length in [0, 1, 57, 58, 59, 60, 61, 62, 63, 500] {
        assert_eq!(rule(&"t".repeat(length), 12, 345).len(), 79, "{length}");
    }
}

fn three_pages() -> Pages {
    let block = |number: usize| (0..6).map(|line| format!("image {number} line {line}")).collect::<Vec<_>>();
    let section = |title: &str, blocks| Section { title: title.to_owned(), blocks };
    let sections = vec![
        section("a, 3 images", vec![block(1), block(2), block(3)]),
        section("b, 1 image", vec![block(4)]),
    ];
    Pages::new(vec!["look twice: nothing".to_owned()], sections, 16)
}

fn turn(keys: &[&str]) -> (Result<(), Check>, String) {
    let mut keys = keys.iter();
    let mut console = Script::at_terminal(|_, _| keys.next().map(|key| (*key).to_owned()));
    let image = |number| (number == 2).then(|| vec!["everything of image 2".to_owned()]);
    let result = three_pages().turn(&mut console, &image).map_err(|error| error.check());
    assert!(console.dropped > 0);
    let rules: Vec<&str> = console.screen.lines().filter(|line| !line.contains(" line ")).collect();
    (result, rules.join("\n"))
}

#[test]
fn pages_keep_an_image_together() {
    let pages = three_pages();
    assert_eq!(pages.count(), 3);
    let (result, screen) = turn(&["", "", ""]);
    assert_eq!(result, Ok(()));
    let expected = [
        "look twice: nothing".to_owned(),
        rule("a, 3 images", 1, 4),
        "Enter next, b back, NUMBER all of one image, / search, q refuse: ".to_owned(),
        rule("a, 3 images", 2, 4),
        "Enter next, b back, NUMBER all of one image, / search, q refuse: ".to_owned(),
        rule("b, 1 image", 3, 4),
        "Enter next, b back, NUMBER all of one image, / search, q refuse: ".to_owned(),
    ];
    assert_eq!(screen, expected.join("\n"));
}

#[test]
fn no_page_can_be_left_out() {
    let (result, screen) = turn(&["/image 4", "", "", ""]);
    assert_eq!(result, Ok(()), "{screen}");
    assert!(screen.contains("page 2 was not shown yet"), "{screen}");
    let (result, _) = turn(&["/image 4", ""]);
    assert_eq!(result, Err(Check::OperatorRefused));
}

#[test]
fn keys_of_the_pager() {
    assert_eq!(turn(&["q"]).0, Err(Check::OperatorRefused));
    assert_eq!(turn(&["", " Q "]).0, Err(Check::OperatorRefused));
    assert_eq!(turn(&[]).0, Err(Check::OperatorRefused));
    let (result, screen) = turn(&["b", "", "b", "2", "", "9", "/nowhere\u{1b}", "/", "?", "", "", ""]);
    assert_eq!(result, Ok(()));
    for part in ["everything of image 2", "no image 9", "not found: nowhere\\u{1b}", "-- image 2 ---"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert_eq!(turn(&["2", "q"]).0, Err(Check::OperatorRefused));
}

#[test]
fn a_long_preamble_has_pages_of_its_own() {
    let preamble: Vec<String> = (0..30).map(|number| format!("look twice {number}")).collect();
    let section =
        Section { title: "a".to_owned(), blocks: vec![vec!["1".to_owned()], vec!["2".to_owned(); 40]] };
    let pages = Pages::new(preamble, vec![section], 24);
    let mut console = Script::at_terminal(|_, _| Some(String::new()));
    pages.turn(&mut console, &|_| None).unwrap();
    assert_eq!(console.screen.lines().filter(|line| line.starts_with("look twice ")).count(), 30);
    assert_eq!(console.screen.lines().filter(|line| *line == "1" || *line == "2").count(), 41);
    let longest = console.screen.split("q refuse: ").map(|page| page.trim_start().lines().count()).max();
    assert!(longest <= Some(24), "{longest:?}");
}
