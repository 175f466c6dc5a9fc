//! Which response is told to answer which request, as a table of cases.

use super::*;

/// What happens on a connection, as the pairing hears of it. Requests are 10 bytes long, responses 100.
#[derive(Clone, Copy, Debug)]
enum PairingEvent {
    /// The client sends a request that begins at a byte and acknowledges another.
    Ask(u32, u32),
    /// The server begins a response at a byte, and acknowledges another.
    Reply(u32, u32),
    /// Bytes of the client are missing from here on.
    LoseRequests(u32),
    /// Bytes of the server are missing.
    LoseResponses,
    /// Nothing more comes.
    End,
}

use PairingEvent::{Ask, End, LoseRequests, LoseResponses, Reply};

/// A response and the request that it answers, by their first bytes.
type Pair = (u32, Option<u32>);

/// Which request each response answers, by their first bytes; none where it is not told.
fn pairs(steps: &[PairingEvent]) -> Vec<Pair> {
    let mut pairing = Pairing::default();
    let (mut told, mut later) = (Vec::new(), Vec::new());
    let settle = |requests: Vec<Option<UnansweredRequest>>, later: &mut Vec<usize>, told: &mut Vec<Pair>| {
        for (index, request) in later.drain(..).zip(requests) {
            told[index].1 = request.map(|request: UnansweredRequest| request.exchange.0);
        }
    };
    for step in steps {
        match *step {
            Ask(start, ack) => {
                if let Some(requests) = pairing.begin_batch(Some(Seq(ack))) {
                    settle(requests, &mut later, &mut told);
                }
                let (start, end) = (Seq(start), Seq(start + 10));
                pairing.request(UnansweredRequest::new(
                    start,
                    Some(Seq(ack)),
                    start,
                    end,
                    RequestContext::default(),
                ));
                pairing.request_end(start, end);
            }
            Reply(start, ack) => {
                let (from, ack) = (Seq(start), Some(Seq(ack)));
                let answer = pairing.response(from, from, ack);
                let request = if let Answer::To(request) = &answer { Some(*request) } else { None };
                if matches!(answer, Answer::Later) {
                    later.push(told.len());
                }
                told.push((start, request.map(|request| request.exchange.0)));
                pairing.response_end(request.as_ref(), ack, from + 100);
            }
            LoseRequests(at) => pairing.gap_in_requests(Seq(at), Some(Seq(1000))),
            LoseResponses => {
                pairing.gap_in_responses();
                later.clear();
            }
            End => settle(pairing.end(), &mut later, &mut told),
        }
    }
    told
}

#[test]
fn a_pair_is_told_where_it_is_proven() {
    let cases: [(&str, &[PairingEvent], &[Pair]); 12] = [
        (
            "counted",
            &[Ask(0, 1000), Ask(10, 1000), Reply(1000, 20), Reply(1100, 20)],
            &[(1000, Some(0)), (1100, Some(10))],
        ),
        ("to nothing", &[Reply(1000, 0), Ask(0, 1100), Reply(1100, 10)], &[(1000, None), (1100, Some(0))]),
        (
            "a request that the server has not received is not answered",
            &[Ask(0, 1000), Reply(1000, 0), Reply(1100, 10)],
            &[(1000, None), (1100, None)],
        ),
        (
            "a response is missing: the next one begins where its request says",
            &[Ask(0, 1000), Ask(10, 1100), LoseResponses, Reply(1100, 20)],
            &[(1100, Some(10))],
        ),
        (
            "the second of two responses is missing, and so is what shows that the client waits",
            &[
                Ask(0, 1000),
                Ask(10, 1000),
                Reply(1000, 20),
                LoseResponses,
                Ask(20, 1200),
                Reply(1200, 30),
                End,
            ],
            &[(1000, Some(0)), (1200, None)],
        ),
        (
            "the first of two is missing: the last one ends where the next batch begins",
            &[Ask(0, 1000), Ask(10, 1000), LoseResponses, Reply(1100, 20), Ask(20, 1200), Reply(1200, 30)],
            &[(1100, Some(10)), (1200, Some(20))],
        ),
        (
            "a request is missing, its response is not",
            &[LoseRequests(0), Ask(10, 1100), Reply(1000, 10), Reply(1100, 20), Ask(20, 1200)],
            &[(1000, None), (1100, Some(10))],
        ),
        (
            "a late start, confirmed by the next request",
            &[LoseRequests(0), Ask(10, 1500), Reply(1500, 20), Ask(20, 1600), Reply(1600, 30)],
            &[(1500, Some(10)), (1600, Some(20))],
        ),
        (
            "a late start, contradicted by a second response",
            &[
                LoseRequests(0),
                Ask(10, 1500),
                Reply(1500, 20),
                Reply(1600, 20),
                Ask(20, 1700),
                Reply(1700, 30),
            ],
            &[(1500, None), (1600, Some(10)), (1700, Some(20))],
        ),
        (
            "a late start of one exchange",
            &[LoseRequests(0), Ask(10, 1500), Reply(1500, 20), End],
            &[(1500, Some(10))],
        ),
        (
            "a client that does not wait is told by counting",
            &[Ask(0, 1000), Ask(10, 1000), Reply(1000, 20), Ask(20, 1100), Reply(1100, 30), Reply(1200, 30)],
            &[(1000, Some(0)), (1100, Some(10)), (1200, Some(20))],
        ),
        (
            "a client that does not wait, and a response is missing",
            &[
                Ask(0, 1000),
                Ask(10, 1000),
                Reply(1000, 20),
                Ask(20, 1100),
                LoseResponses,
                Reply(1200, 30),
                Ask(30, 1300),
                Reply(1300, 40),
            ],
            &[(1000, Some(0)), (1200, None), (1300, None)],
        ),
    ];
    for (name, steps, expected) in cases {
        assert_eq!(pairs(steps), expected, "{name}");
    }
}

#[test]
fn a_server_that_never_answers_costs_a_bounded_memory() {
    let mut pairing = Pairing::default();
    for number in 0..100_000_u32 {
        let start = Seq(number * 10);
        pairing.request(UnansweredRequest::new(
            start,
            Some(Seq(1)),
            start,
            start + 10,
            RequestContext::default(),
        ));
    }
    assert!(pairing.memory() < 1 << 20, "{}", pairing.memory());
    assert_eq!(pairing.unanswered + pairing.clear(), 100_000);
}
