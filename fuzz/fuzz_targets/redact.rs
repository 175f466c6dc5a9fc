//! Any bytes as a target, a value and a body: nothing panics, what is unchanged is said to be, JSON stays JSON.
#![no_main]

use gor_tools::transform::redact::{PseudonymKey, Redaction};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let key = PseudonymKey::new(b"key");
    let presets = Redaction::presets().map(Redaction::preset);
    let others = [Redaction::json("$..a"), Redaction::param("a"), Redaction::header("x")];
    for rule in presets.chain(others) {
        let rule = rule.expect("it is a rule");
        for name in ["authorization", "cookie", "set-cookie", "referer", "x"] {
            assert!(rule.header_value(&key, name.as_bytes(), bytes).is_none_or(|new| new != bytes));
        }
        assert!(rule.target(&key, bytes).is_none_or(|new| new != bytes));
        for media in
            ["application/json", "application/x-www-form-urlencoded", "multipart/x; boundary=a", "text/plain"]
        {
            let _: Option<Vec<u8>> = rule.body(&key, Some(media.as_bytes()), bytes);
        }
        let _: Option<Vec<u8>> = rule.body(&key, None, bytes);
    }
});
