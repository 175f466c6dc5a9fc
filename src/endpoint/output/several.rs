//! Several outputs: each gets all, or each a share of the exchanges.

use crate::observe::Tell;
use crate::record::{Kind, LruMap, Run, Sink, id_hash, session};
use crate::{Dialect, Result};

/// Exchanges or sessions whose output is remembered at least. They take 40 MB.
const MAX_KNOWN: usize = 1 << 19;

/// Several outputs that get the same.
pub(super) struct Copies(pub(super) Vec<Box<dyn Sink + Send>>, pub(super) Option<Tell>);

impl Copies {
    /// Does the same to each output. One whose reader has gone is left out
    /// from then on, which is told; when the last one has, that is the error. When one fails, the
    /// others are ended first.
    fn each(&mut self, mut act: impl FnMut(&mut dyn Sink) -> Result<()>) -> Result<()> {
        let mut index = 0;
        while index < self.0.len() {
            match act(&mut self.0[index]) {
                Err(error) if error.is_broken_pipe() && self.0.len() > 1 => {
                    self.0.remove(index);
                    if let Some(tell) = self.1 {
                        tell(&"the reader of one of the outputs has gone; the others go on");
                    }
                }
                Err(error) => {
                    self.0.remove(index);
                    for other in &mut self.0 {
                        // One error is enough.
                        let _ = other.finish();
                    }
                    return Err(error);
                }
                Ok(()) => index += 1,
            }
        }
        Ok(())
    }
}

impl Sink for Copies {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.each(|sink| sink.write(records))
    }

    fn flush(&mut self) -> Result<()> {
        self.each(|sink| sink.flush())
    }

    fn settle(&mut self) -> Result<()> {
        self.each(|sink| sink.settle())
    }

    fn reopen(&mut self) -> Result<()> {
        self.each(|sink| sink.reopen())
    }

    fn check(&mut self) -> Result<()> {
        self.each(|sink| sink.check())
    }

    fn finish(&mut self) -> Result<()> {
        self.each(|sink| sink.finish())
    }

    fn finish_failed(&mut self) -> Result<()> {
        self.each(|sink| sink.finish_failed())
    }
}

/// Several outputs that take exchanges, or sessions, in turn.
///
/// All records of one go where the first of it went. That is remembered of
/// the last 524288 at least; when older ones were forgotten, records that may
/// belong to them are counted and told at the end.
pub(super) struct SplitOutputs {
    outputs: Copies,
    by_session: bool,
    known: LruMap<usize>,
    next: usize,
    doubtful: u64,
    tell: Option<Tell>,
}

impl SplitOutputs {
    pub(super) fn new(outputs: Vec<Box<dyn Sink + Send>>, by_session: bool, tell: Option<Tell>) -> Self {
        let (outputs, known) = (Copies(outputs, tell), LruMap::new(MAX_KNOWN));
        SplitOutputs { outputs, by_session, known, next: 0, doubtful: 0, tell }
    }

    fn output_of(&mut self, kind: Kind, id: &[u8]) -> usize {
        let key = id_hash(if self.by_session { session(id) } else { id });
        if let Some(output) = self.known.get(key) {
            return output;
        }
        if self.known.forgotten() > 0 && (self.by_session || kind != Kind::Request) {
            self.doubtful += 1;
        }
        let output = self.next;
        self.next = (output + 1) % self.outputs.0.len();
        self.known.insert(key, output);
        output
    }
}

impl Sink for SplitOutputs {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        let (mut first, mut goes_to) = (0, None::<usize>);
        for (number, view) in records.iter().enumerate() {
            let output = self.output_of(view.header.kind, view.header.id);
            if let Some(before) = goes_to.filter(|before| *before != output) {
                self.outputs.0[before].write(&records.part(first..number))?;
                first = number;
            }
            goes_to = Some(output);
        }
        match goes_to {
            Some(output) => self.outputs.0[output].write(&records.part(first..records.len())),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.outputs.0.iter_mut().try_for_each(Sink::flush)
    }

    fn settle(&mut self) -> Result<()> {
        self.outputs.0.iter_mut().try_for_each(Sink::settle)
    }

    fn reopen(&mut self) -> Result<()> {
        self.outputs.0.iter_mut().try_for_each(Sink::reopen)
    }

    fn check(&mut self) -> Result<()> {
        self.outputs.0.iter_mut().try_for_each(Sink::check)
    }

    fn finish(&mut self) -> Result<()> {
        if self.doubtful > 0
            && let Some(tell) = self.tell
        {
            tell(&format_args!(
                "--split: {} were forgotten, and {} later records may belong to them and be in another output",
                self.known.forgotten(),
                self.doubtful
            ));
            self.doubtful = 0;
        }
        let ended = self.outputs.0.iter_mut().map(Sink::finish);
        ended.fold(Ok(()), Result::and)
    }

    fn finish_failed(&mut self) -> Result<()> {
        let ended = self.outputs.0.iter_mut().map(Sink::finish_failed);
        ended.fold(Ok(()), Result::and)
    }
}

/// Writes until so many bytes were written.
pub(super) struct Limited {
    inner: Box<dyn Sink + Send>,
    limit: u64,
    bytes: u64,
    records: u64,
    /// The last record's.
    id: Vec<u8>,
    is_over: bool,
    dialect: Dialect,
}

impl Limited {
    pub(super) fn new(inner: Box<dyn Sink + Send>, limit: u64, dialect: Dialect) -> Self {
        Limited { inner, limit, bytes: 0, records: 0, id: Vec::new(), is_over: false, dialect }
    }

    /// Ends the output and says why.
    fn stop(&mut self) -> crate::Error {
        self.is_over = true;
        self.inner.finish().err().unwrap_or_else(|| self.reached())
    }

    fn reached(&self) -> crate::Error {
        crate::Error::SizeReached {
            limit: self.limit,
            records: self.records,
            id: String::from_utf8_lossy(&self.id).into_owned(),
        }
    }
}

impl Sink for Limited {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        if self.is_over {
            return Err(self.reached());
        }
        let mut fitting = records.len();
        let mut bytes = self.bytes + records.bytes().len() as u64;
        if bytes > self.limit {
            bytes = self.bytes;
            fitting = records
                .iter()
                .take_while(|view| {
                    let after = bytes + view.raw.len() as u64;
                    let fits = match self.dialect {
                        Dialect::Unix => after <= self.limit,
                        Dialect::GoReplay => bytes < self.limit,
                    };
                    bytes = if fits { after } else { bytes };
                    fits
                })
                .count();
        }
        if fitting > 0 {
            self.inner.write(&records.part(0..fitting))?;
            self.bytes = bytes;
            self.records += fitting as u64;
            if let Some(last) = records.part(fitting - 1..fitting).iter().next() {
                self.id = last.header.id.to_vec();
            }
        }
        if fitting < records.len() { Err(self.stop()) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.is_over { Ok(()) } else { self.inner.flush() }
    }

    fn settle(&mut self) -> Result<()> {
        if self.is_over { Ok(()) } else { self.inner.settle() }
    }

    fn reopen(&mut self) -> Result<()> {
        self.inner.reopen()
    }

    fn check(&mut self) -> Result<()> {
        if self.is_over { Ok(()) } else { self.inner.check() }
    }

    fn finish(&mut self) -> Result<()> {
        if self.is_over { Ok(()) } else { self.inner.finish() }
    }

    fn finish_failed(&mut self) -> Result<()> {
        if self.is_over { Ok(()) } else { self.inner.finish_failed() }
    }
}
