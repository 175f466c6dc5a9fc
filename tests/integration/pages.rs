//! Man pages and completions are made from the clap definitions and checked in.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use gor_tools::tool::{filter, merge, record, replay, rewrite, show};

/// The tools, each with its command line.
fn tools() -> Vec<Command> {
    vec![
        record::Args::command(),
        filter::Args::command(),
        rewrite::Args::command(),
        merge::Args::command(),
        replay::Args::command(),
        show::Args::command(),
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
/// `Exit status:` or neither.
fn man_page(tool: &Command) -> std::io::Result<Vec<u8>> {
    let man = clap_mangen::Man::new(tool.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
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
        } else {
            writeln!(page, ".SH NOTES\n{text}")?;
        }
    }
    writeln!(page, ".SH \"SEE ALSO\"")?;
    for other in tools().iter().map(Command::get_name).filter(|name| *name != tool.get_name()) {
        writeln!(page, ".BR {} (1),", escape(other))?;
    }
    writeln!(page, ".BR gor (5)")?;
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
