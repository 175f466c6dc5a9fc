//! The queue against a list that is gone through for all.

use proptest::prelude::*;

use super::*;
use crate::record::{Block, Header};

fn message(kind: Kind, id: u32, start: i64, payload: &str) -> QueuedMessage {
    let mut block = Block::new();
    let id = format!("id {id}");
    let header = Header { kind, id: id.as_bytes(), timestamp: start, ..Header::default() };
    block.push(&header, payload.as_bytes());
    QueuedMessage::of(&block.get(0))
}

/// An id, and the payloads of request and response.
type ToldExchange = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

fn told(exchange: &SessionExchange) -> ToldExchange {
    let payload =
        |message: &Option<QueuedMessage>| message.as_ref().map(|message| message.payload().to_vec());
    (exchange.id.to_vec(), payload(&exchange.request), payload(&exchange.response))
}

/// The number that the twin gives to left-over responses.
const LEFT: u32 = u32::MAX;

/// The slow twin: one list, of which the first `asked` were begun.
#[derive(Default)]
struct QueueTwin {
    exchanges: Vec<SessionExchange>,
    asked: usize,
}

impl QueueTwin {
    fn add(&mut self, kind: Kind, number: u32, message: QueuedMessage) {
        let is_mine = |exchange: &SessionExchange| *exchange.id == *message.id();
        let new = || SessionExchange::new(number, 0, &message);
        if kind == Kind::Request {
            let is_orphan =
                |place: &usize| self.exchanges[*place].request.is_none() && is_mine(&self.exchanges[*place]);
            let orphan = (self.asked..self.exchanges.len()).find(is_orphan);
            let mut exchange = orphan.map_or_else(new, |place| self.exchanges.remove(place));
            (exchange.number, exchange.request) = (number, Some(message));
            return self.insert(exchange);
        }
        let lacks_response = |place: &usize| {
            let exchange = &self.exchanges[*place];
            let has_request = *place < self.asked || exchange.request.is_some();
            has_request && exchange.response.is_none() && is_mine(exchange)
        };
        if let Some(place) = (0..self.exchanges.len()).find(lacks_response) {
            return self.exchanges[place].response = Some(message);
        }
        let mut exchange = new();
        exchange.response = Some(message);
        self.insert(exchange);
    }

    fn insert(&mut self, exchange: SessionExchange) {
        let mut place = self.exchanges.len();
        let is_behind = |before: &SessionExchange| before.number != LEFT && before.start() > exchange.start();
        while place > self.asked && is_behind(&self.exchanges[place - 1]) {
            place -= 1;
        }
        self.exchanges.insert(place, exchange);
    }

    fn leave(&mut self) {
        let waiting = self.exchanges.split_off(self.asked);
        self.exchanges.retain(|exchange| exchange.response.is_some());
        self.exchanges.iter_mut().for_each(|exchange| exchange.number = LEFT);
        self.exchanges.extend(waiting);
        self.asked = 0;
    }
}

fn assert_alike(queue: &ExchangeQueue, twin: &QueueTwin) {
    let (asked, waiting) = twin.exchanges.split_at(twin.asked);
    let all = |exchanges: &[SessionExchange]| exchanges.iter().map(told).collect::<Vec<_>>();
    assert_eq!(queue.asked.iter().map(told).collect::<Vec<_>>(), all(asked));
    assert_eq!(queue.waiting.values().map(|exchange| told(exchange)).collect::<Vec<_>>(), all(waiting));
    assert_eq!(queue.first().map(told), waiting.first().map(told));
    let payload = |message: &QueuedMessage| message.payload().to_vec();
    let answers: Vec<_> = asked.iter().map(|exchange| exchange.response.as_ref().map(payload)).collect();
    assert_eq!(queue.answer().map(payload), answers.first().cloned().flatten());
    assert_eq!(queue.first_answer().map(payload), answers.into_iter().flatten().next());
    // As many as lack something, and no stale ones.
    let lacks = |(place, exchange): &(usize, &SessionExchange)| {
        exchange.response.is_none() || (*place >= twin.asked && exchange.request.is_none())
    };
    assert_eq!(queue.incomplete.len(), twin.exchanges.iter().enumerate().filter(lacks).count());
}

#[derive(Clone, Debug)]
enum QueueStep {
    Add(Kind, u32, i64),
    /// What a session does with the first that waits.
    Begin,
    Answer,
    Leave,
}

fn steps() -> impl Strategy<Value = Vec<QueueStep>> {
    let kind = prop_oneof![Just(Kind::Request), Just(Kind::Response)];
    let step = prop_oneof![
        8 => (kind, 0..5_u32, 0..9_i64).prop_map(|(kind, id, start)| QueueStep::Add(kind, id, start)),
        3 => Just(QueueStep::Begin),
        1 => Just(QueueStep::Answer),
        1 => Just(QueueStep::Leave),
    ];
    prop::collection::vec(step, 0..150)
}

proptest! {
    #[test]
    fn a_queue_is_a_list_gone_through_for_all(steps in steps(), is_colliding in any::<bool>()) {
        let (mut queue, mut twin) = (ExchangeQueue::new(), QueueTwin::default());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                QueueStep::Add(kind, id, start) => {
                    let message = || message(kind, id, start, &format!("message {number}"));
                    if is_colliding {
                        queue.add_hashed(0, kind, id, message());
                    } else {
                        queue.add(kind, id, message());
                    }
                    twin.add(kind, id, message());
                }
                QueueStep::Begin if twin.exchanges.len() == twin.asked => {}
                QueueStep::Begin if twin.exchanges[twin.asked].request.is_some() => {
                    queue.ask().unwrap().request = None;
                    twin.exchanges[twin.asked].request = None;
                    twin.asked += 1;
                }
                QueueStep::Begin => {
                    let exchange = twin.exchanges.remove(twin.asked);
                    prop_assert_eq!(queue.take_first().as_ref().map(told), Some(told(&exchange)));
                }
                QueueStep::Answer if twin.asked == 0 => prop_assert!(queue.take_answer().is_none()),
                QueueStep::Answer => {
                    let exchange = twin.exchanges.remove(0);
                    twin.asked -= 1;
                    prop_assert_eq!(queue.take_answer().as_ref().map(told), Some(told(&exchange)));
                }
                QueueStep::Leave => {
                    queue.leave();
                    twin.leave();
                }
            }
            assert_alike(&queue, &twin);
        }
    }
}

/// What is put in, in orders that are the worst for a list.
#[test]
fn no_exchange_is_examined_over_and_over() {
    const COUNT: u32 = 3000;
    let at = |number: u32| i64::from(number);
    let all = |make: fn(u32, i64) -> (Kind, u32, i64)| (0..COUNT).map(move |number| make(number, at(number)));
    let requests_then_responses: Vec<_> = all(|number, _| (Kind::Request, number, 0))
        .chain(all(|number, _| (Kind::Response, number, 1)))
        .chain(all(|number, _| (Kind::Response, COUNT - number, 2)))
        .chain(all(|number, _| (Kind::Request, number, 3)))
        .collect();
    let orders = [
        ("falling requests", all(|number, at| (Kind::Request, number, -at)).collect()),
        ("requests, then responses", requests_then_responses),
        ("responses", all(|number, _| (Kind::Response, number, 0)).collect()),
        ("one id, requests", all(|_, at| (Kind::Request, 0, at * 7919 % 3000)).collect()),
        ("one id, responses", all(|_, at| (Kind::Response, 0, at * 7919 % 3000)).collect()),
        (
            "one id, both",
            all(|number, at| {
                let kind = if number % 3 == 0 { Kind::Request } else { Kind::Response };
                (kind, 0, at * 7919 % 3000)
            })
            .collect::<Vec<_>>(),
        ),
    ];
    for (order, messages) in orders {
        let mut queue = ExchangeQueue::new();
        let count = messages.len();
        for (number, (kind, id, start)) in messages.into_iter().enumerate() {
            queue.add(kind, id, message(kind, id, start, "x"));
            if number % 50 == 49 && queue.first().is_some_and(|first| first.request.is_some()) {
                queue.ask().unwrap().request = None;
            }
            if number % 1000 == 999 {
                queue.leave();
            }
        }
        let examined = queue.examined.get();
        assert!(examined < 200 * count, "{order}: {examined} for {count}");
    }
}
