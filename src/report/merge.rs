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
        self.slowest.sort_by(|one, two| two.latency_from_due.total_cmp(&one.latency_from_due));
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
