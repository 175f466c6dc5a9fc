//! What is done to records, in GoReplay's order whatever that of the command line: set, filter, rewrite, prettify.

use std::str::FromStr;

use super::super::flags::GivenFlags;
use crate::error::BadRule;
use crate::transform::rewrite::{FieldPattern, UrlPattern};
use crate::{Error, Result};

/// One tool that records go through, and its command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum PlannedStep {
    /// gor-filter
    Filter(Vec<String>),
    /// gor-rewrite
    Rewrite(Vec<String>),
}

/// Delimiters that a substitution may have, the readable ones first.
const DELIMITERS: [char; 12] = ['#', '|', '~', '!', '@', ';', '%', '=', '^', '&', '\'', '\u{1}'];

/// All steps that are needed.
pub(super) fn steps(flags: &GivenFlags) -> Result<Vec<PlannedStep>> {
    let mut steps = Vec::new();
    let mut set = options(flags, &[("http-set-header", "--set-header")]);
    for value in flags.texts("http-set-param") {
        set.extend(["--set-param".to_owned(), parameter(value)]);
    }
    if !set.is_empty() {
        steps.push(PlannedStep::Rewrite(set));
    }
    let mut filter = options(
        flags,
        &[
            ("http-allow-method", "--method"),
            ("http-allow-url", "--url"),
            ("http-disallow-url", "--not-url"),
            ("http-allow-header", "--header"),
            ("http-disallow-header", "--not-header"),
        ],
    );
    for (flag, option) in [("http-header-limiter", "--header-limit"), ("http-param-limiter", "--param-limit")]
    {
        for value in flags.texts(flag) {
            filter.extend([option.to_owned(), share(flag, value)?]);
        }
    }
    // Of several patterns of gor-filter's one is enough, of GoReplay's all must match.
    let mut patterns = flags.texts("http-basic-auth-filter");
    let auth = |pattern: &str| ["--basic-auth", pattern].map(ToOwned::to_owned);
    if let Some(first) = patterns.next() {
        filter.extend(auth(first));
    }
    if !filter.is_empty() {
        steps.push(PlannedStep::Filter(filter));
    }
    steps.extend(patterns.map(|pattern| PlannedStep::Filter(auth(pattern).to_vec())));
    let mut rewrite = Vec::new();
    for value in flags.texts("http-rewrite-url") {
        rewrite.extend(["--rewrite-url".to_owned(), url_rule(value)?]);
    }
    for value in flags.texts("http-rewrite-header") {
        rewrite.extend(["--rewrite-header".to_owned(), header_rule(value)?]);
    }
    if flags.is("prettify-http") {
        rewrite.push("--prettify".to_owned());
    }
    if !rewrite.is_empty() {
        steps.push(PlannedStep::Rewrite(rewrite));
    }
    Ok(steps)
}

fn options(flags: &GivenFlags, names: &[(&str, &str)]) -> Vec<String> {
    let each = names.iter().flat_map(|(flag, option)| {
        flags.texts(flag).flat_map(|value| [(*option).to_owned(), value.to_owned()])
    });
    each.collect()
}

/// `NAME=VALUE`, without white space around both.
fn parameter(text: &str) -> String {
    text.split_once('=')
        .map_or_else(|| text.to_owned(), |(name, value)| format!("{}={}", name.trim(), value.trim()))
}

/// `NAME: 25%`, whose number may have a base, or `NAME: 1/4`; more than all is all.
fn share(flag: &str, text: &str) -> Result<String> {
    let Some((name, share)) = text.split_once(':') else { return Ok(text.to_owned()) };
    if let Some((part, whole)) = share.split_once('/') {
        let [part, whole] = [part, whole].map(|number| number.trim().parse::<u64>().ok());
        return match (part, whole) {
            (Some(part), Some(whole)) if part > whole && whole > 0 => Ok(format!("{}:100%", name.trim())),
            _ => Ok(text.to_owned()),
        };
    }
    let Some(number) = share.trim().strip_suffix('%') else { return Ok(text.to_owned()) };
    let number =
        super::super::values::number(number.trim()).ok().filter(|number| *number >= 0).ok_or_else(|| {
            Error::Usage(format!("--{flag} {text:?}: expected NAME:25% in whole percents, or NAME:1/4"))
        })?;
    Ok(format!("{}:{}%", name.trim(), number.min(100)))
}

/// `REGEX:TEXT` as a substitution. The first colon splits that neither has a backslash before it nor belongs to a group
/// or a class, as in `(?:a|b)` or `[[:alpha:]]`.
fn url_rule(text: &str) -> Result<String> {
    let colon = split_at(text).ok_or_else(|| {
        Error::Usage(format!("--http-rewrite-url {text:?}: a colon is missing; expected REGEX:TEXT"))
    })?;
    let rule =
        substitution("http-rewrite-url", text, &text[..colon].replace("\\:", ":"), &text[colon + 1..])?;
    checked::<UrlPattern>("http-rewrite-url", text, &rule)?;
    Ok(rule)
}

fn split_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut in_class) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' if !in_class => in_class = true,
            b'[' if bytes.get(at + 1) == Some(&b':') => {
                at += text[at..].find(":]").map_or(0, |length| length + 1);
            }
            b']' => in_class = false,
            b':' if !in_class && !opens_group(&text[..at]) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    // An open bracket may be meant as it stands.
    text.find(':').filter(|_| in_class)
}

/// Whether what stands before a colon is the beginning of a group with flags: `(?` or `(?i`.
fn opens_group(before: &str) -> bool {
    before
        .rsplit_once("(?")
        .is_some_and(|(_, flags)| flags.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
}

/// `NAME: REGEX,TEXT`, of which the first comma splits.
fn header_rule(text: &str) -> Result<String> {
    const FORM: &str = "expected NAME: REGEX,TEXT";
    let wrong = |what: &str| Error::Usage(format!("--http-rewrite-header {text:?}: {what}; {FORM}"));
    let (name, rule) = text.split_once(':').ok_or_else(|| wrong("a colon is missing"))?;
    let (pattern, replacement) =
        rule.trim_start().split_once(',').ok_or_else(|| wrong("a comma is missing"))?;
    let rule =
        format!("{}: {}", name.trim(), substitution("http-rewrite-header", text, pattern, replacement)?);
    checked::<FieldPattern>("http-rewrite-header", text, &rule)?;
    Ok(rule)
}

/// Finds what is wrong with a rule while it is known how it was typed.
fn checked<T: FromStr<Err = BadRule>>(flag: &str, text: &str, rule: &str) -> Result<()> {
    rule.parse::<T>().map(drop).map_err(|bad| Error::Usage(format!("--{flag} {text:?}: {}", bad.reason)))
}

/// Both in sed's form.
fn substitution(flag: &str, text: &str, pattern: &str, replacement: &str) -> Result<String> {
    let is_free = |delimiter: &&char| !pattern.contains(**delimiter) && !replacement.contains(**delimiter);
    let delimiter = DELIMITERS.iter().find(is_free).ok_or_else(|| {
        Error::Usage(format!("--{flag} {text:?}: it has too many special characters; use gor-rewrite"))
    })?;
    Ok(format!("s{delimiter}{pattern}{delimiter}{replacement}{delimiter}g"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_ends_where_go_ends_it_but_for_colons_of_its_own() {
        for (text, expected) in [
            ("/v1/user/([^\\/]+)/ping:/v2/user/$1/ping", "s#/v1/user/([^\\/]+)/ping#/v2/user/$1/ping#g"),
            ("a:http://other:81/", "s#a#http://other:81/#g"),
            ("/(?:v1|v2)/x:/y", "s#/(?:v1|v2)/x#/y#g"),
            ("(?i:A):b", "s#(?i:A)#b#g"),
            ("[[:alpha:]]+:x", "s#[[:alpha:]]+#x#g"),
            ("/x\\:y:/z", "s#/x:y#/z#g"),
            ("a#|:b", "s~a#|~b~g"),
            ("^.*:", "s#^.*##g"),
        ] {
            assert_eq!(url_rule(text).unwrap(), expected, "{text}");
        }
        assert!(url_rule("/a").unwrap_err().is_usage());
    }

    #[test]
    fn a_header_rule_ends_its_pattern_at_the_first_comma() {
        let rule = header_rule("User-Agent: (.*)/(.*),$2, $1").unwrap();
        assert_eq!(rule, "User-Agent: s#(.*)/(.*)#$2, $1#g");
        assert!(header_rule("Host: a").unwrap_err().is_usage());
        assert!(header_rule("Host a,b").unwrap_err().is_usage());
    }

    #[test]
    fn shares_have_bases_and_no_more_than_all() {
        for (text, expected) in [
            ("X-User: 0x32%", "X-User:50%"),
            ("u:150%", "u:100%"),
            ("u: 1/2", "u: 1/2"),
            ("u: 3/2", "u:100%"),
            ("u:0%", "u:0%"),
        ] {
            assert_eq!(share("http-header-limiter", text).unwrap(), expected);
        }
        for text in ["u: 50.5%", "u: -5%", "u: %"] {
            assert!(share("http-header-limiter", text).is_err(), "{text}");
        }
    }
}
