//! The page of a report in a browser: it runs without an error, has all its parts, and shows hostile text as text.

use std::path::Path;
use std::process::Command;

use super::support::origin::{Answer, Origin, answer};
use super::support::program::run;
use super::support::replayer::{assert_exit, gets, replay};
use super::support::skip::skip;

/// The page as a browser has it once its script ran, and what it said of errors. None: there is no browser.
fn browse(page: &Path) -> Option<(String, String)> {
    let profile = tempfile::tempdir().expect("a folder");
    let mut browser = Command::new("timeout");
    browser.args(["--kill-after=5", "100", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]);
    browser.args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", profile.path().display()));
    browser.arg(format!("file://{}", page.display()));
    let output = browser.env("HOME", profile.path()).output().expect("timeout runs");
    if output.status.code() == Some(127) {
        skip("there is no chromium");
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    let console: Vec<_> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), console.join("\n")))
}

#[test]
fn a_page_runs_in_a_browser_and_hostile_text_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Origin::start(|request| match request.line().split('?').nth(1) {
        Some("cut") => Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec()),
        Some("error") => answer(503, "oops"),
        _ => answer(200, "ok"),
    });
    // Each would give the page another title.
    let input = gets(&[
        (0, "/<script>document.title='owned'</script>"),
        (1, "/</script><script>document.title='owned'</script>?error"),
        (2, "/\"><img/src='x'/onerror=\"document.title='owned'\">?cut"),
        (3, "/'><svg/onload=document.title='owned'>"),
        (4, "/</title></style><!--?cut"),
    ]);
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let page = folder.path().join("run.html");
    let json = folder.path().join("run.json");
    let [page_name, json_name] = [&page, &json].map(|path| path.display().to_string());
    let [one, two] = [origin.address(), closed].map(|address| format!("http://{address}"));
    assert_exit(&replay(&["-q", "--report", &page_name, "--report", &json_name, &one, &two], &input), 1);

    let text = std::fs::read_to_string(&page).expect("it was written");
    let again = folder.path().join("again.html");
    run("gor-report", &[&json_name, "-o", &again.display().to_string()], b"").ends_with(0).is_silent();
    assert!(
        std::fs::read_to_string(&again).expect("it was written") == text,
        "gor-report writes the same page"
    );
    // Nothing of another place but the targets, which are text.
    let own = text.replace(&one, "").replace(&two, "");
    for word in ["http://", "https://", "@import", "url("] {
        assert!(!own.contains(word), "{word}");
    }

    let Some((shown, console)) = browse(&page) else { return };
    assert_eq!(console, "", "errors of scripts");
    assert!(shown.contains("<title>Replay report</title>"), "the title is another one");
    for (tag, expected) in [("<script", 1), ("<style", 1), ("<img", 0), ("<iframe", 0), ("<title", 1)] {
        // Drawings have titles of their own.
        let found =
            shown.matches(tag).count() - if tag == "<title" { shown.matches("><title>").count() } else { 0 };
        assert_eq!(found, expected, "{tag}");
    }
    // The script ran to its end: the last table can be sorted by its last column.
    let sortable = shown.matches("sortable\">").count();
    assert_eq!(shown.matches("<table class=\"").count() - sortable, 3 + 2 + 1, "tables that need no order");
    let last = shown.rsplit("sortable\">").next().and_then(|table| table.split("</thead>").next());
    let last = last.expect("a table's head");
    assert_eq!(last.matches("<button").count(), last.matches("<th scope=\"col\"").count(), "{last}");
    let parts =
        ["What became of the requests", "Failures", "Latency", "Over time", "By method and path", "Slowest"];
    for part in parts {
        assert_eq!(shown.matches(&format!("<h3>{part}")).count(), 3, "{part}: all, and each of two targets");
    }
    for part in ["Targets", "All 2 targets", "The replay"] {
        assert!(shown.contains(&format!("<h2>{part}</h2>")), "{part}");
    }
    // Of the target that answered, and of all: five figures; of the other one nothing was sent.
    assert_eq!(shown.matches("<svg class=\"drawing\"").count(), 5 + 5 + 2);
    assert!(shown.contains("GET /&lt;script&gt;document.title='owned'&lt;/script&gt;"));
}
