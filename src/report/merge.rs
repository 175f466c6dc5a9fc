//! Reports added up: of the targets of a replay, and of several machines.

use std::collections::BTreeMap;

use super::groups::{MAX_GROUPS, OTHER};
use super::histogram::Latencies;
use super::model::{GroupReport, ReasonCount, RecordedGroup, RecordedReport, ReplayReport, TargetReport};
use super::slowest;

impl ReplayReport {
    /// Adds another report. Targets of the same name become one; the first of that name with the first, and so on.
    pub fn merge(&mut self, other: ReplayReport) {
        self.runs.extend(other.runs);
        self.runs.sort_by_key(|run| run.start);
        self.total.merge(&other.total);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for target in other.targets {
            let number = seen.entry(target.target.clone()).or_default();
            let mut same = self.targets.iter_mut().filter(|known| known.target == target.target);
            match same.nth(*number) {
                Some(known) => known.merge(&target),
                None => self.targets.push(target),
            }
            *number += 1;
        }
        self.recorded.merge(&other.recorded);
    }
}

impl ReplayReport {
    /// Adds what went on later with the same recording. The time between both is none of the replay.
    #[must_use]
    pub fn followed_by(mut self, later: ReplayReport) -> Self {
        let paused = |one: &TargetReport, two: &TargetReport| {
            let between = two.first_sent.zip(one.last_ended).filter(|_| one.first_sent.is_some());
            let between = between.map_or(0, |(first, last)| first.0.saturating_sub(last.0).max(0));
            one.paused + two.paused + between as f64 / 1e9
        };
        let total = paused(&self.total, &later.total);
        let each: Vec<f64> =
            self.targets.iter().zip(&later.targets).map(|(one, two)| paused(one, two)).collect();
        self.merge(later);
        self.total.paused = total;
        for (target, paused) in self.targets.iter_mut().zip(each) {
            target.paused = paused;
        }
        self
    }
}

impl TargetReport {
    /// All of these together, under no name.
    pub fn total<'a>(targets: impl IntoIterator<Item = &'a TargetReport>) -> Self {
        let mut total = TargetReport::default();
        targets.into_iter().for_each(|target| total.merge(target));
        total
    }

    /// Adds what became of other requests.
    pub fn merge(&mut self, other: &TargetReport) {
        self.due += other.due;
        self.sent += other.sent;
        self.sent_again += other.sent_again;
        add_reasons(&mut self.not_sent, &other.not_sent);
        self.answered += other.answered;
        add_reasons(&mut self.failed, &other.failed);
        self.classes += other.classes;
        for (status, number) in &other.statuses {
            *self.statuses.entry(*status).or_default() += number;
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connections += other.connections;
        self.surplus += other.surplus;
        self.answered_unasked += other.answered_unasked;
        self.answers_cut += other.answers_cut;
        self.answers_dropped += other.answers_dropped;
        self.paused = match (self.first_sent, other.first_sent) {
            (None, _) => other.paused,
            (_, None) => self.paused,
            // Where one went on, time passed for both together.
            _ => self.paused.min(other.paused),
        };
        self.first_sent = [self.first_sent, other.first_sent].into_iter().flatten().min();
        self.last_ended = self.last_ended.max(other.last_ended);
        self.latency_from_due.merge(&other.latency_from_due);
        self.latency_from_send.merge(&other.latency_from_send);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.lateness.merge(&other.lateness);
        self.groups = merged(&self.groups, &other.groups);
        self.series.merge(&other.series);
        self.slowest.extend(other.slowest.iter().cloned());
        self.slowest.sort_by(|one, two| {
            let by_latency = two.latency_from_due.total_cmp(&one.latency_from_due);
            by_latency.then_with(|| (&one.id, &one.target).cmp(&(&two.id, &two.target)))
        });
        self.slowest.truncate(slowest::MOST);
    }
}

fn add_reasons(reasons: &mut Vec<ReasonCount>, others: &[ReasonCount]) {
    for other in others {
        match reasons.iter_mut().find(|reason| reason.reason == other.reason) {
            Some(reason) => {
                reason.count += other.count;
                if reason.first.is_empty() {
                    reason.first.clone_from(&other.first);
                }
            }
            None => reasons.push(other.clone()),
        }
    }
}

/// What is counted by group.
trait Grouped: Clone + Default {
    fn name(&self) -> &str;
    fn set_name(&mut self, name: &str);
    fn size(&self) -> u64;
    fn add(&mut self, other: &Self);
}

impl Grouped for GroupReport {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    fn size(&self) -> u64 {
        self.sent
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.classes += other.classes;
        add_latencies(&mut self.latency_from_due, &other.latency_from_due);
        add_latencies(&mut self.latency_from_send, &other.latency_from_send);
    }
}

impl Grouped for RecordedGroup {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    fn size(&self) -> u64 {
        self.latency.0.len()
    }

    fn add(&mut self, other: &Self) {
        add_latencies(&mut self.latency, &other.latency);
    }
}

/// A histogram of nothing takes the digits of the other.
fn add_latencies(latencies: &mut Latencies, other: &Latencies) {
    if latencies.0.is_empty() {
        latencies.clone_from(other);
    } else {
        latencies.merge(other);
    }
}

/// The groups of both, the largest first; those that have no room are in the last one.
fn merged<T: Grouped>(one: &[T], two: &[T]) -> Vec<T> {
    let mut by_name: BTreeMap<String, T> = BTreeMap::new();
    for group in one.iter().chain(two) {
        match by_name.get_mut(group.name()) {
            Some(known) => known.add(group),
            None => drop(by_name.insert(group.name().to_owned(), group.clone())),
        }
    }
    in_order(by_name.into_values().collect())
}

/// Groups, the largest first; those that have no room are in the last one.
fn in_order<T: Grouped>(groups: Vec<T>) -> Vec<T> {
    let (mut other, mut named): (Vec<T>, Vec<T>) =
        groups.into_iter().partition(|group| group.name() == OTHER);
    named.sort_by(|one, two| two.size().cmp(&one.size()).then_with(|| one.name().cmp(two.name())));
    if named.len() > MAX_GROUPS {
        let mut rest = other.pop().unwrap_or_default();
        rest.set_name(OTHER);
        named.drain(MAX_GROUPS..).for_each(|group| rest.add(&group));
        other.push(rest);
    }
    named.extend(other);
    named
}

impl TargetReport {
    /// Puts the groups in order, the largest first.
    pub(super) fn sort_groups(&mut self) {
        self.groups = in_order(std::mem::take(&mut self.groups));
    }
}

impl RecordedReport {
    /// Adds what other recordings tell.
    pub fn merge(&mut self, other: &RecordedReport) {
        self.requests += other.requests;
        self.responses += other.responses;
        self.latency.merge(&other.latency);
        self.groups = merged(&self.groups, &other.groups);
    }

    /// Puts the groups in order, the largest first.
    pub(super) fn sort_groups(&mut self) {
        self.groups = in_order(std::mem::take(&mut self.groups));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Durations;
    use crate::report::{ReportTime, SlowRequest};
    use proptest::prelude::*;

    fn latencies(durations: &[u64], digits: u8) -> Latencies {
        let mut all = Durations::with_digits(digits);
        for duration in durations {
            all.record(*duration);
        }
        Latencies(all)
    }

    fn group(name: &str, sent: u64, durations: &[u64]) -> GroupReport {
        let latency_from_due = latencies(durations, 2);
        GroupReport { name: name.to_owned(), sent, latency_from_due, ..GroupReport::default() }
    }

    fn targets() -> impl Strategy<Value = TargetReport> {
        let durations = prop::collection::vec(0..10_000_000_000_u64, 1..20);
        let groups = prop::collection::btree_map("[ab(]{1,2}", durations.clone(), 0..4);
        let reasons = prop::collection::btree_map("[xyz]", 1..10_u64, 0..3);
        let statuses = prop::collection::btree_map(100..600_u16, 1..9_u64, 0..4);
        (durations, groups, reasons, statuses, 0..100_i64).prop_map(
            |(durations, groups, reasons, statuses, time)| {
                let reason = |(reason, count): (&String, &u64)| ReasonCount {
                    reason: reason.clone(),
                    text: String::new(),
                    of_recording: false,
                    count: *count,
                    first: String::new(),
                };
                let slow = |latency: &u64| SlowRequest {
                    target: String::new(),
                    id: String::new(),
                    method: String::new(),
                    path: String::new(),
                    status: 200,
                    due: 0.0,
                    latency_from_due: *latency as f64,
                    latency_from_send: 0.0,
                };
                let mut target = TargetReport {
                    due: durations.len() as u64,
                    failed: reasons.iter().map(reason).collect(),
                    statuses,
                    first_sent: (time > 10).then_some(ReportTime(time)),
                    last_ended: (time > 10).then_some(ReportTime(time * 2)),
                    latency_from_due: latencies(&durations, 3),
                    groups: groups.iter().map(|(name, all)| group(name, all.len() as u64, all)).collect(),
                    slowest: durations.iter().map(slow).collect(),
                    ..TargetReport::default()
                };
                target.sort_groups();
                target
            },
        )
    }

    /// Without what depends on the order: where reasons are.
    fn ordered(mut target: TargetReport) -> TargetReport {
        target.failed.sort_by(|one, two| one.reason.cmp(&two.reason));
        target
    }

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_the_order(one in targets(), two in targets(), three in targets()) {
            let forth = TargetReport::total([&one, &two, &three]);
            let mut back = TargetReport::total([&three, &two]);
            back.merge(&one);
            prop_assert_eq!(ordered(forth), ordered(back));
        }

        #[test]
        fn a_sum_has_all_of_its_parts(one in targets(), two in targets()) {
            let total = TargetReport::total([&one, &two]);
            prop_assert_eq!(total.due, one.due + two.due);
            prop_assert_eq!(total.failed_total(), one.failed_total() + two.failed_total());
            let requests = |target: &TargetReport| target.groups.iter().map(|group| group.sent).sum::<u64>();
            prop_assert_eq!(requests(&total), requests(&one) + requests(&two));
            prop_assert_eq!(total.latency_from_due.0.len(), one.due + two.due);
        }
    }

    #[test]
    fn groups_that_have_no_room_are_the_smallest_and_are_added_up() {
        let named = |prefix: &str, sent: u64, number: usize| -> Vec<GroupReport> {
            (0..number).map(|at| group(&format!("{prefix}{at}"), sent, &[7_000_000])).collect()
        };
        let mut small = named("b", 1, 90);
        small.push(group(OTHER, 5, &[]));
        let merged = merged(&named("a", 3, 150), &small);
        assert_eq!(merged.len(), MAX_GROUPS + 1);
        assert!(merged[..150].iter().all(|group| group.sent == 3));
        let other = merged.last().expect("there are groups");
        assert_eq!((other.name(), other.sent, other.latency_from_due.0.len()), (OTHER, 45, 40));
    }
}
