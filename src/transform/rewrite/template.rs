//! What stands in place of a match: text with `$1`, `${1}x`, `$name`, `$$`.

use regex::bytes::{CaptureLocations, Regex};

use crate::BadRule;

/// A replacement whose groups the pattern has.
#[derive(Clone, Debug)]
pub(super) struct ReplacementTemplate(Vec<TemplatePiece>);

/// What is written in turn: text, or the group of this number.
#[derive(Clone, Debug)]
enum TemplatePiece {
    Text(Vec<u8>),
    Group(usize),
}

impl ReplacementTemplate {
    /// Takes the replacement that begins at `start` in the user's `text`.
    /// `forbidden` names what must not stand in it, as it would break the head.
    pub(super) fn new(
        text: &str,
        start: usize,
        replacement: &str,
        pattern: &Regex,
        forbidden: fn(char) -> bool,
    ) -> Result<Self, BadRule> {
        if let Some(at) = replacement.find(forbidden) {
            return Err(BadRule::new(text, start + at, "this character cannot stand in a replacement here"));
        }
        let mut pieces = Vec::new();
        for (at, part) in parts(replacement) {
            let group = match part {
                TemplatePart::Text(text) => {
                    pieces.push(TemplatePiece::Text(text.as_bytes().to_vec()));
                    continue;
                }
                TemplatePart::Group(group) => group,
            };
            let number = match group.parse::<usize>() {
                Ok(number) => Some(number).filter(|number| *number < pattern.captures_len()),
                Err(_) => pattern.capture_names().position(|name| name == Some(group)),
            };
            let Some(number) = number else {
                let reason = format!(
                    "the pattern has no group {group:?}; ${{1}}x is group 1 with an x behind it, $$ a dollar sign"
                );
                return Err(BadRule::new(text, start + at, reason));
            };
            pieces.push(TemplatePiece::Group(number));
        }
        Ok(ReplacementTemplate(pieces))
    }

    /// The text for every match, if it is the same.
    fn without_groups(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [] => Some(b""),
            [TemplatePiece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes what stands in place of the match in `text` that has these groups. A group that is none is empty.
    fn expand(&self, text: &[u8], groups: &CaptureLocations, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                TemplatePiece::Text(text) => out.extend_from_slice(text),
                TemplatePiece::Group(group) => {
                    let (start, end) = groups.get(*group).unwrap_or_default();
                    out.extend_from_slice(&text[start..end]);
                }
            }
        }
    }
}

/// What a replacement consists of, as it is typed.
enum TemplatePart<'a> {
    Text(&'a str),
    Group(&'a str),
}

/// The parts of a replacement, and where each begins: a group's name is the
/// longest run of letters, digits and underscores, or what braces hold.
fn parts(replacement: &str) -> Vec<(usize, TemplatePart<'_>)> {
    let mut found = Vec::new();
    // What is before `text` is in a part.
    let (mut text, mut at) = (0, 0);
    while let Some(dollar) = replacement[at..].find('$').map(|dollar| at + dollar) {
        let rest = &replacement[dollar + 1..];
        if rest.starts_with('$') {
            found.push((text, TemplatePart::Text(&replacement[text..=dollar])));
            at = dollar + 2;
            text = at;
            continue;
        }
        let (name, length) = if let Some(braced) = rest.strip_prefix('{') {
            let name = braced.split_once('}').map(|(name, _)| name);
            (name, name.map_or(0, |name| name.len() + 2))
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Some(&rest[..end]).filter(|name| !name.is_empty()), end)
        };
        at = dollar + 1;
        // A dollar sign that names nothing stands for itself.
        if let Some(name) = name {
            found.push((text, TemplatePart::Text(&replacement[text..dollar])));
            found.push((dollar, TemplatePart::Group(name)));
            at += length;
            text = at;
        }
    }
    found.push((text, TemplatePart::Text(&replacement[text..])));
    found.retain(|(_, part)| !matches!(part, TemplatePart::Text("")));
    found
}

/// Writes `text` with its matches replaced, the first or all of them.
/// `false`: there is none, and nothing is written.
pub(super) fn replace(
    pattern: &Regex,
    template: &ReplacementTemplate,
    is_global: bool,
    text: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let number = if is_global { usize::MAX } else { 1 };
    let mut copied = 0;
    let mut is_found = false;
    if let Some(plain) = template.without_groups() {
        for found in pattern.find_iter(text).take(number) {
            out.extend_from_slice(&text[copied..found.start()]);
            out.extend_from_slice(plain);
            copied = found.end();
            is_found = true;
        }
    } else {
        // Their memory is used for all matches, which the iterator of the library takes for each.
        let mut groups = pattern.capture_locations();
        let mut from = 0;
        for _ in 0..number {
            let mut found = pattern.captures_read_at(&mut groups, text, from);
            if is_found && found.is_some_and(|found| found.is_empty() && found.end() == copied) {
                // Behind a match, that none is an empty one.
                from += 1;
                found =
                    (from <= text.len()).then(|| pattern.captures_read_at(&mut groups, text, from)).flatten();
            }
            let Some(found) = found else { break };
            out.extend_from_slice(&text[copied..found.start()]);
            template.expand(text, &groups, out);
            copied = found.end();
            from = copied;
            is_found = true;
        }
    }
    if is_found {
        out.extend_from_slice(&text[copied..]);
    }
    is_found
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn matches_are_replaced_as_by_the_library(
            pattern in prop::sample::select(&[
                "(a*)", "(a)|b*", "()", "(^|b)a?", r"\b(\w?)", "a(b)?(c)*", "(.*)$", "(é|a)*?", "(?:x*)(y)?",
            ][..]),
            replacement in prop::sample::select(&["[$1]", "<${1}>$0", "$$1$1", "-"][..]),
            text in "[abcxyé ]{0,12}",
            is_global: bool,
        ) {
            let pattern = Regex::new(pattern).unwrap();
            let template = ReplacementTemplate::new(replacement, 0, replacement, &pattern, |_| false).unwrap();
            let text = text.as_bytes();
            let mut out = b"before ".to_vec();
            let is_found = replace(&pattern, &template, is_global, text, &mut out);
            let expected = if is_global {
                pattern.replace_all(text, replacement.as_bytes())
            } else {
                pattern.replace(text, replacement.as_bytes())
            };
            let expected = if is_found { expected } else { Cow::Borrowed(&b""[..]) };
            prop_assert_eq!(is_found, pattern.is_match(text));
            prop_assert_eq!(&out, &[b"before ", &expected[..]].concat());
        }
    }
}
