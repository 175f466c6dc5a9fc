//! From the words of a command line to a tool's options. What clap says of wrong ones is made to fit ours.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, Error, Parser};

/// Values that begin with a digit. After these options a word with a hyphen is a value too, so that its parser says what
/// it expects; clap would take `-1` for an option.
const NUMBERS: [&str; 10] =
    ["DURATION", "LEVEL", "N", "PORT", "RAMP", "RATE", "SHARE", "SIZE", "SPEED", "TIME"];

/// Values that may be empty: an empty pattern matches everything.
const PATTERNS: [&str; 2] = ["REGEX", "EXPR"];

/// Reads this process's command line; leaves where it asks for help or is wrong.
pub fn parse<Args: Parser>() -> Args {
    parse_from(&std::env::args_os().collect::<Vec<_>>())
}

/// The same for a command line that is given, the program's name first.
pub(crate) fn parse_from<Args: Parser>(words: &[OsString]) -> Args {
    let is_interval = |word: &str| super::values::duration(word).is_ok() && !Path::new(word).exists();
    let words = join_value(words, "--stats", is_interval);
    let matches = matches(Args::command(), &words);
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Writes the value of an option that may have none as clap needs it: `--loop 3 host` as `--loop=3 host`, but `--loop host`
/// as it is.
pub(crate) fn join_value(words: &[OsString], option: &str, is_value: impl Fn(&str) -> bool) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if last == option && word.to_str().is_some_and(&is_value) => {
                last.push("=");
                last.push(word);
            }
            _ => joined.push(word.clone()),
        }
    }
    joined
}

/// What stands in a command line; leaves where it asks for help or is wrong.
pub(crate) fn matches(command: Command, words: &[OsString]) -> ArgMatches {
    let mut command =
        command.mut_args(
            |argument| if takes_number(&argument) { argument.allow_hyphen_values(true) } else { argument },
        );
    let found = command.try_get_matches_from_mut(words);
    let checked = found.map_err(|error| reworded(error, &command, words)).and_then(|matches| {
        let wrong = empty_value(&command, &matches).or_else(|| subcommand(&mut command, &matches));
        wrong.map_or(Ok(matches), Err)
    });
    checked.unwrap_or_else(|error| match in_one_line(&error, &command, words) {
        Some(line) => {
            super::report(format_args!("{}: {line}\n", command.get_name()));
            std::process::exit(error.exit_code());
        }
        None => error.exit(),
    })
}

/// What to do about options that do not fit together: clap shows a usage that is none.
fn in_one_line(error: &Error, command: &Command, words: &[OsString]) -> Option<String> {
    let names = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(name)) => vec![bare(name)],
        Some(ContextValue::Strings(names)) => names.iter().map(|name| bare(name)).collect(),
        _ => Vec::new(),
    };
    let wrong = names(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::ArgumentConflict => {
            let others: Vec<_> =
                names(ContextKind::PriorArg).into_iter().filter(|name| !wrong.contains(name)).collect();
            let quoted = |names: &[String]| {
                names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" and ")
            };
            let with = quoted(&others);
            (!wrong.is_empty() && !others.is_empty())
                .then(|| format!("{} cannot be used with {with}; leave one out", quoted(&wrong)))
        }
        ErrorKind::MissingRequiredArgument if wrong.iter().any(|name| name.starts_with('<')) => {
            let name = wrong.first()?.trim_matches(['<', '>', '.']);
            let argument = command.get_positionals().find(|argument| has_value_name(argument, &[name]));
            let help = argument.and_then(Arg::get_help).map(|help| format!(" ({help})")).unwrap_or_default();
            Some(format!("{name} is missing{help}; see --help"))
        }
        ErrorKind::MissingRequiredArgument if wrong.iter().all(|name| name.starts_with('-')) => {
            let needs = wrong.join(" and ");
            let option = who_requires(&wrong, command, words)?;
            Some(format!("{option} needs {needs}; give that too, or leave {option} out"))
        }
        _ => None,
    }
}

/// The name of an option, without its value; of an argument, without brackets; of a group, the names of all its options.
fn bare(option: &str) -> String {
    if option.starts_with("<-") {
        let words = option.split([' ', '=', '[', '<', '>', '|']);
        return words.filter(|word| word.starts_with('-')).collect::<Vec<_>>().join(" or ");
    }
    if let Some((name, _)) = option.strip_prefix('[').and_then(|name| name.split_once(']')) {
        return name.to_owned();
    }
    option.split([' ', '=', '[']).next().unwrap_or_default().to_owned()
}

/// The option that others are missing for: without it they are not.
fn who_requires(missing: &[String], command: &Command, words: &[OsString]) -> Option<String> {
    let is_content = |words: Vec<&OsString>| match command.clone().try_get_matches_from(words) {
        Ok(_) => true,
        Err(error) => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(names)) if error.kind() == ErrorKind::MissingRequiredArgument => {
                !names.iter().any(|name| missing.contains(&bare(name)))
            }
            _ => false,
        },
    };
    let options = words.iter().enumerate().skip(1).filter_map(|(at, word)| Some((at, word.to_str()?)));
    for (at, word) in options.filter(|(_, word)| word.starts_with('-')) {
        // Its value may be the next word.
        for end in [at + 1, at + 2] {
            let others = words.iter().enumerate().filter(|(other, _)| !(at..end).contains(other));
            if is_content(others.map(|(_, word)| word).collect()) {
                return Some(bare(word));
            }
        }
    }
    None
}

fn has_value_name(argument: &Arg, names: &[&str]) -> bool {
    argument.get_value_names().unwrap_or_default().iter().any(|name| names.contains(&name.as_str()))
}

/// Whether a number has to follow. Where the value may be left out, what follows may be another option.
fn takes_number(argument: &Arg) -> bool {
    let needs_value = argument.get_num_args().is_none_or(|number| number.min_values() > 0);
    has_value_name(argument, &NUMBERS) && needs_value && !argument.is_positional()
}

/// Says that a value is empty where none may be.
fn empty_value(command: &Command, matches: &ArgMatches) -> Option<Error> {
    let is_empty = |argument: &&Arg| {
        let values = matches.try_get_raw(argument.get_id().as_str()).ok().flatten();
        values.into_iter().flatten().any(std::ffi::OsStr::is_empty)
    };
    let mut arguments = command.get_arguments().filter(|argument| !has_value_name(argument, &PATTERNS));
    arguments.find(is_empty).map(|argument| no_value(command, argument.to_string()))
}

fn no_value(command: &Command, argument: String) -> Error {
    let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
    error.insert(ContextKind::InvalidArg, ContextValue::String(argument));
    error.insert(ContextKind::InvalidValue, ContextValue::String(String::new()));
    error
}

/// Says that a tool has no subcommands, where an input has the name of one and there is no such file.
fn subcommand(command: &mut Command, matches: &ArgMatches) -> Option<Error> {
    let input = command.get_positionals().find(|argument| has_value_name(argument, &["INPUT"]))?;
    let word = matches.get_raw(input.get_id().as_str())?.next()?.to_str()?.to_owned();
    let name = command.get_name().to_owned();
    let is_command = ["help", "version"].contains(&word.as_str()) || name.strip_prefix("gor-") == Some(&word);
    (is_command && !Path::new(&word).exists()).then(|| {
        let said = format!("{name} has no subcommands, and there is no file '{word}'");
        command.error(ErrorKind::InvalidSubcommand, said)
    })
}

/// What clap says, in the cases where it misleads.
fn reworded(mut error: Error, command: &Command, words: &[OsString]) -> Error {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    match (error.kind(), argument, value) {
        // The parser's words are about a text, and here there is none.
        (ErrorKind::ValueValidation, Some(argument), Some(value)) if value.is_empty() => {
            no_value(command, argument)
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            if let Some((option, value)) = value_with_hyphen(command, words, &argument) {
                let tip =
                    format!("a value that begins with a hyphen follows an equals sign: '{option}={value}'");
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
            }
            error
        }
        _ => error,
    }
}

/// The option and the word after it, which begins as `argument` does, where the option takes a value.
fn value_with_hyphen<'a>(
    command: &Command,
    words: &'a [OsString],
    argument: &str,
) -> Option<(&'a str, &'a str)> {
    let pairs = words.windows(2).filter_map(|pair| Some((pair[0].to_str()?, pair[1].to_str()?)));
    let takes_value = |option: &str| {
        let named =
            |known: &&Arg| known.get_long().is_some_and(|long| option.strip_prefix("--") == Some(long));
        command.get_arguments().find(named).is_some_and(|known| known.get_action().takes_values())
    };
    pairs.into_iter().find(|(option, value)| value.starts_with(argument) && takes_value(option))
}
