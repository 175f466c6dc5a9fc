//! What goes on between two ends: exchanges in order, on one connection after the other.

use super::address::ExchangeOrigin;
use super::message::{MessageShape, QueuedMessage, Sending};
use super::open_connection::{File, OpenConnection, PeerSide, Peers, STEP};
use super::queue::ExchangeQueue;
use crate::http::RequestContext;
use crate::record::Kind;

/// Requests of one connection that wait for their responses.
const MAX_ASKED: usize = 256;

/// How long before a request the connection for it is opened, the one before it being closed.
const LEAD: i64 = 6 * STEP;

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    /// The next segment of the message that this side is sending.
    Segment(PeerSide),
    /// The first request that was not begun, on the open connection.
    Ask { acknowledged: u32 },
    /// The response to the first request that was.
    Answer,
    /// What has no place on the open connection gets another.
    Reopen,
    /// Requests that are not answered are given up, as a later one is.
    HangUp,
}

/// All that happens between two ends.
///
/// A reader gets the ids back because the numbers of each connection are made
/// to fit: where the next request's number is not where the server's sequence
/// has come to, the connection is closed and another opened whose first
/// sequence number is right. That waits until everything before was answered.
#[derive(Debug)]
pub(super) struct Session {
    ends: Peers,
    line: Option<OpenConnection>,
    exchanges: ExchangeQueue,
    /// When it is to be woken.
    pub(super) armed: i64,
}

impl Session {
    pub(super) fn new(origin: ExchangeOrigin) -> Self {
        Session { ends: Peers::of(origin), line: None, exchanges: ExchangeQueue::new(), armed: i64::MAX }
    }

    /// Takes a request or response.
    pub(super) fn add(&mut self, kind: Kind, number: u32, message: QueuedMessage) {
        self.exchanges.add(kind, number, message);
    }

    /// When there is something to do; the end of time if nothing is.
    pub(super) fn due(&self) -> i64 {
        self.next().map_or(i64::MAX, |(due, _)| due)
    }

    /// The earliest thing to do, and when it is due.
    pub(super) fn next(&self) -> Option<(i64, Act)> {
        let choices = [
            self.segment_of(PeerSide::Client),
            self.segment_of(PeerSide::Server),
            self.answer(),
            self.request(),
        ];
        choices.into_iter().flatten().min_by_key(|(due, _)| *due)
    }

    fn sending(&self, side: PeerSide) -> Option<&Sending> {
        self.line.as_ref()?.sending[side as usize].as_ref()
    }

    fn segment_of(&self, side: PeerSide) -> Option<(i64, Act)> {
        Some((self.sending(side)?.due(), Act::Segment(side)))
    }

    /// Responses, in the order of the requests.
    fn answer(&self) -> Option<(i64, Act)> {
        let is_over = self.line.as_ref().is_none_or(|line| line.is_over);
        if self.exchanges.asked() == 0 || is_over || self.sending(PeerSide::Server).is_some() {
            return None;
        }
        if let Some(response) = self.exchanges.answer() {
            let is_ahead = self.exchanges.asked() == 1
                && self.sending(PeerSide::Client).is_some_and(|asking| !asking.has_head());
            return (!is_ahead).then_some((response.start, Act::Answer));
        }
        // The first is not answered; is a later one?
        let later = self.exchanges.first_answer()?;
        self.sending(PeerSide::Client).is_none().then_some((later.start, Act::HangUp))
    }

    /// The first exchange that was not begun.
    fn request(&self) -> Option<(i64, Act)> {
        let exchange = self.exchanges.first()?;
        let start = exchange.start();
        let reopened = (start.saturating_sub(LEAD), Act::Reopen);
        let Some(line) = &self.line else { return Some(reopened) };
        if line.sending[PeerSide::Client as usize].is_some() {
            return None;
        }
        if exchange.request.is_some()
            && !line.is_last
            && self.exchanges.asked() < MAX_ASKED
            && let Some(acknowledged) = line.fits(exchange.number)
        {
            return Some((start, Act::Ask { acknowledged }));
        }
        let is_answered = self.exchanges.first_answer().is_none();
        (is_answered && line.sending[PeerSide::Server as usize].is_none()).then_some(reopened)
    }

    /// Does what [`Session::next`] said. Returns what of the memory charged is
    /// free again.
    pub(super) fn act(&mut self, (due, act): (i64, Act), file: &mut File) -> usize {
        match act {
            Act::Segment(side) => return self.segment(side, file),
            Act::Ask { acknowledged } => {
                self.ask(acknowledged);
                // At once, lest something be acknowledged before it.
                return self.segment(PeerSide::Client, file);
            }
            Act::Answer => self.begin_answer(),
            Act::Reopen => self.reopen(due, file),
            Act::HangUp => self.hang_up(due, file),
        }
        0
    }

    fn segment(&mut self, side: PeerSide, file: &mut File) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let Some(sent) = line.segment(&mut self.ends, side, file) else { return 0 };
        let is_over = line.is_over || line.is_last && self.exchanges.asked() == 0;
        if is_over && line.sending.iter().all(Option::is_none) {
            // Whoever reads it waits for the end of the connection, so it comes at once.
            self.hang_up(i64::MIN, file);
        }
        sent.message.cost()
    }

    fn ask(&mut self, acknowledged: u32) {
        let (Some(line), Some(exchange)) = (&mut self.line, self.exchanges.ask()) else { return };
        let Some(request) = exchange.request.take() else { return };
        let shape = MessageShape::of_request(&request);
        exchange.context = shape.context;
        line.ask(Sending::new(request, shape), exchange.number, acknowledged);
    }

    fn begin_answer(&mut self) {
        let (Some(line), Some(exchange)) = (&mut self.line, self.exchanges.take_answer()) else { return };
        let Some(response) = exchange.response else { return };
        let shape = MessageShape::of_response(&response, exchange.context);
        line.answer(Sending::new(response, shape));
    }

    /// Closes the connection if one is open, and opens the next one, as the
    /// first exchange that was not begun needs it.
    fn reopen(&mut self, due: i64, file: &mut File) {
        self.hang_up(due, file);
        let Some(first) = self.exchanges.first() else { return };
        let mut line = OpenConnection::open(&mut self.ends, first.number, due.saturating_add(LEAD), file);
        if first.request.is_none()
            && let Some(response) = self.exchanges.take_first().and_then(|exchange| exchange.response)
        {
            // Numbered by where it begins, as it answers nothing.
            let shape = MessageShape::of_response(&response, RequestContext::default());
            line.answer(Sending::new(response, MessageShape { is_last: true, ..shape }));
        }
        self.line = Some(line);
    }

    /// Closes the connection. Requests on it that have no response get none;
    /// responses on it that were not sent are sent later, by themselves.
    fn hang_up(&mut self, at: i64, file: &mut File) {
        if let Some(line) = self.line.take() {
            line.close(&mut self.ends, at, file);
        }
        self.exchanges.leave();
    }

    /// Sends all that is left, and closes the connection not before `at`.
    /// Returns what of the memory charged is free again.
    pub(super) fn finish(&mut self, at: i64, file: &mut File) -> usize {
        let mut freed = 0;
        while let Some(next) = self.next() {
            freed += self.act(next, file);
        }
        self.hang_up(at, file);
        freed
    }
}
