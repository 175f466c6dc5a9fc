//! Rules about bodies, typed `s/pattern/replacement/`.

use std::str::FromStr;

use super::substitution::Substitution;
use crate::BadRule;

/// A pattern for the content of bodies, and what stands in place of its matches.
#[derive(Clone, Debug)]
pub struct BodyPattern(Substitution);

impl BodyPattern {
    /// The content as this rule makes it; `None`: it does not match.
    pub(super) fn apply(&self, content: &[u8]) -> Option<Vec<u8>> {
        let mut new = Vec::new();
        self.0.apply(content, &mut new).then_some(new)
    }
}

impl FromStr for BodyPattern {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let missing = || BadRule::new(text, text.len(), "expected s/pattern/replacement/");
        Substitution::parse(text, |_| false).ok_or_else(missing)?.map(BodyPattern)
    }
}
