//! Lines of logs and what becomes of them.

use proptest::prelude::*;

use super::entry::LogEntry;
use super::pattern::unescaped;
use super::*;
use crate::Error;
use crate::interchange::Import as _;
use crate::record::{DEFAULT_MAX_RECORD, Kind, Mark, Record, Records, Source};

const OPTIONS: ImportOptions = ImportOptions { max_record: DEFAULT_MAX_RECORD, is_strict: false };

const SECOND: i64 = 1_000_000_000;

/// 2000-10-10T13:55:36-07:00.
const OCTOBER: i64 = 971_211_336_000_000_000;

fn read(format: &str, text: &[u8]) -> (Vec<Record>, Option<String>) {
    let source = LogSource::new(text, LogFormat::parse(format).unwrap(), OPTIONS);
    let (mut records, mut record, mut all) = (Records::new(source), Record::default(), Vec::new());
    while records.read(&mut record).unwrap() {
        all.push(record.clone());
    }
    let said = records.source().not_carried();
    assert_eq!(records.source().intake().malformed, 0, "{:?}", records.source().intake());
    (all, said)
}

/// The records of a line; the format is told by the line.
fn recognised(line: &str) -> Vec<Record> {
    let format = LogFormat::of(line.as_bytes()).unwrap_or_else(|| panic!("no log: {line}"));
    let source = LogSource::new(line.as_bytes(), format, OPTIONS);
    let (mut records, mut record, mut all) = (Records::new(source), Record::default(), Vec::new());
    while records.read(&mut record).unwrap() {
        all.push(record.clone());
    }
    all
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn formats_with_a_name_are_valid() {
    for (name, pattern) in NAMED.iter() {
        assert_ne!(**pattern, Pattern::default().with_more(), "{name}");
        assert_eq!(LogFormat::parse(name).unwrap().0, Lines::Text(Arc::clone(pattern)));
    }
}

#[test]
fn a_line_becomes_a_request_and_a_response_without_body() {
    let line = r#"127.0.0.2 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 "http://x.example/start" "Mozilla/4.08 \"x\" \x22y""#;
    let (records, said) = read("combined", line.as_bytes());
    let [request, response] = &records[..] else { panic!("{records:?}") };
    assert_eq!(
        text(&request.payload),
        "GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nReferer: http://x.example/start\r\n\
         User-Agent: Mozilla/4.08 \"x\" \"y\r\n\r\n"
    );
    assert_eq!((request.kind, request.timestamp, request.mark), (Kind::Request, OCTOBER, None));
    assert_eq!(text(&request.id[..16]), "040000507f000002");
    assert_eq!(request.id.len(), 24);
    assert_eq!(text(&response.payload), "HTTP/1.1 200 \r\nContent-Length: 2326\r\n\r\n");
    assert_eq!(
        (response.kind, response.timestamp, response.mark),
        (Kind::Response, OCTOBER, Some(Mark::Cut))
    );
    assert_eq!(response.id, request.id);
    assert_eq!(
        said.unwrap(),
        "1 request's credentials, 1 host (localhost is written), 1 body of a response, \
         1 duration (the response has the time of its request)"
    );
}

#[test]
fn formats_are_recognised_with_what_servers_add_to_them() {
    const LINE: &str = "[10/Oct/2000:13:55:36 -0700] \"GET /x HTTP/2.0\" 404 -";
    for (line, host) in [
        (format!("::1 - - {LINE}"), "localhost"),
        (format!("::1 - - {LINE} \"-\" \"curl\""), "localhost"),
        (format!("client.example - - {LINE} \"-\" \"curl\" \"10.0.0.1, 10.0.0.2\" 0.004"), "localhost"),
        (format!("shop.example:8080 10.1.1.1 - - {LINE} \"-\" \"curl\""), "shop.example"),
        (format!("what was cut\n\n::1 - - {LINE}\n"), "localhost"),
    ] {
        let records = recognised(&line);
        assert_eq!(records.len(), 2, "{line}");
        let request = text(&records[0].payload);
        assert!(request.starts_with(&format!("GET /x HTTP/1.1\r\nHost: {host}\r\n")), "{line}: {request}");
        assert_eq!(request.contains("User-Agent: curl\r\n"), line.contains("curl"), "{line}");
        assert!(records[1].payload.starts_with(b"HTTP/1.1 404 \r\n"), "{line}");
    }
    for other in ["", "a b c", "::1 - - [10/Oct/2000:13:55:36] \"GET / HTTP/1.1\" 200 1", "{}", "[1]"] {
        assert_eq!(LogFormat::of(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn json_of_several_servers_is_recognised() {
    // Of each: the request's head, status, when it began and how long it took, in milliseconds, and the session.
    let cases = [
        (
            r#"{"time_iso8601":"2000-10-10T13:55:36-07:00","remote_addr":"10.0.0.7","request":"GET /a HTTP/1.1","status":"200","body_bytes_sent":"5","request_time":"0.250","http_host":"shop.example","http_user_agent":"curl","http_x_trace":"t"}"#,
            "GET /a HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl\r\nX-Trace: t\r\n\r\n",
            (200, 0, 250),
            "040000500a000007",
        ),
        (
            r#"{"msec":"971211336.250","client":"10.0.0.7","method":"GET","url":"https://shop.example/a?b","status":404,"request_time":0.25}"#,
            "GET /a?b HTTP/1.1\r\nHost: shop.example\r\n\r\n",
            (404, 0, 250),
            "040000500a000007",
        ),
        (
            r#"{"level":"info","ts":971211336.5,"logger":"http.log.access","request":{"remote_ip":"10.0.0.7","remote_port":"4097","proto":"HTTP/2.0","method":"GET","host":"shop.example","uri":"/a b","headers":{"User-Agent":["curl"],"Cookie":["REDACTED"]}},"duration":0.25,"size":10,"status":200,"resp_headers":{"Server":["Caddy"]}}"#,
            "GET /a%20b HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl\r\n\r\n",
            (200, 250, 250),
            "100100500a000007",
        ),
        (
            r#"{"ClientAddr":"10.0.0.7:4097","DownstreamStatus":200,"DownstreamContentSize":7,"Duration":250000000,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/a?b","RequestProtocol":"HTTP/1.1","StartUTC":"2000-10-10T20:55:36.125Z","request_User-Agent":"curl","time":"2000-10-10T20:55:37Z"}"#,
            "GET /a?b HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl\r\n\r\n",
            (200, 125, 250),
            "100100500a000007",
        ),
        (
            r#"{"start_time":"2000-10-10T20:55:36.125Z","method":"GET","path":"/a","protocol":"HTTP/1.1","response_code":503,"duration":250,"bytes_sent":0,"authority":"shop.example","user_agent":"curl","downstream_remote_address":"10.0.0.7:4097"}"#,
            "GET /a HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl\r\n\r\n",
            (503, 125, 250),
            "100100500a000007",
        ),
    ];
    for (line, head, (status, began, took), session) in cases {
        let records = recognised(line);
        let [request, response] = &records[..] else { panic!("{line}: {records:?}") };
        assert_eq!(text(&request.payload), head, "{line}");
        assert!(response.payload.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{line}");
        assert_eq!((request.timestamp - OCTOBER) / 1_000_000, began, "{line}");
        assert_eq!((response.timestamp - request.timestamp) / 1_000_000, took, "{line}");
        assert_eq!(text(&request.id[..16]), session, "{line}");
    }
    let record =
        r#"{"body":"","id":"a","kind":"request","method":"GET","target":"/","time":"2000-10-10T20:55:36Z"}"#;
    assert_eq!(LogFormat::of(record.as_bytes()), None);
    assert_eq!(LogFormat::of(br#"{"time":"now","method":"GET","uri":"/"}"#), None);
    let other =
        br#"{"time":0.5,"ts":1700000001.5,"method":"GET","uri":"/","protocol":"h2","bytes_received":90,"http_user_agent":"c","user_agent":"c"}"#;
    let records = recognised(text(other));
    assert_eq!((records[0].timestamp, records[0].mark), (1_700_000_001_500_000_000, None));
    assert_eq!(text(&records[0].payload), "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: c\r\n\r\n");
}

#[test]
fn a_request_whose_body_is_missing_is_marked() {
    const FORMAT: &str = "$msec $request_method $request_uri $content_length $http_transfer_encoding";
    for (line, is_cut) in [
        ("GET / - -", false),
        ("GET / 0 -", false),
        ("GET / 5 -", true),
        ("GET / - chunked", true),
        ("DELETE / - -", false),
        ("POST / - -", true),
        ("POST / 0 -", false),
        ("PUT / 10 -", true),
        ("PATCH / - -", true),
    ] {
        let (records, said) = read(FORMAT, format!("1700000001.5 {line}\n").as_bytes());
        assert_eq!(records[0].mark, is_cut.then_some(Mark::Cut), "{line}");
        assert_eq!(said.unwrap().contains("1 body of a request"), is_cut, "{line}");
        assert_eq!(records.len(), 1, "{line}: there is no status");
    }
}

#[test]
fn what_is_no_request_of_http_is_counted_and_nothing_can_be_smuggled_into_a_head() {
    for request in [
        "-",
        "",
        r"\x16\x03\x01",
        "GET /",
        "GET / HTTP/0.9",
        "GET /a b HTTP/1.1",
        r"GET /\x0d\x0aA: HTTP/1.1",
        r"G\x20T / HTTP/1.1",
    ] {
        let line = format!("::1 - - [10/Oct/2000:13:55:36 -0700] \"{request}\" 400 0 \"-\" \"-\"\n");
        let (records, said) = read("combined", line.as_bytes());
        assert_eq!(
            (records.len(), said.as_deref()),
            (0, Some("1 line without an HTTP request")),
            "{request}"
        );
    }
    let line = r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 0 "-" "a\r\nX: y""#;
    let (records, said) = read("combined", line.as_bytes());
    assert_eq!(text(&records[0].payload), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(said.unwrap().contains("1 header that HTTP/1.1 does not allow"));
}

#[test]
fn a_response_tells_a_length_only_where_it_would_have_a_body() {
    for (method, status, head) in [
        ("GET", "200", "HTTP/1.1 200 \r\nContent-Length: 7\r\n\r\n"),
        ("HEAD", "200", "HTTP/1.1 200 \r\n\r\n"),
        ("GET", "304", "HTTP/1.1 304 \r\n\r\n"),
        ("GET", "204", "HTTP/1.1 204 \r\n\r\n"),
        ("GET", "499", "HTTP/1.1 499 \r\nContent-Length: 7\r\n\r\n"),
    ] {
        let (records, _) = read(
            "$msec $request_method $uri $status $body_bytes_sent",
            format!("1700000001 {method} / {status} 7").as_bytes(),
        );
        assert_eq!(text(&records[1].payload), head);
        assert_eq!(records[1].mark, Some(Mark::Cut), "{method} {status}");
    }
}

#[test]
fn ids_differ_within_a_log_and_between_logs_and_are_the_same_each_time() {
    let log = |second: u32| -> String {
        let line = |number: u32| {
            format!("10.0.0.{} - - [10/Oct/2000:13:55:{second} -0700] \"GET / HTTP/1.1\" 200 1\n", number % 3)
        };
        (0..50).map(line).collect()
    };
    let ids = |second| {
        let (records, _) = read("common", log(second).as_bytes());
        records.into_iter().filter(|it| it.kind == Kind::Request).map(|it| it.id).collect::<Vec<_>>()
    };
    let (first, second) = (ids(36), ids(37));
    assert_eq!(first, ids(36));
    let all: std::collections::HashSet<_> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), 100);
    let sessions: std::collections::HashSet<_> = first.iter().map(|id| crate::record::session(id)).collect();
    assert_eq!(sessions.len(), 3);
    // Those of IPv6 end alike.
    let (records, _) = read(
        "$msec $remote_addr $request_method $uri",
        b"1700000001 2001:db8:1::1 GET /\n1700000001 2001:db8:2::1 GET /\n",
    );
    assert_ne!(records[0].id[..16], records[1].id[..16]);
}

/// When each request came, in nanoseconds after the first second, and what is said.
fn spread(lines: &str) -> (Vec<(String, i64)>, Option<String>) {
    let log = LogSource::new(
        lines.as_bytes(),
        LogFormat::parse("$msec $request_method $uri $status").unwrap(),
        OPTIONS,
    );
    let (mut records, mut record, mut all) =
        (Records::new(SpreadSource::new(log)), Record::default(), Vec::new());
    let mut asked = 0;
    while records.read(&mut record).unwrap() {
        if record.kind == Kind::Request {
            asked = record.timestamp;
            let line = text(&record.payload).lines().next().unwrap_or_default();
            let target = line.split(' ').nth(1).unwrap_or_default();
            all.push((target.to_owned(), asked - 1_700_000_000_000_000_000));
        } else {
            assert_eq!(record.timestamp, asked, "a response goes with its request");
        }
    }
    assert_eq!(records.source().intake().records, 2 * all.len() as u64);
    (all, records.source().not_carried())
}

#[test]
fn requests_of_a_second_are_spread_over_it_in_their_order() {
    let line = |(second, name): (f64, &str)| format!("{second} GET /{name} 200\n");
    let seconds = [
        (0., "a"),
        (0., "b"),
        (1., "c"),
        (0., "d"),
        (1., "e"),
        (0., "f"),
        (3., "g"),
        (2., "h"),
        (0., "late"),
    ];
    let text: String = seconds.iter().map(|(second, name)| line((1_700_000_000. + second, name))).collect();
    let (times, said) = spread(&text);
    let named: Vec<_> = times.iter().map(|(name, time)| (&name[1..], *time / 1_000_000)).collect();
    let expected = [
        ("a", 0),
        ("b", 250),
        ("c", 1000),
        ("d", 500),
        ("e", 1500),
        ("f", 750),
        ("g", 3000),
        ("h", 2000),
        // It is more than two seconds late: the others went without it.
        ("late", 0),
    ];
    assert_eq!(named, expected);
    assert!(
        said.as_ref().is_some_and(|said| said
            .ends_with("6 fractions of seconds (the requests of each second are spread evenly over it)")),
        "{said:?}"
    );
    // The last line needs no end.
    assert_eq!(spread(text.trim_end()), (times, said));
    // One finer time says that whole ones behind it are true, and those that wait for the end of their second.
    let (times, _) = spread(&(text.clone() + &line((1_700_000_004.25, "x")) + &text));
    assert!(times.iter().skip(6).all(|(_, time)| time % SECOND == 0 || time % SECOND == SECOND / 4));
}

proptest! {
    #[test]
    fn spread_requests_keep_their_second_and_where_seconds_do_not_go_back_their_order(
        seconds in prop::collection::vec(0..6_i64, 0..60), is_sorted: bool
    ) {
        let mut seconds = seconds;
        if is_sorted {
            seconds.sort_unstable();
        }
        let line = |(number, second): (usize, &i64)| format!("{} GET /{number} 200\n", 1_700_000_000 + second);
        let text: String = seconds.iter().enumerate().map(line).collect();
        let (times, _) = spread(&text);
        let names: Vec<_> = times.iter().map(|(name, _)| name[1..].parse::<usize>().unwrap()).collect();
        prop_assert_eq!(names, (0..seconds.len()).collect::<Vec<_>>());
        let whole: Vec<_> = times.iter().map(|(_, time)| time.div_euclid(SECOND)).collect();
        prop_assert_eq!(whole, seconds);
        let times: Vec<_> = times.iter().map(|(_, time)| *time).collect();
        prop_assert!(!is_sorted || times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", times);
    }
}

#[test]
fn a_line_that_does_not_parse_is_shown_and_hides_no_other() {
    const GOOD: &str = "::1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1\n";
    let text = format!("{GOOD}\nGET \u{7} / no log\n{GOOD}x\n{GOOD}");
    let mut source = LogSource::new(text.as_bytes(), LogFormat::parse("common").unwrap(), OPTIONS);
    let mut block = Block::new();
    while source.read_block(&mut block).unwrap() {}
    let intake = source.intake();
    assert_eq!((intake.records, intake.malformed), (6, 2));
    let (position, reason) = intake.first_malformed.unwrap();
    assert_eq!((position.record, position.byte), (3, GOOD.len() as u64 + 1));
    assert_eq!(reason.to_string(), "line 3: it is not in the log format: GET \\u{7} / no log");
    let strict = ImportOptions { is_strict: true, ..OPTIONS };
    let mut source = LogSource::new(text.as_bytes(), LogFormat::parse("common").unwrap(), strict);
    assert!(source.read_block(&mut block).unwrap());
    assert!(matches!(source.read_block(&mut block), Err(Error::Malformed { .. })));
    let mut source = LogSource::new(&GOOD.as_bytes()[..40], LogFormat::parse("common").unwrap(), OPTIONS);
    assert!(!source.read_block(&mut block).unwrap());
    assert_eq!(source.intake().lost, 1);
}

#[test]
fn a_format_that_cannot_be_used_is_refused_with_the_reason() {
    for (format, reason) in [
        ("combind", "expected combined"),
        ("$status $request", "the format has no time"),
        ("$msec $request_method", "the format has no request"),
        ("$msec $request$status", "two variables need text between them"),
        ("$msec ${request", "\"}\" is missing"),
        ("$msec $ $request", "expected the name of a variable"),
    ] {
        let error = LogFormat::parse(format).expect_err(format);
        assert!(error.to_string().starts_with(reason), "{format}: {error}");
    }
    LogFormat::parse("${time_iso8601}|$scheme://$host:$server_port$request_uri").unwrap_err();
    LogFormat::parse("${msec}ms $request").unwrap();
}

#[test]
fn times_are_read_in_all_their_forms() {
    for (text, expected) in [
        ("10/Oct/2000:13:55:36 -0700", Some((OCTOBER, true, false))),
        ("2000-10-10T20:55:36Z", Some((OCTOBER, true, false))),
        ("2000-10-10T22:55:36.5+02:00", Some((OCTOBER + 500_000_000, false, false))),
        ("2000-10-10 20:55:36", Some((OCTOBER, true, true))),
        ("971211336", Some((OCTOBER, true, false))),
        ("971211336.001", Some((OCTOBER + 1_000_000, false, false))),
        ("971211336001", Some((OCTOBER + 1_000_000, false, false))),
        ("971211336001.5", Some((OCTOBER + 1_500_000, false, false))),
        ("971211336001002003", Some((OCTOBER + 1_002_003, false, false))),
        ("99999999999", None),
        ("10/Foo/2000:13:55:36 -0700", None),
        ("1.2.3", None),
        ("12345678.9", None),
        (".5", None),
        ("now", None),
    ] {
        let found = time::moment(text.as_bytes());
        assert_eq!(found.map(|it| (it.nanoseconds, it.is_whole, it.lacks_zone)), expected, "{text}");
    }
}

/// As nginx writes a value: what is special in two hexadecimal digits.
fn escaped(value: &[u8]) -> String {
    let escape = |&byte: &u8| match byte {
        b'"' | b'\\' | ..=31 | 127.. => format!("\\x{byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    value.iter().map(escape).collect()
}

proptest! {
    #[test]
    fn no_line_makes_the_parser_panic(
        line in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            r#"[0-9.: a-]{0,20} - - \[10/Oct/2000:1[0-9]:55:[0-9]{2} [+-][0-9]{4}\] "[A-Z]{0,4} /?[ -~]{0,20}" [0-9-]{1,5} [0-9-]{1,22}( ".{0,9}")?( ".{0,9}")?"#
                .prop_map(String::into_bytes),
            r#"\{"(time|ts|msec)":["0-9.]{1,25},"(request|method|uri|headers|duration)":["a-zA-Z /{}:]{0,20}\}"#
                .prop_map(String::into_bytes),
        ],
        format in r#"(\$[a-z_]{1,12}[ "|]){0,3}\$msec "\$request"( \$[a-z_]{1,9})?"#,
    ) {
        let formats = [LogFormat::parse("json"), LogFormat::parse("combined"), LogFormat::parse(&format)];
        for format in formats.into_iter().flatten().chain(LogFormat::of(&line)) {
            let mut source = LogSource::new(&line[..], format, OPTIONS);
            let mut block = Block::new();
            while source.read_block(&mut block).unwrap() {
                for view in block.iter() {
                    prop_assert!(crate::http::Head::of(view.payload).is_some());
                }
            }
        }
    }

    #[test]
    fn a_line_made_of_fields_gives_these_fields(
        agent in prop::collection::vec(any::<u8>(), 0..20),
        referer in "[!-~]{1,20}",
        target in "/[!-~]{0,20}",
        method in "[A-Z]{1,7}",
        status in 100_u16..1000,
        size in any::<u64>(),
        client in any::<std::net::Ipv4Addr>(),
        second in 0_i64..60,
    ) {
        let line = format!(
            "{client} - - [10/Oct/2000:13:55:{second:02} -0700] \"{}\" {status} {size} \"{}\" \"{}\"",
            escaped(format!("{method} {target} HTTP/1.1").as_bytes()), escaped(referer.as_bytes()), escaped(&agent),
        );
        let format = LogFormat::of(line.as_bytes()).expect("it is recognised");
        let Lines::Text(pattern) = &format.0 else { panic!("it is no JSON") };
        let entry: LogEntry<'_> = pattern.read(line.as_bytes()).unwrap();
        prop_assert_eq!(entry.status, Some(status));
        prop_assert_eq!(entry.size, Some(size));
        prop_assert_eq!(entry.time.unwrap().nanoseconds, OCTOBER + (second - 36) * 1_000_000_000);
        let client = client.to_string();
        prop_assert_eq!(entry.client.as_deref(), Some(client.as_bytes()));
        let request = format!("{method} {target} HTTP/1.1");
        prop_assert_eq!(entry.request.as_deref(), Some(request.as_bytes()));
        let header = |name: &str| entry.headers.iter().find(|it| it.0 == name).map(|it| it.1.to_vec());
        let expected = |value: &[u8]| (!matches!(value, b"" | b"-")).then(|| value.to_vec());
        prop_assert_eq!(header("User-Agent"), expected(&agent));
        prop_assert_eq!(header("Referer"), expected(referer.as_bytes()));
        let records = recognised(&line);
        let start = format!("{method} {target} HTTP/1.1\r\nHost: ");
        prop_assert!(records[0].payload.starts_with(start.as_bytes()));
    }

    #[test]
    fn what_was_escaped_comes_back(value in prop::collection::vec(any::<u8>(), 0..30)) {
        let line = escaped(&value);
        prop_assert_eq!(unescaped(line.as_bytes()).into_owned(), &value[..]);
        let text = String::from_utf8_lossy(&value);
        let json = serde_json::to_string(&text).unwrap();
        let json = unescaped(&json.as_bytes()[1..json.len() - 1]).into_owned();
        prop_assert_eq!(json, text.as_bytes());
    }
}
