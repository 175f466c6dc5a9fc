//! What a reader of records asks HTTP: where a message is whole.

use crate::http::{Framer, RequestContext};
use crate::record::{Kind, MessageFraming};

/// Follows the framing of one HTTP message whose length is told by its head. A response that ends with its connection
/// is never known to end.
#[derive(Debug)]
pub(super) struct HttpFraming {
    framer: Framer,
    /// How much of the message the framer has consumed.
    consumed: usize,
}

impl HttpFraming {
    /// That of a record's payload. What a response answers is not known.
    pub(super) fn new(kind: Kind) -> Self {
        let framer = match kind {
            Kind::Request => Framer::request(),
            Kind::Response | Kind::Replayed => Framer::response(RequestContext::default()),
        };
        HttpFraming { framer, consumed: 0 }
    }

    /// The same, for a reader.
    pub(super) fn boxed(kind: Kind) -> Box<dyn MessageFraming> {
        Box::new(HttpFraming::new(kind))
    }
}

impl MessageFraming for HttpFraming {
    fn is_whole(&mut self, payload: &[u8]) -> bool {
        let extent = self.framer.extent_from(payload, self.consumed);
        self.consumed = extent.end;
        extent.is_all_of(payload)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> impl Strategy<Value = String> {
        let lines = prop_oneof![
            Just("Content-Length: 9\r\n"),
            Just("Transfer-Encoding: chunked\r\n"),
            Just("X: y\n"),
            Just(" folded\r\n"),
        ];
        let start = prop_oneof![
            Just("GET / HTTP/1.1\r\n"),
            Just("HTTP/1.1 200 OK\r\n"),
            Just("\r\nGET / HTTP/1.0\n")
        ];
        (start, prop::collection::vec(lines, 0..4), "(\r?\n)?", "[0-3a\r\n]{0,20}")
            .prop_map(|(start, lines, end, body)| format!("{start}{}{end}{body}", lines.concat()))
    }

    proptest! {
        #[test]
        fn a_message_shown_bit_by_bit_is_whole_where_it_is_when_shown_at_once(
            message in messages(), is_request: bool, steps in prop::collection::vec(0_usize..9, 1..9),
        ) {
            let kind = if is_request { Kind::Request } else { Kind::Response };
            let (mut growing, mut shown) = (HttpFraming::new(kind), 0);
            for step in steps.iter().cycle().take(60) {
                shown = (shown + step).min(message.len());
                let payload = &message.as_bytes()[..shown];
                prop_assert_eq!(growing.is_whole(payload), HttpFraming::new(kind).is_whole(payload), "{:?}", payload);
            }
        }
    }

    #[test]
    fn a_message_is_whole_at_its_end_alone() {
        let message = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        let mut framing = HttpFraming::new(Kind::Request);
        let is_whole: Vec<_> = (0..=message.len()).map(|end| framing.is_whole(&message[..end])).collect();
        assert_eq!(is_whole.iter().position(|&is_whole| is_whole), Some(message.len()));
        assert!(!framing.is_whole(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd"));
    }
}
