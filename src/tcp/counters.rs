//! What became of every payload byte that was pushed.

/// Counts over any number of assemblers; see [`Counters::accounted_bytes`] for the law they keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Segments pushed.
    pub segments: u64,
    /// Payload bytes pushed.
    pub payload_bytes: u64,
    /// Payload bytes delivered.
    pub delivered_bytes: u64,
    /// Bytes that came again after they were delivered.
    pub retransmitted_bytes: u64,
    /// Bytes that came again while their first copy was still buffered, or known to be snapped.
    pub duplicate_bytes: u64,
    /// Of the duplicate bytes, those that differ from the first copy, which was kept.
    pub differing_bytes: u64,
    /// Bytes that came after their gap was given up; only the latest gap of a stream is remembered, others count as
    /// retransmitted.
    pub late_bytes: u64,
    /// Bytes before the first byte of a stream, as it was joined.
    pub before_start_bytes: u64,
    /// Bytes behind a FIN or after a reset.
    pub after_end_bytes: u64,
    /// Segments whose place is implausible: ignored.
    pub out_of_window_segments: u64,
    /// Payload bytes in them.
    pub out_of_window_bytes: u64,
    /// Keep-alive probes.
    pub keep_alive_segments: u64,
    /// Payload bytes in them, never data.
    pub keep_alive_bytes: u64,
    /// Payload bytes in RST segments, which are a diagnostic text and never data (RFC 9293 §3.5.3).
    pub reset_bytes: u64,
    /// Segments whose bytes came ahead of a hole.
    pub reordered_segments: u64,
    /// Segments with the urgent flag, whose data stays in the stream.
    pub urgent_segments: u64,
    /// SYNs that came again.
    pub repeated_syns: u64,
    /// FINs before bytes that were seen already: ignored.
    pub ignored_fins: u64,
    /// New connections on endpoints in use.
    pub restarts: u64,
    /// Gaps delivered.
    pub gaps: u64,
    /// Of the gaps, those given up because too much was buffered behind them.
    pub overflow_gaps: u64,
    /// Bytes in gaps.
    pub gap_bytes: u64,
    /// Of the bytes in gaps, those that the capture cut off.
    pub snapped_bytes: u64,
}

impl Counters {
    /// The payload bytes whose outcome is known. Always equal to `payload_bytes` less what the assemblers hold
    /// ([`super::Assembler::held_bytes`]; none after a flush).
    pub fn accounted_bytes(&self) -> u64 {
        self.delivered_bytes
            + self.retransmitted_bytes
            + self.duplicate_bytes
            + self.late_bytes
            + self.before_start_bytes
            + self.after_end_bytes
            + self.out_of_window_bytes
            + self.keep_alive_bytes
            + self.reset_bytes
    }
}
