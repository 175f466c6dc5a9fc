//! Files and objects that reports are written to: their format is told by their names, and they are opened before the
//! work begins.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::endpoint::{Services, SingleObject};
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

impl ReportFormat {
    fn ending(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(ending, _)| ending)
    }

    fn content_type(self) -> &'static str {
        match self {
            ReportFormat::Text => "text/plain; charset=utf-8",
            ReportFormat::Json => "application/json",
            ReportFormat::Html => "text/html; charset=utf-8",
        }
    }
}

/// The name of a file or an object for a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportPath {
    name: PathBuf,
    format: ReportFormat,
}

impl ReportPath {
    /// How the report is written.
    pub(crate) fn format(&self) -> ReportFormat {
        self.format
    }

    /// The path, unless it is an object.
    pub fn path(&self) -> Option<&Path> {
        self.object().is_none().then_some(&self.name)
    }

    /// The name, if it is an object of S3.
    pub(crate) fn object(&self) -> Option<&str> {
        self.name.to_str().filter(|name| SingleObject::is_meant(name))
    }
}

impl fmt::Display for ReportPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.display().fmt(f)
    }
}

impl FromStr for ReportPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = PathBuf::from(text);
        let ending = name.extension().and_then(|ending| ending.to_str());
        let format = FORMATS.iter().find(|(known, _)| Some(*known) == ending).map(|(_, format)| *format);
        let Some(format) = format else {
            return Err("expected a name that ends in .txt, .json or .html, as run.json".to_owned());
        };
        Ok(ReportPath { name, format })
    }
}

/// Where a report goes.
#[derive(Debug)]
enum OpenPlace {
    /// A file, and whether it was made now, and has nothing in it.
    File(File, bool),
    /// An object, and whether another one is not to be overwritten.
    Object(SingleObject, bool),
}

/// A place that is ready.
#[derive(Debug)]
struct OpenReport {
    to: ReportPath,
    place: OpenPlace,
}

/// Places for reports, all ready. Files that are new and were not written are removed again.
#[derive(Debug)]
pub(crate) struct ReportFiles(Vec<OpenReport>);

impl ReportFiles {
    /// Opens all. What is in a file or an object that exists stays until the report is written.
    /// Those that may be overwritten are told by name.
    pub(crate) fn open(
        names: &[ReportPath],
        is_forced: impl Fn(&str) -> bool,
        services: &Arc<Services>,
    ) -> Result<Self> {
        let mut files = ReportFiles(Vec::new());
        for to in names {
            let is_forced = is_forced(&to.to_string());
            if files.0.iter().any(|open| open.is_same(to)) {
                return Err(Error::Usage(format!("{to}: this report is named twice")));
            }
            let place = match to.object() {
                Some(name) => open_object(name, is_forced, services)?,
                None => open_file(&to.name, is_forced).map_err(|error| error.at(to.to_string()))?,
            };
            files.0.push(OpenReport { to: to.clone(), place });
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
            let text = render(open.to.format).map_err(|error| error.at(open.to.to_string()));
            done = done.and(text.and_then(|text| open.write(&text)));
        }
        done
    }
}

impl Drop for ReportFiles {
    fn drop(&mut self) {
        for open in &self.0 {
            if let OpenPlace::File(file, true) = &open.place
                && leads_to(&open.to.name, file)
            {
                // An empty file that stays does no harm.
                let _ = std::fs::remove_file(&open.to.name);
            }
        }
    }
}

fn open_file(path: &Path, is_forced: bool) -> Result<OpenPlace> {
    match File::options().write(true).create_new(true).open(path) {
        Ok(file) => return Ok(OpenPlace::File(file, true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    // What is no regular file has nothing to overwrite.
    if !is_forced && std::fs::metadata(path)?.is_file() {
        return Err(Error::Usage("the file exists; --force overwrites it".into()));
    }
    Ok(OpenPlace::File(File::options().write(true).open(path)?, false))
}

fn open_object(name: &str, is_forced: bool, services: &Arc<Services>) -> Result<OpenPlace> {
    let object = SingleObject::find(name, services)?;
    if !is_forced && object.exists() == Some(true) {
        return Err(Error::Usage("the object exists; --force overwrites it".into()).at(name));
    }
    Ok(OpenPlace::Object(object, !is_forced))
}

impl OpenReport {
    /// Whether it is what `other` names, by the same name or by another one of the same file.
    fn is_same(&self, other: &ReportPath) -> bool {
        match &self.place {
            OpenPlace::File(file, _) => other.path().is_some_and(|path| leads_to(path, file)),
            OpenPlace::Object(..) => self.to == *other,
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let name = &self.to.name;
        let written = match &mut self.place {
            OpenPlace::File(file, is_new) => {
                *is_new = false;
                write_file(name, file, text).map_err(|error| error.at(name.display().to_string()))
            }
            OpenPlace::Object(object, is_new) => {
                object.put(text.as_bytes(), self.to.format.content_type(), *is_new)
            }
        };
        written.map_err(|error| {
            // A closed pipe had whatever its reader wanted.
            if error.is_broken_pipe() {
                return error;
            }
            Error::Invalid(match keep(text, self.to.format) {
                Ok(path) => format!("{error}; the report is kept in {}", path.display()),
                Err(why) => format!("{error}; nor could it be kept in {}", why.at(temporary())),
            })
        })
    }
}

fn write_file(name: &Path, file: &mut File, text: &str) -> Result<()> {
    let is_regular = file.metadata()?.is_file();
    if is_regular {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())?;
    // What was written to a file without a name is lost.
    if is_regular && !leads_to(name, file) {
        return Err(Error::Invalid("the file was removed or replaced while it was open".into()));
    }
    Ok(())
}

/// Whether `path` is a name of this regular file.
fn leads_to(path: &Path, file: &File) -> bool {
    let (Ok(named), Ok(open)) = (std::fs::metadata(path), file.metadata()) else { return false };
    open.is_file() && (named.dev(), named.ino()) == (open.dev(), open.ino())
}

fn temporary() -> String {
    std::env::temp_dir().display().to_string()
}

/// Keeps a report that could not be delivered in a file that stays.
fn keep(text: &str, format: ReportFormat) -> Result<PathBuf> {
    let suffix = format!(".{}", format.ending());
    let mut file = tempfile::Builder::new().prefix("gor-report-").suffix(&suffix).tempfile()?;
    file.write_all(text.as_bytes())?;
    let (_, path) = file.keep().map_err(|error| error.error)?;
    Ok(path)
}
