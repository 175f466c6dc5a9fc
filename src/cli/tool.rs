//! One run of a tool that reads records: from its inputs through its stage to its outputs, and what is said of it.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{
    Exit, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Report, Reporting, WebSocketArgs, note,
    progress, show_counters, signals,
};
use crate::endpoint::{self, ReadOptions, WriteOptions};
use crate::pipeline;
use crate::record::{Failures, Intake, Sink, Source};
use crate::transform::Stage;

/// What all tools do alike: signals, messages, progress, the copy, the report, the exit status.
#[derive(Debug)]
pub struct Tool<'a> {
    /// How inputs are read.
    pub reading: ReadOptions,
    reporting: &'a Reporting,
    outputs: &'a [String],
    is_followed: bool,
    /// Whether nothing is printed before all was read, so that a line may show how far it is, also on that terminal.
    prints_at_the_end: bool,
    /// Whether reading ended as the time of --exit-after was over.
    is_over: Arc<AtomicBool>,
}

impl<'a> Tool<'a> {
    /// Begins to listen for signals. `outputs` are where records go.
    pub fn new(input: &InputOptions, outputs: &'a [String], reporting: &'a Reporting) -> io::Result<Self> {
        let tool = Tool::with(input.reading(reporting), outputs, reporting)?;
        let is_over = match input.exit_after {
            Some(time) => signals::stop_after(time, &tool.reading.is_stopping)?,
            None => Arc::default(),
        };
        Ok(Tool { is_followed: input.follow, is_over, ..tool })
    }

    /// The same for inputs that are read as `reading` says.
    pub fn with(reading: ReadOptions, outputs: &'a [String], reporting: &'a Reporting) -> io::Result<Self> {
        let reading = ReadOptions { is_stopping: signals::stop()?, ..reading };
        let (is_followed, prints_at_the_end) = (false, false);
        Ok(Tool { reading, reporting, outputs, is_followed, prints_at_the_end, is_over: Arc::default() })
    }

    /// Topics of Kafka are read and written as these options say. `inputs` are what is read.
    pub fn with_kafka<'i>(
        mut self,
        options: &KafkaOptions,
        input: &KafkaInput,
        inputs: impl IntoIterator<Item = &'i String>,
    ) -> crate::Result<Self> {
        self.reading.kafka = options.settings(input.exit_at_end, inputs, self.outputs)?;
        Ok(self)
    }

    /// WebSockets are read and written as these options say. `inputs` are what is read.
    pub fn with_websockets(mut self, options: &WebSocketArgs, inputs: &[String]) -> crate::Result<Self> {
        self.reading.listening.websocket = options.options(inputs, self.outputs)?;
        Ok(self)
    }

    /// Inputs are read on as they grow, so that a signal is the only end.
    #[must_use]
    pub fn following(mut self, is_followed: bool) -> Self {
        self.is_followed = is_followed;
        self
    }

    /// Standard output gets nothing before all was read.
    #[must_use]
    pub fn printing_at_the_end(mut self) -> Self {
        self.prints_at_the_end = true;
        self
    }

    /// What becomes of so many inputs, if some cannot be read.
    pub fn failures(&self, total: usize) -> Failures {
        Failures::new(total, self.reading.is_strict, |error| note(error))
    }

    /// Opens the outputs, which must be none of the inputs.
    pub fn create(
        &self,
        output: &OutputOptions,
        sending: &super::SendArgs,
        inputs: &[String],
    ) -> crate::Result<Box<dyn Sink + Send>> {
        let mut to = output.write_options(inputs);
        to.sending = sending.options(to.sending, &self.reading.is_stopping);
        to.sending.websocket = self.reading.listening.websocket.clone();
        to.reports.extend(self.reporting.files());
        to.services = Arc::clone(&self.reading.services);
        to.objects.is_verbose = self.reporting.verbose;
        to.kafka = self.reading.kafka.clone();
        endpoint::create(&output.output, &to)
    }

    /// Says of text that goes to standard output, instead of records, that this must be none of the inputs, either.
    pub fn print(&self, inputs: &[String]) -> crate::Result<()> {
        let reports = self.reporting.files().collect();
        let to = WriteOptions { inputs, reports, ..WriteOptions::default() };
        endpoint::check(&["-".to_owned()], &to)
    }

    /// Copies everything, and shows how far it is.
    pub fn run(
        &self,
        source: impl Source + Send + 'static,
        stage: &mut impl Stage,
        sink: &mut dyn Sink,
        threads: Option<NonZeroUsize>,
    ) -> (Intake, crate::Result<()>) {
        let threads =
            threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let meter = Arc::clone(&self.reading.meter);
        show_counters(move || json!({"records_read": meter.records(), "bytes_read": meter.bytes()}));
        let nothing = ["null:".to_owned()];
        let outputs = if self.prints_at_the_end { &nothing[..] } else { self.outputs };
        let drawn = progress(&self.reading.meter, outputs, self.reporting);
        let copied = pipeline::run(source, stage, sink, threads);
        drop(drawn);
        copied
    }

    /// Whether the input was read to its end, and held no record.
    pub fn had_no_record(&self, intake: &Intake, copied: &crate::Result<()>) -> bool {
        intake.records == 0 && copied.is_ok() && !self.reading.was_cut()
    }

    /// Has the report say so of an input without records, from which nothing could be done.
    pub fn remark_if_empty(
        &self,
        report: &mut Report,
        intake: &Intake,
        copied: &crate::Result<()>,
        action: &str,
    ) {
        if self.had_no_record(intake, copied) {
            report.remark(format_args!("nothing to {action}: there is no record in the input"));
        }
    }

    /// Tells what became of everything, and how the tool is to end.
    pub fn end(&self, report: Report, copied: crate::Result<()>) -> anyhow::Result<Exit> {
        report.tell(self.reporting, copied)?;
        // Who follows files ends it so.
        if self.reading.was_cut() && !self.is_followed && !self.is_over.load(Ordering::Relaxed) {
            note("interrupted: the rest of the input was not read");
            return Ok(Exit::Lost);
        }
        Ok(Exit::Done)
    }
}
