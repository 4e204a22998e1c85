//! The person at the station: text that is safe to show, messages, prompts, pages.
//!
//! Whatever a program prints for a person goes through here. Foreign text (labels, notes, names from files and
//! registries) is made harmless by [`shown`] or [`quoted`] where a line is composed; below that, [`Terminal`] escapes
//! every byte that is not printable ASCII, so that nothing raw is left to a caller's memory.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{self, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

use crate::check::Check;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::limits;
use crate::secret::Passphrase;

/// Columns of every screen, page and rule.
pub const COLUMNS: usize = 80;

/// Foreign text as printable ASCII on one line: everything else, a backslash, and each blank at either end or behind
/// another blank becomes `\u{…}`. After 256 characters ([`limits::SHOWN`]) the rest is counted: `\[44 more]`. A backslash
/// in the output is always ours, so two texts are never shown alike.
#[must_use]
pub fn shown(text: &str) -> String {
    escaped(text, |_| false)
}

/// [`shown`] between quotation marks; a quotation mark in the text is escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text, |character| character == '"'))
}

fn escaped(text: &str, also: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    let mut blank_before = true;
    let mut taken = characters.by_ref().take(limits::SHOWN).peekable();
    while let Some(character) = taken.next() {
        let blank = character == ' ';
        let plain =
            if blank { !blank_before && taken.peek().is_some() } else { character.is_ascii_graphic() };
        blank_before = blank;
        if plain && character != '\\' && !also(character) {
            out.push(character);
        } else {
            push_escape(&mut out, character);
        }
    }
    let more = characters.count();
    if more > 0 {
        let _ = write!(out, "\\[{more} more]");
    }
    out
}

fn push_escape(out: &mut String, character: char) {
    let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
}

/// A line of ours as printable ASCII: blanks and backslashes stay, all else that is not printable is escaped.
fn harmless(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            ' '..='~' => out.push(character),
            _ => push_escape(&mut out, character),
        }
    }
    out
}

/// A number of things: `1 image`, `40 images`.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A number of bytes in decimal units, as people compare it with a medium: `512 B`, `48.1 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "kB", "MB", "GB"] {
        let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
        if tenths < 10_000 || name == "GB" {
            return if unit == 1 {
                format!("{bytes} B")
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
        unit *= 1_000;
    }
    unreachable!("the last unit takes every number")
}

/// Fills lines of 80 columns with `pieces`, `gap` between two of them. The first line starts with `first`, the others
/// with as many blanks; a piece longer than a line is broken, its further lines behind `\ `: no text can bring its own
/// words to the start of a line. Pieces are printable ASCII.
#[must_use]
pub fn filled(first: &str, pieces: &[String], gap: &str) -> Vec<String> {
    let indent = " ".repeat(first.len());
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut fresh = true;
    for piece in pieces {
        if !fresh && line.len() + gap.len() + piece.len() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            fresh = true;
        }
        if !fresh {
            line.push_str(gap);
        }
        fresh = false;
        let mut rest = piece.as_str();
        while line.len() + rest.len() > COLUMNS {
            let (now, later) = rest.split_at(COLUMNS.saturating_sub(line.len()).max(1).min(rest.len()));
            line.push_str(now);
            lines.push(std::mem::replace(&mut line, format!("{indent}\\ ")));
            rest = later;
        }
        line.push_str(rest);
    }
    if !fresh {
        lines.push(line);
    }
    lines
}

/// A refusal as it stands on the screen: `error[ID]: what: where`, the details and causes indented by two, then the
/// hints. Lines are ended by newlines, the last one too.
#[must_use]
pub fn report(error: &Error) -> String {
    message("error", error)
}

/// The same for something that is said and does not stop the program: `warning[ID]: …`.
#[must_use]
pub fn warning(error: &Error) -> String {
    message("warning", error)
}

fn message(word: &str, error: &Error) -> String {
    let check = error.check();
    let mut out = format!("{word}[{}]: {}", check.id(), check.message());
    if !error.at().is_empty() {
        let _ = write!(out, ": {}", shown(error.at()));
    }
    out.push('\n');
    for detail in error.details() {
        let _ = writeln!(out, "  {}", shown(detail));
    }
    let mut cause = error.source();
    while let Some(below) = cause {
        let _ = writeln!(out, "  cause: {}", shown(&below.to_string()));
        cause = below.source();
    }
    for (place, hint) in error.hints().enumerate() {
        let _ = writeln!(out, "{}{}", if place == 0 { "hint: " } else { "      " }, shown(hint));
    }
    out
}

/// The person and their screen, or a pipe in their place. A parameter wherever something is said or asked.
pub trait Console {
    /// Whether a person can be asked: input and messages both go to a terminal.
    fn is_terminal(&self) -> bool;
    /// Lines of the screen.
    fn height(&self) -> usize;
    /// A line for the person: progress, review, messages (stderr). TERMINAL-FAILED where nobody can read it.
    fn say(&mut self, line: &str) -> Result<()>;
    /// A line of the result (stdout).
    fn show(&mut self, line: &str) -> Result<()>;
    /// Bytes of the result, as they are (stdout): what another program reads.
    fn emit(&mut self, bytes: &[u8]) -> Result<()>;
    /// Asks for a line; the answer comes without its newline. The end of the input is OPERATOR-REFUSED.
    fn ask(&mut self, prompt: &str) -> Result<String>;
    /// Asks for a line without showing what is typed. Ctrl-C and the end of the input are OPERATOR-REFUSED; without a
    /// terminal it is PASSPHRASE-SOURCE.
    fn ask_secret(&mut self, prompt: &str) -> Result<Passphrase>;
    /// Forgets what was typed and not yet read.
    fn drop_typed_ahead(&mut self) -> Result<()>;

    /// Several lines for the person.
    fn say_all(&mut self, lines: &[String]) -> Result<()> {
        lines.iter().try_for_each(|line| self.say(line))
    }
}

/// The program's own stdin, stdout and stderr.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

/// The reader of our stdout went away: it has what it wanted.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output closed it")]
struct OutputClosed;

impl Terminal {
    fn write_out(bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|cause| {
            let error = Error::new(Check::TerminalFailed, "stdout");
            if cause.kind() == io::ErrorKind::BrokenPipe {
                error.caused_by(OutputClosed)
            } else {
                error.caused_by(cause)
            }
        })
    }

    fn write_message(text: &str) -> Result<()> {
        io::stderr().lock().write_all(text.as_bytes()).map_err(|cause| failed("stderr", cause))
    }

    /// Reads byte by byte to a newline: what follows the line stays with the kernel, where it can be dropped. One of
    /// `refusals` is the person's no.
    fn read_line(refusals: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(LINE));
        let mut byte = [0];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut byte) {
                Ok(0) if line.is_empty() => {
                    return Err(refused("the input ended"));
                }
                Ok(0) => return Ok(line),
                Ok(_) if byte == *b"\n" => return Ok(line),
                Ok(_) if refusals.contains(&byte[0]) => return Err(refused("")),
                Ok(_) if line.len() == LINE => {
                    return Err(Error::new(Check::TerminalFailed, "line is longer than 4096 bytes"));
                }
                Ok(_) => line.extend(byte),
                Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(failed("stdin", cause)),
            }
        }
    }
}

/// OPERATOR-REFUSED: the person says no, or is not there any more.
pub(crate) fn refused(how: &str) -> Error {
    Error::new(Check::OperatorRefused, how).detail("nothing was signed or written")
}

/// Bytes of a typed line: what a Linux terminal gives at most.
const LINE: usize = 4096;

fn failed(stream: &str, cause: impl Into<io::Error>) -> Error {
    Error::new(Check::TerminalFailed, stream).caused_by(cause.into())
}

impl Console for Terminal {
    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn height(&self) -> usize {
        let rows = termios::tcgetwinsize(rustix::stdio::stderr()).map_or(0, |size| size.ws_row);
        if rows == 0 { 24 } else { usize::from(rows) }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        Self::write_message(&format!("{}\n", harmless(line)))
    }

    fn show(&mut self, line: &str) -> Result<()> {
        Self::write_out(format!("{}\n", harmless(line)).as_bytes())
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<()> {
        Self::write_out(bytes)
    }

    fn ask(&mut self, prompt: &str) -> Result<String> {
        Self::write_message(&harmless(prompt))?;
        Ok(String::from_utf8_lossy(&Self::read_line(&[])?).into_owned())
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Passphrase> {
        if !self.is_terminal() {
            return Err(Error::new(Check::PassphraseSource, ""));
        }
        let silent = Silent::begin()?;
        Self::write_message(&harmless(prompt))?;
        let line =
            Self::read_line(&[INTERRUPT, QUIT]).map(|mut line| Passphrase::new(std::mem::take(&mut *line)));
        drop(silent);
        Self::write_message("\n")?;
        line
    }

    fn drop_typed_ahead(&mut self) -> Result<()> {
        termios::tcflush(rustix::stdio::stdin(), QueueSelector::IFlush)
            .map_err(|cause| failed("stdin", cause))
    }
}

/// Nothing typed is shown until this is dropped. Ctrl-C and Ctrl-\ end the line instead of the program, which would
/// leave the shell without echo.
struct Silent(Termios);

const INTERRUPT: u8 = 0x03;
const QUIT: u8 = 0x1c;

impl Silent {
    fn begin() -> Result<Self> {
        let stdin = rustix::stdio::stdin();
        let before = termios::tcgetattr(stdin).map_err(|cause| failed("stdin", cause))?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        quiet.local_modes.insert(LocalModes::ICANON);
        quiet.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        quiet.special_codes[SpecialCodeIndex::VEOL2] = QUIT;
        termios::tcsetattr(stdin, OptionalActions::Flush, &quiet).map_err(|cause| failed("stdin", cause))?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Ends a program: reports a refusal on `console` and gives the exit code. A reader that closed stdout is no refusal.
pub fn conclude(result: Result<()>, console: &mut dyn Console) -> Exit {
    let Err(error) = result else { return Exit::Done };
    if error.source().is_some_and(<dyn StdError>::is::<OutputClosed>) {
        return Exit::Done;
    }
    for line in report(&error).lines() {
        // Where the message cannot be written either, the exit code is all that is left to say.
        let _ = console.say(line);
    }
    error.exit()
}

/// Ends a program that its command line did not start: help goes to stdout, a refusal to stderr with exit code 2. What
/// was typed stands in it, so it is made harmless like everything else.
pub fn conclude_usage(text: &str, is_refusal: bool, console: &mut dyn Console) -> Exit {
    for line in text.lines() {
        let line = line.trim_end();
        // Help that nobody reads any more is no failure.
        let _ = if is_refusal { console.say(line) } else { console.show(line) };
    }
    if is_refusal { Exit::Usage } else { Exit::Done }
}

/// A part of what is paged: a title and blocks of lines, each kept on one page where it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What the rule above each of its pages says; printable ASCII.
    pub title: String,
    /// Lines that belong together.
    pub blocks: Vec<Vec<String>>,
}

/// Sections cut into pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    preamble: Vec<String>,
    titled: Vec<(String, Vec<String>)>,
    rows: usize,
}

impl Pages {
    /// Cuts `sections` for a screen of `height` lines. `preamble` stands above the first page's rule, or on pages of
    /// its own (titled `look twice`) where it would leave that page less than half the screen.
    #[must_use]
    pub fn new(preamble: Vec<String>, sections: Vec<Section>, height: usize) -> Self {
        let rows = height.saturating_sub(2).max(8);
        let (preamble, mut sections) = (preamble, sections);
        let above = if preamble.len() * 2 > rows {
            let blocks = preamble.into_iter().map(|line| vec![line]).collect();
            sections.insert(0, Section { title: "look twice".to_owned(), blocks });
            Vec::new()
        } else {
            preamble
        };
        let mut pages: Vec<(String, Vec<String>)> = Vec::new();
        for section in sections {
            let mut page: Vec<String> = Vec::new();
            for block in section.blocks {
                let room = if pages.is_empty() { rows - above.len() } else { rows };
                if !page.is_empty() && page.len() + block.len() > room {
                    pages.push((section.title.clone(), std::mem::take(&mut page)));
                }
                for line in block {
                    let room = if pages.is_empty() { rows - above.len() } else { rows };
                    if page.len() == room {
                        pages.push((section.title.clone(), std::mem::take(&mut page)));
                    }
                    page.push(line);
                }
            }
            if !page.is_empty() {
                pages.push((section.title, page));
            }
        }
        Self { preamble: above, titled: pages, rows }
    }

    /// How many pages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.titled.len()
    }

    /// Shows the pages until the last one was left by Enter, with one more page (what the person is asked at the end)
    /// counted in the rules. No page can be left out: Enter on the last one leads back to a page that was jumped
    /// over. `image` gives all of one image for its number. OPERATOR-REFUSED when the person types q.
    pub fn turn(
        &self,
        console: &mut dyn Console,
        image: &dyn Fn(usize) -> Option<Vec<String>>,
    ) -> Result<()> {
        let mut unseen: BTreeSet<usize> = (0..self.count()).collect();
        let mut at = 0;
        let mut sought = String::new();
        let mut draw = true;
        while let Some((title, lines)) = self.titled.get(at) {
            if draw {
                if at == 0 {
                    console.say_all(&self.preamble)?;
                }
                console.say(&rule(title, at + 1, self.count() + 1))?;
                console.say_all(lines)?;
                unseen.remove(&at);
            }
            draw = true;
            match Key::of(&prompt(
                console,
                "Enter next, b back, NUMBER all of one image, / search, q refuse: ",
            )?) {
                Key::Next if at + 1 < self.count() => at += 1,
                Key::Next => match unseen.first() {
                    None => return Ok(()),
                    Some(skipped) => {
                        at = *skipped;
                        console.say(&format!("page {} was not shown yet", at + 1))?;
                    }
                },
                Key::Back => at = at.saturating_sub(1),
                Key::Refuse => return Err(refused("")),
                Key::Image(number) => {
                    if let Some(lines) = image(number) {
                        self.all_of(console, number, &lines)?;
                    } else {
                        console.say(&format!("no image {number}"))?;
                        draw = false;
                    }
                }
                Key::Search(text) => {
                    if !text.is_empty() {
                        sought = text.to_ascii_lowercase();
                    }
                    if let Some(place) = self.find(&sought, at) {
                        at = place;
                    } else {
                        console.say(&format!("not found: {}", shown(&sought)))?;
                        draw = false;
                    }
                }
                Key::Unknown => draw = false,
            }
        }
        Ok(())
    }

    /// The next page after `at` that has this text, from the start again behind the last one.
    fn find(&self, sought: &str, at: usize) -> Option<usize> {
        let has = |place: &usize| {
            let page = self.titled.get(*place).map(|(_, lines)| lines.as_slice()).unwrap_or_default();
            page.iter().any(|line| line.to_ascii_lowercase().contains(sought))
        };
        (at + 1..self.count()).chain(0..=at).find(has).filter(|_| !sought.is_empty())
    }

    fn all_of(&self, console: &mut dyn Console, number: usize, lines: &[String]) -> Result<()> {
        let pages: Vec<&[String]> = lines.chunks(self.rows).collect();
        let mut at = 0;
        while let Some(lines) = pages.get(at) {
            console.say(&rule(&format!("image {number}"), at + 1, pages.len()))?;
            console.say_all(lines)?;
            match Key::of(&prompt(
                console,
                "Enter more or back to the pages, b back to the pages, q refuse: ",
            )?) {
                Key::Back => return Ok(()),
                Key::Refuse => return Err(refused("")),
                _ => at += 1,
            }
        }
        Ok(())
    }
}

/// A key pressed before its page was there does not count.
fn prompt(console: &mut dyn Console, keys: &str) -> Result<String> {
    console.drop_typed_ahead()?;
    console.ask(keys)
}

enum Key {
    Next,
    Back,
    Image(usize),
    Search(String),
    Refuse,
    Unknown,
}

impl Key {
    fn of(typed: &str) -> Self {
        match typed.trim() {
            "" => Self::Next,
            "b" | "B" => Self::Back,
            "q" | "Q" => Self::Refuse,
            typed => match (typed.strip_prefix('/'), typed.parse()) {
                (Some(text), _) => Self::Search(text.trim().to_owned()),
                (None, Ok(number)) => Self::Image(number),
                (None, Err(_)) => Self::Unknown,
            },
        }
    }
}

/// One column less than the screen: terminals differ in where they put the cursor behind a full line.
const RULE: usize = COLUMNS - 1;

/// The line above a page, 79 columns wide: `-- TITLE ---- page 1 of 8`. A title that is too long is cut.
#[must_use]
pub fn rule(title: &str, page: usize, of: usize) -> String {
    let right = format!(" page {page} of {of}");
    let room = RULE.saturating_sub(right.len() + "--  --".len());
    let title = match title.get(..room.saturating_sub(3)) {
        Some(start) if title.len() > room => format!("{start}..."),
        _ => title.to_owned(),
    };
    let left = format!("-- {title} ");
    let dashes = RULE.saturating_sub(left.len() + right.len());
    format!("{left}{}{right}", "-".repeat(dashes))
}

type Person<'a> = dyn FnMut(&str, &str) -> Option<String> + 'a;

/// A person played by a function, for tests and rehearsals: it is given the prompt and everything on the screen so
/// far, and returns what it types, or nothing to end the input.
pub struct Script<'a> {
    person: Box<Person<'a>>,
    terminal: bool,
    /// Lines of the screen.
    pub height: usize,
    /// What went to the screen: messages and prompts.
    pub screen: String,
    /// What went to stdout.
    pub output: Vec<u8>,
    /// How often typed-ahead input was dropped.
    pub dropped: usize,
}

impl<'a> Script<'a> {
    /// A terminal with this person at it.
    pub fn at_terminal(person: impl FnMut(&str, &str) -> Option<String> + 'a) -> Self {
        let (screen, output) = (String::new(), Vec::new());
        Self { person: Box::new(person), terminal: true, height: 24, screen, output, dropped: 0 }
    }

    /// Pipes: nobody to ask.
    #[must_use]
    pub fn without_terminal() -> Self {
        Self { terminal: false, ..Self::at_terminal(|_, _| None) }
    }

    fn answer(&mut self, prompt: &str) -> Result<String> {
        self.screen.push_str(&harmless(prompt));
        let typed = (self.person)(prompt, &self.screen);
        self.screen.push('\n');
        typed.ok_or_else(|| refused("the input ended"))
    }
}

impl Console for Script<'_> {
    fn is_terminal(&self) -> bool {
        self.terminal
    }

    fn height(&self) -> usize {
        self.height
    }

    fn say(&mut self, line: &str) -> Result<()> {
        self.screen.push_str(&harmless(line));
        self.screen.push('\n');
        Ok(())
    }

    fn show(&mut self, line: &str) -> Result<()> {
        self.output.extend_from_slice(harmless(line).as_bytes());
        self.output.push(b'\n');
        Ok(())
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    fn ask(&mut self, prompt: &str) -> Result<String> {
        self.answer(prompt)
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Passphrase> {
        if !self.terminal {
            return Err(Error::new(Check::PassphraseSource, ""));
        }
        self.answer(prompt).map(|typed| Passphrase::new(typed.into_bytes()))
    }

    fn drop_typed_ahead(&mut self) -> Result<()> {
        self.dropped += 1;
        Ok(())
    }
}
