//! Files that reports are written to: their format is told by their names, and they are opened before the work begins.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::report::ReplayReport;
use crate::{Error, Result};

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReportFormat {
    Text,
    Json,
    Html,
}

/// The formats, by what a file's name ends in.
const FORMATS: [(&str, ReportFormat); 3] =
    [("txt", ReportFormat::Text), ("json", ReportFormat::Json), ("html", ReportFormat::Html)];

/// The name of a file for a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportPath {
    path: PathBuf,
    format: ReportFormat,
}

impl ReportPath {
    /// How the report is written.
    pub(crate) fn format(&self) -> ReportFormat {
        self.format
    }

    /// The name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl FromStr for ReportPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let ending = path.extension().and_then(|ending| ending.to_str());
        let format = FORMATS.iter().find(|(known, _)| Some(*known) == ending).map(|(_, format)| *format);
        let Some(format) = format else {
            return Err("expected a name that ends in .txt, .json or .html, as run.json".to_owned());
        };
        Ok(ReportPath { path, format })
    }
}

/// A file that is open.
#[derive(Debug)]
struct OpenReport {
    to: ReportPath,
    file: File,
    /// Whether it was made now, and has nothing in it.
    is_new: bool,
}

/// Files for reports, all open. Those that are new and were not written are removed again.
#[derive(Debug)]
pub(crate) struct ReportFiles(Vec<OpenReport>);

impl ReportFiles {
    /// Opens all. What is in a file that exists stays until the report is written.
    pub(crate) fn open(paths: &[ReportPath], is_forced: bool) -> Result<Self> {
        let mut files = ReportFiles(Vec::new());
        for to in paths {
            let opened = open(&to.path, is_forced).map_err(|error| error.at(to.path.display().to_string()));
            let (file, is_new) = opened?;
            files.0.push(OpenReport { to: to.clone(), file, is_new });
        }
        Ok(files)
    }

    /// Writes a report to each. The first error is what comes back; the others are tried all the same.
    pub(crate) fn write(self, report: &ReplayReport, zone: &TimeZone) -> Result<()> {
        self.write_with(|format| match format {
            ReportFormat::Text => Ok(report.text(zone)),
            ReportFormat::Html => Ok(report.html(zone)),
            ReportFormat::Json => Ok(serde_json::to_string(report).map_err(std::io::Error::from)? + "\n"),
        })
    }

    /// The same with whatever there is for each format.
    pub(crate) fn write_with(mut self, render: impl Fn(ReportFormat) -> Result<String>) -> Result<()> {
        let mut done = Ok(());
        for open in &mut self.0 {
            open.is_new = false;
            let written = render(open.to.format).and_then(|text| open.write(&text));
            done = done.and(written.map_err(|error| error.at(open.to.path.display().to_string())));
        }
        done
    }
}

impl Drop for ReportFiles {
    fn drop(&mut self) {
        for open in self.0.iter().filter(|open| open.is_new) {
            // An empty file that stays does no harm.
            let _ = std::fs::remove_file(&open.to.path);
        }
    }
}

fn open(path: &Path, is_forced: bool) -> Result<(File, bool)> {
    match File::options().write(true).create_new(true).open(path) {
        Ok(file) => return Ok((file, true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    // What is no regular file has nothing to overwrite.
    if !is_forced && std::fs::metadata(path)?.is_file() {
        return Err(Error::Usage("the file exists; --force overwrites it".into()));
    }
    Ok((File::options().write(true).open(path)?, false))
}

impl OpenReport {
    fn write(&mut self, text: &str) -> Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(text.as_bytes())?;
        Ok(())
    }
}
