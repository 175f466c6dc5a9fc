//! Rules about path and query, typed `pattern:replacement` or `s#pattern#replacement#`.

use std::str::FromStr;

use regex::bytes::Regex;

use super::substitution::{Substitution, unescaped};
use super::template::ReplacementTemplate;
use crate::BadRule;

/// A pattern for path and query, and what stands in place of its matches.
#[derive(Clone, Debug)]
pub struct UrlPattern(Substitution);

impl UrlPattern {
    /// Writes `url` as this rule makes it. `false`: it does not match.
    pub(super) fn apply(&self, url: &[u8], out: &mut Vec<u8>) -> bool {
        self.0.apply(url, out)
    }
}

impl FromStr for UrlPattern {
    type Err = BadRule;

    /// `pattern:replacement` is split at the first colon that no backslash
    /// precedes, and replaces every match; or it is in sed's form.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        if let Some(substitution) = Substitution::parse(text, breaks_target) {
            return substitution.map(UrlPattern);
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
        Ok(UrlPattern(Substitution { pattern, template, is_global: true }))
    }
}

/// What would end the target within the request line.
fn breaks_target(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}
