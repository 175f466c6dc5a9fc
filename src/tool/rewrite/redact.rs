//! Redaction on the command line: which rules are asked for, under which key, and what is said at the end.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::BadRule;
use crate::observe::{Count, Size};
use crate::transform::redact::{PseudonymKey, Redaction};
use crate::transform::rewrite::{MAX_BODY, RewriteTally, Unread};

/// A shorter key could be found by trying.
const MIN_KEY: usize = 16;

/// Bytes of a key made for one run.
const RANDOM_KEY: usize = 32;

/// Anonymise requests and responses.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Redaction")]
#[group(skip)]
#[allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links, reason = "these are help texts")]
pub struct RedactOptions {
    /// Replace secrets and personal data: all, or cookie,email,ip…
    ///
    /// Redaction covers URLs, headers, trailers and bodies of requests and responses, recorded and replayed. Chunked and
    /// compressed bodies (gzip, deflate, br, zstd) are decoded, and encoded again. Equal values get equal replacements.
    ///
    /// authorization: credentials in Authorization and Proxy-Authorization.
    ///
    /// cookie, set-cookie: values of cookies.
    ///
    /// secrets: values of fields named password, passwd, secret, token, api_key, access_token, refresh_token,
    /// client_secret, authorization, session, user, login and similar, in any case: members of JSON at any depth,
    /// parameters of forms and queries (user[name] too; code and key if the value has a digit or more than 16
    /// characters), headers (X-Api-Key), quoted values in scripts and markup, elements of XML, lines of text
    /// ("password: x"). Also segments of at least 20 characters in the paths of URLs that look like tokens
    /// (/reset/TOKEN); UUIDs and ids of 24 hex digits are kept.
    ///
    /// userinfo: users and passwords in URLs.
    ///
    /// jwt, email, card, phone: JSON web tokens, email addresses, card numbers, telephone numbers, anywhere.
    ///
    /// ipv4, ipv6, ip (both): addresses, anywhere. The id of a record holds the client's address (hex digits 9 to 16):
    /// it is replaced too, the same in a request and its responses, so that sessions are kept.
    ///
    /// Not found: secrets in fields with other names, members of JSON named code, key or name, unquoted values in
    /// scripts, tokens in the paths of links in bodies, shorter tokens in paths. The other options replace fields by
    /// name. Names of people, postal addresses and dates are not searched for; images and other binary bodies are not searched.
    #[arg(long, value_name = "PRESET,…", value_parser = presets)]
    pub redact: Vec<Presets>,
    /// Replace what a path selects in JSON bodies: $.user.name, $..street
    ///
    /// Everything below it is replaced too. $.items[*].id selects in each element of a list.
    #[arg(long, value_name = "PATH", value_parser = json)]
    pub redact_json: Vec<Presets>,
    /// Replace values of this parameter, in queries and forms
    #[arg(long, value_name = "NAME", value_parser = param)]
    pub redact_param: Vec<Presets>,
    /// Replace values of this header
    #[arg(long, value_name = "NAME", value_parser = header, hide_short_help = true)]
    pub redact_header: Vec<Presets>,
    /// Read the key of the replacements from FILE, for the same ones in every run
    ///
    /// FILE holds at least 16 bytes, preferably random; line ends at its end are ignored. Anyone who has the key can
    /// test guesses. Without this option each run uses a random key.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        requires = GROUP,
        hide_short_help = true
    )]
    pub redact_key_file: Option<PathBuf>,
    /// Drop records that redaction cannot read, instead of copying their bodies
    ///
    /// These have an unknown content coding, a compressed body that is damaged or cut or larger than 134MB when decoded,
    /// or are not HTTP. They are reported and counted with and without this option.
    #[arg(long, requires = GROUP, hide_short_help = true)]
    pub redact_strict: bool,
}

/// The options of which the other two need one.
pub(super) const GROUP: &str = "redactions";

/// The options that are rules.
pub(super) const OPTIONS: [&str; 4] = ["redact", "redact_json", "redact_param", "redact_header"];

/// What one option asks for: rules, each with what the ledger calls it.
#[derive(Clone, Debug)]
pub struct Presets(pub(super) Vec<(String, Redaction)>);

fn presets(text: &str) -> Result<Presets, BadRule> {
    let (mut rules, mut at) = (Vec::new(), 0);
    for name in text.split(',') {
        if name == "all" {
            rules.extend(Redaction::all().map(|(name, rule)| (format!("--redact all: {name}"), rule)));
        } else {
            let rule = Redaction::preset(name).map_err(|bad| BadRule::new(text, at, bad.reason + ", all"))?;
            rules.push((format!("--redact {name}"), rule));
        }
        at += name.len() + 1;
    }
    Ok(Presets(rules))
}

fn one(option: &str, text: &str, rule: Redaction) -> Presets {
    Presets(vec![(format!("--{option} {text}"), rule)])
}

fn json(path: &str) -> Result<Presets, BadRule> {
    Redaction::json(path).map(|rule| one("redact-json", path, rule))
}

fn param(name: &str) -> Result<Presets, BadRule> {
    Redaction::param(name).map(|rule| one("redact-param", name, rule))
}

fn header(name: &str) -> Result<Presets, BadRule> {
    Redaction::header(name).map(|rule| one("redact-header", name, rule))
}

/// The key in the file, or a random one.
pub(super) fn key(file: Option<&Path>) -> anyhow::Result<PseudonymKey> {
    let Some(path) = file else {
        let mut secret = [0; RANDOM_KEY];
        getrandom::fill(&mut secret).context("no random key can be made")?;
        return Ok(PseudonymKey::new(&secret));
    };
    let bytes =
        std::fs::read(path).map_err(|error| crate::Error::from(error).at(path.display().to_string()))?;
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    if end < MIN_KEY {
        bail!("{}: the key is shorter than {MIN_KEY} bytes, so it could be found by trying", path.display());
    }
    Ok(PseudonymKey::new(&bytes[..end]))
}

/// What was not redacted, in one line; `None` when everything was.
pub(super) fn said(tally: &RewriteTally, is_strict: bool) -> Option<String> {
    let Unread { unknown, broken, too_large, headless } = tally.unread;
    let reasons = [
        (unknown, "in an unknown content coding".to_owned()),
        (broken, "with a body that does not decode to its end".to_owned()),
        (too_large, format!("of more than {}", Size(MAX_BODY as u64))),
        (headless, "without an HTTP head".to_owned()),
    ];
    let reasons = reasons.iter().filter(|(count, _)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(count, reason)| format!("{count} {reason}")).collect();
    let became = if is_strict {
        "were dropped"
    } else {
        "were written with a body that may hold secrets; --redact-strict drops them"
    };
    let total = tally.unread.total();
    (total > 0).then(|| {
        let list = reasons.join(", ");
        format!("{} could not be redacted ({list}); they {became}", Count(total, "record"))
    })
}
