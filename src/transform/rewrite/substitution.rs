//! Substitutions in sed's form, `s/pattern/replacement/flags`, with any delimiter.

use regex::bytes::{Regex, RegexBuilder};

use super::template::{ReplacementTemplate, replace};
use crate::BadRule;

/// A pattern, what stands in place of its matches, and whether all of them are replaced or the first alone.
#[derive(Clone, Debug)]
pub(super) struct Substitution {
    pub(super) pattern: Regex,
    pub(super) template: ReplacementTemplate,
    pub(super) is_global: bool,
}

impl Substitution {
    /// Writes `text` with its matches replaced. `false`: there is none, and nothing is written.
    pub(super) fn apply(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        replace(&self.pattern, &self.template, self.is_global, text, out)
    }

    /// Reads `s/pattern/replacement/`, whose delimiter may be any character but a letter, a digit, white space or a
    /// backslash. The first match is replaced or, with the flag `g`, each; with `i` case is ignored; with `m` `^` and `$`
    /// match at lines, too. None: the text is not of this form. In the replacement must not stand what is `forbidden`.
    pub(super) fn parse(text: &str, forbidden: fn(char) -> bool) -> Option<Result<Self, BadRule>> {
        delimiter(text).map(|delimiter| parse(text, delimiter, forbidden))
    }
}

/// The delimiter, where the text is of that form.
fn delimiter(text: &str) -> Option<char> {
    let delimiter = text.strip_prefix('s')?.chars().next()?;
    let is_delimiter = !delimiter.is_alphanumeric() && !delimiter.is_whitespace() && delimiter != '\\';
    // `s:…` may be a pattern that begins with an s, but only sed's form has three of them.
    (is_delimiter && text.matches(delimiter).count() >= 3).then_some(delimiter)
}

fn parse(text: &str, delimiter: char, forbidden: fn(char) -> bool) -> Result<Substitution, BadRule> {
    let width = delimiter.len_utf8();
    let start = 1 + width;
    let missing = || {
        let form = format!("expected s{delimiter}pattern{delimiter}replacement{delimiter}");
        BadRule::new(text, text.len(), form)
    };
    let end = start + unescaped(&text[start..], delimiter).ok_or_else(missing)?;
    let from = end + width;
    let to = from + unescaped(&text[from..], delimiter).ok_or_else(missing)?;
    let (mut is_global, mut ignores_case, mut has_lines) = (false, false, false);
    for (at, flag) in text[to + width..].char_indices() {
        match flag {
            'g' => is_global = true,
            'i' | 'I' => ignores_case = true,
            'm' | 'M' => has_lines = true,
            _ => {
                let flags = "the flags are g (all matches), i (any case) and m (^ and $ match at lines)";
                return Err(BadRule::new(text, to + width + at, flags));
            }
        }
    }
    let escaped = format!("\\{delimiter}");
    let source = text[start..end].replace(&escaped, &delimiter.to_string());
    let pattern = RegexBuilder::new(&source).case_insensitive(ignores_case).multi_line(has_lines).build();
    let pattern = pattern.map_err(|error| BadRule::pattern(text, start, &error))?;
    let replacement = text[from..to].replace(&escaped, &delimiter.to_string());
    let template = ReplacementTemplate::new(text, from, &replacement, &pattern, forbidden)?;
    Ok(Substitution { pattern, template, is_global })
}

/// Where the first such character stands that no backslash precedes.
pub(super) fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if c == wanted && !is_escaped {
            return Some(at);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}
