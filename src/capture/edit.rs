//! The two changes that recording makes to a request: no `Expect`, and the client's address.

use std::net::IpAddr;

use crate::http::edit::{FieldEdit, write_edited};
use crate::http::{Field, Head};

/// Writes a request to `out` (emptied first), without its `Expect` lines when
/// `expects_continue`, and with `real_ip_header` carrying the client's address.
///
/// A replayed `Expect: 100-continue` would stall, as nobody waits for the
/// answer. The address goes directly under the request line; lines of that name
/// sent by the client itself are dropped, as they may lie. A request whose head
/// was cut stays as it is.
pub(super) fn write_request(
    request: &[u8],
    expects_continue: bool,
    real_ip: Option<(&str, IpAddr)>,
    out: &mut Vec<u8>,
) {
    out.clear();
    let Some(head) = Head::of(request) else {
        out.extend_from_slice(request);
        return;
    };
    let added = real_ip.map(|(name, address)| format!("{name}: {address}\r\n")).unwrap_or_default();
    let edit = |field: &Field<'_>| {
        let is_dropped = (expects_continue && field.name.eq_ignore_ascii_case(b"expect"))
            || real_ip.is_some_and(|(name, _)| field.name.eq_ignore_ascii_case(name.as_bytes()));
        if is_dropped { FieldEdit::Remove } else { FieldEdit::Keep }
    };
    write_edited(&head, None, added.as_bytes(), edit, out);
    out.extend_from_slice(&request[head.len()..]);
}
