//! The requests that the child was given and has not sent back, by id.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::replay::schedule::ScheduledRequest;

/// Requests that are remembered after they were given up, so that they are known when they come back after all.
const MAX_GIVEN_UP: usize = 1 << 16;

/// A request in the child.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestInChild {
    /// Which of the requests that were given it is.
    pub(super) number: u64,
    pub(super) schedule: ScheduledRequest,
    pub(super) given_at: u64,
    /// It was not waited for any longer.
    pub(super) is_given_up: bool,
}

/// Requests in the child. An id may occur several times: what comes back is the first of them.
#[derive(Debug, Default)]
pub(super) struct RequestsInChild {
    by_id: HashMap<Box<[u8]>, VecDeque<RequestInChild>, RandomState>,
    /// In the order in which they were given, with their deadlines; some have come back.
    order: VecDeque<(u64, u64, Box<[u8]>)>,
    given_up: VecDeque<(u64, Box<[u8]>)>,
    waited_for: usize,
    given: u64,
}

impl RequestsInChild {
    /// Requests that are waited for.
    pub(super) fn len(&self) -> usize {
        self.waited_for
    }

    /// Requests given so far.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// A request goes to the child now, and is waited for until its deadline.
    pub(super) fn give(&mut self, id: &[u8], schedule: ScheduledRequest, now: u64, deadline: u64) {
        let number = self.given;
        let request = RequestInChild { number, schedule, given_at: now, is_given_up: false };
        self.given += 1;
        self.waited_for += 1;
        self.by_id.entry(id.into()).or_default().push_back(request);
        self.order.push_back((number, deadline, id.into()));
    }

    /// A request came back. None: it is none of those that were given.
    pub(super) fn take(&mut self, id: &[u8]) -> Option<RequestInChild> {
        let requests = self.by_id.get_mut(id)?;
        let request = requests.pop_front();
        if requests.is_empty() {
            self.by_id.remove(id);
        }
        self.waited_for -= usize::from(request.is_some_and(|request| !request.is_given_up));
        request
    }

    /// When the next request is given up.
    pub(super) fn next_deadline(&mut self) -> Option<u64> {
        while let Some((number, deadline, id)) = self.order.front() {
            if self.holds(id, *number) {
                return Some(*deadline);
            }
            self.order.pop_front();
        }
        None
    }

    /// Waits for none of them any longer.
    pub(super) fn give_up_all(&mut self) {
        self.order.clear();
        self.waited_for = 0;
        self.by_id.values_mut().flatten().for_each(|request| request.is_given_up = true);
    }

    fn holds(&self, id: &[u8], number: u64) -> bool {
        self.by_id.get(id).is_some_and(|requests| requests.iter().any(|request| request.number == number))
    }

    /// Gives up a request whose time is over: its id, and its recorded connection.
    pub(super) fn expire(&mut self, now: u64) -> Option<(Box<[u8]>, u64)> {
        if self.next_deadline()? > now {
            return None;
        }
        let (number, _, id) = self.order.pop_front()?;
        let requests = self.by_id.get_mut(&id)?;
        let mut session = 0;
        for request in requests.iter_mut().filter(|request| request.number == number) {
            request.is_given_up = true;
            session = request.schedule.session;
        }
        self.waited_for -= 1;
        self.given_up.push_back((number, id.clone()));
        if self.given_up.len() > MAX_GIVEN_UP
            && let Some((number, id)) = self.given_up.pop_front()
            && let Some(requests) = self.by_id.get_mut(&id)
        {
            requests.retain(|request| request.number != number);
            if requests.is_empty() {
                self.by_id.remove(&id);
            }
        }
        Some((id, session))
    }
}
