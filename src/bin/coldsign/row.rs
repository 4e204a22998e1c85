//! One line of a list of images, on stdout.

use coldsign::terminal::{COLUMNS, shown};

/// `ok    registry.example/team/app:1.4          3 digests, .sig, log absent`: names make a column where 80 columns leave
/// room for it.
pub(crate) fn line(word: &str, image: &str, text: &str) -> String {
    let width = COLUMNS.saturating_sub(WORD_WIDTH + 1 + text.len()).min(NAME_WIDTH);
    format!("{word:<WORD_WIDTH$}{:<width$} {text}", shown(image))
}

/// `ok` and `FAIL` with the blanks behind them.
const WORD_WIDTH: usize = 6;
/// Names up to here make a column.
const NAME_WIDTH: usize = 38;
