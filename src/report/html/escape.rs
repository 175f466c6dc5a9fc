//! Text of recordings, targets and errors as text of HTML, which cannot become markup.

use std::fmt::{self, Write as _};

use crate::show::text::printable;

/// Shows text so that it may stand in an element or a quoted attribute. Control characters are written out.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in printable(self.0.as_bytes()).chars() {
            match sign {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(sign)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_markup_is_made_of_is_left(text in any::<String>()) {
            let escaped = Escaped(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'', '\0']), "{escaped}");
            let references = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            let rest = references.iter().fold(escaped.clone(), |rest, reference| rest.replace(reference, ""));
            prop_assert!(!rest.contains('&'), "{escaped}");
        }
    }
}
