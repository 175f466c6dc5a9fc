//! The first SIGINT or SIGTERM asks a tool to end, the second ends it.
//!
//! A tool that reports on work under way ends in two steps: it is asked to end, then not to wait.
//!
//! The signal of a file that may not grow is left to the write that it comes with.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Has a write beyond the limit on file size (`ulimit -f`) fail, as one to a full disk does, rather than kill the
/// tool in the middle of a record. A handler does that, as children would inherit that the signal is ignored.
pub(super) fn survive_file_size_limit() -> io::Result<()> {
    // Nobody asks whether it came: the write tells.
    flag::register(libc::SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Begins to listen. The value turns true at the first signal, and the tool
/// then ends its input, flushes and leaves; a second signal kills at once, as
/// if nobody listened.
pub fn stop() -> io::Result<Arc<AtomicBool>> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in this order: the second signal finds the value set.
        flag::register_conditional_default(signal, Arc::clone(&is_stopping))?;
        flag::register(signal, Arc::clone(&is_stopping))?;
    }
    Ok(is_stopping)
}

/// Turns true at SIGHUP, at which a program that runs for weeks begins its files anew.
pub fn reopening() -> io::Result<Arc<AtomicBool>> {
    let reopening = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, Arc::clone(&reopening))?;
    Ok(reopening)
}

/// Has a tool stop after a time, as at its first signal. The value tells whether that was why it stopped.
pub fn stop_after(time: Duration, is_stopping: &Arc<AtomicBool>) -> io::Result<Arc<AtomicBool>> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (stopping, over) = (Arc::clone(is_stopping), Arc::clone(&is_over));
    thread::Builder::new().name("timer".to_owned()).spawn(move || {
        thread::sleep(time);
        // A signal that came before is the reason.
        over.store(!stopping.load(Ordering::Relaxed), Ordering::Relaxed);
        stopping.store(true, Ordering::Relaxed);
    })?;
    Ok(is_over)
}

/// Has Ctrl-Z (SIGTSTP) stop the process within `pause`, which learns how long that was.
pub fn pausing(pause: impl Fn(&mut dyn FnMut()) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTSTP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            pause(&mut || {
                if emulate_default_handler(signal).is_err() {
                    // It goes on, as if it had been continued at once.
                }
            });
        }
    });
    Ok(())
}

/// Begins to listen. The first value turns true at the first signal, and the second one at the second signal,
/// or at once at SIGHUP, as nobody watches any more. Another one kills, as if nobody listened.
pub fn stop_in_two_steps() -> io::Result<(Arc<AtomicBool>, Arc<AtomicBool>)> {
    let (is_stopping, is_leaving) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (stopping, leaving) = (Arc::clone(&is_stopping), Arc::clone(&is_leaving));
    thread::spawn(move || {
        for signal in signals.forever() {
            let is_second = stopping.load(Ordering::Relaxed);
            if leaving.load(Ordering::Relaxed) && emulate_default_handler(signal).is_err() {
                // The tool is about to end anyway.
            }
            if is_second || signal == SIGHUP {
                leaving.store(true, Ordering::Relaxed);
            }
            stopping.store(true, Ordering::Relaxed);
        }
    });
    Ok((is_stopping, is_leaving))
}
