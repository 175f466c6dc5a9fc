//! Content codings: what a body was made smaller with, and back (RFC 9110 §8.4.1, RFC 7932, RFC 8878).

use std::fmt;
use std::io::{Cursor, Read};

use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder, GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder};

use super::Head;
use super::token;

/// Most that a body decodes to where it is shown or goes into another format.
pub const MAX_DECODED: usize = 64 << 20;

/// A coding that can be taken away and put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// `gzip`, `x-gzip`
    Gzip,
    /// `deflate`, which is zlib; some servers send it without that, and so it is put back.
    Deflate {
        /// Whether the zlib wrapping is missing.
        is_bare: bool,
    },
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

/// Why a body was not decoded, or not to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CodingFault {
    /// A coding that is not known.
    Unknown(String),
    /// It is not what its coding says, or cut.
    Broken,
    /// It is larger than the limit.
    TooLarge,
}

impl fmt::Display for CodingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodingFault::Unknown(name) => write!(f, "the content coding '{name}' is not known"),
            CodingFault::Broken => f.write_str("the body does not decode to its end"),
            CodingFault::TooLarge => f.write_str("the body decodes to more than the limit"),
        }
    }
}

/// A body without its codings, and how to put them back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DecodedBody {
    /// What there is of it.
    pub bytes: Vec<u8>,
    /// In the order in which they were applied.
    pub codings: Vec<Coding>,
    /// Why that is not all.
    pub fault: Option<CodingFault>,
}

/// The codings that a head names, in the order in which they were applied; `identity` is none.
pub fn codings(head: &Head<'_>) -> Result<Vec<Coding>, CodingFault> {
    named(head.values(b"content-encoding").flat_map(token::list))
}

/// The codings of these names, in their order.
pub(super) fn named<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Coding>, CodingFault> {
    let mut codings = Vec::new();
    for name in names {
        codings.push(match name.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Coding::Gzip,
            b"deflate" => Coding::Deflate { is_bare: false },
            b"br" => Coding::Brotli,
            b"zstd" => Coding::Zstd,
            b"identity" => continue,
            other => return Err(CodingFault::Unknown(String::from_utf8_lossy(other).into_owned())),
        });
    }
    Ok(codings)
}

/// Takes codings away, the last that was applied first; gives at most `limit` bytes.
pub fn decode(body: &[u8], codings: Vec<Coding>, limit: usize) -> DecodedBody {
    let mut decoded = DecodedBody { bytes: body.to_vec(), codings, fault: None };
    for coding in decoded.codings.iter_mut().rev() {
        // An empty body has nothing to decode, whatever its head says.
        if decoded.bytes.is_empty() || decoded.fault.is_some() {
            break;
        }
        let input = std::mem::take(&mut decoded.bytes);
        let fault = match coding {
            Coding::Gzip => read(MultiGzDecoder::new(&input[..]), limit, &mut decoded.bytes),
            Coding::Deflate { is_bare } => {
                let fault = read(ZlibDecoder::new(&input[..]), limit, &mut decoded.bytes);
                if fault.is_some() && decoded.bytes.is_empty() {
                    *is_bare = true;
                    read(DeflateDecoder::new(&input[..]), limit, &mut decoded.bytes)
                } else {
                    fault
                }
            }
            Coding::Brotli => read(brotli::Decompressor::new(&input[..], 4096), limit, &mut decoded.bytes),
            Coding::Zstd => match zstd::stream::read::Decoder::new(Cursor::new(&input)) {
                Ok(stream) => read(stream, limit, &mut decoded.bytes),
                Err(_) => Some(CodingFault::Broken),
            },
        };
        decoded.fault = fault;
    }
    decoded
}

/// Puts codings on a body again, in order. None: the coder failed.
pub fn encode(body: &[u8], codings: &[Coding]) -> Option<Vec<u8>> {
    let mut bytes = body.to_vec();
    for coding in codings {
        let input = std::mem::take(&mut bytes);
        let fault = match coding {
            Coding::Gzip => read(GzEncoder::new(&input[..], Compression::default()), usize::MAX, &mut bytes),
            Coding::Deflate { is_bare: false } => {
                read(ZlibEncoder::new(&input[..], Compression::default()), usize::MAX, &mut bytes)
            }
            Coding::Deflate { is_bare: true } => {
                read(DeflateEncoder::new(&input[..], Compression::default()), usize::MAX, &mut bytes)
            }
            Coding::Brotli => {
                read(brotli::CompressorReader::new(&input[..], 4096, 5, 22), usize::MAX, &mut bytes)
            }
            Coding::Zstd => {
                bytes = zstd::encode_all(&input[..], 0).ok()?;
                None
            }
        };
        if fault.is_some() {
            return None;
        }
    }
    Some(bytes)
}

/// Reads what there is, up to the limit.
fn read(mut from: impl Read, limit: usize, to: &mut Vec<u8>) -> Option<CodingFault> {
    let mut piece = [0; 8 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return None,
            Ok(length) if to.len() + length > limit => {
                to.extend_from_slice(&piece[..limit - to.len()]);
                return Some(CodingFault::TooLarge);
            }
            Ok(length) => to.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Some(CodingFault::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codings_of(field: &str) -> Result<Vec<Coding>, CodingFault> {
        let message = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
        codings(&Head::of(message.as_bytes()).expect("a head"))
    }

    #[test]
    fn codings_are_named_in_any_case_and_over_several_lines() {
        let bare = Coding::Deflate { is_bare: false };
        assert_eq!(codings_of("A: b"), Ok(vec![]));
        assert_eq!(codings_of("Content-Encoding: identity"), Ok(vec![]));
        assert_eq!(codings_of("Content-Encoding: GZIP, deflate"), Ok(vec![Coding::Gzip, bare]));
        assert_eq!(
            codings_of("content-encoding: br\r\nContent-Encoding: x-gzip, zstd"),
            Ok(vec![Coding::Brotli, Coding::Gzip, Coding::Zstd])
        );
        assert_eq!(codings_of("Content-Encoding: gzip, sdch"), Err(CodingFault::Unknown("sdch".into())));
    }

    fn coding() -> impl Strategy<Value = Coding> {
        prop::sample::select(vec![
            Coding::Gzip,
            Coding::Deflate { is_bare: false },
            Coding::Deflate { is_bare: true },
            Coding::Brotli,
            Coding::Zstd,
        ])
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(body: Vec<u8>, coding in coding()) {
            let coded = encode(&body, &[coding]).expect("it can be encoded");
            let told = if let Coding::Deflate { .. } = coding { Coding::Deflate { is_bare: false } } else { coding };
            let decoded = decode(&coded, vec![told], usize::MAX);
            prop_assert_eq!((&decoded.bytes, &decoded.fault), (&body, &None));
            // An empty body in a bare deflate is taken for zlib that says nothing.
            let again = encode(&body, &decoded.codings).expect("it can be encoded");
            prop_assert_eq!(decode(&again, decoded.codings, usize::MAX).bytes, body);
        }

        #[test]
        fn codings_go_on_top_of_each_other(body: Vec<u8>, codings in prop::collection::vec(coding(), 0..4)) {
            prop_assume!(!codings.contains(&Coding::Deflate { is_bare: true }));
            let coded = encode(&body, &codings).expect("it can be encoded");
            prop_assert_eq!(decode(&coded, codings, usize::MAX).bytes, body);
        }

        #[test]
        fn garbage_and_cuts_do_no_harm(body: Vec<u8>, coding in coding(), cut in any::<prop::sample::Index>()) {
            decode(&body, vec![coding], 1000);
            let coded = encode(&body, &[coding]).expect("it can be encoded");
            let cut = &coded[..cut.index(coded.len())];
            let decoded = decode(cut, vec![coding], usize::MAX);
            prop_assert!(body.starts_with(&decoded.bytes) || decoded.fault.is_some());
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let coded = encode(&vec![0; 10 << 20], &[Coding::Gzip]).expect("it can be encoded");
        let decoded = decode(&coded, vec![Coding::Gzip], 1 << 20);
        assert_eq!((decoded.bytes.len(), decoded.fault), (1 << 20, Some(CodingFault::TooLarge)));
    }
}
