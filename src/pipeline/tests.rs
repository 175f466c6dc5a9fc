//! Laws of the copy loop: threads and reads do not show in the output.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::record::{Header, Kind, Reader, ReaderOptions, Run};
use crate::transform::{Choice, Filter, Filtering, Rules, Selection};

/// Keeps what it gets, and tells of each flush.
#[derive(Default)]
struct Memory {
    text: Vec<u8>,
    flushed: Option<Sender<usize>>,
    is_finished: bool,
}

impl Sink for Memory {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.text.extend_from_slice(records.bytes());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(flushed) = &self.flushed {
            flushed.send(self.text.len()).unwrap();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.is_finished = true;
        Ok(())
    }
}

/// A sink that takes nothing.
struct Full;

impl Sink for Full {
    fn write(&mut self, _: &Run<'_>) -> Result<()> {
        Err(io::Error::from(io::ErrorKind::StorageFull).into())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Bytes in pieces of the given sizes, in turn; at their end, an error or not.
struct PiecesThenEnd {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: usize,
    fails: bool,
}

impl Read for PiecesThenEnd {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() && self.fails {
            return Err(io::Error::other("torn"));
        }
        let size = self.sizes[self.turn % self.sizes.len()].min(rest.len()).min(out.len());
        out[..size].copy_from_slice(&rest[..size]);
        self.turn += 1;
        self.at += size;
        Ok(size)
    }
}

fn pieces(bytes: &[u8], sizes: &[usize]) -> PiecesThenEnd {
    PiecesThenEnd { bytes: bytes.to_vec(), at: 0, sizes: sizes.to_vec(), turn: 0, fails: false }
}

fn gets(choice: Choice) -> Filtering {
    let rules = Rules { methods: vec!["GET".to_owned()], ..Rules::default() };
    Filtering::new(Filter::new(rules.clone()).unwrap(), Selection::new(choice, &rules))
}

/// A request and its response.
fn exchange(number: usize, is_get: bool) -> Vec<u8> {
    let (id, method) = (format!("{number:x}"), if is_get { "GET" } else { "PUT" });
    let mut block = Block::new();
    let header = Header { kind: Kind::Request, id: id.as_bytes(), ..Header::default() };
    block.push(&header, format!("{method} /{number} HTTP/1.1\r\n\r\n").as_bytes());
    let header = Header { kind: Kind::Response, ..header };
    block.push(&header, b"HTTP/1.1 200 OK\r\n\r\n");
    block.bytes().to_vec()
}

/// Exchanges whose requests are GET or PUT.
fn text(are_gets: &[bool]) -> Vec<u8> {
    are_gets.iter().enumerate().flat_map(|(number, &is_get)| exchange(number, is_get)).collect()
}

fn filtered(input: impl Read + Send + 'static, choice: Choice, threads: usize) -> (Vec<u8>, Result<()>) {
    let mut sink = Memory::default();
    let mut stage = gets(choice);
    let source = Reader::new(input, ReaderOptions::default());
    let threads = NonZeroUsize::new(threads).unwrap();
    let (_, result) = run(source, &mut stage, &mut sink, threads);
    assert!(sink.is_finished);
    (sink.text, result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_threads_nor_reads_show_in_the_output(
        are_gets in prop::collection::vec(any::<bool>(), 0..60),
        sizes in prop::collection::vec(1_usize..200, 1..5),
        limit in prop::option::of(0_u64..100),
    ) {
        let input = text(&are_gets);
        let choice = Choice { limit, ..Choice::default() };
        let (once, result) = filtered(io::Cursor::new(input.clone()), choice.clone(), 1);
        prop_assert!(result.is_ok());
        for threads in [1, 2, 4] {
            let (again, result) = filtered(pieces(&input, &sizes), choice.clone(), threads);
            prop_assert!(result.is_ok());
            prop_assert_eq!(&again, &once, "{} threads", threads);
        }
        if limit.is_none() {
            let gets = (0..are_gets.len()).filter(|&number| are_gets[number]);
            prop_assert_eq!(once, gets.flat_map(|number| exchange(number, true)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_order_is_kept_over_many_blocks() {
    let input = text(&vec![true; 60_000]);
    for threads in [1, 2, 4] {
        let (output, result) = filtered(io::Cursor::new(input.clone()), Choice::default(), threads);
        result.unwrap();
        assert!(output == input, "{threads} threads");
    }
}

#[test]
fn a_source_that_fails_gives_what_came_before() {
    let input = text(&[true, false, true]);
    let (output, result) =
        filtered(PiecesThenEnd { fails: true, ..pieces(&input, &[50]) }, Choice::default(), 2);
    assert_eq!(result.unwrap_err().to_string(), "torn");
    assert_eq!(output, [exchange(0, true), exchange(2, true)].concat());
}

#[test]
fn a_sink_that_fails_ends_it() {
    let source = Reader::new(io::Cursor::new(text(&[true])), ReaderOptions::default());
    let mut stage = gets(Choice::default());
    let (_, result) = run(source, &mut stage, &mut Full, NonZeroUsize::MIN);
    assert_eq!(result.unwrap_err().to_string(), "no storage space");
}

/// Gives its bytes, and then waits until they have come out at the other end.
struct UntilWritten {
    bytes: Vec<u8>,
    flushed: Receiver<usize>,
}

impl Read for UntilWritten {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let size = self.bytes.len();
        if size > 0 {
            out[..size].copy_from_slice(&self.bytes);
            self.bytes.clear();
            return Ok(size);
        }
        while self.flushed.recv().expect("the output goes on") == 0 {}
        Ok(0)
    }
}

#[test]
fn nothing_is_held_back_while_the_source_waits() {
    let input = [text(&[true]), b"1 next 0 ".to_vec()].concat();
    let (flushed, seen) = channel();
    let source = Reader::new(UntilWritten { bytes: input, flushed: seen }, ReaderOptions::default());
    let mut sink = Memory { flushed: Some(flushed), ..Memory::default() };
    let mut stage = gets(Choice::default());
    let (intake, result) = run(source, &mut stage, &mut sink, NonZeroUsize::MIN);
    result.unwrap();
    assert_eq!((stage.tally().written, intake.malformed), (2, 1));
}

#[test]
fn giants_go_round_one_at_a_time() {
    /// Gives five giants, each only when those before it are written.
    struct Giants {
        given: usize,
        written: Arc<AtomicUsize>,
    }

    impl Source for Giants {
        fn read_block(&mut self, block: &mut Block) -> Result<bool> {
            block.clear();
            assert_eq!(self.written.load(Ordering::SeqCst), self.given);
            if self.given == 5 {
                return Ok(false);
            }
            self.given += 1;
            block.push(&Header { id: b"a", ..Header::default() }, &vec![b'x'; GIANT]);
            Ok(true)
        }

        fn intake(&self) -> Intake {
            Intake::default()
        }
    }

    struct Counting(Arc<AtomicUsize>);

    impl Sink for Counting {
        fn write(&mut self, _: &Run<'_>) -> Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    let written = Arc::new(AtomicUsize::new(0));
    let source = Giants { given: 0, written: Arc::clone(&written) };
    let rules = Rules::default();
    let filter = Filter::new(rules.clone()).unwrap();
    let mut stage = Filtering::new(filter, Selection::new(Choice::default(), &rules));
    let mut sink = Counting(written);
    let (_, result) = run(source, &mut stage, &mut sink, NonZeroUsize::MIN);
    result.unwrap();
    assert_eq!(stage.tally().written, 5);
}
