//! Records on their way into one file, in the format of its name.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::OutputPlan;
use super::file::OutputFile;
use super::naming::OutputFormat;
use super::opening::{self, Existing};
use super::ticker::Ticker;
use crate::Result;
use crate::record::{Run, Sink};

fn lock(output: &Mutex<OutputFile>) -> MutexGuard<'_, OutputFile> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One file that takes records.
pub(super) struct FileSink {
    /// What makes another format of them.
    format: Option<Box<dyn Sink + Send>>,
    output: Arc<Mutex<OutputFile>>,
    /// Writes out what waits when the flush interval is over. None: nothing waits.
    ticker: Option<Arc<Ticker>>,
    /// Whether it does already: from the first record on.
    is_watched: bool,
    /// How to open it again, where it has a name.
    name: Option<(Arc<OutputPlan>, String)>,
}

impl FileSink {
    /// Opens a file for writing, by its path.
    pub(super) fn open(plan: &Arc<OutputPlan>, path: &str, existing: Existing) -> Result<Self> {
        let (output, format) = opening::file(plan, path, existing)?;
        Ok(FileSink { name: Some((Arc::clone(plan), path.to_owned())), ..Self::of(plan, output, format) })
    }

    /// The same for bytes that are not made of records.
    pub(super) fn plain(plan: &Arc<OutputPlan>, path: &str, existing: Existing) -> Result<Self> {
        let (output, _) = opening::file(plan, path, existing)?;
        Ok(FileSink {
            name: Some((Arc::clone(plan), path.to_owned())),
            ..Self::of(plan, output, OutputFormat::Gor)
        })
    }

    /// Standard output, or where the shell has led it.
    pub(super) fn standard(plan: &OutputPlan) -> Result<Self> {
        let format = plan.format.unwrap_or(OutputFormat::Gor);
        Ok(Self::of(plan, opening::standard(format)?, format))
    }

    fn of(plan: &OutputPlan, output: OutputFile, format: OutputFormat) -> Self {
        let waits = output.is_regular() && !plan.ticker.is_immediate();
        let output = Arc::new(Mutex::new(output));
        let bytes = Box::new(FileBytes(Arc::clone(&output)));
        let ticker = waits.then(|| Arc::clone(&plan.ticker));
        FileSink { format: format.sink(bytes, plan.tell), output, ticker, is_watched: false, name: None }
    }

    /// Takes bytes of another format, opened as such. What fails leaves them there as a whole or not at all.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.watch()?;
        lock(&self.output).write_foreign(bytes)
    }

    /// Whether its path leads to no file any more, or to another.
    pub(super) fn was_moved(&self) -> bool {
        lock(&self.output).was_moved()
    }

    /// How long the file is, with what waits for it uncompressed.
    #[cfg(feature = "s3")]
    pub(super) fn length(&self) -> u64 {
        lock(&self.output).length()
    }

    /// Has what waits written out in time, from now on.
    fn watch(&mut self) -> Result<()> {
        if let Some(ticker) = &self.ticker
            && !std::mem::replace(&mut self.is_watched, true)
        {
            ticker.watch(&self.output)?;
        }
        Ok(())
    }
}

impl Sink for FileSink {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.watch()?;
        match &mut self.format {
            None => lock(&self.output).take(records),
            Some(format) => format.write(records),
        }
    }

    fn flush(&mut self) -> Result<()> {
        if self.ticker.is_some() {
            return Ok(());
        }
        self.settle()
    }

    fn settle(&mut self) -> Result<()> {
        if let Some(format) = &mut self.format {
            format.flush()?;
        }
        lock(&self.output).sync()
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(format) = &mut self.format {
            format.finish()?;
        }
        lock(&self.output).finish()
    }

    fn reopen(&mut self) -> Result<()> {
        let Some((plan, path)) = self.name.clone().filter(|_| lock(&self.output).was_moved()) else {
            return self.flush();
        };
        if lock(&self.output).drop_index()
            && let Some(tell) = plan.tell
        {
            tell(&format_args!("{path}: was moved away, and gets no index"));
        }
        match FileSink::open(&plan, &path, Existing::GoOn) {
            Ok(new) => {
                self.finish()?;
                *self = new;
            }
            Err(error) => plan.go_on_moved(error)?,
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        lock(&self.output).check_reader()
    }

    fn finish_failed(&mut self) -> Result<()> {
        if self.format.is_some() {
            // A capture and some others begin with what is no record.
            return self.finish();
        }
        lock(&self.output).fail_with_source()
    }
}

/// The file as a format sees it: bytes.
struct FileBytes(Arc<Mutex<OutputFile>>);

impl Write for FileBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match lock(&self.0).write_foreign(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) if error.is_broken_pipe() => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
