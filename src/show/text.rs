//! Bytes of a recording as text that may go to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Bytes as text: what is not printable, or not UTF-8, becomes `\xNN` or `\u{NN}`, so that no escape sequence of a
/// recording reaches a terminal, and no sign changes the direction of what follows.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |_| false)
}

/// The same for text of several lines: line feeds and tabs stay.
pub fn printable_lines(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |sign| matches!(sign, '\n' | '\t'))
}

fn escaped(bytes: &[u8], stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && text.chars().all(|sign| is_printable(sign) || stays(sign))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for sign in chunk.valid().chars() {
            // Writing to a string does not fail.
            let _ = match sign {
                _ if is_printable(sign) || stays(sign) => write!(out, "{sign}"),
                '\u{0}'..='\u{7f}' => write!(out, "\\x{:02x}", sign as u32),
                _ => write!(out, "\\u{{{:x}}}", sign as u32),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Neither a control character, nor one that changes the direction of text or is a line end to some terminals.
pub(super) fn is_printable(sign: char) -> bool {
    !sign.is_control()
        && !matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_printable_is_escaped() {
        for (bytes, line, lines) in [
            (&b"/a b"[..], "/a b", "/a b"),
            ("/käse/🧀".as_bytes(), "/käse/🧀", "/käse/🧀"),
            (b"a\x1b[31mred\x07", "a\\x1b[31mred\\x07", "a\\x1b[31mred\\x07"),
            (b"a\nb\tc\r", "a\\x0ab\\x09c\\x0d", "a\nb\tc\\x0d"),
            (b"\xff\xc3", "\\xff\\xc3", "\\xff\\xc3"),
            ("\u{9b}31m \u{202e}evil".as_bytes(), "\\u{9b}31m \\u{202e}evil", "\\u{9b}31m \\u{202e}evil"),
        ] {
            assert_eq!(printable(bytes), line);
            assert_eq!(printable_lines(bytes), lines);
        }
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(bytes: Vec<u8>) {
            prop_assert!(!printable(&bytes).chars().any(char::is_control));
            prop_assert!(!printable_lines(&bytes).chars().any(|sign| sign.is_control() && sign != '\n' && sign != '\t'));
        }
    }
}
