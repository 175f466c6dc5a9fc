//! QUIC connections, which are counted and not decoded.

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::ledger::CaptureLedger;
use crate::tcp::ConnectionKey;

/// Connections remembered so that the packets with which they begin count once. Beyond it all are forgotten, and one
/// that is still beginning then counts again.
const MAX_REMEMBERED: usize = 1 << 15;

/// The QUIC connections met so far.
#[derive(Debug, Default)]
pub(super) struct Quic {
    met: HashSet<ConnectionKey, RandomState>,
}

impl Quic {
    /// Counts a connection at the first of the packets with which it begins.
    pub(super) fn meet(&mut self, key: ConnectionKey, ledger: &mut CaptureLedger) {
        if self.met.len() >= MAX_REMEMBERED {
            self.met.clear();
        }
        if self.met.insert(key) {
            ledger.connections.seen += 1;
            *ledger.connections.other.entry("QUIC").or_default() += 1;
        }
    }
}
