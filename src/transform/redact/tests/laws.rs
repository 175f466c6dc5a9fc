//! Laws of redaction, held against generated messages with secrets planted in them.

use serde_json::Value;

use super::*;

/// Secrets, each with its preset.
fn secret() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        "[a-z]{3,8}\\.[a-z]{2,8}@[a-z]{2,8}\\.(com|de|co\\.uk)".prop_map(|email| ("email", email)),
        Just(("card", "4111-1111-1111-1111".to_owned())),
        Just(("card", "5555555555554444".to_owned())),
        Just(("jwt", JWT.to_owned())),
        "(1[0-9]{2}|[2-9][0-9])\\.[1-9]\\.(0|[1-9][0-9]?)\\.[1-9]".prop_map(|address| ("ip", address)),
        "2a00:[1-9a-f][0-9a-f]{0,3}::[1-9a-f][0-9a-f]{0,3}".prop_map(|address| ("ipv6", address)),
        "\\+4[0-9] [1-9][0-9]{2} [0-9]{6}".prop_map(|number| ("phone", number)),
    ]
}

/// The secret with some of its bytes percent-encoded, all that a query needs among them.
fn percent_encoded(secret: &str, choices: &[bool]) -> String {
    let choices = choices.iter().cycle();
    let spelled = secret.bytes().zip(choices).map(|(byte, &choice)| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if choice || !is_plain { format!("%{byte:02X}") } else { char::from(byte).to_string() }
    });
    spelled.collect()
}

/// The secret with some of its characters as JSON escapes.
fn json_escaped(secret: &str, choices: &[bool]) -> String {
    let choices = choices.iter().cycle();
    let spelled = secret.chars().zip(choices).map(|(character, &choice)| {
        if choice { format!("\\u{:04x}", u32::from(character)) } else { character.to_string() }
    });
    spelled.collect()
}

/// The same shape with every leaf gone, and keys counted.
fn shape(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(shape).collect(),
        Value::Object(members) => members.values().map(shape).collect(),
        Value::String(_) => "string".into(),
        Value::Number(_) => 0.into(),
        other => other.clone(),
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        secret().prop_map(|(_, secret)| Value::from(secret)),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,3}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn all_rules() -> Vec<Redaction> {
    let others = [Redaction::param("a"), Redaction::header("cookie"), Redaction::json("$..a")];
    Redaction::presets().map(preset).chain(others.into_iter().map(Result::unwrap)).collect()
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("what was UTF-8 is UTF-8")
}

proptest! {
    #[test]
    fn no_secret_is_left_wherever_it_was_and_it_is_the_same_everywhere(
        (name, secret) in secret(),
        choices in prop::collection::vec(any::<bool>(), 1..20),
        around in "[a-z]{1,5}",
    ) {
        let (key, rule) = (key(), preset(name));
        let encoded = percent_encoded(&secret, &choices);
        let escaped = json_escaped(&secret, &choices);
        let plain = string(rule.header_value(&key, b"X-A", secret.as_bytes()).expect("it is found in a header"));
        prop_assert!(!plain.contains(&secret));
        let decoded = |bytes: &[u8]| string(crate::http::query::percent_decoded(bytes).into_owned());

        let target = format!("/{around}/{encoded}?{around}={encoded}&b={around}");
        let new = rule.target(&key, target.as_bytes()).expect("it is found in a target");
        prop_assert_eq!(decoded(&new), format!("/{around}/{plain}?{around}={plain}&b={around}"));

        let form = format!("a={around}&b={encoded}");
        let new = rule.body(&key, Some(b"application/x-www-form-urlencoded"), form.as_bytes());
        prop_assert_eq!(decoded(&new.expect("it is found in a form")), format!("a={around}&b={plain}"));

        let json = format!("{{ \"a\" : [\"{around} \\n{escaped}\\t\"] ,\"b\":1.0 }}");
        let new = string(rule.body(&key, Some(b"application/json"), json.as_bytes()).expect("it is found in JSON"));
        let value: Value = serde_json::from_str(&new).expect("JSON stays JSON");
        prop_assert_eq!(value["a"][0].as_str().unwrap(), format!("{around} \n{plain}\t"));
        let is_kept = new.ends_with("\"] ,\"b\":1.0 }");
        prop_assert!(is_kept);

        let text = format!("{around} {secret}, {around}");
        let new = rule.body(&key, Some(b"text/plain"), text.as_bytes()).expect("it is found in text");
        prop_assert_eq!(string(new), format!("{around} {plain}, {around}"));

        let other = rule.header_value(&PseudonymKey::new(b"another"), b"X-A", secret.as_bytes());
        prop_assert_ne!(string(other.unwrap()), plain);
    }

    #[test]
    fn json_stays_json_of_the_same_structure(value in json_value(), is_pretty: bool) {
        let body = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let body = body.unwrap();
        let before: Value = serde_json::from_str(&body).unwrap();
        for rule in all_rules() {
            let Some(new) = rule.body(&key(), Some(b"application/json"), body.as_bytes()) else { continue };
            let after: Value = serde_json::from_slice(&new).unwrap_or_else(|error| panic!("{error}: {body} by {rule:?}"));
            let blank = |value: &Value| shape(value).to_string().replace("true", "false");
            prop_assert_eq!(blank(&before), blank(&after), "{} by {:?}", body, rule);
        }
    }

    #[test]
    fn forms_keep_their_names_and_how_many_they_are(
        pairs in prop::collection::vec(("[a-c%+]{0,2}", "[ -~]{0,12}"), 0..6),
    ) {
        let form: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value, &[false, true]))).collect();
        let form = form.join("&");
        let rule = Redaction::param("a").unwrap();
        let new = rule.body(&key(), Some(b"application/x-www-form-urlencoded"), form.as_bytes());
        let new = new.map_or(form.clone(), string);
        let split = |form: &str| form.split('&').map(|pair| pair.split_once('=').map(|(name, _)| name.to_owned())).collect::<Vec<_>>();
        prop_assert_eq!(split(&new), split(&form));
        let values = |form: &str| form.split('&').filter_map(|pair| pair.strip_prefix("a=")).all(|value| value.is_empty() || value.starts_with(MARKED));
        prop_assert!(values(&new), "{}", new);
    }

    #[test]
    fn what_is_replaced_stays_replaced_and_no_bytes_are_too_odd(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            "[ .:@+%\"\\\\=&;{}\\[\\],0-9a-f-]{1,4}".prop_map(String::into_bytes),
            secret().prop_map(|(_, secret)| secret.into_bytes()),
        ], 0..12).prop_map(|parts| parts.concat()),
    ) {
        let key = key();
        for rule in all_rules() {
            for content_type in [None, Some(&b"text/plain"[..]), Some(b"application/json"), Some(b"application/x-www-form-urlencoded"), Some(b"multipart/form-data; boundary=a")] {
                let _: Option<Vec<u8>> = rule.body(&key, content_type, &bytes);
            }
            for name in ["authorization", "cookie", "set-cookie", "referer", "x-a"] {
                let Some(new) = rule.header_value(&key, name.as_bytes(), &bytes) else { continue };
                prop_assert_ne!(&new, &bytes, "{:?} on {}", rule, name);
            }
            if let Some(new) = rule.target(&key, &bytes) {
                prop_assert_ne!(&new, &bytes, "{:?}", rule);
            }
        }
    }

    #[test]
    fn rules_do_not_undo_each_other(secrets in prop::collection::vec(secret(), 1..6)) {
        let key = key();
        let body = secrets.iter().map(|(_, secret)| &**secret).collect::<Vec<_>>().join(", ");
        let all = |mut body: Vec<u8>| {
            for name in Redaction::presets() {
                body = preset(name).body(&key, Some(b"text/plain"), &body).unwrap_or(body);
            }
            string(body)
        };
        let once = all(body.clone().into_bytes());
        for (_, secret) in &secrets {
            prop_assert!(!once.contains(secret.as_str()), "{} in {}", secret, once);
        }
        prop_assert_eq!(all(once.clone().into_bytes()), once);
    }
}
