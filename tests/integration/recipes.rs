//! What the recipes of gor-tools(7) come to: each does what its heading says.

use std::collections::BTreeMap;

use super::examples::{Desk, lacking, recipes};
use super::support::skip::skip;

/// Runs the recipe with this heading, and returns what it prints; nothing where a program is missing.
#[track_caller]
fn cook(desk: &Desk, heading: &str) -> Option<String> {
    let recipes = recipes();
    let (_, commands) = recipes.iter().find(|(found, _)| found == heading).expect("such a recipe");
    if let Some(program) = lacking(commands) {
        skip(format_args!("{program} is not installed: {commands}"));
        return None;
    }
    Some(desk.run(commands))
}

/// How many of the requests in a recording have each of these.
#[track_caller]
fn counts(desk: &Desk, file: &str, option: &str, values: &[&str]) -> BTreeMap<String, usize> {
    let count = |value: &&str| {
        let printed = desk.run(&format!("gor-filter --kind request --count {option}'{value}' {file}"));
        let number = printed.trim_end().parse().expect("a number");
        ((*value).to_owned(), number)
    };
    values.iter().map(count).collect()
}

/// The requests in a recording.
#[track_caller]
fn requests(desk: &Desk, file: &str) -> usize {
    counts(desk, file, "--url ", &[""])[""]
}

/// How often each of these was asked.
fn tally(lines: Vec<String>) -> BTreeMap<String, usize> {
    lines.into_iter().fold(BTreeMap::new(), |mut tally, line| {
        *tally.entry(line).or_default() += 1;
        tally
    })
}

#[test]
fn the_busiest_endpoint_of_yesterday_is_that_of_its_requests_alone() {
    let desk = Desk::new();
    // Should midnight pass meanwhile, those of today are those of yesterday, and as many.
    desk.run(
        "rm -r logs; mkdir logs
         gor-merge -q --rebase yesterday shop.gor -o logs/1.gor.zst
         gor-merge -q --rebase today shop.gor -o logs/2.gor.zst
         gor-merge -q --rebase -2d monday.gor -o logs/0.gor",
    );
    let printed = cook(&desk, "Find the busiest endpoint of yesterday").expect("it needs our tools only");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert_eq!(lines[1].split_whitespace().take(3).collect::<Vec<_>>(), ["GET", "/api/products", "48"]);
}

#[test]
fn everything_of_one_session_is_its_requests_and_their_responses() {
    let desk = Desk::new();
    let printed = cook(&desk, "Keep everything of one user's session").expect("it needs our tools only");
    let listed = |line: &str| line.split_whitespace().eq(["s1x84313ef39b0a", "30"]);
    assert!(printed.lines().any(listed), "{printed}");
    assert_eq!(requests(&desk, "user.gor"), 30);
    let theirs = counts(&desk, "user.gor", "--header Cookie:session=", &["s1x84313ef39b0a"]);
    assert_eq!(theirs["s1x84313ef39b0a"], 30);
    assert_eq!(desk.run("gor-filter --count user.gor").trim_end(), "60", "with their responses");
}

#[test]
fn of_half_the_users_all_is_kept_and_of_the_others_nothing() {
    const SESSIONS: [&str; 5] =
        ["s1x84313ef39b0a", "s2xfdee430d40bd", "s4xdb4232811217", "s5x4da860a59a46", "s6xe010fd1ce1ac"];
    let desk = Desk::new();
    cook(&desk, "Keep half of the users, always the same ones").expect("it needs our tools only");
    let all = counts(&desk, "shop.gor", "--header Cookie:session=", &SESSIONS);
    let kept = counts(&desk, "half.gor", "--header Cookie:session=", &SESSIONS);
    assert!(kept.iter().all(|(session, &count)| count == 0 || count == all[session]), "{kept:?} of {all:?}");
    let users = kept.values().filter(|&&count| count > 0).count();
    assert!(users == 2 || users == 3, "about half of five: {kept:?}");
    assert_eq!(kept.values().sum::<usize>(), requests(&desk, "half.gor"), "nobody else");
}

#[test]
fn each_host_has_a_recording_and_what_names_no_file_is_in_the_last_one() {
    let desk = Desk::new();
    desk.run(
        "first() { gor-filter -q --kind request --limit $1 monday.gor; }
         first 5 | gor-rewrite -q --set-host API.shop.test >> shop.gor
         first 3 | gor-rewrite -q --set-header 'Host: ../../etc/x' >> shop.gor
         first 2 | gor-rewrite -q --set-header 'Host: apixshop.test:99' >> shop.gor
         first 1 | gor-rewrite -q --delete-header Host >> shop.gor",
    );
    if cook(&desk, "Make a recording for each host").is_none() {
        return;
    }
    let files = desk.run("ls host-* other-hosts.gor");
    let names = ["host-api.shop.test.gor", "host-apixshop.test.gor", "host-shop.test.gor", "other-hosts.gor"];
    assert_eq!(files.lines().collect::<Vec<_>>(), names);
    assert_eq!(names.map(|name| requests(&desk, name)), [5, 2, 247, 4]);
}

#[test]
fn the_last_hour_of_an_archive_is_what_began_in_it() {
    let desk = Desk::new();
    desk.run("gor-merge -q --rebase -3h shop.gor -o live-20261126-20.gor.zst");
    cook(&desk, "Keep the last hour of an archive with a file for each hour")
        .expect("it needs our tools only");
    assert_eq!(requests(&desk, "last-hour.gor"), 247, "one of the two files");
    assert_eq!(desk.run("gor-filter --count --since -40m last-hour.gor").trim_end(), "494");
}

#[test]
fn requests_as_curl_commands_arrive() {
    let desk = Desk::new();
    if cook(&desk, "Write a recording as curl commands, and run them").is_none() {
        return;
    }
    let asked = desk.asked();
    let sent = &asked[asked.len() - 20..];
    let first = desk.run("gor-filter --kind request --limit 20 shop.gor | grep -a ' HTTP/1.1'");
    let first: Vec<&str> = first.lines().map(|line| line.split(" HTTP/").next().expect("a line")).collect();
    assert_eq!(sent, first);
}

#[test]
fn slow_requests_are_sent_and_the_report_has_both_latencies() {
    let desk = Desk::new();
    let before = desk.asked().len();
    cook(&desk, "Send the slow requests again").expect("it needs our tools only");
    desk.run("gor-filter --min-latency 5ms shop.gor -o slow.gor");
    let slow = requests(&desk, "slow.gor");
    assert!(slow > 10 && slow < 247, "{slow}");
    assert_eq!(desk.asked().len() - before, slow);
    let report = std::fs::read_to_string(desk.path("slow.txt")).expect("a report");
    assert!(report.contains("recorded"), "{report}");
}

#[test]
fn what_a_browser_did_is_sent_with_its_bodies() {
    let desk = Desk::new();
    let before = desk.asked().len();
    cook(&desk, "Replay what a browser did, from a HAR file").expect("it needs our tools only");
    let expected = [("GET /api/products?page=1", 2), ("GET /api/products?page=2", 1), ("POST /api/cart", 2)];
    let expected = expected.into_iter().map(|(line, count)| (line.to_owned(), count)).collect();
    assert_eq!(tally(desk.asked().split_off(before)), expected);
}

#[test]
fn what_an_access_log_tells_is_sent() {
    let desk = Desk::new();
    let before = desk.asked().len();
    cook(&desk, "Replay the access log of a web server").expect("it needs our tools only");
    let log = include_str!("../../examples/access.log");
    let lines = log.lines().filter_map(|line| line.split('"').nth(1)?.strip_suffix(" HTTP/1.1"));
    let gets: Vec<String> = lines.filter(|line| line.starts_with("GET ")).map(str::to_owned).collect();
    assert_eq!(gets.len(), 10);
    assert_eq!(tally(desk.asked().split_off(before)), tally(gets));
}
