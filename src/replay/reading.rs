//! The input, read ahead on a thread of its own: blocks, and where a round of it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::output::Outlet;
use crate::observe::Meter;
use crate::record::{Block, Intake, Source};
use crate::{Error, Result};

/// Blocks that may wait to be scheduled.
const WAITING: usize = 1;

/// Opens the input anew, from its beginning.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source + Send>> + Send>;

/// What is known of the input while it is read.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    /// Counts the bytes that are read.
    pub meter: Arc<Meter>,
    /// Whether all of it is there already, in files, so that it need not be waited for.
    pub is_there: bool,
}

/// What reading brought.
#[derive(Debug)]
pub(super) enum Reading {
    /// Some records, and what was read up to now.
    Block(Arc<Block>, Intake),
    /// The input has ended; it is read again from its beginning.
    Round,
    /// The input has ended for good.
    End(Intake),
    /// It could not be read any further.
    Failed(Error),
}

/// Reads the input `rounds` times. An input without records is read once.
///
/// The thread is not to be waited for: it may sit in a read that never ends.
/// It ends by itself once nobody wants what it has read. `dropped` counts what did not go to the echo.
pub(super) fn read_ahead(
    mut open: OpenSource,
    rounds: u64,
    echo: Option<Outlet>,
    dropped: Arc<AtomicU64>,
) -> Receiver<Reading> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::spawn(move || {
        if let Err(error) = read(&mut open, rounds, echo.as_ref(), &dropped, &sender)
            && sender.send(Reading::Failed(error)).is_err()
        {
            // The replay has ended before its input; nobody is left to be told.
        }
    });
    receiver
}

fn read(
    open: &mut OpenSource,
    rounds: u64,
    echo: Option<&Outlet>,
    dropped: &AtomicU64,
    sender: &SyncSender<Reading>,
) -> Result<()> {
    for round in 1..=rounds {
        let mut source = open()?;
        let mut block = Block::new();
        let mut is_empty = true;
        while source.read_block(&mut block)? {
            is_empty = false;
            let full = Arc::new(std::mem::take(&mut block));
            if let Some(echo) = echo {
                echo.wait();
                dropped.fetch_add(echo.put(Arc::clone(&full)) as u64, Ordering::Relaxed);
            }
            if sender.send(Reading::Block(full, source.intake())).is_err() {
                return Ok(());
            }
        }
        let is_last = is_empty || round == rounds;
        let message = if is_last { Reading::End(source.intake()) } else { Reading::Round };
        if sender.send(message).is_err() || is_last {
            return Ok(());
        }
    }
    Ok(())
}
