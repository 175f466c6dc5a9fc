//! Paths into JSON: a part of `JSONPath` (RFC 9535).

use super::names;
use crate::error::BadRule;

/// Steps of the longest path.
const MAX_STEPS: usize = 63;

/// Which steps of a path are done, as bits; several at once after `..`.
pub(super) type States = u64;

#[derive(Clone, Debug, Eq, PartialEq)]
enum PathStep {
    Name(Vec<u8>),
    Index(usize),
    Any,
    /// A member whose name tells that its value is a secret.
    Secret,
    /// Any number of containers between the step before and the one after.
    Descend,
}

/// `$`, then steps: `.name`, `['name']`, `["name"]`, `[0]`, `[*]`, `.*`, `..name`, `..*`, `..[0]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Path(Vec<PathStep>);

impl Path {
    pub(super) fn parse(text: &str) -> Result<Path, BadRule> {
        let bad = |at: usize, reason: &str| Err(BadRule::new(text, at, reason));
        let bytes = text.as_bytes();
        if bytes.first() != Some(&b'$') {
            return bad(0, "a path into JSON begins with $, as in $.user.email");
        }
        let (mut steps, mut at) = (Vec::new(), 1);
        while at < bytes.len() {
            let (step, next) = match &bytes[at..] {
                [b'.', b'.', ..] => {
                    steps.push(PathStep::Descend);
                    let is_bracket = bytes.get(at + 2) == Some(&b'[');
                    if is_bracket { bracket(text, at + 2)? } else { name(text, at + 2)? }
                }
                [b'.', ..] => name(text, at + 1)?,
                [b'[', ..] => bracket(text, at)?,
                _ => return bad(at, "expected .name, ['name'], [0], [*] or ..name"),
            };
            steps.push(step);
            at = next;
            if steps.len() > MAX_STEPS {
                return bad(at, "a path has at most 63 steps");
            }
        }
        Ok(Path(steps))
    }

    /// Every member, at any depth, whose name tells that its value is a secret.
    pub(super) fn to_secrets() -> Path {
        Path(vec![PathStep::Descend, PathStep::Secret])
    }

    pub(super) fn root(&self) -> States {
        self.opened(1)
    }

    /// The states below an object's member.
    pub(super) fn member(&self, states: States, key: &[u8]) -> States {
        self.child(states, |step| match step {
            PathStep::Name(name) => name == key,
            PathStep::Secret => names::is_secret(key),
            _ => false,
        })
    }

    /// The states below an array's element, counted from 0.
    pub(super) fn element(&self, states: States, index: usize) -> States {
        self.child(states, |step| *step == PathStep::Index(index))
    }

    /// Whether the path ends here or above.
    pub(super) fn selects(&self, states: States) -> bool {
        states >> self.0.len() & 1 == 1
    }

    fn child(&self, states: States, matches: impl Fn(&PathStep) -> bool) -> States {
        // What is below a selected value is selected.
        let mut next = states & 1 << self.0.len();
        for (place, step) in self.0.iter().enumerate().filter(|(place, _)| states >> place & 1 == 1) {
            next |= match step {
                PathStep::Descend => 1 << place,
                step if *step == PathStep::Any || matches(step) => 1 << (place + 1),
                _ => 0,
            };
        }
        self.opened(next)
    }

    /// A step that descends may also be over at once.
    fn opened(&self, mut states: States) -> States {
        for (place, step) in self.0.iter().enumerate() {
            if *step == PathStep::Descend && states >> place & 1 == 1 {
                states |= 1 << (place + 1);
            }
        }
        states
    }
}

/// A name without quotes, or `*`, that begins at `at`; and where it ends.
fn name(text: &str, at: usize) -> Result<(PathStep, usize), BadRule> {
    let rest = &text[at..];
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    let length = if rest.starts_with('*') {
        1
    } else {
        rest.find(|character| !is_name(character)).unwrap_or(rest.len())
    };
    match &rest[..length] {
        "" => Err(BadRule::new(text, at, "a name is missing; one with other signs is written ['the name']")),
        "*" => Ok((PathStep::Any, at + 1)),
        name => Ok((PathStep::Name(name.as_bytes().to_vec()), at + length)),
    }
}

/// A step in brackets, the first of which is at `at`; and where it ends.
fn bracket(text: &str, at: usize) -> Result<(PathStep, usize), BadRule> {
    let rest = &text[at + 1..];
    let (step, length) = match rest.as_bytes() {
        [quote @ (b'\'' | b'"'), ..] => {
            let Some(length) = rest[1..].find(char::from(*quote)) else {
                return Err(BadRule::new(text, text.len(), "the quote that ends the name is missing"));
            };
            (PathStep::Name(rest.as_bytes()[1..=length].to_vec()), length + 2)
        }
        [b'*', ..] => (PathStep::Any, 1),
        _ => {
            let length = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            let Ok(index) = rest[..length].parse() else {
                return Err(BadRule::new(text, at + 1, "expected 'name', * or a number from 0"));
            };
            (PathStep::Index(index), length)
        }
    };
    match rest.as_bytes().get(length) {
        Some(b']') => Ok((step, at + length + 2)),
        _ => Err(BadRule::new(text, at + 1 + length, "expected ]")),
    }
}
