//! gor where GoReplay loses, changes or lets through what it should not, by its own documentation: the lossless
//! counterparts, each under the name of what was observed. `gor.rs` has more of them.

use super::support::desk::{Desk, exchange};
use super::support::receiver::SEPARATOR;
use super::support::recorder::records;
use super::support::replayer::{OK, record};

/// Requests and what is sent back, each by its number.
fn traffic() -> Vec<u8> {
    let requests = [
        "GET /api/users?user_id=1 HTTP/1.1\r\nX-Token: abc\r\nUser-Agent: curl/8\r\n\r\n",
        "POST /api/orders HTTP/1.1\r\nX-Token: ABCd\r\nUser-Agent: Mozilla/5\r\n\r\n",
        "HEAD /static/a.css HTTP/1.1\r\nUser-Agent: Mozilla/5\r\n\r\n",
        "get /lower HTTP/1.1\r\n\r\n",
        "PURGE /purge HTTP/1.1\r\n\r\n",
        "PUT /API/x HTTP/1.1\r\nX-Token: \r\n\r\n",
        "PATCH /body HTTP/1.1\r\nContent-Length: 12\r\n\r\nX-Token: abc",
        "GET http://example.com/abs HTTP/1.1\r\n\r\n",
        "GET /two HTTP/1.1\r\nX-Token: zzz\r\nX-Token: abc\r\n\r\n",
    ];
    let mut text = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let (id, at) = (format!("{:024x}", number + 1), (number as i64 + 1) * 10_000_000);
        text.extend(record(1, &id, at, request.as_bytes()));
        // Both kinds of responses follow their request.
        text.extend(record(2, &id, at + 1_000_000, OK));
        text.extend(record(3, &id, at + 2_000_000, OK));
    }
    text
}

#[test]
fn filters_judge_every_request_and_all_its_responses_follow() {
    let desk = Desk::new();
    desk.write("in.gor", traffic());
    let cases: [(&str, &[&str], &[u8]); 26] = [
        ("allow-header", &["--http-allow-header", "X-Token:^abc$"], &[1, 9]),
        ("allow-header-case-insensitive-regex", &["--http-allow-header", "x-token: (?i)^ABC"], &[1, 2, 9]),
        ("allow-header-empty-value", &["--http-allow-header", "X-Token:^ ?$"], &[6]),
        (
            "allow-header-two",
            &["--http-allow-header", "X-Token:abc", "--http-allow-header", "User-Agent:^curl"],
            &[1],
        ),
        ("allow-method-comma", &["--http-allow-method", "GET,POST"], &[]),
        ("allow-method-get", &["--http-allow-method", "GET"], &[1, 8, 9]),
        ("allow-method-lowercase-option", &["--http-allow-method", "post"], &[]),
        ("allow-method-lowercase-option", &["--http-allow-method", "get"], &[4]),
        ("allow-method-two", &["--http-allow-method", "POST", "--http-allow-method", "HEAD"], &[2, 3]),
        ("allow-url", &["--http-allow-url", "^/api"], &[1, 2]),
        ("allow-url-domain", &["--http-allow-url", "example.com/"], &[]),
        ("allow-url-query", &["--http-allow-url", "user_id=[0-9]"], &[1]),
        ("allow-url-two", &["--http-allow-url", "^/api/users", "--http-allow-url", "css$"], &[1, 3]),
        ("basic-auth-filter", &["--http-basic-auth-filter", "^customer"], &[]),
        (
            "combo-allow-disallow",
            &[
                "--http-allow-url",
                "^/api",
                "--http-disallow-url",
                "orders",
                "--http-allow-method",
                "GET",
                "--http-allow-method",
                "PUT",
                "--http-allow-header",
                "X-Token:abc",
            ],
            &[1],
        ),
        ("disallow-header", &["--http-disallow-header", "X-Token:^abc$"], &[2, 3, 4, 5, 6, 7, 8]),
        (
            "disallow-header-two",
            &["--http-disallow-header", "X-Token:abc", "--http-disallow-header", "User-Agent:Mozilla"],
            &[4, 5, 6, 7, 8],
        ),
        ("disallow-url", &["--http-disallow-url", "^/api"], &[3, 4, 5, 6, 7, 8, 9]),
        (
            "disallow-url-two",
            &["--http-disallow-url", "^/api", "--http-disallow-url", "^/(static|API)"],
            &[4, 5, 7, 8, 9],
        ),
        ("response-of-dropped", &["--http-disallow-url", "^/[^b]"], &[7]),
        ("header-limiter-0pct", &["--http-header-limiter", "User-Agent: 0%"], &[4, 5, 6, 7, 8, 9]),
        // An empty value is a value: its hash is 61.
        ("param-limiter-edges-50", &["--http-set-param", "u=", "--http-param-limiter", "u: 61%"], &[]),
        (
            "param-limiter-edges-50",
            &["--http-set-param", "u=", "--http-param-limiter", "u: 62%"],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ),
        (
            "order-set-param-before-param-limiter",
            &["--http-set-param", "user_id=user-002", "--http-param-limiter", "user_id: 10%"],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ),
        (
            "order-set-header-before-filter",
            &[
                "--http-set-header",
                "X-Pass: yes",
                "--http-allow-header",
                "X-Pass:yes",
                "--http-disallow-header",
                "X-Token:^abc$",
            ],
            &[2, 3, 4, 5, 6, 7, 8],
        ),
        (
            "order-method-before-all",
            &["--http-allow-method", "GET", "--http-set-param", "a=2", "--http-allow-url", "a=2"],
            &[1, 8, 9],
        ),
    ];
    for (name, flags, expected) in cases {
        let ran = desk.gor(&[&["--input-file", "in.gor", "--output-stdout"], flags].concat());
        let ids: Vec<_> = records(&ran.ends_with(0).stdout)
            .iter()
            .map(|record| u8::from_str_radix(&String::from_utf8_lossy(&record.id), 16).expect("a number"))
            .collect();
        let expected: Vec<u8> = expected.iter().flat_map(|number| [*number; 3]).collect();
        assert_eq!(ids, expected, "{name}");
    }
}

#[test]
fn shares_that_are_no_whole_percents_are_refused() {
    let desk = Desk::new();
    desk.write("in.gor", traffic());
    for share in ["50.5%", "-5%", "%50", "50"] {
        let rule = format!("X-Token: {share}");
        desk.gor(&["--input-file", "in.gor", "--output-null", "--http-header-limiter", &rule])
            .ends_with(2)
            .says(share);
    }
}

const HEADER: &str = "--http-rewrite-header";
const URL: &str = "--http-rewrite-url";
const SET: &str = "--http-set-header";
const PARAM: &str = "--http-set-param";

const TARGET: &str = "/v1/user/7/ping?a=1";
const LINES: &str = "Host: www.example.com:80\r\nX-A: one\r\n";

/// The request that rules are tried on, with another target and other lines.
fn request(target: &str, lines: &str) -> String {
    format!("PURGE {target} HTTP/1.1\r\n{lines}User-Agent: curl/8.1\r\nContent-Length: 8\r\n\r\nX-E: one")
}

/// What was observed, flags, and the target and the lines that come of them.
const RULES: [(&str, &[&str], &str, &str); 31] = [
    (
        "rewrite-header-all-matches",
        &[HEADER, "X-A: o|e,0"],
        TARGET,
        "Host: www.example.com:80\r\nX-A: 0n0\r\n",
    ),
    (
        "rewrite-header-doc",
        &[HEADER, "Host: (.*).example.com,$1.beta.example.com"],
        TARGET,
        "Host: www.beta.example.com:80\r\nX-A: one\r\n",
    ),
    (
        "rewrite-header-missing-first",
        &[HEADER, "X-Missing: a,b", HEADER, "Host: example,sample"],
        TARGET,
        "Host: www.sample.com:80\r\nX-A: one\r\n",
    ),
    (
        "rewrite-header-several",
        &[
            HEADER,
            "X-A: one,two",
            HEADER,
            "X-A: two,three",
            HEADER,
            "X-E: a,b",
            HEADER,
            "Host: example,sample",
        ],
        TARGET,
        "Host: www.sample.com:80\r\nX-A: three\r\n",
    ),
    (
        "rewrite-header-comma",
        &[HEADER, "Host: (.*)[.](.*),$2, $1"],
        TARGET,
        "Host: com:80, www.example\r\nX-A: one\r\n",
    ),
    ("rewrite-header-to-empty", &[HEADER, "X-A: .*,"], TARGET, "Host: www.example.com:80\r\nX-A: \r\n"),
    ("rewrite-url-all-matches", &[URL, "i|e:_"], "/v1/us_r/7/p_ng?a=1", LINES),
    ("rewrite-url-doc", &[URL, "/v1/user/([^\\/]+)/ping:/v2/user/$1/ping"], "/v2/user/7/ping?a=1", LINES),
    ("rewrite-url-empty-target", &[URL, "^.*:"], TARGET, LINES),
    ("rewrite-url-escaped-colon", &[PARAM, "t=x:y", URL, "x\\:y:z"], "/v1/user/7/ping?a=1&t=z", LINES),
    ("rewrite-url-hex-colon", &[URL, "a\\x3d1:a=7"], "/v1/user/7/ping?a=7", LINES),
    ("rewrite-url-noncapturing-group", &[URL, "/(?:v1|v2)/user:/u"], "/u/7/ping?a=1", LINES),
    ("rewrite-url-several", &[URL, "^/v1:/v2", URL, "user:account"], "/v2/user/7/ping?a=1", LINES),
    (
        "rewrite-url-target-colon",
        &[URL, "/v1/:http://other:81/v9/"],
        "http://other:81/v9/user/7/ping?a=1",
        LINES,
    ),
    ("rewrite-url-template", &[URL, "/v1/(?P<kind>user)/(\\d+):/${2}_$kind/$$"], "/7_user/$/ping?a=1", LINES),
    (
        "set-header-empty",
        &[SET, "X-A:", SET, "X-E:"],
        TARGET,
        "X-E: \r\nHost: www.example.com:80\r\nX-A: \r\n",
    ),
    ("set-header-existing", &[SET, "X-A: NEW"], TARGET, "Host: www.example.com:80\r\nX-A: NEW\r\n"),
    (
        "set-header-new",
        &[SET, "X-New: v: with colon "],
        TARGET,
        "X-New: v: with colon\r\nHost: www.example.com:80\r\nX-A: one\r\n",
    ),
    (
        "set-header-several",
        &[SET, "X-One: 1", SET, "X-Two: 2", SET, "X-One: 3", SET, "x-a:lower"],
        TARGET,
        "X-Two: 2\r\nX-One: 3\r\nHost: www.example.com:80\r\nX-A: lower\r\n",
    ),
    ("set-param-encoded", &[PARAM, "q=a b&c%20d"], "/v1/user/7/ping?a=1&q=a%20b&c%20d", LINES),
    (
        "set-param-then-set-header-broken-title",
        &[PARAM, "q=a #ü"],
        "/v1/user/7/ping?a=1&q=a%20%23%C3%BC",
        LINES,
    ),
    ("set-param-existing-new", &[PARAM, " a = 1+1=2 "], "/v1/user/7/ping?a=1+1=2", LINES),
    ("set-param-existing-new", &[PARAM, "a=NEW"], "/v1/user/7/ping?a=NEW", LINES),
    ("set-param-existing-new", &[PARAM, "api_key=NEW"], "/v1/user/7/ping?a=1&api_key=NEW", LINES),
    (
        "set-param-several",
        &[PARAM, "a=9", PARAM, "b=x=y", PARAM, "c="],
        "/v1/user/7/ping?a=9&b=x=y&c=",
        LINES,
    ),
    (
        "set-param-then-set-header-broken-title",
        &[PARAM, "q=a b", PARAM, "z=1", HEADER, "X-A: one,two"],
        "/v1/user/7/ping?a=1&q=a%20b&z=1",
        "Host: www.example.com:80\r\nX-A: two\r\n",
    ),
    (
        "order-rewrite-header-after-filter",
        &[HEADER, "X-A: one,CHANGED", "--http-allow-header", "X-A:^one$"],
        TARGET,
        "Host: www.example.com:80\r\nX-A: CHANGED\r\n",
    ),
    (
        "order-rewrite-url-after-filter",
        &[URL, "^/v1:/v2", "--http-allow-url", "^/v1", "--http-disallow-url", "^/v2"],
        "/v2/user/7/ping?a=1",
        LINES,
    ),
    (
        "order-set-param-before-rewrite-url",
        &[PARAM, "q=1", URL, "q=1:q=2", SET, "X-A: one", HEADER, "X-A: one,two"],
        "/v1/user/7/ping?a=1&q=2",
        "Host: www.example.com:80\r\nX-A: two\r\n",
    ),
    ("copy-buffer-size", &["--copy-buffer-size", "40"], TARGET, LINES),
    ("prettify-http", &["--prettify-http"], TARGET, LINES),
];

#[test]
fn rules_change_the_head_of_every_request_and_never_a_body() {
    let desk = Desk::new();
    desk.write("in.gor", record(1, "a", 1, request(TARGET, LINES).as_bytes()));
    for (name, flags, target, lines) in RULES {
        let args = [&["--input-file", "in.gor", "--output-stdout"], flags].concat();
        let ran = desk.gor(&args);
        let written = records(&ran.ends_with(0).stdout);
        assert_eq!(written.len(), 1, "{name}");
        assert_eq!(String::from_utf8_lossy(&written[0].payload), request(target, lines), "{name}");
    }
}

#[test]
fn recordings_with_faults_lose_no_whole_record() {
    let desk = Desk::new();
    let [one, two] = [exchange(1, 10, "/1"), exchange(2, 10, "/2")];
    let both = [&one[..], &two].concat();
    let cut = both.strip_suffix(SEPARATOR.as_bytes()).expect("a separator");
    desk.write("a.gor", &one);
    desk.write("b.gor", &two);
    desk.write("cut.gor", cut);
    let get = b"GET / HTTP/1.1\r\n\r\n";
    let text = |header: &str| [header.as_bytes(), b"\n", get, SEPARATOR.as_bytes()].concat();
    desk.write("bad-time.gor", [text("1 aa never 0"), text("1 bb 1000 0")].concat());
    desk.write(
        "forms.gor",
        [
            text("1 aa"),
            text("1 bb 1000"),
            text("1 cc 2000 0 more"),
            text("\n1 dd 3000 0"),
            text("1  ee 1000 0"),
        ]
        .concat(),
    );
    desk.write("no.gz", b"this is no gzip");
    let cases: [(&str, &[&str], usize); 6] = [
        ("input-last-record-unterminated", &["cut.gor"], 4),
        ("input-bad-timestamp", &["bad-time.gor"], 2),
        ("input-malformed", &["forms.gor"], 4),
        ("input-same-file-twice", &["a.gor", "a.gor"], 4),
        ("input-glob-merge", &["[ab].gor"], 4),
        ("input-equal-timestamps", &["a.gor"], 2),
    ];
    for (name, files, expected) in cases {
        let inputs = files.iter().flat_map(|file| ["--input-file", file]);
        let ran = desk.gor(&inputs.chain(["--output-stdout"]).collect::<Vec<_>>());
        // The times of some are none.
        let written = String::from_utf8_lossy(&ran.ends_with(0).stdout).matches(SEPARATOR).count();
        assert_eq!(written, expected, "{name}: {}", ran.stderr);
    }
    desk.gor(&["--input-file", "no.gz", "--output-null"]).ends_with(1).says("no.gz");
}
