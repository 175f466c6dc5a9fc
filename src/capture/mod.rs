//! Packets in, records out: requests paired with responses, every loss in the ledger.
