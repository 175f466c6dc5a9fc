//! What `s3://bucket/key` means: an object, all below a prefix, a pattern, a key with fields of time.

use std::fmt;

use glob::{MatchOptions, Pattern};
use jiff::Timestamp;

use super::super::place::is_beside;
use super::super::reading::TimeWindow;
use super::SCHEME;
use crate::{Error, Result};

/// As in a shell: `*` and `?` do not stand for `/`.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Hours before and after the window that are read too: a file holds what was recorded until it was written.
const MARGIN: i64 = 1;

/// Most hours that a key with fields stands for: ten years.
const MAX_HOURS: i64 = 10 * 366 * 24;

const HOUR: i64 = 3_600_000_000_000;

/// A name on the command line, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Location {
    pub(super) bucket: String,
    pub(super) keys: Keys,
}

/// Which keys of a bucket are meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Keys {
    /// This one.
    One(String),
    /// All that begin so, which is a folder's name with the `/` at its end, or nothing at all.
    Below(String),
    /// All that match.
    Matching(Pattern),
}

impl Location {
    /// Takes a name apart that begins with `s3://`. Fields of time are left as they are.
    pub(super) fn parse(name: &str) -> Result<Location> {
        let wrong = |why: &str| Err(Error::Usage(format!("{name}: {why}")));
        let rest = name.strip_prefix(SCHEME).unwrap_or(name);
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return wrong("the bucket is missing: s3://BUCKET/KEY");
        }
        if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) {
            return wrong(
                "the name of a bucket has letters, digits, dots and hyphens; patterns are for keys",
            );
        }
        Ok(Location { bucket: bucket.to_owned(), keys: Keys::parse(key).map_err(|why| why.at(name))? })
    }

    /// The same without fields of time: the locations of each of these hours. A name without fields is the only one.
    pub(super) fn in_hours(name: &str, hours: TimeWindow) -> Result<Vec<Location>> {
        let key = name.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).map_or("", |(_, key)| key);
        if !has_fields(key) {
            return Location::parse(name).map(|location| vec![location]);
        }
        let wrong = |why: String| Err(Error::Usage(format!("{name}: {why}")));
        let (Some(since), Some(until)) = (hours.since, hours.until) else {
            return wrong(
                "%Y %m %d %H in a key are hours from --since to --until: give both (gor-filter without --invert, gor-replay), or \
                 use * for all"
                    .to_owned(),
            );
        };
        let (first, last) = (since.div_euclid(HOUR) - MARGIN, until.div_euclid(HOUR) + MARGIN);
        if last - first > MAX_HOURS {
            return wrong(
                "more than ten years from --since to --until are too many hours to look up".to_owned(),
            );
        }
        let mut names: Vec<String> = Vec::new();
        for hour in first..=last {
            let filled = match Timestamp::from_nanosecond(i128::from(hour) * i128::from(HOUR))
                .map(|time| fill(name, time))
            {
                Ok(Ok(filled)) => filled,
                Ok(Err(field)) => {
                    return wrong(format!(
                        "%{field} is not a field of a key; the fields are %Y %m %d %H, and %% is %"
                    ));
                }
                Err(error) => return wrong(error.to_string()),
            };
            if names.last() != Some(&filled) {
                names.push(filled);
            }
        }
        names.sort();
        names.dedup();
        names.iter().map(|name| Location::parse(name)).collect()
    }

    /// What all the keys begin with.
    pub(super) fn prefix(&self) -> &str {
        match &self.keys {
            Keys::One(key) | Keys::Below(key) => key,
            Keys::Matching(pattern) => fixed_part(pattern.as_str()),
        }
    }

    /// Whether this key is meant. What stands beside recordings is not, nor is what a shell would not show.
    pub(super) fn takes(&self, key: &str) -> bool {
        match &self.keys {
            Keys::One(one) => one == key,
            Keys::Below(prefix) => key.strip_prefix(prefix.as_str()).is_some_and(is_shown),
            Keys::Matching(pattern) => {
                let text = pattern.as_str();
                let (is_meant, rest) = if text.ends_with('/') {
                    let folder = key
                        .match_indices('/')
                        .map(|(at, _)| at + 1)
                        .find(|end| pattern.matches_with(&key[..*end], MATCHING));
                    (folder.is_some(), &key[folder.unwrap_or(0)..])
                } else {
                    (pattern.matches_with(key, MATCHING), key.rsplit('/').next().unwrap_or(key))
                };
                is_meant && (is_shown(rest) || !rest.is_empty() && is_beside(text.as_ref()))
            }
        }
    }
}

impl Keys {
    fn parse(key: &str) -> Result<Keys> {
        if is_pattern(key) {
            let invalid =
                |error: glob::PatternError| Error::Usage(format!("not a pattern of keys: {}", error.msg));
            return Ok(Keys::Matching(Pattern::new(key).map_err(invalid)?));
        }
        Ok(if key.is_empty() || key.ends_with('/') {
            Keys::Below(key.to_owned())
        } else {
            Keys::One(key.to_owned())
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.keys {
            Keys::One(key) | Keys::Below(key) => key,
            Keys::Matching(pattern) => pattern.as_str(),
        };
        write!(f, "{SCHEME}{}/{key}", self.bucket)
    }
}

fn is_pattern(key: &str) -> bool {
    key.contains(['*', '?', '['])
}

/// What a pattern begins with, up to its first sign.
fn fixed_part(pattern: &str) -> &str {
    &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())]
}

/// Whether the rest of a key, below a folder, is an object that is read: not hidden, no index, no folder's own entry.
fn is_shown(rest: &str) -> bool {
    !rest.is_empty()
        && !rest.ends_with('/')
        && !rest.split('/').any(|part| part.starts_with('.'))
        && !is_beside(rest.as_ref())
}

/// Whether a key has a field of time. Other keys may well have percent signs: gor-record writes `%2F`.
fn has_fields(key: &str) -> bool {
    ["%Y", "%m", "%d", "%H"].iter().any(|field| key.contains(field))
}

/// The name of an hour, in UTC; or the field that there is not.
fn fill(name: &str, time: Timestamp) -> Result<String, String> {
    let mut filled = String::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let field = after.chars().next().map(String::from).unwrap_or_default();
        match field.as_str() {
            "%" => filled.push('%'),
            "Y" | "m" | "d" | "H" => filled.push_str(&time.strftime(&format!("%{field}")).to_string()),
            _ => return Err(field),
        }
        rest = &after[1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(since: &str, until: &str) -> TimeWindow {
        let time = |text: &str| {
            let time: Timestamp = text.parse().unwrap();
            i64::try_from(time.as_nanosecond()).ok()
        };
        TimeWindow { since: time(since), until: time(until) }
    }

    #[test]
    fn names_are_objects_folders_and_patterns() {
        for (name, keys) in [
            ("s3://b/k.gor", Keys::One("k.gor".into())),
            ("s3://b/a/k%2F.gor", Keys::One("a/k%2F.gor".into())),
            ("s3://b/a/", Keys::Below("a/".into())),
            ("s3://b/", Keys::Below(String::new())),
            ("s3://b", Keys::Below(String::new())),
            ("s3://b/a/*.gor", Keys::Matching(Pattern::new("a/*.gor").unwrap())),
        ] {
            assert_eq!(Location::parse(name).unwrap(), Location { bucket: "b".into(), keys }, "{name}");
        }
        for name in ["s3://", "s3:///key", "s3://a*/key", "s3://a b/key", "s3://b/[a", "s3://b/a/***"] {
            assert!(Location::parse(name).unwrap_err().is_usage(), "{name}");
        }
    }

    #[test]
    fn locations_take_the_keys_that_a_shell_would() {
        for (name, taken, left) in [
            (
                "s3://b/a/",
                &["a/x.gor", "a/b/c.gor"][..],
                &["a/", "a/b/", "a/x.gor.idx", "a/.x", "a/.b/c"][..],
            ),
            ("s3://b", &["x", "a/x"], &["x.idx", ".x", "a/x.tmp", "a/"]),
            ("s3://b/*.gor", &["x.gor"], &["a/x.gor", ".x.gor", "x.gor.idx"]),
            ("s3://b/x.gor*", &["x.gor", "x.gor.gz"], &["x.gor.idx", "x.gor~"]),
            ("s3://b/*.idx", &["x.gor.idx"], &["x.gor"]),
            ("s3://b/**/x?.gor", &["x1.gor", "a/b/x1.gor"], &["x.gor", "a/x/1.gor"]),
            ("s3://b/2026-*/", &["2026-11/x", "2026-11/a/x"], &["2026-11", "2025-11/x", "2026-11/x.idx"]),
            ("s3://b/k", &["k"], &["k1", "k/x"]),
        ] {
            let location = Location::parse(name).unwrap();
            for key in taken {
                assert!(location.takes(key) && key.starts_with(location.prefix()), "{name} takes {key}");
            }
            for key in left {
                assert!(!location.takes(key), "{name} leaves {key} out");
            }
        }
    }

    #[test]
    fn fields_are_the_hours_of_the_window_and_one_on_each_side() {
        let names = |name: &str, since: &str, until: &str| -> Vec<String> {
            let locations = Location::in_hours(name, window(since, until)).unwrap();
            locations.iter().map(ToString::to_string).collect()
        };
        let hours = names("s3://b/%Y/%m/%d/%H/", "2026-12-31T22:10:00Z", "2026-12-31T23:00:00Z");
        let expected = ["2026/12/31/21/", "2026/12/31/22/", "2026/12/31/23/", "2027/01/01/00/"]
            .map(|key| format!("s3://b/{key}"));
        assert_eq!(hours, expected);
        let days = names("s3://b/%Y%m%d-100%%*.gz", "2026-11-23T01:00:00Z", "2026-11-23T20:00:00Z");
        assert_eq!(days, ["s3://b/20261123-100%*.gz"]);
        assert_eq!(
            names("s3://b/a%2Fb%%", "2026-11-23T01:00:00Z", "2026-11-23T20:00:00Z"),
            ["s3://b/a%2Fb%%"]
        );
    }

    #[test]
    fn fields_that_cannot_be_filled_are_told() {
        let both = window("2026-11-23T01:00:00Z", "2026-11-23T02:00:00Z");
        let since = TimeWindow { until: None, ..both };
        for (name, window, said) in [
            ("s3://b/%Y/", TimeWindow::default(), "give both"),
            ("s3://b/%Y/", since, "give both"),
            ("s3://b/%Y/%M", both, "%M is not a field"),
            ("s3://b/%Y/%", both, "% is not a field"),
            ("s3://b/%Y/%é", both, "%é is not a field"),
        ] {
            let error = Location::in_hours(name, window).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(said), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_a_location_takes_begins_with_its_prefix(name in "[ab*?./]{0,8}", key in "[ab./]{0,8}") {
            if let Ok(location) = Location::parse(&format!("s3://b/{name}")) && location.takes(&key) {
                prop_assert!(key.starts_with(location.prefix()), "{location:?}");
            }
        }

        #[test]
        fn a_name_is_shown_as_it_was_given(name in "s3://[a-z]{3,5}/[a-z*?/.%2F-]{0,12}") {
            if let Ok(location) = Location::parse(&name) {
                prop_assert_eq!(location.to_string(), name);
            }
        }

        #[test]
        fn each_moment_of_the_window_has_its_hour(since in 0..2_000_000_000_i64, hours in 0..50_i64, at in 0..100_i64) {
            let until = since + hours * 3600;
            let moment = since + hours * 36 * at;
            let window = TimeWindow { since: Some(since * 1_000_000_000), until: Some(until * 1_000_000_000) };
            let locations = Location::in_hours("s3://b/%Y/%m/%d/%H/", window).unwrap();
            let expected = fill("s3://b/%Y/%m/%d/%H/", Timestamp::from_second(moment).unwrap()).unwrap();
            prop_assert!(locations.iter().any(|location| location.to_string() == expected));
            prop_assert!(locations.len() as i64 <= hours + 4);
        }
    }
}
