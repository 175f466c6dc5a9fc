//! Text as it is meant, with the way back to the bytes that spell it.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

/// How often percent-encoding is looked through: a URL within a URL within a URL.
const MAX_LAYERS: usize = 3;

/// Replacements in order, none overlapping another: where, and by what.
pub(super) type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// `bytes` with `edits` made; `None` when there are none.
pub(super) fn edited(bytes: &[u8], edits: Edits) -> Option<Vec<u8>> {
    if edits.is_empty() {
        return None;
    }
    let (mut out, mut from) = (Vec::with_capacity(bytes.len() + 16 * edits.len()), 0);
    for (range, replacement) in edits {
        out.extend_from_slice(&bytes[from..range.start]);
        out.extend_from_slice(&replacement);
        from = range.end;
    }
    out.extend_from_slice(&bytes[from..]);
    Some(out)
}

/// Decoded text.
pub(super) struct TextView<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// Where the spelling of each decoded byte begins, and where all of it ends; `None` when every byte
    /// spells itself.
    starts: Option<Vec<usize>>,
}

impl<'a> TextView<'a> {
    pub(super) fn plain(text: &'a [u8]) -> Self {
        TextView { text: Cow::Borrowed(text), starts: None }
    }

    /// The bytes that spell `range` of the text.
    pub(super) fn spelling(&self, range: &Range<usize>) -> Range<usize> {
        self.starts.as_ref().map_or(range.clone(), |starts| starts[range.start]..starts[range.end])
    }

    /// The inside of a JSON string (RFC 8259 §7). What is no valid escape stays.
    pub(super) fn json(inside: &'a [u8]) -> Self {
        if memchr(b'\\', inside).is_none() {
            return TextView::plain(inside);
        }
        TextView::plain(inside).decoded(|rest, out| match rest {
            [b'\\', b'u', ..] => unicode(rest, out),
            [b'\\', escape, ..] => {
                out.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                2
            }
            _ => 0,
        })
    }

    /// Looks through percent-encoding (RFC 3986 §2.1), several layers of it.
    ///
    /// In a form a plus is a space, but only where the value holds an escape, which shows that a form's
    /// encoder wrote it, and not at the value's beginning, where a telephone number has its plus.
    pub(super) fn percent(mut self, is_form: bool) -> TextView<'a> {
        for layer in 0..MAX_LAYERS {
            let has_escape = memchr(b'%', &self.text).is_some();
            if !has_escape {
                break;
            }
            let before = self.text.len();
            let mut is_first = true;
            let plus = is_form && layer == 0;
            self = self.decoded(|rest, out| {
                let was_first = std::mem::take(&mut is_first);
                match rest {
                    [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
                        (Some(high), Some(low)) => {
                            out.push(high << 4 | low);
                            3
                        }
                        _ => 0,
                    },
                    [b'+', ..] if plus && !was_first => {
                        out.push(b' ');
                        1
                    }
                    _ => 0,
                }
            });
            if self.text.len() == before {
                break;
            }
        }
        self
    }

    /// One layer of decoding: `step` pushes what the beginning of its input means and says how long the
    /// spelling was; 0 when the first byte means itself.
    fn decoded(self, mut step: impl FnMut(&[u8], &mut Vec<u8>) -> usize) -> TextView<'a> {
        let mut text = Vec::with_capacity(self.text.len());
        let mut starts = Vec::with_capacity(self.text.len() + 1);
        let mut at = 0;
        while at < self.text.len() {
            let length = match step(&self.text[at..], &mut text) {
                0 => {
                    text.push(self.text[at]);
                    1
                }
                length => length,
            };
            let spelled_at = self.starts.as_ref().map_or(at, |starts| starts[at]);
            starts.resize(text.len(), spelled_at);
            at += length;
        }
        starts.push(self.starts.as_ref().map_or(at, |starts| starts[at]));
        TextView { text: Cow::Owned(text), starts: Some(starts) }
    }
}

/// Whether text may be spelled otherwise than it is meant, so that looking for a letter tells nothing.
pub(super) fn may_be_escaped(bytes: &[u8]) -> bool {
    memchr2(b'%', b'\\', bytes).is_some()
}

/// A `\uXXXX`, or two of them that are a surrogate pair, pushed as UTF-8.
fn unicode(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | u32::from(hex(digit)?)))
    };
    let Some(first) = unit(0) else { return 0 };
    let (code, length) = match (first, unit(6)) {
        (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
            (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
        }
        _ => (first, 6),
    };
    let Some(character) = char::from_u32(code) else { return 0 };
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
