//! Cases of what a redaction does by the place of a value: names, ids, headers that frame.

use super::*;

#[test]
fn what_is_called_a_secret_is_replaced_wherever_names_are() {
    let rule = preset("secrets");
    let new = |value: &str| key().opaque(value.as_bytes()).unwrap();
    for (content_type, before) in [
        ("application/json", r#"{"User":"[ada]","a":[{"newPassword":"[x\"y]","page":1}],"token":null}"#),
        ("application/json", r#"{"session":{"id":"[s1]","of":["[t1]"]},"name":"n"}"#),
        ("application/x-www-form-urlencoded", "user%5Bpassword%5D=[x]&page=1&Api-Key=[k]"),
        ("text/plain", "user=[ada]&password=[x]"),
        ("text/plain", "password: '[x]', name: 'y'"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n[x]\r\n--b--",
        ),
    ] {
        let mut expected = String::new();
        // An array in JSON has brackets of its own.
        let before = before
            .replace(":[{", ":⟦{")
            .replace("}],", "}⟧,")
            .replace(":[\"", ":⟦\"")
            .replace("\"]}", "\"⟧}");
        for (place, piece) in before.split(['[', ']']).enumerate() {
            let plain = piece.replace("\\\"", "\"");
            expected.push_str(&if place % 2 == 0 { piece.to_owned() } else { new(&plain) });
        }
        let brackets = |text: &str| text.replace('⟦', "[").replace('⟧', "]");
        let body = brackets(&before.replace(['[', ']'], ""));
        let redacted = rule.body(&key(), Some(content_type.as_bytes()), body.as_bytes());
        let redacted = String::from_utf8(redacted.expect("something is found")).unwrap();
        assert_eq!(redacted, brackets(&expected), "{content_type}");
    }
    let target = rule.target(&key(), b"/a?page=1&access_token=x").unwrap();
    assert_eq!(target, format!("/a?page=1&access_token={}", new("x")).into_bytes());
    assert_eq!(rule.header_value(&key(), b"X-Api-Key", b"x"), Some(new("x").into_bytes()));
    let referer = rule.header_value(&key(), b"Referer", b"http://a/?token=x").unwrap();
    assert_eq!(referer, format!("http://a/?token={}", new("x")).into_bytes());
    assert_eq!(rule.header_value(&key(), b"Authorization", b"Basic eDp5"), None);
}

#[test]
fn an_id_gets_the_replacement_of_its_address() {
    let (key, rule) = (key(), preset("ip"));
    let id = b"d5881f900a0700021b82e6e9";
    let new = String::from_utf8(rule.id(&key, id).unwrap()).unwrap();
    let address = u32::from_str_radix(&new[8..16], 16).unwrap();
    assert_eq!(text("ip", "10.7.0.2"), std::net::Ipv4Addr::from(address).to_string());
    assert_eq!((&new[..8], &new[16..]), ("d5881f90", "1b82e6e9"));
    for name in ["ipv4", "ipv6"] {
        assert_eq!(preset(name).id(&key, id).unwrap(), new.as_bytes());
    }
    // The end of an IPv6 address may look as if it were replaced already.
    assert!(rule.id(&key, b"d5881f90f70000011b82e6e9").is_some());
    assert_eq!(rule.id(&key, b"a1"), None);
    let spelled = rule.id(&key, b"10.7.0.2:1-x").unwrap();
    assert_eq!(spelled, format!("{}:1-x", text("ip", "10.7.0.2")).into_bytes());
    assert_eq!(preset("email").id(&key, id), None);
}

#[test]
fn headers_that_frame_a_message_stay() {
    for name in ["Content-Length", "transfer-encoding", "Content-Encoding", "content-type", "Connection"] {
        assert!(Redaction::header(name).unwrap_err().reason.contains("stays"), "{name}");
        for (_, rule) in Redaction::all() {
            assert_eq!(
                rule.header_value(&key(), name.as_bytes(), b"4111111111111111 a@b.de"),
                None,
                "{name}"
            );
        }
    }
}

#[test]
fn a_secret_within_another_value_is_found_by_its_name() {
    let rule = preset("secrets");
    let new = |value: &str| key().opaque(value.as_bytes()).unwrap();
    let body = |content_type: &str, body: &str| {
        let new = rule.body(&key(), Some(content_type.as_bytes()), body.as_bytes());
        String::from_utf8(new.expect("something is found")).unwrap()
    };
    for (content_type, before) in [
        ("application/json", r#"{"data":"{\"password\":\"SECRET\"}","next":"/a?token=SECRET"}"#),
        (
            "application/x-www-form-urlencoded",
            "payload=%7B%22token%22%3A%22SECRET%22%7D&next=%2Fa%3Fsid%3DSECRET",
        ),
        ("text/event-stream", "data: {\"token\":\"SECRET\"}\n\n"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=token\r\n\r\nSECRET\r\n--b--",
        ),
    ] {
        assert_eq!(body(content_type, before), before.replace("SECRET", &new("SECRET")), "{content_type}");
    }
    let target = "/login?next=%2Fa%3Ftoken%3DSECRET&x=1;token=SECRET#access_token=SECRET";
    let redacted = rule.target(&key(), target.as_bytes()).expect("something is found");
    assert_eq!(String::from_utf8(redacted).unwrap(), target.replace("SECRET", &new("SECRET")));
    let link = "</a?api_key=SECRET>; rel=next";
    let redacted = rule.header_value(&key(), b"Link", link.as_bytes()).expect("something is found");
    assert_eq!(String::from_utf8(redacted).unwrap(), link.replace("SECRET", &new("SECRET")));
}
