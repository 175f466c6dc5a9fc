//! The sequence against a vector that does the same slowly.

use proptest::prelude::*;

use super::Sequence;

#[derive(Clone, Debug)]
enum SequenceStep {
    Insert(i64),
    PushFront(i64),
    Remove(usize),
    RemoveFirst,
}

fn steps() -> impl Strategy<Value = Vec<SequenceStep>> {
    let start = || prop_oneof![4 => 0..12_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let step = prop_oneof![
        4 => start().prop_map(SequenceStep::Insert),
        1 => start().prop_map(SequenceStep::PushFront),
        1 => any::<usize>().prop_map(SequenceStep::Remove),
        1 => Just(SequenceStep::RemoveFirst),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn a_sequence_is_a_vector_gone_through_from_its_end(steps in steps()) {
        let (mut sequence, mut twin) = (Sequence::new(), Vec::<(i64, usize, u32)>::new());
        for (content, step) in steps.into_iter().enumerate() {
            match step {
                SequenceStep::Insert(start) => {
                    let place = twin.iter().rposition(|(other, ..)| *other <= start).map_or(0, |last| last + 1);
                    twin.insert(place, (start, content, sequence.insert(start, content)));
                }
                SequenceStep::PushFront(start) => {
                    twin.insert(0, (start, content, sequence.push_front(start, content)));
                }
                SequenceStep::Remove(number) if !twin.is_empty() => {
                    let (_, content, slot) = twin.remove(number % twin.len());
                    prop_assert_eq!(sequence.remove(slot), Some(content));
                    prop_assert_eq!(sequence.remove(slot), None);
                }
                SequenceStep::RemoveFirst if !twin.is_empty() => {
                    let (_, content, slot) = twin.remove(0);
                    prop_assert_eq!(sequence.remove(slot), Some(content));
                }
                SequenceStep::Remove(_) | SequenceStep::RemoveFirst => {}
            }
            let contents: Vec<_> = twin.iter().map(|(_, content, _)| content).collect();
            prop_assert_eq!(sequence.all(), contents);
            prop_assert_eq!(sequence.first(), twin.first().map(|(.., slot)| *slot));
        }
        for (place, (.., slot)) in twin.iter().enumerate() {
            for (other_place, (.., other)) in twin.iter().enumerate() {
                prop_assert_eq!(sequence.is_before(*slot, *other), place < other_place);
            }
        }
    }
}

/// Starts in orders that would make a tree without priorities, or a list, deep.
#[test]
fn few_slots_are_examined_for_each_whatever_the_order() {
    const COUNT: i64 = 4000;
    let orders: [fn(i64) -> i64; 4] = [|at| at, |at| -at, |_| 0, |at| if at % 2 == 0 { at } else { -at }];
    for (number, order) in orders.into_iter().enumerate() {
        let mut sequence = Sequence::new();
        let slots: Vec<_> = (0..COUNT).map(|at| sequence.insert(order(at), at)).collect();
        for (at, pair) in (0..).zip(slots.windows(2)) {
            assert_eq!(
                sequence.is_before(pair[0], pair[1]),
                order(at) <= order(at + 1),
                "order {number}, {at}"
            );
        }
        for slot in slots {
            assert!(sequence.remove(slot).is_some());
        }
        let examined = sequence.examined.get();
        assert!(examined < 200 * COUNT as usize, "order {number}: {examined} for {COUNT}");
    }
}
