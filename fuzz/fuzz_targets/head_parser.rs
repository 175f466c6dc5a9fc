//! Any bytes as a head, a target, a value and the start of a connection: nothing panics, parts lie in their whole.
#![no_main]

use gor_tools::http::{
    Head, Recognised, auth, query, recognise, request_line, starts_request, starts_response, status_line,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let first = request_line(bytes);
    let status = status_line(bytes);
    if let Some(head) = Head::of(bytes) {
        assert_eq!(head.request_line(), first);
        assert_eq!(head.status_line(), status);
        assert!(bytes.starts_with(head.bytes()));
        for field in head.fields() {
            assert_eq!(&bytes[field.value_range], field.value);
            let left: usize = head.without(field.name).map(<[u8]>::len).sum();
            assert!(left < head.len());
            if head.len() > 4096 {
                break;
            }
        }
        for value in head.values(b"authorization") {
            auth::credentials(value);
        }
    }
    if let Some(line) = first {
        assert!(query::path_and_query(line.target).starts_with(query::path(line.target)));
        for (name, value) in query::parameters(query::query(line.target).unwrap_or_default()) {
            assert!(query::form_decoded(name).len() <= name.len());
            assert!(query::percent_decoded(value).len() <= value.len());
        }
    }
    let short = &bytes[..bytes.len().min(64)];
    let mut certain = Recognised::NeedMore;
    for end in 0..=short.len() {
        let now = recognise(&short[..end]);
        assert!(certain == Recognised::NeedMore || certain == now);
        certain = now;
    }
    for starts in [starts_request, starts_response] {
        let whole = starts(bytes);
        for end in (0..bytes.len()).step_by(7) {
            let told = starts(&bytes[..end]);
            assert!(told.is_none() || told == whole);
        }
    }
});
