//! Files whose names are made from the time and the records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::OutputPlan;
use super::chunks::Chunks;
use super::opening::Existing;
use super::sink::FileSink;
use super::template::NameTemplate;
use crate::record::id_hash;
use crate::record::{Run, Sink, View};
use crate::{Error, Result};

/// Files open at once. When one more is needed, the one not written to for
/// longest is closed; it is opened again when more comes for it.
const MAX_OPEN: usize = 32;

/// Most files of one run: their names are remembered, so that none of them is
/// taken for a file that was there before.
const MAX_FILES: usize = 1 << 20;

/// A file that is open.
struct OpenOutput {
    sink: Box<dyn Sink + Send>,
    /// When it was last written to.
    turn: u64,
}

/// Files by their names.
pub(super) struct Many {
    plan: Arc<OutputPlan>,
    template: NameTemplate,
    /// By the name without its nanoseconds, which are those of its beginning.
    open: HashMap<String, OpenOutput>,
    /// All files of this run, as hashes of their paths.
    made: HashSet<u64>,
    turn: u64,
}

impl Many {
    pub(super) fn new(plan: &Arc<OutputPlan>, template: NameTemplate) -> Self {
        Many { plan: Arc::clone(plan), template, open: HashMap::new(), made: HashSet::new(), turn: 0 }
    }

    fn put(&mut self, records: &Run<'_>, name: &str, first: &View<'_>) -> Result<()> {
        self.turn += 1;
        if !self.open.contains_key(name) {
            self.make_room()?;
            let sink = self.create(first)?;
            self.open.insert(name.to_owned(), OpenOutput { sink, turn: self.turn });
        }
        let Some(open) = self.open.get_mut(name) else { return Ok(()) };
        open.turn = self.turn;
        open.sink.write(records)
    }

    fn create(&mut self, record: &View<'_>) -> Result<Box<dyn Sink + Send>> {
        let now = (self.plan.clock)();
        let mut path = String::new();
        self.template.fill(now, Some(now.subsec_nanosecond()), &record.header, &mut path);
        if self.plan.has_chunks() {
            return Ok(Box::new(Chunks::new(&self.plan, &path, self.template.asks_record())));
        }
        let is_made = !self.made.insert(id_hash(path.as_bytes()));
        if self.made.len() > MAX_FILES {
            let text =
                format!("this run would write more than {MAX_FILES} files; use a template that makes fewer");
            return Err(Error::Invalid(text).at(path));
        }
        let existing = if is_made { Existing::GoOn } else { Existing::AsTold };
        Ok(Box::new(FileSink::open(&self.plan, &path, existing)?))
    }

    fn make_room(&mut self) -> Result<()> {
        if self.open.len() < MAX_OPEN {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(name, _)| name.clone());
        match oldest.and_then(|name| self.open.remove(&name)) {
            Some(mut open) => open.sink.finish(),
            None => Ok(()),
        }
    }
}

impl Sink for Many {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        let now = (self.plan.clock)();
        let Some(mut first) = records.iter().next() else { return Ok(()) };
        let (mut name, mut next) = (String::new(), String::new());
        self.template.fill(now, None, &first.header, &mut name);
        let mut begin = 0;
        if self.template.asks_record() {
            for (number, view) in records.iter().enumerate().skip(1) {
                next.clear();
                self.template.fill(now, None, &view.header, &mut next);
                if next != name {
                    self.put(&records.part(begin..number), &name, &first)?;
                    std::mem::swap(&mut name, &mut next);
                    (begin, first) = (number, view);
                }
            }
        }
        self.put(&records.part(begin..records.len()), &name, &first)
    }

    fn flush(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(|open| open.sink.flush())
    }

    fn settle(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(|open| open.sink.settle())
    }

    fn reopen(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(|open| open.sink.reopen())
    }

    fn finish(&mut self) -> Result<()> {
        // Each is ended, whatever becomes of the others.
        let ended = self.open.drain().map(|(_, mut open)| open.sink.finish());
        ended.fold(Ok(()), Result::and)
    }
}
