//! The index beside a file: what stands where, and when that was.
//!
//! `FILE.idx` is text of one line a fact:
//!
//! ```text
//! gor-index 2
//! file LENGTH MODIFIED DIGEST
//! total RECORDS REQUESTS RESPONSES REPLAYED EARLIEST LATEST
//! until RECORD BYTE
//! at OFFSET RECORD BYTE REQUESTS RESPONSES REPLAYED EARLIEST LATEST RELATED
//! end
//! ```
//!
//! An `at` line stands for some neighbouring records. OFFSET is where they
//! begin in the file as it is stored; in a compressed file that is the
//! beginning of a gzip member or a zstd frame. RECORD (from 1) and BYTE (from
//! 0) are the same in the stream of records, decompressed. EARLIEST and LATEST
//! are timestamps: records need not be in order. RELATED is the number of the
//! first record that shares an exchange with one of these. `until` is where the
//! stream ends: the number after its last record's, and its length.
//!
//! MODIFIED is when the file was changed last, in nanoseconds since the Unix
//! epoch. The digest covers the file's beginning, its end and places between. By
//! both an index is told from that of another file, or of the same before it
//! changed: an edit that keeps the length and misses the samples changes the time.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Position;
use crate::record::{Kind, View};
use crate::record::{LruMap, id_hash};

/// Records of one line, unless the file becomes very long.
pub(super) const GROUP_RECORDS: u64 = 4096;

/// Most lines: when there would be more, each two become one.
const MAX_GROUPS: usize = 1 << 16;

/// Requests remembered, to know which groups their responses tie together.
const MAX_OPEN: usize = 1 << 17;

/// Longest sidecar that is read: more than [`MAX_GROUPS`] of the longest lines.
pub(super) const MAX_SIDECAR: u64 = 32 << 20;

const MAGIC: &str = "gor-index 2\n";

/// Records that follow each other, and when they were.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct RecordGroup {
    /// Where the first of them begins in the file.
    offset: u64,
    /// The number of the first one, and where it begins in the stream.
    start: Position,
    /// How many of each kind: requests, responses, replayed responses.
    kinds: [u64; 3],
    earliest: i64,
    latest: i64,
    related: u64,
}

impl RecordGroup {
    fn at(start: Position) -> Self {
        RecordGroup {
            offset: 0,
            start,
            kinds: [0; 3],
            earliest: i64::MAX,
            latest: i64::MIN,
            related: start.record,
        }
    }

    fn records(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Adds the group that follows.
    fn extend(&mut self, next: &RecordGroup) {
        for (count, more) in self.kinds.iter_mut().zip(next.kinds) {
            *count += more;
        }
        self.earliest = self.earliest.min(next.earliest);
        self.latest = self.latest.max(next.latest);
        self.related = self.related.min(next.related);
    }
}

/// The sidecar's path: the file's with `.idx` after it.
pub(super) fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".idx");
    name.into()
}

/// The same of an object's key.
#[cfg(feature = "s3")]
pub(super) fn sidecar_name(key: &str) -> String {
    format!("{key}.idx")
}

/// The index of a file that did not change since.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Index {
    groups: Vec<RecordGroup>,
    /// The length of the file.
    length: u64,
    /// Where the stream ends: the number after the last record's, and the
    /// decompressed length.
    end: Position,
}
/// A part of a file, of whole groups of records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FilePart {
    /// Where it begins in the file as it is stored.
    pub(super) offset: u64,
    /// Where it ends there: the first byte that is not part of it.
    pub(super) end: u64,
    /// The number of its first record, and where that begins in the stream.
    pub(super) start: Position,
    /// How many records it has.
    pub(super) records: u64,
}

impl Index {
    /// The index beside a file; none where there is none, or where it is not
    /// that of the file as it is now.
    pub(super) fn load(path: &Path) -> Option<Index> {
        let sidecar = File::open(sidecar(path)).ok()?;
        let mut text = String::new();
        sidecar.take(MAX_SIDECAR).read_to_string(&mut text).ok()?;
        let (index, seal) = Index::parse(&text)?;
        (Seal::of(path).ok()? == seal).then_some(index)
    }

    /// The same for what is no file: the index of this text, where it is that of something so long, whose bytes in some
    /// ranges `read` gives. The time of its last change is not asked: it is that of a copy.
    #[cfg(feature = "s3")]
    pub(super) fn of_copy<E>(
        text: &str,
        length: u64,
        read: impl FnOnce(Vec<Range<u64>>) -> Result<Vec<Vec<u8>>, E>,
    ) -> Result<Option<Index>, E> {
        let Some((index, seal)) = Index::parse(text).filter(|(_, seal)| seal.length == length) else {
            return Ok(None);
        };
        let mut digest = Sha256::new();
        read(sealed_ranges(length).collect())?.iter().for_each(|sample| digest.update(sample));
        Ok((hex(digest) == seal.digest).then_some(index))
    }

    /// The time of the earliest record; none where there is no record.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.groups.iter().map(|group| group.earliest).min()
    }

    /// Reads the sidecar's text: the index, and what tells its file.
    fn parse(text: &str) -> Option<(Index, Seal)> {
        let mut lines = text.strip_prefix(MAGIC)?.strip_suffix("end\n")?.lines();
        let mut file = lines.next()?.strip_prefix("file ")?.split(' ');
        let length = file.next()?.parse().ok()?;
        let seal = Seal { length, modified: file.next()?.parse().ok()?, digest: file.next()?.to_owned() };
        // The totals are for people.
        lines.next()?.strip_prefix("total ")?;
        let mut end = lines.next()?.strip_prefix("until ")?.split(' ');
        let end = Position { record: end.next()?.parse().ok()?, byte: end.next()?.parse().ok()? };
        let groups = lines.map(parse_group).collect::<Option<Vec<_>>>()?;
        let records = groups.iter().map(RecordGroup::records).fold(1, u64::saturating_add);
        let is_ordered = groups.windows(2).all(|pair| {
            let (one, next) = (&pair[0], &pair[1]);
            one.offset < next.offset
                && one.start.byte < next.start.byte
                && one.start.record.checked_add(one.records()) == Some(next.start.record)
        });
        let begins = groups.first().is_none_or(|first| first.start.record == 1);
        (is_ordered && begins && records == end.record).then_some((Index { groups, length, end }, seal))
    }

    /// Where the records stand whose own timestamps are from `since` to
    /// `until`, both inclusive and in nanoseconds; none where there are none.
    ///
    /// The part holds more: the groups of records that they are in, what lies
    /// between these, and every group that shares an exchange with one of
    /// them. Thus a rule that judges exchanges by their request comes to the
    /// same whether it reads the part or the whole, unless request and
    /// response are more than 131072 requests apart.
    pub(super) fn range(&self, since: Option<i64>, until: Option<i64>) -> Option<FilePart> {
        let (since, until) = (since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX));
        let is_within = |group: &RecordGroup| group.earliest <= until && since <= group.latest;
        let mut first = self.groups.iter().position(is_within)?;
        let mut end = self.groups.iter().rposition(is_within)? + 1;
        loop {
            let before = (first, end);
            let last_record = self.groups[end - 1].start.record + self.groups[end - 1].records() - 1;
            if let Some(later) = self.groups[end..].iter().rposition(|group| group.related <= last_record) {
                end += later + 1;
            }
            let related = self.groups[first..end].iter().map(|group| group.related).min()?;
            first = first.min(self.groups.partition_point(|group| group.start.record <= related) - 1);
            if (first, end) == before {
                break;
            }
        }
        let records = self.groups[first..end].iter().map(RecordGroup::records).sum();
        let (offset, start) = (self.groups[first].offset, self.groups[first].start);
        let end = self.groups.get(end).map_or(self.length, |next| next.offset);
        Some(FilePart { offset, end, start, records })
    }
}

fn parse_group(line: &str) -> Option<RecordGroup> {
    let mut fields = line.strip_prefix("at ")?.split(' ');
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (offset, record, byte) = (number()?, number()?, number()?);
    let kinds = [number()?, number()?, number()?];
    let start = Position { record, byte };
    let earliest = fields.next()?.parse().ok()?;
    let latest = fields.next()?.parse().ok()?;
    let related = fields.next()?.parse().ok()?;
    let is_sound = (1..=record).contains(&related) && kinds.iter().any(|count| *count > 0);
    is_sound.then_some(RecordGroup { offset, start, kinds, earliest, latest, related })
}

/// Gathers the index of a file while that is written.
///
/// Records are noted as they are taken, and placed when it is known where
/// they begin in the file.
#[derive(Debug)]
pub(super) struct Builder {
    groups: Vec<RecordGroup>,
    /// How many groups of [`GROUP_RECORDS`] one line stands for.
    joined: u64,
    /// Groups that the last line stands for already.
    in_last: u64,
    /// What was noted since the last cut.
    current: RecordGroup,
    /// Where in the file the noted records begin, where that is known.
    pub(super) begins_at: Option<u64>,
    /// Where the next record stands in the stream.
    next: Position,
    requests: LruMap<u64>,
}

/// Records that were noted and not placed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnplacedRecords(RecordGroup);

impl Builder {
    /// Begins the index of a file that is empty.
    pub(super) fn new() -> Self {
        Builder::after(Vec::new(), Position { record: 1, byte: 0 })
    }

    /// Goes on with a file that is appended to, where its index is known.
    pub(super) fn resume(index: Index) -> Self {
        Builder::after(index.groups, index.end)
    }

    fn after(groups: Vec<RecordGroup>, next: Position) -> Self {
        let in_last = u64::from(!groups.is_empty());
        let requests = LruMap::new(MAX_OPEN);
        Builder {
            groups,
            joined: 1,
            in_last,
            current: RecordGroup::at(next),
            begins_at: None,
            next,
            requests,
        }
    }

    /// Takes a record into the index.
    pub(super) fn note(&mut self, record: &View<'_>) {
        let group = &mut self.current;
        let header = &record.header;
        group.earliest = group.earliest.min(header.timestamp);
        group.latest = group.latest.max(header.timestamp);
        group.kinds[usize::from(header.kind.digit() - b'1')] += 1;
        let id = id_hash(header.id);
        match self.requests.get(id) {
            Some(first) => group.related = group.related.min(first),
            None if header.kind == Kind::Request => self.requests.insert(id, self.next.record),
            None => {}
        }
        self.next.record += 1;
        self.next.byte += record.raw.len() as u64;
    }

    /// How many records were noted since the last cut.
    pub(super) fn noted(&self) -> u64 {
        self.current.records()
    }

    /// Takes what was noted since the last cut, if anything.
    pub(super) fn cut(&mut self) -> Option<UnplacedRecords> {
        if self.noted() == 0 {
            return None;
        }
        Some(UnplacedRecords(std::mem::replace(&mut self.current, RecordGroup::at(self.next))))
    }

    /// Says where the noted records begin in the file. They are placed in
    /// their order.
    pub(super) fn place(&mut self, noted: UnplacedRecords, offset: u64) {
        let group = RecordGroup { offset, ..noted.0 };
        match self.groups.last_mut() {
            Some(last) if self.in_last < self.joined => {
                last.extend(&group);
                self.in_last += 1;
                return;
            }
            _ => {}
        }
        if self.groups.len() == MAX_GROUPS {
            self.groups = self.groups.chunks(2).map(join).collect();
            self.joined *= 2;
        }
        self.groups.push(group);
        self.in_last = 1;
    }

    /// Places what was noted where it is known to begin, if it is.
    pub(super) fn place_here(&mut self) {
        if let Some(offset) = self.begins_at.take()
            && let Some(noted) = self.cut()
        {
            self.place(noted, offset);
        }
    }

    /// Writes the sidecar of the file, which is complete.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(sidecar(path), self.text(&Seal::of(path)?))
    }

    fn text(&self, seal: &Seal) -> String {
        let mut total = RecordGroup::at(Position { record: 1, byte: 0 });
        for group in &self.groups {
            total.extend(group);
        }
        let [requests, responses, replayed] = total.kinds;
        let (earliest, latest) = (total.earliest, total.latest);
        // Writing into a string cannot fail.
        let Seal { length, modified, digest } = seal;
        let mut text = format!("{MAGIC}file {length} {modified} {digest}\n");
        let times = if total.records() == 0 { String::new() } else { format!(" {earliest} {latest}") };
        let _ = writeln!(text, "total {} {requests} {responses} {replayed}{times}", total.records());
        let _ = writeln!(text, "until {} {}", self.next.record, self.next.byte);
        for RecordGroup {
            offset,
            start,
            kinds: [requests, responses, replayed],
            earliest,
            latest,
            related,
        } in &self.groups
        {
            let Position { record, byte } = start;
            let _ = writeln!(
                text,
                "at {offset} {record} {byte} {requests} {responses} {replayed} {earliest} {latest} {related}"
            );
        }
        text.push_str("end\n");
        text
    }
}

/// One group of two.
fn join(pair: &[RecordGroup]) -> RecordGroup {
    let mut joined = pair[0];
    pair[1..].iter().for_each(|next| joined.extend(next));
    joined
}

/// Bytes of the beginning and of the end that the digest covers.
const EDGE: u64 = 1 << 16;

/// Places between beginning and end that it covers, and bytes of each.
const SAMPLES: u64 = 16;
const SAMPLE: u64 = 1 << 12;

/// What a file is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seal {
    length: u64,
    /// Nanoseconds since the Unix epoch.
    modified: i128,
    digest: String,
}

impl Seal {
    fn of(path: &Path) -> io::Result<Seal> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        let length = found.len();
        let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        let mut digest = Sha256::new();
        for Range { start, end } in sealed_ranges(length) {
            let mut sample = Vec::new();
            file.seek(SeekFrom::Start(start))?;
            (&file).take(end - start).read_to_end(&mut sample)?;
            digest.update(&sample);
        }
        Ok(Seal { length, modified, digest: hex(digest) })
    }
}

/// The ranges that the digest of something so long covers, one after the other.
fn sealed_ranges(length: u64) -> impl Iterator<Item = Range<u64>> {
    let between = if length > 2 * EDGE { SAMPLES } else { 0 };
    let samples = (1..=between).map(move |sample| (length / (SAMPLES + 1) * sample, SAMPLE));
    let all = [(0, EDGE)].into_iter().chain(samples).chain([(length.saturating_sub(EDGE), EDGE)]);
    all.map(move |(from, bytes)| from..length.min(from + bytes))
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
