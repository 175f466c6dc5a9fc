//! Laws and cases of redaction.

use proptest::prelude::*;

use super::*;

mod laws;
mod messages;

fn key() -> PseudonymKey {
    PseudonymKey::new(b"a key for tests")
}

fn preset(name: &str) -> Redaction {
    Redaction::preset(name).expect(name)
}

/// What the preset makes of a text.
fn text(name: &str, body: &str) -> String {
    let new = preset(name).body(&key(), Some(b"text/plain"), body.as_bytes());
    new.map_or_else(|| body.to_owned(), |new| String::from_utf8(new).unwrap())
}

/// What is in `[…]` is found and replaced as it would be alone, and nothing besides is.
fn check(name: &str, cases: &[&str]) {
    for case in cases {
        let mut expected = String::new();
        for (place, piece) in case.split(['[', ']']).enumerate() {
            let new = if place % 2 == 0 { piece.to_owned() } else { text(name, piece) };
            assert!(place % 2 == 0 || new != piece, "{name}: {piece} of {case} stays");
            expected.push_str(&new);
        }
        let new = text(name, &case.replace(['[', ']'], ""));
        assert_eq!(new, expected, "{name}: {case}");
        assert_eq!(text(name, &new), new, "{name}: {case} is replaced twice");
    }
}

#[test]
fn emails_are_found() {
    check(
        "email",
        &[
            "write to [bob@example.com].",
            "<[bob.o'neil+x@mail.example.co.uk]>, [a@b.de]",
            "mailto:[a_b%c@d-e.org]?subject=x",
            "('[bob@example.com]')",
            r"a line\n[bob@example.com] in a script",
            "[müller@exämple.de] “[a@b.de]”",
            "[bob%40example.com] [bob%2540example.com]",
            "logo@2x.png vue@3.2.js a@b user@localhost @scope/package a@ @b.de x@1.2.3.4 a@b..c a@.de",
            "u-abc@example.invalid",
        ],
    );
}

#[test]
fn users_and_passwords_in_urls_are_found() {
    let new = |userinfo: &str| format!("{}:", key().opaque(userinfo.as_bytes()).unwrap());
    for (before, userinfos) in [
        ("git clone https://[ada:x]@git.example.com/a@b, ftp://[bob]@h", ["ada:x", "bob"]),
        ("{http://[a:b@c]@d} http://[a:]@d", ["a:b@c", "a"]),
    ] {
        let mut expected = before.to_owned();
        for userinfo in userinfos {
            let old = [format!("[{userinfo}]"), format!("[{userinfo}:]")];
            expected = expected.replace(&old[0], &new(userinfo)).replace(&old[1], &new(userinfo));
        }
        let once = text("userinfo", &before.replace(['[', ']'], ""));
        assert_eq!(once, expected);
        assert_eq!(text("userinfo", &once), once);
    }
    let plain = "see https://example.com/@ada, http://[::1]:80/ and mailto:a@b.de http://@a";
    assert_eq!(text("userinfo", plain), plain);
    let both = text("email", &text("userinfo", "http://ada:x@example.com/"));
    assert!(both.starts_with("http://redacted-") && both.ends_with(":@example.com/"), "{both}");
}

#[test]
fn cards_are_found() {
    check(
        "card",
        &[
            "[4111111111111111]",
            "card [4111 1111 1111 1111], [4111-1111-1111-1111].",
            "[378282246310005] [3782-822463-10005] [6011111111111117]",
            "[4111+1111+1111+1111] [4222222222222] card_[4111111111111111]",
            "[4111 1111 1111 1111] 123",
            "order 4111111111111112, 1732406400000, 1732406400000000, 411111111111",
            "x4111111111111111 4111111111111111x 41111111111111110000 0.4111111111111111 4111111111111111.5",
            "550e8400-e29b-41d4-a716-446655440000 12345678-1234-1234-1234-123456789012",
            "2024-01-15 2024-01-16 2024-01-17 4111 1111-1111 1111 4111  1111 1111 1111",
            "9999411111111111",
        ],
    );
}

#[test]
fn a_card_becomes_a_valid_number_of_the_same_shape() {
    for (card, also) in
        [("4111 1111 1111 1111", "4111111111111111"), ("3782-822463-10005", "378282246310005")]
    {
        let new = text("card", card);
        let groups = |card: &str| card.split([' ', '-']).map(str::len).collect::<Vec<_>>();
        assert_eq!(groups(&new), groups(card), "{new}");
        assert!(new.starts_with("9999"), "{new}");
        let digits = new.replace([' ', '-'], "");
        assert_eq!(text("card", also), digits);
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| match u32::from(digit - b'0') {
                digit if place % 2 == 0 => digit,
                digit if digit > 4 => 2 * digit - 9,
                digit => 2 * digit,
            })
            .sum();
        assert_eq!(sum % 10, 0, "{new}");
    }
}

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl";

#[test]
fn tokens_are_found() {
    check(
        "jwt",
        &[
            &format!("token=[{JWT}]; x"),
            &format!("\"[{JWT}]\" and [{JWT}]."),
            "[eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.]",
            "[eyJhbGciOiJkaXIifQ..aXY.Y3Q.dGFn]",
            "eyJhbGciOiJIUzI1NiJ9 eyJhbGciOiJIUzI1NiJ9.abc eyJ.eyJ.eyJ eyJub3QganNvbg.a.b",
            &format!("x{JWT}"),
        ],
    );
    let new = text("jwt", JWT);
    assert_eq!(new.split('.').count(), 3, "{new}");
}

#[test]
fn addresses_are_found() {
    let v4 = [
        "from [192.0.2.7]:80, [10.1.2.3].",
        "http://[203.0.113.9]/ ([8.8.8.8])",
        "1.2.3.4567 1.2.3 1.2.3.4.5 256.1.1.1 01.2.3.4 v1.2.3.4 1.2.3.4x Chrome/120.0.0.0 240.1.2.3",
        "2024.01.15 1.5 ..... 1..2",
    ];
    check("ipv4", &v4);
    check("ip", &v4);
    for name in ["ipv6", "ip"] {
        check(
            name,
            &[
                "from <[2a00:1450:4001:81b::200e]>:443, [fe80::1]%eth0 and [::1].",
                "[2A00:1450:4001:081B:0000:0000:0000:200E]",
                "00:1a:2b:3c:4d:5e 12:34:56 std::vec a::b dead::beef :: [2001:db8::7] 1:2 g::1",
            ],
        );
    }
    check("ip", &["[::ffff:192.0.2.7] [192.0.2.7] [fe80::1]"]);
    let mapped = text("ip", "::ffff:192.0.2.7");
    assert_eq!(mapped, format!("::ffff:{}", text("ip", "192.0.2.7")));
    assert_eq!(text("ipv6", "2a00:0:0::1"), text("ipv6", "2A00::1"));
}

#[test]
fn documentation_addresses_are_replaced_once_whatever_the_key_is() {
    let new = text("ip", "2001:db8::7");
    let other = PseudonymKey::new(b"another key for tests");
    let again = preset("ip").body(&other, Some(b"text/plain"), new.as_bytes());
    assert_eq!(again, None, "{new}");
}

#[test]
fn tokens_in_paths_are_found() {
    let uuid = "8f14e45f-ceea-467f-9b0e-1b2c3d4e5f60";
    for (target, expected) in [
        ("/reset/4f3a9c8d7e6b5a4c3d2e/x?page=1", Some("/reset/T/x?page=1")),
        ("/reset/Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5-_a", Some("/reset/T")),
        ("http://h/a/4f3a9c8d7e6b5a4c3d2e#top", Some("http://h/a/T#top")),
        ("/static/app-4f3a9c8d7e6b5a4c3d2e.js", None),
        ("/orders/507f1f77bcf86cd799439011", None),
        ("/posts/ten-tips-for-2024-and-beyond-it", None),
        ("/12345678901234567890123", None),
        (&format!("/users/{uuid}/avatar"), None),
    ] {
        let new = preset("secrets").target(&key(), target.as_bytes());
        let new = new.map(|new| String::from_utf8(new).unwrap());
        let masked = new.as_ref().map(|new| {
            let at = new.find("redacted-").unwrap_or_else(|| panic!("{new}"));
            format!("{}T{}", &new[..at], &new[at + 25..])
        });
        assert_eq!(masked.as_deref(), expected, "{target}");
        if let Some(new) = new {
            assert_eq!(preset("secrets").target(&key(), new.as_bytes()), None, "{new}");
        }
    }
    let referer = preset("secrets").header_value(&key(), b"Referer", b"http://h/reset/4f3a9c8d7e6b5a4c3d2e");
    let target = preset("secrets").target(&key(), b"/reset/4f3a9c8d7e6b5a4c3d2e").unwrap();
    assert!(referer.is_some_and(|referer| referer.ends_with(&target)));
}

#[test]
fn versions_of_browsers_are_no_addresses() {
    let agent = b"Mozilla/5.0 Chrome/120.1.2.3";
    assert_eq!(preset("ip").header_value(&key(), b"User-Agent", agent), None);
    assert!(preset("ip").header_value(&key(), b"X-Forwarded-For", b"192.0.2.7, 10.0.0.1").is_some());
}

#[test]
fn telephone_numbers_are_found() {
    check(
        "phone",
        &[
            "call [+15551234567] or [+1 (555) 123-4567].",
            "[+49 30 901820] [+44.20.7946.0958]",
            "[555-123-4567] [555.123.4567] [(555) 123-4567] 1-[555-123-4567]",
            "tel:[+33 1 23 45 67 89]",
            "5551234567 +1234 +12345678901234567 +0123456789 2024-01-15 155-123-4567 555-123-45678",
            "1+1=2 a+b 555-123-4567-8 12-555-123-4567 +999 1234567 1.555.123.4567.8",
        ],
    );
    let (long, short) = (text("phone", "+1 555 123 4567"), text("phone", "555-123-4567"));
    assert_eq!(long[long.len() - 4..], short[short.len() - 4..]);
    assert_eq!(text("phone", "+15551234567"), long.replace(' ', ""));
}

#[test]
fn one_value_has_one_replacement_however_it_is_spelled() {
    let (key, email) = (key(), preset("email"));
    let target = email.target(&key, b"/u/bob%40b.de?e=Bob%40B.de&f=bob@b.de&%62ob@b.de=1#x").unwrap();
    let target = String::from_utf8(target).unwrap();
    let name = text("email", "bob@b.de").replace("@example.invalid", "");
    let expected = format!(
        "/u/{name}%40example.invalid?e={name}%40example.invalid&f={name}@example.invalid\
         &{name}@example.invalid=1#x"
    );
    assert_eq!(target, expected);
    for (kind, body, expected) in [
        (
            "application/json",
            r#"{ "a" : "x\nbob\u0040b.de" }"#,
            format!(r#"{{ "a" : "x\n{name}\u0040example.invalid" }}"#),
        ),
        ("", r#"["{\"e\":\"bob@b.de\"}"]"#, format!(r#"["{{\"e\":\"{name}@example.invalid\"}}"]"#)),
        ("text/plain", r#"{"bob@b.de":1.50}"#, format!(r#"{{"{name}@example.invalid":1.50}}"#)),
        (
            "application/x-www-form-urlencoded",
            "c=write+to+bob%40b.de",
            format!("c=write+to+{name}%40example.invalid"),
        ),
    ] {
        let new = email.body(&key, Some(kind.as_bytes()), body.as_bytes()).expect(body);
        assert_eq!(String::from_utf8(new).unwrap(), expected, "{kind}: {body}");
    }
    let opaque = Redaction::param("t").unwrap().target(&key, b"/?t=a%20b").unwrap();
    let cookie = preset("cookie").header_value(&key, b"Cookie", b"t=a%20b").unwrap();
    assert_eq!(opaque[2..], cookie);
}

#[test]
fn credentials_keep_their_scheme() {
    let (key, rule) = (key(), preset("authorization"));
    let change = |value: &str| {
        let new = rule.header_value(&key, b"authorization", value.as_bytes());
        new.map(|new| String::from_utf8(new).unwrap())
    };
    let basic = |plain: &str| crate::http::auth::basic(plain.as_bytes());
    let plain = |value: &str| {
        let plain = crate::http::auth::credentials(change(value).expect(value).as_bytes()).expect(value);
        String::from_utf8(plain).unwrap()
    };
    let (bob, eve) = (plain(&basic("bob:secret")), plain(&basic("bob:other")));
    let parts =
        |plain: &str| plain.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()));
    assert_eq!(parts(&bob).unwrap().0, parts(&eve).unwrap().0);
    assert_ne!(parts(&bob).unwrap().1, parts(&eve).unwrap().1);
    assert_ne!(parts(&plain(&basic("amy:secret"))).unwrap().1, parts(&bob).unwrap().1);
    assert_eq!(change(&basic(&bob)), None);
    assert_eq!(change(&format!("Bearer {JWT}")), Some(format!("Bearer {}", text("jwt", JWT))));
    assert!(change("Bearer abc").unwrap().starts_with("Bearer redacted-"));
    assert!(change("abc").unwrap().starts_with("redacted-"));
    for value in ["", &change("Bearer abc").unwrap(), &change(&format!("Bearer {JWT}")).unwrap()] {
        assert_eq!(change(value), None, "{value}");
    }
    assert_eq!(rule.header_value(&key, b"X-Authorization", b"Bearer abc"), None);
}

#[test]
fn cookies_keep_their_names_and_attributes() {
    let key = key();
    let new = |value: &str| key.opaque(value.as_bytes()).unwrap();
    for (header, value, expected) in [
        (
            "Cookie",
            "a=1; b=\"2\";c=;d=1",
            Some(format!("a={}; b=\"{}\";c=;d={}", new("1"), new("2"), new("1"))),
        ),
        ("Cookie", "", None),
        ("Cookie", "a=; =", None),
        (
            "Set-Cookie",
            "s=1; Path=/; Expires=Wed, 21 Oct 2026",
            Some(format!("s={}; Path=/; Expires=Wed, 21 Oct 2026", new("1"))),
        ),
        ("Set-Cookie", "s; Secure", Some(format!("{}; Secure", new("s")))),
    ] {
        let found = preset(&header.to_lowercase()).header_value(&key, header.as_bytes(), value.as_bytes());
        assert_eq!(found, expected.map(String::into_bytes), "{header}: {value}");
    }
}

#[test]
fn paths_select_what_they_say() {
    let body =
        r#"{ "user" : {"email":"E","tags":["A","B"],"age": 42,"ok":true,"no":null}, "x":[{"email":"F"}] }"#;
    for (path, gone) in [
        ("$.user.email", &["E"][..]),
        ("$['user']['email']", &["E"]),
        ("$..email", &["E", "F"]),
        ("$.x[0].email", &["F"]),
        ("$.x[1].email", &[]),
        ("$.x[*].email", &["F"]),
        ("$.*.email", &["E"]),
        ("$.user.tags", &["A", "B"]),
        ("$.user.tags[1]", &["B"]),
        ("$..tags[0]", &["A"]),
        ("$..*", &["E", "A", "B", "F"]),
        ("$.user.age.x", &[]),
        ("$.Email", &[]),
    ] {
        let rule = Redaction::json(path).expect(path);
        let new = rule.body(&key(), Some(b"application/json; charset=utf-8"), body.as_bytes());
        let new = new.map_or(body.to_owned(), |new| String::from_utf8(new).unwrap());
        let mut expected = body.to_owned();
        for value in gone {
            let replacement = key().opaque(value.as_bytes()).unwrap();
            expected = expected.replace(&format!("\"{value}\""), &format!("\"{replacement}\""));
        }
        if path == "$..*" {
            assert!(!new.contains("42") && new.contains(r#""ok":false,"no":null"#), "{new}");
            let age = new.find(r#""age": "#).unwrap() + 7;
            expected = expected.replace("42", &new[age..age + 2]).replace("true", "false");
        }
        assert_eq!(new, expected, "{path}");
    }
}

#[test]
fn numbers_stay_numbers_and_lines_stay_lines() {
    let rule = Redaction::json("$.n").unwrap();
    let body = "{\"n\":-12.50e3}\n{\"n\": 7}\n\n{\"n\":\"x\"}\n{\"n\":";
    let new = String::from_utf8(rule.body(&key(), Some(b"application/x-ndjson"), body.as_bytes()).unwrap())
        .unwrap();
    assert_eq!(new.lines().count(), body.lines().count(), "{new}");
    let lines: Vec<_> = new.lines().collect();
    let number: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert!(
        number["n"].as_f64().unwrap() < 0.0 && lines[0].ends_with("e3}") && lines[0] != "{\"n\":-12.50e3}"
    );
    assert!(serde_json::from_str::<serde_json::Value>(lines[1]).unwrap()["n"].is_u64());
    assert!(lines[3].contains(MARKED), "{new}");
    assert_eq!(lines[4], "{\"n\":");
    let deep = "[".repeat(json::MAX_DEPTH + 1);
    assert_eq!(Redaction::json("$..n").unwrap().body(&key(), Some(b"text/json"), deep.as_bytes()), None);
}

const MARKED: &str = "redacted-";

#[test]
fn a_string_that_is_cut_off_is_redacted_as_well() {
    let new = Redaction::json("$..e").unwrap().body(&key(), Some(b"application/json"), br#"{"e":"bob@exa"#);
    assert!(String::from_utf8(new.unwrap()).unwrap().starts_with(r#"{"e":"redacted-"#));
}

#[test]
fn rules_that_do_not_parse_point_at_the_fault() {
    for (path, at) in [
        ("", 0),
        ("user", 0),
        ("$user", 1),
        ("$.", 2),
        ("$.a b", 3),
        ("$.a..", 5),
        ("$.a[", 4),
        ("$.a[-1]", 4),
        ("$.a[1", 5),
        ("$.a['b", 6),
        ("$.a[99999999999999999999]", 4),
    ] {
        assert_eq!(Redaction::json(path).expect_err(path).at, at, "{path}");
    }
    assert_eq!(
        Redaction::json(&"$.a".replace(".a", &".a".repeat(64))).map(drop).map_err(|bad| bad.at),
        Err(129)
    );
    assert_eq!(Redaction::header("X Y").unwrap_err().at, 1);
    assert!(Redaction::header("").is_err() && Redaction::param("").is_err());
    assert!(Redaction::preset("e-mail").unwrap_err().reason.contains("email"));
    for name in Redaction::presets() {
        preset(name);
    }
}

#[test]
fn parameters_are_redacted_in_queries_forms_and_urls() {
    let (key, rule) = (key(), Redaction::param("user id").unwrap());
    let new = |value: &str| key.opaque(value.as_bytes()).unwrap();
    let target = rule.target(&key, b"/p?a=1&user+id=b%20b&user%20id=b+b&User+id=b&user+id=").unwrap();
    let expected = format!("/p?a=1&user+id={0}&user%20id={0}&User+id=b&user+id=", new("b b"));
    assert_eq!(String::from_utf8(target).unwrap(), expected);
    for (content_type, body, expected) in [
        (
            Some("application/x-www-form-urlencoded"),
            "user+id=7&b=2",
            Some(format!("user+id={}&b=2", new("7"))),
        ),
        (None, "user+id=7&b=2", Some(format!("user+id={}&b=2", new("7")))),
        (Some("text/plain"), "user+id=7", None),
        (
            Some("multipart/form-data; boundary=\"xx\""),
            "--xx\r\nContent-Disposition: form-data; name=\"user id\"\r\n\r\n7\r\n--xx\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n7\r\n--xx--\r\n",
            Some(format!(
                "--xx\r\nContent-Disposition: form-data; name=\"user id\"\r\n\r\n{}\r\n--xx\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n7\r\n--xx--\r\n",
                new("7")
            )),
        ),
    ] {
        let found = rule.body(&key, content_type.map(str::as_bytes), body.as_bytes());
        assert_eq!(found.map(|new| String::from_utf8(new).unwrap()), expected, "{body}");
    }
    let referer = rule.header_value(&key, b"Referer", b"https://h/p?user%20id=7#user%20id=8").unwrap();
    assert_eq!(referer, format!("https://h/p?user%20id={}#user%20id={}", new("7"), new("8")).into_bytes());
    assert_eq!(rule.header_value(&key, b"X-Y", b"https://h/p?user%20id=7"), None);
}

#[test]
fn parts_of_a_form_are_read_by_their_own_type() {
    let body = b"--x\r\nContent-Type: application/json\r\n\r\n{\"a\":\"\\nbob@b.de\"}\r\n--x\r\nContent-Type: image/png\r\n\r\nbob@b.de\r\n--x\r\n\r\n\0bob@b.de\r\n--x--";
    let new = preset("email").body(&key(), Some(b"multipart/mixed; boundary=x"), body).unwrap();
    let new = String::from_utf8(new).unwrap();
    assert!(new.contains(r#"{"a":"\nu-"#), "{new}");
    assert_eq!(new.matches("bob@b.de").count(), 2, "{new}");
}

#[test]
fn binary_bodies_stay() {
    for (content_type, body) in [
        (Some(&b"image/png"[..]), &b"bob@b.de"[..]),
        (Some(b"text/plain"), b"bob@b.de\0"),
        (None, b"bob@b.de \xff\xfe"),
        (Some(b"application/octet-stream"), b"bob@b.de \xff"),
        (Some(b"application/grpc+proto"), b"bob@b.de"),
    ] {
        assert_eq!(preset("email").body(&key(), content_type, body), None, "{content_type:?}");
    }
    let latin = preset("email").body(&key(), Some(b"text/plain; charset=latin1"), b"bob@b.de \xff").unwrap();
    assert!(latin.starts_with(b"u-") && latin.ends_with(b"@example.invalid \xff"));
}

#[test]
fn a_whole_header_is_redacted_once() {
    let rule = Redaction::header("X-Api-Key").unwrap();
    let new = rule.header_value(&key(), b"x-api-key", b" abc ").unwrap();
    assert!(new.starts_with(b"redacted-") && rule.header_value(&key(), b"x-api-key", &new).is_none());
    assert_eq!(rule.header_value(&key(), b"x-api", b"abc"), None);
    assert!(rule.reads_headers() && !rule.reads_body() && !rule.reads_target());
}
