//! The first SIGINT or SIGTERM asks a tool to end, the second ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

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
