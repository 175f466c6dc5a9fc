//! Compressed bytes in, what they stand for out: members and frames, however many.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Largest zstd window accepted: 128 MiB, as the `zstd` program does. Only
/// `--long` and `--ultra` ever use more than 8 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// gzip members one after the other.
pub(super) struct Gunzip<R> {
    /// None after the last one, or after damage.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(input: R) -> Self {
        Gunzip { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(out) {
                Ok(0) if !out.is_empty() => {}
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    self.member = None;
                    return Err(damage("gzip", &error));
                }
                result => return result,
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { break };
            if has_next_member(&mut input)? {
                *self = Gunzip::new(input);
            }
        }
        Ok(0)
    }
}

/// Whether another gzip member follows. Zero bytes up to the end are padding,
/// as tapes and block devices have it.
fn has_next_member(input: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let bytes = input.fill_buf()?;
        let Some(&first) = bytes.first() else { return Ok(false) };
        if first == 0x1f && !is_padded {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the bytes after the gzip data are not gzip data",
            ));
        }
        is_padded = true;
        input.consume(zeros);
    }
}

/// zstd frames one after the other, with errors that say so.
pub(super) struct Unzstd<R: BufRead>(zstd::stream::read::Decoder<'static, R>);

impl<R: BufRead> Unzstd<R> {
    pub(super) fn new(input: R) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Unzstd(decoder))
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| damage("zstd", &error))
    }
}

/// What a decoder's error means to a person.
fn damage(name: &str, error: &io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::Interrupted => io::Error::from(ErrorKind::Interrupted),
        ErrorKind::UnexpectedEof => {
            let text = format!("the {name} data ends early: the file was cut");
            io::Error::new(ErrorKind::UnexpectedEof, text)
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
            io::Error::new(ErrorKind::InvalidData, format!("the {name} data is damaged: {error}"))
        }
        // The file below could not be read: its own words are best.
        kind => error.raw_os_error().map_or_else(|| io::Error::from(kind), io::Error::from_raw_os_error),
    }
}
