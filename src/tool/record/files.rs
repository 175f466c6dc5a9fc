//! How `gor-record -r` runs: capture files in, records out.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Args, report};
use crate::Result;
use crate::capture::{self, CaptureInput, CaptureLedger};
use crate::cli::{Exit, Tool, note};
use crate::endpoint::{self, PacketFile, Place, ReadOptions, WriteOptions};
use crate::packet::live::Expression;
use crate::queue::Output as _;
use crate::record::{Block, Failures, Intake, Source};
use crate::transform::Pass;

/// Reads the capture files to their end.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let expression = args.bpf.as_deref().map(Expression::new).transpose()?;
    let reading = ReadOptions { services: args.services.services(), ..ReadOptions::default() };
    let tool = Tool::with(reading, &args.output.output, &args.reporting)?;
    let places = endpoint::expand(&args.read, &tool.reading)?;
    let write = WriteOptions { kafka: args.kafka()?, ..args.write_options(&tool.reading.is_stopping)? };
    let mut sink = endpoint::create(&args.output.output, &write)?;
    let packets = args.write.as_deref().map(|path| PacketFile::create(path, &write)).transpose()?;
    tool.reading.meter.set_total(endpoint::total_size(&places, &tool.reading));
    let failures = tool.failures(places.len());
    let (files, ledger) = open(args, places, expression, packets, &tool.reading, failures);
    let (_, copied) = tool.run(files, &mut Pass::default(), &mut *sink, Some(NonZeroUsize::MIN));
    drop(sink);
    let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut report = report(&ledger, args.reporting.quiet)?;
    if copied.is_ok() && ledger.packets.read == 0 {
        report.remark("no packets to read");
    }
    tool.end(report, copied)
}

/// What the records of capture files come from, and the ledger that is kept meanwhile.
fn open(
    args: &Args,
    places: Vec<Place>,
    expression: Option<Expression>,
    packets: Option<PacketFile>,
    reading: &ReadOptions,
    failures: Failures,
) -> (Files<impl Iterator<Item = CaptureInput> + Send + use<>>, Arc<Mutex<CaptureLedger>>) {
    let how = reading.clone();
    let taps = places.into_iter().map(move |place| -> CaptureInput {
        let how = how.clone();
        (place.to_string(), Box::new(move || endpoint::open_bytes(&place, &how)))
    });
    let mut source = capture::CaptureSource::new(taps, args.capture_options());
    if let Some(expression) = expression {
        source.select(expression);
    }
    if packets.is_some() {
        source.keep_packets();
    }
    let ledger = Arc::default();
    let files = Files {
        source,
        packets,
        reading: reading.clone(),
        failures,
        is_quiet: args.reporting.quiet,
        failure: None,
        ledger: Arc::clone(&ledger),
    };
    (files, ledger)
}

/// A ledger that is read while it is kept.
pub(in crate::tool) type SharedLedger = Arc<Mutex<CaptureLedger>>;

/// The records of the capture files that a command line names, for another tool, and the ledger that is kept meanwhile.
pub(in crate::tool) fn source(
    args: &Args,
    reading: &ReadOptions,
    failures: Failures,
) -> Result<(Box<dyn Source + Send>, SharedLedger)> {
    let expression = args.bpf.as_deref().map(Expression::new).transpose()?;
    let places = endpoint::expand(&args.read, reading)?;
    let (files, ledger) = open(args, places, expression, None, reading, failures);
    Ok((Box::new(files), ledger))
}

/// Capture files, of which one that cannot be read does not hide the others; and the packets of them that are kept.
struct Files<I> {
    source: capture::CaptureSource<I>,
    packets: Option<PacketFile>,
    reading: ReadOptions,
    failures: Failures,
    is_quiet: bool,
    /// What went wrong with the packets: the records so far are not to blame.
    failure: Option<crate::Error>,
    /// What became of everything so far.
    ledger: Arc<Mutex<CaptureLedger>>,
}

impl<I: Iterator<Item = CaptureInput>> Source for Files<I> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        if let Some(failure) = self.failure.take() {
            // What was written before is made whole; the first failure is the one to tell.
            let _ = self.packets.as_mut().map(PacketFile::finish);
            return Err(failure);
        }
        loop {
            let read = self.source.read_block(block);
            *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = self.source.ledger();
            match read {
                Ok(true) => {
                    self.reading.meter.add_records(block.len() as u64);
                    self.failure = self.keep().err();
                    return Ok(true);
                }
                Ok(false) => break,
                // Its end is not there, as it was not to be read.
                Err(_) if self.reading.is_over() => self.reading.cut(),
                // As an empty recording, it holds nothing that could be lost.
                Err(error) if error.is_empty_capture() => {
                    if !self.is_quiet {
                        note(error);
                    }
                }
                Err(error) => self.failures.take(error)?,
            }
        }
        if let Some(packets) = &mut self.packets {
            packets.finish()?;
        }
        self.failures.end().map(|()| false)
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

impl<I: Iterator<Item = CaptureInput>> Files<I> {
    /// Writes the packets that are kept.
    fn keep(&mut self) -> Result<()> {
        let (Some(file), Some(kept)) = (&mut self.packets, self.source.kept()) else { return Ok(()) };
        let written = kept.iter().try_for_each(|packet| file.write(&packet)).and_then(|()| file.flush());
        kept.clear();
        written
    }
}
