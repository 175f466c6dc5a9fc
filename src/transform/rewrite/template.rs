//! What stands in place of a match: text with `$1`, `${1}x`, `$name`, `$$`.

use regex::bytes::{Captures, Regex};

use crate::BadRule;

/// A replacement whose groups the pattern has.
#[derive(Clone, Debug)]
pub(super) struct ReplacementTemplate(Vec<u8>);

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
        for (at, group) in groups(replacement) {
            let is_there = match group.parse::<usize>() {
                Ok(number) => number < pattern.captures_len(),
                Err(_) => pattern.capture_names().flatten().any(|name| name == group),
            };
            if !is_there {
                let reason = format!(
                    "the pattern has no group {group:?}; ${{1}}x is group 1 with an x behind it, $$ a dollar sign"
                );
                return Err(BadRule::new(text, start + at, reason));
            }
        }
        Ok(ReplacementTemplate(replacement.as_bytes().to_vec()))
    }

    /// Writes the text for one match.
    pub(super) fn expand(&self, captures: &Captures<'_>, out: &mut Vec<u8>) {
        captures.expand(&self.0, out);
    }
}

/// The groups a replacement names, and where each `$` stands: a name is the
/// longest run of letters, digits and underscores, or what braces hold.
fn groups(replacement: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = replacement[at..].find('$').map(|dollar| at + dollar) {
        let rest = &replacement[dollar + 1..];
        let name = if rest.starts_with('$') {
            at = dollar + 2;
            continue;
        } else if let Some(braced) = rest.strip_prefix('{') {
            braced.split_once('}').map(|(name, _)| name)
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            Some(&rest[..end]).filter(|name| !name.is_empty())
        };
        // A dollar sign that names nothing stands for itself.
        if let Some(name) = name {
            found.push((dollar, name));
        }
        at = dollar + 1;
    }
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
    // Groups take memory, and most texts have no match.
    if !pattern.is_match(text) {
        return false;
    }
    let mut copied = 0;
    let mut is_found = false;
    for captures in pattern.captures_iter(text).take(if is_global { usize::MAX } else { 1 }) {
        let Some(whole) = captures.get(0) else { continue };
        out.extend_from_slice(&text[copied..whole.start()]);
        template.expand(&captures, out);
        copied = whole.end();
        is_found = true;
    }
    if is_found {
        out.extend_from_slice(&text[copied..]);
    }
    is_found
}
