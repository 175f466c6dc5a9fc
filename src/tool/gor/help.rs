//! The help: what it is for, and all flags; and the same for manual pages, completions and the migration table.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

use super::table::{FLAGS, FlagKind};
use crate::cli::{self, Exit};

/// Columns of the help.
const WIDTH: usize = 80;

/// Where what a flag does begins.
const INDENT: usize = 8;

const HEAD: &str = "\
gor: record, replay and rewrite HTTP traffic with GoReplay's command line

  gor --input-raw :80 --output-http http://staging.example.com
  gor --input-file requests.gor --output-file get.gor --http-allow-method GET
  gor --explain --input-file 'requests*.gor|200%' --output-http staging.com
  gor file-server :8000

--explain prints the same as a pipe of the Unix tools, and does nothing.
A finite input ends the run. Exit status: 0 done; 1 something failed or was
lost, or a signal ended it; 2 wrong command line.
";

/// What GoReplay 2.0.0 says on standard output beside its help, which scripts read.
const BANNER: &str = "\
Gor is a simple http traffic replication tool written in Go. Its main goal is to replay traffic from production servers to staging and dev environments.
Project page: https://github.com/buger/gor
Author: <Leonid Bugaev> leonsbox@gmail.com
Current Version: v2.0.0

";

const EXAMPLES: &str = "\
Examples:
  Send the GET requests that come in at port 8080 to another server, and keep them:
    gor --input-raw :8080 --output-http http://staging.example.com \\
      --http-allow-method GET --output-file 'requests-%Y%m%d.gor'
  Replay a recording twice as fast:
    gor --input-file 'requests.gor|200%' --output-http http://staging.example.com
  See the same as a pipe of the Unix tools:
    gor --explain --input-file requests.gor --output-http http://staging.example.com

Exit status: 0 done; 1 something failed or was lost, or a signal ended the run; 2 wrong command line. With
--exit-after, requests that were not answered do not change it.";

/// The flags as clap has them, of which manual page and completions are made. They are parsed as Go does.
pub fn command() -> Command {
    let about = "Record, replay and rewrite HTTP traffic with GoReplay's command line";
    let long = "Takes the flags of GoReplay, in Go's syntax: one dash or two, --flag VALUE or --flag=VALUE. Whatever the \
        order of the command line, records go through --middleware first, then filters and rewrites in GoReplay's order, \
        then to every output. MIGRATING.md lists where GoReplay differs, and what the Unix tools have instead. 'gor \
        file-server ADDRESS' serves the files of the current directory over HTTP.";
    let explain = Arg::new("explain")
        .long("explain")
        .help("Print the same as a pipe of the Unix tools, and do nothing")
        .help_heading("General")
        .action(ArgAction::SetTrue);
    let args = FLAGS.iter().map(|flag| {
        let default =
            if flag.default.is_empty() { String::new() } else { format!(" [default: {}]", flag.default) };
        let arg = Arg::new(flag.name)
            .long(flag.name)
            .help(format!("{}{default}", flag.does))
            .help_heading(flag.group);
        match flag.kind {
            FlagKind::Bool => arg.action(ArgAction::SetTrue),
            kind => {
                let repeats = if kind.repeats() { ArgAction::Append } else { ArgAction::Set };
                let hint = if flag.name.ends_with("-file") {
                    clap::ValueHint::FilePath
                } else {
                    clap::ValueHint::Unknown
                };
                arg.value_name(kind.placeholder().trim()).action(repeats).value_hint(hint)
            }
        }
    });
    Command::new("gor")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .long_about(long)
        .after_help(EXAMPLES)
        .disable_version_flag(true)
        .args(args)
        .arg(explain)
        .display_order(Resettable::Reset)
}

/// The table of `MIGRATING.md`: each flag, what becomes of it, and what the Unix tools have.
pub fn migration() -> String {
    let mut text = "| flag of GoReplay | what `gor` does | Unix tools | where GoReplay differs |\n| --- | --- | --- | --- |\n".to_owned();
    // A bar would end the cell.
    let cell = |text: &str| text.replace('|', "\\|");
    for flag in FLAGS {
        let default = if flag.default.is_empty() { String::new() } else { format!(" ({})", flag.default) };
        let row = [
            format!("`--{}`{default}", flag.name),
            cell(flag.does),
            format!("`{}`", cell(flag.unix)).replace("`(default)`", "(default)"),
            cell(flag.differs),
        ];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Prints GoReplay's lines on standard output as it does for help and for wrong command lines. A person at a terminal
/// is spared them, as they are not about this program.
pub(super) fn print_banner() {
    let mut out = std::io::stdout();
    if !out.is_terminal() {
        // Nobody may be reading, and there is more important to say.
        let _ = out.write_all(BANNER.as_bytes());
    }
}

/// Prints the help, and ends as GoReplay does.
pub(super) fn print() -> Exit {
    print_banner();
    cli::report(text());
    Exit::Usage
}

fn text() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for flag in FLAGS {
        if flag.group != group {
            group = flag.group;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{group}:\n");
        }
        let default =
            if flag.default.is_empty() { String::new() } else { format!(" [default: {}]", flag.default) };
        let _ = writeln!(text, "  --{}{}{default}", flag.name, flag.kind.placeholder());
        wrap(flag.does, &mut text);
    }
    text
}

/// Breaks a text into lines that are indented.
fn wrap(words: &str, text: &mut String) {
    text.push_str(&" ".repeat(INDENT));
    let mut column = INDENT;
    for (number, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(INDENT));
            column = INDENT;
        } else if number > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_help_has_every_flag_and_fits_the_terminal() {
        let text = super::text();
        for flag in super::FLAGS {
            assert!(text.contains(&format!("  --{}", flag.name)), "{}", flag.name);
        }
        let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{long:?}");
    }
}
