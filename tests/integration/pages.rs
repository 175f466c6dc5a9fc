//! Man pages and completions are made from the clap definitions and checked in.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use gor_tools::tool::{filter, gor, merge, record, replay, report, rewrite, show};

/// The tools, each with its command line.
fn tools() -> Vec<Command> {
    vec![
        record::Args::command(),
        filter::Args::command(),
        rewrite::Args::command(),
        merge::Args::command(),
        replay::Args::command(),
        show::Args::command(),
        report::Args::command(),
        gor::command(),
    ]
}

/// Each file that is made, and what belongs into it.
fn pages(tool: &Command) -> Vec<(String, Vec<u8>)> {
    let name = tool.get_name().to_owned();
    let page = man_page(tool).expect("a vector takes everything");
    let mut pages = vec![(format!("man/{name}.1"), page)];
    for (shell, path) in [
        (Shell::Bash, format!("completions/{name}.bash")),
        (Shell::Zsh, format!("completions/_{name}")),
        (Shell::Fish, format!("completions/{name}.fish")),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut tool.clone(), &name, &mut script);
        pages.push((path, script));
    }
    pages
}

/// The manual page: clap's, but for what stands after the options. That comes
/// from the paragraphs of the help's end, which begin with `Examples:`,
/// `Signals:`, `Exit status:` or none of them.
fn man_page(tool: &Command) -> std::io::Result<Vec<u8>> {
    // What -h leaves out would have no text in the page either.
    let all = tool.clone().mut_args(|argument| argument.hide_short_help(false));
    let man = clap_mangen::Man::new(all);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let usage = tool.clone().render_usage().to_string();
    let (_, arguments) = usage.trim().split_once(tool.get_name()).unwrap_or_default();
    writeln!(page, ".SH SYNOPSIS\n.B {}\n{}", escape(tool.get_name()), escape(arguments.trim()))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let end =
        tool.get_after_long_help().or(tool.get_after_help()).map(ToString::to_string).unwrap_or_default();
    for paragraph in end.trim().split("\n\n") {
        let text = escape(paragraph);
        if let Some(examples) = text.strip_prefix("Examples:\n") {
            writeln!(page, ".SH EXAMPLES\n.EX\n{examples}\n.EE")?;
        } else if let Some(statuses) = text.strip_prefix("Exit status:") {
            let lines: Vec<_> = statuses.trim().lines().map(str::trim_start).collect();
            writeln!(page, ".SH \"EXIT STATUS\"\n{}", lines.join("\n"))?;
        } else if let Some(signals) = text.strip_prefix("Signals:") {
            let lines: Vec<_> = signals.trim().lines().map(str::trim_start).collect();
            writeln!(page, ".SH SIGNALS\n{}", lines.join("\n"))?;
        } else {
            writeln!(page, ".SH NOTES\n{text}")?;
        }
    }
    writeln!(page, ".SH \"SEE ALSO\"")?;
    for other in tools().iter().map(Command::get_name).filter(|name| *name != tool.get_name()) {
        writeln!(page, ".BR {} (1),", escape(other))?;
    }
    writeln!(
        page,
        ".BR gor (5),\n.BR gor\\-jsonl (5),\n.BR gor\\-log (5),\n.BR gor\\-report (5),\n.BR gor\\-tools (7)"
    )?;
    Ok(page)
}

/// Text that roff takes as it stands.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace("\n.", "\n\\&.");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// With `GOR_BLESS` set, writes them instead.
#[test]
fn man_pages_and_completions_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (path, expected) in tools().iter().flat_map(pages) {
        if std::env::var_os("GOR_BLESS").is_some() {
            std::fs::write(root.join(&path), expected).expect("the page can be written");
        } else if std::fs::read(root.join(&path)).ok().as_ref() != Some(&expected) {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "not current: {stale:?}; `GOR_BLESS=1 cargo test pages` rewrites them");
}

#[test]
fn every_option_is_explained_and_every_tool_shows_examples() {
    for tool in tools() {
        let name = tool.get_name().to_owned();
        assert!(tool.get_about().is_some(), "{name} does not say what it is for");
        let examples = tool.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(examples.contains(&name), "{name} shows no example of itself");
        for argument in tool.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {} is not explained", argument.get_id());
        }
        tool.debug_assert();
    }
}

#[test]
fn every_man_page_says_what_each_option_does() {
    for tool in tools() {
        let page = String::from_utf8(man_page(&tool).expect("a vector takes everything")).expect("text");
        for argument in tool.get_arguments() {
            let help = argument.get_help().expect("each is explained").to_string();
            // Quotes and dashes are escaped in the page: words are compared.
            let words = |text: &str| text.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\(aq", "'");
            assert!(words(&page).contains(help.trim()), "{}: {help}", tool.get_name());
        }
    }
}

#[test]
fn pages_written_by_hand_and_made_pages_refer_to_each_other() {
    let mut pages: Vec<String> = tools().iter().map(|tool| format!("{}.1", tool.get_name())).collect();
    pages.extend(["gor.5", "gor-jsonl.5", "gor-log.5", "gor-report.5", "gor-tools.7"].map(str::to_owned));
    for page in &pages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(page);
        let text = std::fs::read_to_string(path).expect("the page is there");
        let (_, see_also) = text.split_once("SEE ALSO").expect("each page ends with it");
        for (name, section) in
            pages.iter().filter(|other| *other != page).filter_map(|name| name.split_once('.'))
        {
            let reference = format!(".BR {} ({section})", escape(name));
            assert!(see_also.contains(&reference), "{page} lacks {reference}");
        }
    }
}

#[test]
fn completions_offer_files_for_files_and_hosts_for_targets() {
    for tool in tools() {
        for argument in tool.get_arguments() {
            let names: Vec<&str> = argument
                .get_value_names()
                .unwrap_or_default()
                .iter()
                .map(clap::builder::Str::as_str)
                .collect();
            let expected = match names.first() {
                Some(&("FILE" | "INPUT" | "BEFORE")) => ValueHint::FilePath,
                Some(&"DIRECTORY") => ValueHint::DirPath,
                Some(&"TARGET") => ValueHint::Hostname,
                _ => continue,
            };
            assert_eq!(argument.get_value_hint(), expected, "{} {}", tool.get_name(), argument.get_id());
        }
    }
}

#[test]
fn help_is_written_in_plain_words() {
    let avoided = ["so many", "so much", "is none", "but for", "whoever", "stands", "said", "anew"];
    for mut tool in tools() {
        let help = tool.render_long_help().to_string();
        for words in avoided {
            let found = help.lines().find(|line| format!(" {line} ").contains(&format!(" {words} ")));
            assert_eq!(found, None, "{}: {words:?}", tool.get_name());
        }
    }
}

#[test]
fn short_help_fits_a_screen_of_50_lines() {
    // That of gor is all there is, on standard error, as with GoReplay.
    for tool in tools().into_iter().filter(|tool| tool.get_name() != "gor") {
        let shown = super::support::program::command(tool.get_name(), &["-h"])
            .env("COLUMNS", "80")
            .output()
            .expect("it runs");
        let lines = String::from_utf8_lossy(&shown.stdout).lines().count();
        assert!((20..=50).contains(&lines), "{}: {lines} lines", tool.get_name());
    }
}
