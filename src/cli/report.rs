//! What a tool says at its end, in the same form whichever it is.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use serde_json::Value;

use super::Reporting;
use crate::observe::Ledger;
use crate::record::Intake;

/// What became of everything, and what is to be said though nobody asked.
#[derive(Debug, Default)]
pub struct Report {
    table: String,
    json: Value,
    losses: Vec<String>,
    remarks: Vec<String>,
    file: Option<File>,
    is_always_full: bool,
}

impl Report {
    /// A table for `--stats`, and the same for `--stats-json`.
    pub fn new(table: &impl Display, json: Value) -> Self {
        Report { table: table.to_string(), json, ..Report::default() }
    }

    /// Both from a ledger.
    pub fn of(ledger: &Ledger) -> Self {
        Report::new(ledger, ledger.to_json())
    }

    /// The file of `--stats-json`, where it is open already.
    #[must_use]
    pub fn in_file(mut self, file: Option<File>) -> Self {
        self.file = file;
        self
    }

    /// Prints the table without being asked.
    #[must_use]
    pub fn in_full(mut self, is_always_full: bool) -> Self {
        self.is_always_full = is_always_full;
        self
    }

    /// Something is missing that the user did not ask to leave out. This is said even with `-q`.
    pub fn loss(&mut self, line: impl Display) {
        self.losses.push(line.to_string());
    }

    /// Something that a person should know, though it may be as it should.
    pub fn remark(&mut self, line: impl Display) {
        self.remarks.push(line.to_string());
    }

    /// Says it all on standard error, and writes the file of `--stats-json`. What comes back is `done`, or why that file
    /// could not be written; if both failed, the file's error is said here.
    pub fn tell(mut self, how: &Reporting, done: crate::Result<()>) -> crate::Result<()> {
        if how.stats.is_some() || how.verbose || self.is_always_full {
            super::report(&self.table);
        }
        self.losses.iter().for_each(super::note);
        if !how.quiet {
            self.remarks.iter().for_each(super::note);
        }
        let written = how.stats_json.as_ref().map_or(Ok(()), |path| {
            self.write_json(path).map_err(|error| error.at(path.display().to_string()))
        });
        match (done, written) {
            (Ok(()), written) => written,
            (failed, Ok(())) => failed,
            (failed, Err(error)) => {
                super::note(error);
                failed
            }
        }
    }

    fn write_json(&mut self, path: &std::path::Path) -> crate::Result<()> {
        let file = self.file.take().map_or_else(|| File::create(path), Ok)?;
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        let mut file = BufWriter::new(file);
        writeln!(file, "{:#}", self.json)?;
        file.flush()?;
        Ok(())
    }
}

/// Adds what was read besides the records that came through.
#[must_use]
pub fn with_intake(ledger: Ledger, intake: &Intake) -> Ledger {
    ledger
        .total("malformed", "malformed records skipped", intake.malformed)
        .total("wrong_length", "records of a wrong length lost", intake.lost)
        .total("too_large", "records larger than --max-record skipped", intake.too_large)
        .total("unfinished", "unfinished last records", u64::from(intake.unfinished.is_some()))
        .total("bytes_read", "bytes read", intake.bytes)
}
