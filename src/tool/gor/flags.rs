//! The flags of GoReplay, and the syntax of Go's package `flag` in which they are written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::table::{FLAGS, Flag, FlagKind};
use super::values;
use crate::{Error, Result};

/// What was given on the command line, each value checked for its form.
#[derive(Clone, Debug, Default)]
pub struct GivenFlags {
    /// By the name of the flag, in the order of the command line.
    given: BTreeMap<&'static str, Vec<Value>>,
    /// Whether the help was asked for.
    pub asks_help: bool,
    /// Whether the pipe of Unix tools is to be printed, and nothing done.
    pub explains: bool,
}

#[derive(Clone, Debug)]
enum Value {
    Is(bool),
    Text(String),
    Number(i64),
    Duration(Duration),
}

impl GivenFlags {
    /// Reads a command line without the program's name.
    ///
    /// One dash or two, `=` or a blank before the value; flags that are on or off stand alone, or with `=true` or
    /// `=false`, or, as GoReplay's documentation has it, with the word behind a blank. What is not a flag is an error: Go
    /// would end there and ignore all that follows.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<GivenFlags> {
        let mut flags = GivenFlags::default();
        let mut args = args.into_iter().map(text).peekable();
        while let Some(arg) = args.next() {
            let arg = arg?;
            let named =
                arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|name| !name.is_empty());
            let Some(named) = named else { return Err(positional(&arg)) };
            let (name, mut value) = match named.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (named, None),
            };
            match name {
                "help" | "h" => {
                    flags.asks_help = true;
                    return Ok(flags);
                }
                "explain" if value.is_none() => {
                    flags.explains = true;
                    continue;
                }
                _ => {}
            }
            let flag = FLAGS.iter().find(|flag| flag.name == name).ok_or_else(|| unknown(name))?;
            if value.is_none() && flag.kind == FlagKind::Bool {
                value = args.next_if(|arg| matches!(arg.as_deref(), Ok("true" | "false"))).transpose()?;
            } else if value.is_none() {
                let form = flag.kind.form();
                let missing = || Error::Usage(format!("--{name} needs a value{form}"));
                value = Some(args.next().ok_or_else(missing)??);
            }
            flags.add(flag, value.as_deref())?;
        }
        Ok(flags)
    }

    fn add(&mut self, flag: &'static Flag, value: Option<&str>) -> Result<()> {
        let name = flag.name;
        let text = value.unwrap_or_default();
        let wrong = |reason: String| Error::Usage(format!("--{name} {text:?}: {reason}"));
        let value = match flag.kind {
            FlagKind::Bool => Value::Is(value.map_or(Ok(true), values::boolean).map_err(wrong)?),
            FlagKind::Text | FlagKind::Texts => Value::Text(text.to_owned()),
            FlagKind::Number | FlagKind::Numbers => Value::Number(values::number(text).map_err(wrong)?),
            FlagKind::Size => Value::Number(values::size(text).map_err(wrong)?),
            FlagKind::Duration => Value::Duration(values::duration(text).map_err(wrong)?),
        };
        let given = self.given.entry(name).or_default();
        if !flag.kind.repeats() {
            given.clear();
        }
        given.push(value);
        Ok(())
    }

    /// Whether this flag is there at all.
    pub fn has(&self, name: &str) -> bool {
        debug_assert!(FLAGS.iter().any(|flag| flag.name == name), "{name}");
        self.given.contains_key(name)
    }

    /// The names of all that are there.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.given.keys().copied()
    }

    fn last(&self, name: &str) -> Option<&Value> {
        debug_assert!(FLAGS.iter().any(|flag| flag.name == name), "{name}");
        self.given.get(name)?.last()
    }

    /// Whether a flag is on.
    pub fn is(&self, name: &str) -> bool {
        matches!(self.last(name), Some(Value::Is(true)))
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.last(name)? {
            Value::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// All texts of a flag that may be repeated.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        debug_assert!(FLAGS.iter().any(|flag| flag.name == name), "{name}");
        self.given.get(name).into_iter().flatten().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// All numbers of a flag that may be repeated.
    pub fn numbers(&self, name: &str) -> impl Iterator<Item = i64> {
        debug_assert!(FLAGS.iter().any(|flag| flag.name == name), "{name}");
        self.given.get(name).into_iter().flatten().filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// A number or a size.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.numbers(name).last()
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.last(name)? {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }
}

fn text(arg: OsString) -> Result<String> {
    arg.into_string().map_err(|arg| Error::Usage(format!("{}: this is not UTF-8", arg.display())))
}

fn positional(arg: &str) -> Error {
    Error::Usage(format!(
        "{arg:?} is not a flag, and belongs to none before it; a flag begins with a dash, as --output-null"
    ))
}

/// A flag that is not there, and the one that may be meant.
fn unknown(name: &str) -> Error {
    let hints = match (name, beginning_with(name)) {
        // The FAQ of GoReplay names it.
        ("input-http", _) => vec!["input-raw"],
        (_, longer) if !longer.is_empty() => longer,
        _ => nearest(name).into_iter().collect(),
    };
    let hints: Vec<String> = hints.iter().map(|hint| format!("--{hint}")).collect();
    let hint = if hints.is_empty() { String::new() } else { format!("; did you mean {}?", hints.join(", ")) };
    Error::Usage(format!("there is no flag --{name}{hint} (gor --help lists all)"))
}

/// The flags whose names begin with this one and have the fewest words more: `input` may stand for `input-file`, but not
/// for `input-file-loop`.
fn beginning_with(name: &str) -> Vec<&'static str> {
    let words = |name: &str| name.matches('-').count();
    let longer = || FLAGS.iter().map(|flag| flag.name).filter(|flag| flag.starts_with(name));
    let fewest = longer().map(words).min();
    longer().filter(|flag| Some(words(flag)) == fewest).collect()
}

/// The flag whose name is least different, if that is not much.
fn nearest(name: &str) -> Option<&'static str> {
    let nearest = FLAGS.iter().map(|flag| (distance(name, flag.name), flag.name)).min()?;
    (nearest.0 <= name.len() / 3 + 1).then_some(nearest.1)
}

/// The fewest characters to put in, take out or replace to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<GivenFlags> {
        GivenFlags::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn flags_are_written_as_in_every_program_in_go() {
        let flags = parse(&[
            "-input-file",
            "a.gor",
            "--input-file=b=c.gor",
            "--output-null",
            "-stats=false",
            "--split-output",
            "true",
            "--output-file-size-limit",
            "0x20mb",
            "--exit-after=1m30s",
            "--verbose",
            "0x2",
            "--input-raw-vlan-vid",
            "5",
        ])
        .unwrap();
        assert_eq!(flags.texts("input-file").collect::<Vec<_>>(), ["a.gor", "b=c.gor"]);
        assert!(flags.is("output-null") && flags.is("split-output") && !flags.is("stats"));
        assert_eq!(flags.number("output-file-size-limit"), Some(32 << 20));
        assert_eq!(flags.duration("exit-after"), Some(Duration::from_secs(90)));
        assert_eq!(flags.number("verbose"), Some(2));
        assert_eq!(flags.numbers("input-raw-vlan-vid").collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_form() {
        for (args, expected) in [
            (&["--nope"][..], "no flag --nope"),
            (&["--output-fil", "x"], "mean --output-file?"),
            (&["--outputfile", "x"], "mean --output-file?"),
            (&["--input", "x"], "mean --input-file, --input-raw, --input-tcp, --input-dummy?"),
            (&["-v"], "mean --verbose?"),
            (&["--input-http", ":80"], "--input-raw"),
            (&["--output-file"], "--output-file needs a value"),
            (&["--output-null=maybe"], "\"maybe\""),
            (&["--exit-after", "3"], "1m30s"),
            (&["--copy-buffer-size", "5m"], "5mb"),
            (&["--output-null", "stray"], "\"stray\" is not a flag"),
            (&["-"], "is not a flag"),
            (&["--"], "is not a flag"),
            (&["--input-raw-vlan-vid", "abc"], "\"abc\""),
        ] {
            let error = parse(args).expect_err(expected);
            assert!(error.is_usage() && error.to_string().contains(expected), "{args:?}: {error}");
        }
    }
}
