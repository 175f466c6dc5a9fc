//! Places that records are written to.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::place::{Place, expand, refuse_services};
use crate::conversation::PacketSink;
use crate::packet::FileFormat;
use crate::record::{Run, Sink};
use crate::{Error, Result};

/// Bytes gathered before they are written. Longer slices are written as they are.
const BUFFER: usize = 1 << 18;

/// Ends of names that promise something that cannot be written.
const OTHER_FORMATS: [&str; 2] = [".gz", ".zst"];

/// Ends of names that are captures'.
const CAPTURES: [(&str, FileFormat); 2] = [(".pcap", FileFormat::Pcap), (".pcapng", FileFormat::Pcapng)];

/// How to write places.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions<'a> {
    /// Whether an existing file is overwritten.
    pub is_forced: bool,
    /// What is read meanwhile, and must not be written to.
    pub inputs: &'a [String],
    /// Is told what a format could not hold.
    pub tell: Option<fn(&dyn fmt::Display)>,
}

/// Opens places for writing. Each of them gets every record.
///
/// No name, or `-`, means standard output, `null:` discards, anything else is
/// a file: a capture if it is named so, else gor text. An existing one is refused unless forced, and one that is also an
/// input always; pipes and devices are written to as they are.
pub fn create(names: &[String], how: &WriteOptions<'_>) -> Result<Box<dyn Sink + Send>> {
    let mut sinks = Vec::with_capacity(names.len());
    for name in names {
        sinks.push(create_one(name, how)?);
    }
    match sinks.len() {
        0 => create_one("-", how),
        1 => Ok(sinks.remove(0)),
        _ => Ok(Box::new(Copies(sinks))),
    }
}

fn create_one(name: &str, how: &WriteOptions<'_>) -> Result<Box<dyn Sink + Send>> {
    refuse_services(name)?;
    match name {
        "null:" => Ok(Box::new(Null)),
        "-" => {
            let place = "standard output";
            let output = io::stdout().as_fd().try_clone_to_owned().map_err(|e| Error::from(e).at(place))?;
            let output = File::from(output);
            refuse_input(&output, place, how)?;
            Ok(Box::new(Stream::new(output, place)))
        }
        path => {
            let file = create_file(path, how)?;
            match CAPTURES.into_iter().find(|(end, _)| path.ends_with(end)) {
                Some((_, format)) => {
                    let sink = PacketSink::new(file, format, how.tell);
                    Ok(Box::new(Placed { sink, place: path.to_owned() }))
                }
                None => Ok(Box::new(Stream::new(file, path))),
            }
        }
    }
}

fn create_file(path: &str, how: &WriteOptions<'_>) -> Result<File> {
    if let Some(end) = OTHER_FORMATS.iter().find(|end| path.ends_with(**end)) {
        return Err(Error::Usage(format!(
            "{path}: a file named {end} cannot be written; pipe gor text into a compressor"
        )));
    }
    let failed = |error: io::Error| Error::from(error).at(path);
    match File::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => return result.map_err(failed),
    }
    let is_file = std::fs::metadata(Path::new(path)).map_err(failed)?.is_file();
    if is_file && !how.is_forced {
        return Err(Error::Usage(format!("{path}: the file exists; --force overwrites it")));
    }
    let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    if is_file {
        refuse_input(&file, path, how)?;
        file.set_len(0).map_err(failed)?;
    }
    Ok(file)
}

/// Refuses an output that is one of the inputs: it would be read as it grows.
fn refuse_input(output: &File, place: &str, how: &WriteOptions<'_>) -> Result<()> {
    let output = output.metadata().map_err(|error| Error::from(error).at(place))?;
    if !output.is_file() || how.inputs.is_empty() {
        return Ok(());
    }
    for input in expand(how.inputs)? {
        let found = match &input {
            Place::Standard => {
                io::stdin().as_fd().try_clone_to_owned().and_then(|input| File::from(input).metadata())
            }
            Place::File(path) => std::fs::metadata(path),
        };
        // An input that is not there is the reader's to tell.
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (output.dev(), output.ino())) {
            return Err(Error::Usage(format!("{place}: it is also an input ({input})")));
        }
    }
    Ok(())
}

/// Discards everything.
struct Null;

impl Sink for Null {
    fn write(&mut self, _: &Run<'_>) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A file or a standard stream, written in large pieces.
struct Stream<W> {
    output: W,
    place: String,
    buffer: Vec<u8>,
}

impl<W: Write> Stream<W> {
    fn new(output: W, place: impl Into<String>) -> Self {
        Stream { output, place: place.into(), buffer: Vec::with_capacity(BUFFER) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.write_all(bytes).map_err(|error| Error::from(error).at(self.place.as_str()))
    }
}

impl<W: Write> Sink for Stream<W> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        let records = records.bytes();
        if self.buffer.len() + records.len() > BUFFER {
            self.flush()?;
        }
        if records.len() >= BUFFER {
            return self.put(records);
        }
        self.buffer.extend_from_slice(records);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.put(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}

/// A sink whose errors name its place.
struct Placed<S> {
    sink: S,
    place: String,
}

impl<S: Sink> Sink for Placed<S> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.sink.write(records).map_err(|error| error.at(self.place.as_str()))
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(|error| error.at(self.place.as_str()))
    }

    fn finish(&mut self) -> Result<()> {
        self.sink.finish().map_err(|error| error.at(self.place.as_str()))
    }
}

/// Several outputs that get the same.
struct Copies(Vec<Box<dyn Sink + Send>>);

impl Copies {
    /// Does the same to each output. One whose reader has gone is left out
    /// from then on; when the last one has, that is told.
    fn each(&mut self, mut act: impl FnMut(&mut dyn Sink) -> Result<()>) -> Result<()> {
        let mut index = 0;
        while index < self.0.len() {
            match act(&mut self.0[index]) {
                Err(error) if error.is_broken_pipe() && self.0.len() > 1 => {
                    self.0.remove(index);
                }
                result => {
                    result?;
                    index += 1;
                }
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

    fn finish(&mut self) -> Result<()> {
        self.each(|sink| sink.finish())
    }
}
