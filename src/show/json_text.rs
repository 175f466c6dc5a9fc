//! JSON as it was sent, but indented, and coloured on a terminal: every token keeps its bytes.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::text::printable;

/// Deeper than this, nothing is indented further.
const MAX_DEPTH: usize = 64;

/// Indents a text, which must be valid JSON. None: it would have more than `limit` bytes, as it may where many brackets
/// are open.
pub(super) fn indented(text: &[u8], is_coloured: bool, limit: usize) -> Option<String> {
    let mut out = String::with_capacity(text.len().saturating_mul(2).min(limit));
    let mut depth: usize = 0;
    let mut is_key = false;
    let mut rest = text;
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(MAX_DEPTH)));
    };
    // Whether each bracket that is open is an object's.
    let mut objects: Vec<bool> = Vec::new();
    while let Some(&first) = rest.first() {
        if out.len() > limit {
            return None;
        }
        match first {
            b' ' | b'\t' | b'\r' | b'\n' => rest = &rest[1..],
            b'{' | b'[' => {
                let closing = if first == b'{' { b'}' } else { b']' };
                out.push(char::from(first));
                rest = &rest[1..];
                let next = rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
                if rest.get(next) == Some(&closing) {
                    out.push(char::from(closing));
                    rest = &rest[next + 1..];
                    continue;
                }
                objects.push(first == b'{');
                is_key = first == b'{';
                depth += 1;
                line(depth, &mut out);
            }
            b'}' | b']' => {
                objects.pop();
                depth = depth.saturating_sub(1);
                line(depth, &mut out);
                out.push(char::from(first));
                rest = &rest[1..];
            }
            b',' => {
                out.push(',');
                is_key = objects.last() == Some(&true);
                line(depth, &mut out);
                rest = &rest[1..];
            }
            b':' => {
                out.push_str(": ");
                is_key = false;
                rest = &rest[1..];
            }
            _ => {
                let length = token(rest);
                let style = match first {
                    b'"' if is_key => AnsiColor::Blue.on_default().bold(),
                    b'"' => AnsiColor::Green.on_default(),
                    b't' | b'f' | b'n' => AnsiColor::Magenta.on_default(),
                    _ => AnsiColor::Cyan.on_default(),
                };
                put(&printable(&rest[..length]), style, is_coloured, &mut out);
                rest = &rest[length..];
            }
        }
    }
    (out.len() <= limit).then_some(out)
}

fn put(text: &str, style: Style, is_coloured: bool, out: &mut String) {
    if is_coloured {
        // Writing to a string does not fail.
        let _ = write!(out, "{style}{text}{style:#}");
    } else {
        out.push_str(text);
    }
}

/// Length of the string, number or word that `text` begins with.
fn token(text: &[u8]) -> usize {
    if text.first() == Some(&b'"') {
        let mut at = 1;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        return text.len();
    }
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"".contains(byte);
    text.iter().position(ends).unwrap_or(text.len()).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_is_on_a_line_and_keeps_its_bytes() {
        let text = br#" {"a":[1,2.50e+3,{}],"b" : {"c":"x\"{y"},"a":[ ] , "d":null}"#;
        let expected = r#"{
  "a": [
    1,
    2.50e+3,
    {}
  ],
  "b": {
    "c": "x\"{y"
  },
  "a": [],
  "d": null
}"#;
        let plain = |text| indented(text, false, usize::MAX).unwrap();
        assert_eq!(plain(text), expected);
        assert!(indented(text, true, usize::MAX).unwrap().contains("\x1b["));
        assert_eq!(plain(b"\"alone\""), "\"alone\"");
        assert_eq!(plain("\"\u{202e}\"".as_bytes()), "\"\\u{202e}\"");
        assert_eq!(indented(text, false, expected.len()).as_deref(), Some(expected));
        for limit in 0..expected.len() {
            assert_eq!(indented(text, false, limit), None);
        }
    }

    proptest! {
        #[test]
        fn without_spaces_it_is_the_same(text in r#"[\]\[{}:,"a1 \\]{0,40}"#) {
            // Whatever it is, JSON or not, it ends and loses nothing but white space.
            let squeeze = |text: &str| text.chars().filter(|sign| !sign.is_whitespace()).collect::<String>();
            prop_assert_eq!(squeeze(&indented(text.as_bytes(), false, usize::MAX).unwrap()), squeeze(&text));
        }
    }
}
