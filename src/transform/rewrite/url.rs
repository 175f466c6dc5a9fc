//! Rules about path and query, typed `pattern:replacement` or `s#pattern#replacement#`.

use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};

use super::template::{ReplacementTemplate, replace};
use crate::BadRule;

/// A pattern for path and query, and what stands in place of its matches.
#[derive(Clone, Debug)]
pub struct UrlPattern {
    pattern: Regex,
    template: ReplacementTemplate,
    is_global: bool,
}

impl UrlPattern {
    /// Writes `url` as this rule makes it. `false`: it does not match.
    pub(super) fn apply(&self, url: &[u8], out: &mut Vec<u8>) -> bool {
        replace(&self.pattern, &self.template, self.is_global, url, out)
    }
}

impl FromStr for UrlPattern {
    type Err = BadRule;

    /// `pattern:replacement` is split at the first colon that no backslash
    /// precedes, and replaces every match. `s#pattern#replacement#` takes any
    /// delimiter that is no letter, digit, white space or backslash, replaces
    /// the first match or, with `g` at its end, all; with `i` without regard
    /// to case.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        if let Some(delimiter) = delimiter(text) {
            return sed(text, delimiter);
        }
        let Some(colon) = unescaped(text, ':') else {
            let reason = "expected pattern:replacement or s#pattern#replacement#";
            return Err(BadRule::new(text, text.len(), reason));
        };
        let pattern = Regex::new(&text[..colon]).map_err(|error| {
            let mut bad = BadRule::pattern(text, 0, &error);
            bad.reason +=
                "; a colon that belongs to the pattern is written \\:, or use s#pattern#replacement#";
            bad
        })?;
        let template =
            ReplacementTemplate::new(text, colon + 1, &text[colon + 1..], &pattern, breaks_target)?;
        Ok(UrlPattern { pattern, template, is_global: true })
    }
}

/// What would end the target within the request line.
fn breaks_target(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// sed's delimiter, where the text is of that form.
fn delimiter(text: &str) -> Option<char> {
    let delimiter = text.strip_prefix('s')?.chars().next()?;
    let is_delimiter = !delimiter.is_alphanumeric() && !delimiter.is_whitespace() && delimiter != '\\';
    // `s:…` may be a pattern that begins with an s, but only sed's form has three of them.
    (is_delimiter && text.matches(delimiter).count() >= 3).then_some(delimiter)
}

fn sed(text: &str, delimiter: char) -> Result<UrlPattern, BadRule> {
    let width = delimiter.len_utf8();
    let start = 1 + width;
    let missing = || {
        BadRule::new(
            text,
            text.len(),
            format!("expected s{delimiter}pattern{delimiter}replacement{delimiter}"),
        )
    };
    let end = start + unescaped(&text[start..], delimiter).ok_or_else(missing)?;
    let from = end + width;
    let to = from + unescaped(&text[from..], delimiter).ok_or_else(missing)?;
    let (mut is_global, mut ignores_case) = (false, false);
    for (at, flag) in text[to + width..].char_indices() {
        match flag {
            'g' => is_global = true,
            'i' | 'I' => ignores_case = true,
            _ => {
                return Err(BadRule::new(
                    text,
                    to + width + at,
                    "the flags are g (all matches) and i (any case)",
                ));
            }
        }
    }
    let escaped = format!("\\{delimiter}");
    let source = text[start..end].replace(&escaped, &delimiter.to_string());
    let pattern = RegexBuilder::new(&source).case_insensitive(ignores_case).build();
    let pattern = pattern.map_err(|error| BadRule::pattern(text, start, &error))?;
    let replacement = text[from..to].replace(&escaped, &delimiter.to_string());
    let template = ReplacementTemplate::new(text, from, &replacement, &pattern, breaks_target)?;
    Ok(UrlPattern { pattern, template, is_global })
}

/// Where the first such character stands that no backslash precedes.
fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if c == wanted && !is_escaped {
            return Some(at);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}
