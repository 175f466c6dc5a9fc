//! The credentials of HTTP's Basic authentication, RFC 7617.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::token;

/// Padding may be missing, as many clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The decoded `user:password` of an Authorization value; `None` when its scheme, which may be in any case,
/// is another or what follows is not base64.
pub fn credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic ");
    is_basic.then(|| BASE64.decode(token::trim(encoded)).ok()).flatten()
}

/// The Authorization value that carries `user_and_password`.
pub fn basic(user_and_password: &[u8]) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user_and_password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_basic_and_well_encoded_credentials_are_read() {
        for (value, expected) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some("Aladdin:open sesame")),
            ("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ", Some("Aladdin:open sesame")),
            ("Basic ", Some("")),
            ("Basic", None),
            ("Basic Q", None),
            ("Basic !!!!", None),
            ("Bearer QWxh", None),
            ("BasicQWxh", None),
            ("", None),
        ] {
            let found = credentials(value.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(credentials(basic(&bytes).as_bytes()), Some(bytes));
        }
    }
}
