//! Any bytes as a coded body and as a message: no decoder gives more than its limit, what is encoded is decoded again, a
//! message that is not changed is written as it was, and one whose content is put back has that content.
#![no_main]

use gor_tools::http::body::Body;
use gor_tools::http::coding::{Coding, CodingFault, decode, encode};
use gor_tools::http::{Head, message};
use libfuzzer_sys::fuzz_target;

const CODINGS: [Coding; 5] = [
    Coding::Gzip,
    Coding::Deflate { is_bare: false },
    Coding::Deflate { is_bare: true },
    Coding::Brotli,
    Coding::Zstd,
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let limit = if choice % 2 == 0 { 100 } else { 1 << 20 };
    let (one, other) = (CODINGS[usize::from(choice / 2 % 5)], CODINGS[usize::from(choice / 10 % 5)]);

    for codings in [vec![one], vec![one, other]] {
        let decoded = decode(bytes, codings.clone(), limit);
        assert!(decoded.bytes.len() <= limit || decoded.bytes == bytes);
        assert!(decoded.fault != Some(CodingFault::TooLarge) || decoded.bytes.len() == limit);
        let coded = encode(bytes, &codings).expect("it can be encoded");
        let again = decode(&coded, codings, 1 << 24);
        assert_eq!((&again.bytes[..], again.fault), (bytes, None));
    }

    let Some(head) = Head::of(bytes) else { return };
    let _ = message::content(bytes);
    for is_request in [true, false] {
        let body = Body::of(&head, bytes, is_request);
        let mut same = Vec::new();
        assert!(body.write(&head, None, None, None, &mut same));
        assert_eq!(same, bytes);
        let Ok(content) = body.content(&head, limit) else { continue };
        assert!(content.bytes.len() <= limit);
        let mut new = Vec::new();
        assert!(body.write(&head, Some(&content), None, None, &mut new));
        let new_head = Head::of(&new).expect("a head");
        let new_body = Body::of(&new_head, &new, is_request);
        // Coded anew it may be longer than it was, and than the limit.
        let again = new_body.content(&new_head, 1 << 24).map(|content| content.bytes);
        assert_eq!(again, Ok(content.bytes));
    }
});
