//! What was sampled of the heap, in the format of pprof: protocol buffers, gzipped.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::protos::{Function, Line, Location, Mapping, Message, Profile, Sample, ValueType};

use super::heap::{HeapSite, INTERVAL, heap_sites};

/// What a profile shows unless it is asked for something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeapSample {
    /// All that was allocated.
    Allocated,
    /// What is not freed.
    InUse,
}

/// What was sampled until now.
#[derive(Clone, Debug)]
pub struct HeapProfile(Vec<HeapSite>);

impl HeapProfile {
    /// Takes what was sampled so far.
    pub fn take() -> Self {
        HeapProfile(heap_sites())
    }

    /// The same in the format of pprof. To find the names of functions takes time and memory.
    pub fn encode(&self, shown: HeapSample) -> io::Result<Vec<u8>> {
        encode(&self.0, shown)
    }
}

/// A profile as it lies in files.
pub(super) fn write_profile(mut profile: Profile) -> io::Result<Vec<u8>> {
    let program = std::env::args_os().next().map(|program| program.to_string_lossy().into_owned());
    profile.string_table.push(program.unwrap_or_default());
    // All names are in the profile: the program is not looked into.
    profile.mapping = vec![Mapping {
        id: 1,
        filename: profile.string_table.len() as i64 - 1,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
        ..Mapping::default()
    }];
    for location in &mut profile.location {
        location.mapping_id = 1;
    }
    let bytes = profile.write_to_bytes().map_err(io::Error::other)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes)?;
    encoder.finish()
}

/// The strings of a profile, which its other parts name by their number.
#[derive(Debug)]
struct Strings {
    numbers: HashMap<String, i64>,
    table: Vec<String>,
}

impl Strings {
    /// The first string of a profile is empty.
    fn new() -> Self {
        let mut strings = Strings { numbers: HashMap::new(), table: Vec::new() };
        strings.number("");
        strings
    }

    fn number(&mut self, text: &str) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.table.len() as i64;
        self.table.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn kind(&mut self, of: &str, unit: &str) -> ValueType {
        ValueType { ty: self.number(of), unit: self.number(unit), ..ValueType::default() }
    }
}

/// A function that an address is in: those it was inlined into follow.
#[derive(Clone, Debug)]
struct Frame {
    name: String,
    /// The name as the linker knows it.
    system_name: String,
    file: String,
    line: i64,
}

/// How allocations come to be sampled, which is of no interest: the ends of files' names, and what is in them.
const OUR_FILES: [&str; 5] = [
    "observe/heap.rs",
    "std/src/panicking.rs",
    "std/src/panic.rs",
    "core/src/panic/unwind_safe.rs",
    "alloc/src/alloc.rs",
];

impl Frame {
    fn is_ours(&self) -> bool {
        OUR_FILES.iter().any(|file| self.file.ends_with(file))
            || self.file.contains("/backtrace-")
            || self.name.starts_with("__rust")
    }
}

fn frames(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    // The address is where the call returns to, and may be in the next line already.
    let call = std::ptr::without_provenance_mut(address.saturating_sub(1));
    backtrace::resolve(call, |symbol| {
        let name = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
        let system_name = symbol.name().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let file = symbol.filename().map(|file| file.display().to_string()).unwrap_or_default();
        frames.push(Frame { name, system_name, file, line: i64::from(symbol.lineno().unwrap_or(0)) });
    });
    if frames.is_empty() {
        let name = format!("{address:#x}");
        frames.push(Frame { name, system_name: String::new(), file: String::new(), line: 0 });
    }
    frames
}

fn encode(sites: &[HeapSite], shown: HeapSample) -> io::Result<Vec<u8>> {
    let mut strings = Strings::new();
    let mut profile = Profile {
        sample_type: vec![
            strings.kind("alloc_objects", "count"),
            strings.kind("alloc_space", "bytes"),
            strings.kind("inuse_objects", "count"),
            strings.kind("inuse_space", "bytes"),
        ],
        period_type: Some(strings.kind("space", "bytes")).into(),
        period: INTERVAL as i64,
        time_nanos: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as i64),
        ..Profile::default()
    };
    profile.default_sample_type = strings.number(match shown {
        HeapSample::Allocated => "alloc_space",
        HeapSample::InUse => "inuse_space",
    });
    let mut functions: HashMap<(i64, i64), u64> = HashMap::new();
    let mut locations: HashMap<usize, (u64, bool)> = HashMap::new();
    for site in sites {
        let mut stack = Vec::new();
        for address in site.stack.iter().filter(|address| **address != 0) {
            let (location, is_ours) = *locations.entry(*address).or_insert_with(|| {
                let frames = frames(*address);
                let mut location = Location { id: profile.location.len() as u64 + 1, ..Location::default() };
                for frame in frames.iter().filter(|frame| !frame.is_ours()) {
                    let (name, filename) = (strings.number(&frame.name), strings.number(&frame.file));
                    let function_id = *functions.entry((name, filename)).or_insert_with(|| {
                        let id = profile.function.len() as u64 + 1;
                        profile.function.push(Function {
                            id,
                            name,
                            system_name: strings.number(&frame.system_name),
                            filename,
                            ..Function::default()
                        });
                        id
                    });
                    location.line.push(Line { function_id, line: frame.line, ..Line::default() });
                }
                let (id, is_ours) = (location.id, location.line.is_empty());
                location.address = *address as u64;
                profile.location.push(location);
                (id, is_ours)
            });
            if !is_ours {
                stack.push(location);
            }
        }
        let numbers = site.allocated.iter().chain(&site.in_use);
        profile.sample.push(Sample {
            location_id: stack,
            value: numbers.map(|number| number.round().max(0.0) as i64).collect(),
            ..Sample::default()
        });
    }
    profile.location.retain(|location| !location.line.is_empty());
    profile.string_table = strings.table;
    write_profile(profile)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_profile_names_functions_and_has_the_numbers_of_each_site() {
        let here = frames as fn(usize) -> Vec<Frame> as usize + 2;
        let sites = [
            HeapSite { stack: vec![here], allocated: [3.4, 100.6], in_use: [1.0, 50.0] },
            HeapSite { stack: Vec::new(), allocated: [1.0, 2.0], in_use: [-0.2, 0.0] },
        ];
        let encoded = encode(&sites, HeapSample::InUse).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&encoded[..]).read_to_end(&mut bytes).unwrap();
        let profile = Profile::parse_from_bytes(&bytes).unwrap();
        let text = |number: i64| profile.string_table[number as usize].as_str();
        let kinds: Vec<&str> = profile.sample_type.iter().map(|kind| text(kind.ty)).collect();
        assert_eq!(kinds, ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
        assert_eq!(text(profile.default_sample_type), "inuse_space");
        assert_eq!(profile.sample[0].value, [3, 101, 1, 50]);
        assert_eq!(profile.sample[1].value, [1, 2, 0, 0]);
        let names: Vec<&str> = profile.function.iter().map(|function| text(function.name)).collect();
        assert!(names.iter().any(|name| name.ends_with("frames")), "{names:?}");
        assert_eq!(profile.sample[0].location_id, [profile.location[0].id]);
    }
}
