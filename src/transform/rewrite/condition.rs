//! Which requests the rules after `--only` are for, typed as gor-filter's options are: `url:^/api`.

use std::fmt;
use std::str::FromStr;

use crate::BadRule;
use crate::record::Header;
use crate::transform::{Filter, Rules, pattern};

/// A rule of gor-filter about requests.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    filter: Filter,
}

impl Condition {
    /// Whether a request with this header line and this head passes.
    pub(super) fn passes(&self, header: &Header<'_>, head: &[u8]) -> bool {
        self.filter.passes(header, head)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The rules that there are, as they are typed.
const NAMES: &str =
    "method, url, not-url, host, header, not-header, basic-auth, header-limit, param-limit, sample";

impl FromStr for Condition {
    type Err = BadRule;

    /// The first colon ends the rule's name; what follows is the value that gor-filter's option takes.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let Some((name, value)) = text.split_once(':') else {
            return Err(BadRule::new(
                text,
                text.len(),
                format!("expected RULE:VALUE; the rules are {NAMES}"),
            ));
        };
        let mut rules = Rules::default();
        let start = name.len() + 1;
        // Where it is in what was typed.
        let moved = |bad: BadRule| BadRule::new(text, start + bad.at, bad.reason);
        match name {
            "method" => rules.methods.push(value.to_owned()),
            "url" => rules.urls.push(pattern(value).map_err(moved)?),
            "not-url" => rules.not_urls.push(pattern(value).map_err(moved)?),
            "host" => rules.hosts.push(pattern(value).map_err(moved)?),
            "header" => rules.headers.push(value.parse().map_err(moved)?),
            "not-header" => rules.not_headers.push(value.parse().map_err(moved)?),
            "basic-auth" => rules.basic_auth.push(pattern(value).map_err(moved)?),
            "header-limit" => rules.header_limits.push(value.parse().map_err(moved)?),
            "param-limit" => rules.param_limits.push(value.parse().map_err(moved)?),
            "sample" => rules.sample = Some(value.parse().map_err(moved)?),
            "status" | "not-status" | "min-latency" | "max-latency" | "body" => {
                let reason = "this asks the response, of which a request does not know yet; use gor-filter";
                return Err(BadRule::new(text, 0, reason));
            }
            _ => return Err(BadRule::new(text, 0, format!("no such rule; the rules are {NAMES}"))),
        }
        if value.is_empty() {
            return Err(BadRule::new(text, start, "the value is missing"));
        }
        let filter = Filter::new(rules).map_err(|error| BadRule::pattern(text, start, &error))?;
        Ok(Condition { text: text.to_owned(), filter })
    }
}
