//! HAR files of browsers, and bad ones, read by the real tools.

use crate::support::program::run;

/// A file with these entries.
fn har(entries: &[&str]) -> Vec<u8> {
    let entries = entries.join(",\n");
    format!("{{\n  \"log\": {{\"version\": \"1.2\", \"pages\": [], \"entries\": [{entries}]}}\n}}")
        .into_bytes()
}

/// An entry as Chromium exports it, of HTTP/2.
const CHROMIUM: &str = r#"{"_initiator": {"type": "other"}, "cache": {}, "connection": "1234", "pageref": "page_1",
    "request": {"method": "POST", "url": "https://shop.example/cart?id=7#top", "httpVersion": "http/2.0",
        "headers": [{"name": ":authority", "value": "shop.example"}, {"name": ":method", "value": "POST"},
            {"name": "content-length", "value": "99"}, {"name": "accept", "value": "*/*"}],
        "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 3,
        "postData": {"mimeType": "text/plain", "text": "a\u00e4"}},
    "response": {"status": 200, "statusText": "", "httpVersion": "http/2.0",
        "headers": [{"name": "content-encoding", "value": "br"}, {"name": "set-cookie", "value": "a=1\nb=2"}],
        "cookies": [], "content": {"size": 2, "mimeType": "image/png", "text": "//4=", "encoding": "base64"},
        "redirectURL": "", "headersSize": -1, "bodySize": -1, "_transferSize": 10, "_error": null},
    "serverIPAddress": "10.0.0.1", "startedDateTime": "2023-11-14T22:13:20.000Z", "time": 8.5,
    "timings": {"blocked": 1, "dns": -1, "ssl": -1, "connect": -1, "send": 0.5, "wait": 4, "receive": 3}}"#;

/// One as Firefox does, of HTTP/1.1, in another charset, without the timings.
const FIREFOX: &str = r#"{"startedDateTime": "2023-11-14T23:13:21.000+01:00", "time": 2, "connection": "443",
    "request": {"bodySize": 0, "method": "GET", "url": "http://shop.example:8080", "httpVersion": "HTTP/1.1",
        "headers": [{"name": "Host", "value": "shop.example:8080"}], "cookies": [], "queryString": [], "headersSize": 30},
    "response": {"status": 404, "statusText": "Not Found", "httpVersion": "HTTP/1.1",
        "headers": [{"name": "Content-Type", "value": "text/plain; charset=iso-8859-1"}, {"name": "Transfer-Encoding", "value": "chunked"}],
        "cookies": [], "content": {"mimeType": "text/plain; charset=iso-8859-1", "size": 1, "text": "\u00e4"},
        "redirectURL": "", "headersSize": 100, "bodySize": 1},
    "cache": {}, "timings": {}}"#;

fn chromium_records() -> Vec<u8> {
    let text = "1 000101bb0000000000000000 1700000000001000000 500000\nPOST /cart?id=7 HTTP/1.1\r\nHost: shop.example\r\n\
         accept: */*\r\nContent-Length: 3\r\n\r\naä\n🐵🙈🙉\n\
         2 000101bb0000000000000000 1700000000005500000 3000000\nHTTP/1.1 200 \r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
         Content-Length: 2\r\n\r\n";
    [text.as_bytes(), b"\xff\xfe", "\n🐵🙈🙉\n".as_bytes()].concat()
}

fn firefox_records() -> Vec<u8> {
    let text = "1 00021f900000000000000001 1700000001000000000 0\nGET / HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n\n🐵🙈🙉\n\
         2 00021f900000000000000001 1700000001002000000 0\nHTTP/1.1 404 Not Found\r\n\
         Content-Type: text/plain; charset=iso-8859-1\r\nContent-Length: 1\r\n\r\n";
    [text.as_bytes(), b"\xe4", "\n🐵🙈🙉\n".as_bytes()].concat()
}

#[test]
fn exports_of_browsers_become_records_and_what_these_cannot_hold_is_counted() {
    let file = har(&[CHROMIUM, FIREFOX]);
    let expected = [chromium_records(), firefox_records()].concat();
    let ran = run("gor-filter", &[], &file);
    ran.ends_with(0).writes(&expected);
    ran.says("not carried over: 2 messages of HTTP/2 or HTTP/3, now HTTP/1.1, 1 content coding of a body");
    let folder = tempfile::tempdir().unwrap();
    let (path, packed) = (folder.path().join("x.odd"), folder.path().join("packed"));
    std::fs::write(&path, [b"\xef\xbb\xbf", &*file].concat()).unwrap();
    run("gor-merge", &[path.to_str().unwrap()], b"").ends_with(0).writes(&expected);
    let packed = packed.with_extension("gz");
    let mut gzip =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &file).unwrap();
    gzip.finish().unwrap();
    run("gor-rewrite", &[packed.to_str().unwrap()], b"").ends_with(0).writes(&expected);
    run("gor-filter", &[], &har(&[])).ends_with(0).says("there is no record in the input").writes(b"");
}

#[test]
fn an_entry_that_is_wrong_does_not_hide_the_next() {
    for (entry, reason) in [
        ("1", "a field is missing, or of another type"),
        ("{}", "a field is missing, or of another type"),
        (&*CHROMIUM.replace("2023-11-14T22", "yesterday"), "startedDateTime is not a time"),
        (&*CHROMIUM.replace("POST", "PO ST"), "method or url is not of HTTP"),
        (&*CHROMIUM.replace("accept", "a: b\\r\\nc"), "the name of a header is not of HTTP"),
        (&*CHROMIUM.replace("*/*", "a\\r\\nb: c"), "a header has a line end in it"),
        (&*CHROMIUM.replace("a\\u00e4", "\\ud800"), "a field is missing, or of another type"),
    ] {
        let file = har(&[FIREFOX, entry, FIREFOX]);
        let ran = run("gor-filter", &["--count"], &file);
        ran.ends_with(0).says("record 3 (byte ").says(reason);
        run("gor-filter", &["--strict"], &file).ends_with(1).says(reason);
    }
}

#[test]
fn what_the_file_does_not_have_is_counted_and_marked() {
    for (entry, remark, mark) in [
        (
            CHROMIUM.replace(r#", "text": "//4=", "encoding": "base64""#, ""),
            "1 body that the file does not have",
            " cut\n",
        ),
        (
            CHROMIUM.replace("\"size\": 2", "\"size\": 900"),
            "1 end of a body that the file has not whole",
            " cut\n",
        ),
        (
            CHROMIUM
                .replace(r#""size": 2"#, r#""size": 9"#)
                .replace(r#""text": "//4=", "encoding": "base64""#, r#""text": "12345""#),
            "1 end of a body that the file has not whole",
            " cut\n",
        ),
        (CHROMIUM.replace("//4=", "/!"), "1 body that is not the base64", " cut\n"),
        (CHROMIUM.replace("\"status\": 200", "\"status\": 0"), "1 request without response", ""),
        (CHROMIUM.replace("https://shop.example", "data:x"), "1 entry whose URL is not of http", ""),
    ] {
        let ran = run("gor-filter", &[], &har(&[&entry]));
        ran.ends_with(0).says(remark);
        assert!(String::from_utf8_lossy(&ran.stdout).contains(mark), "{ran}");
    }
}

#[test]
fn a_file_that_is_cut_or_too_large_ends_with_an_error_after_what_was_whole() {
    let file = har(&[CHROMIUM, FIREFOX]);
    let ran = run("gor-filter", &[], &file[..file.len() - 40]);
    ran.ends_with(1).says("the input ends inside the JSON of a HAR file").writes(&chromium_records());
    let ran = run("gor-filter", &[], &[&file[..file.len() - 20], b"@@"].concat());
    ran.ends_with(1).says("it cannot be read on as HAR");
    let large = CHROMIUM.replace("//4=", &"/".repeat(8 << 20));
    let ran = run("gor-filter", &["--max-record", "1000"], &har(&[FIREFOX, &large, FIREFOX]));
    ran.ends_with(1).says("--max-record raises the limit");
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(text.starts_with("1 0001") && text.matches("GET / HTTP/1.1").count() == 1, "{ran}");
    run("gor-filter", &[], b"{\"log\": {\"entries\": 1}}").ends_with(1).says("an array of entries");
}
