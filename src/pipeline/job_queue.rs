//! Jobs for workers, of whom no more are woken than are needed.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that wait for a worker, first in, first out.
///
/// A worker that is awake takes the next job by itself when it is done. Another one is woken only once two jobs wait: where
/// one keeps up, the others sleep on, and take no time from the thread that reads.
struct JobQueue<J> {
    state: Mutex<JobQueueState<J>>,
    changed: Condvar,
}

struct JobQueueState<J> {
    waiting: VecDeque<J>,
    workers: usize,
    asleep: usize,
    is_closed: bool,
}

impl<J> JobQueue<J> {
    /// The state is whole whenever the lock is free, so that a panic elsewhere leaves it usable.
    fn lock(&self) -> MutexGuard<'_, JobQueueState<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where jobs are put. When it is dropped, the workers end once none is left.
pub(super) struct JobSender<J>(Arc<JobQueue<J>>);

impl<J> JobSender<J> {
    /// Adds a job.
    pub(super) fn send(&self, job: J) {
        let mut state = self.0.lock();
        state.waiting.push_back(job);
        let is_worker_needed = state.waiting.len() > 1 || state.asleep == state.workers;
        drop(state);
        if is_worker_needed {
            self.0.changed.notify_one();
        }
    }
}

impl<J> Drop for JobSender<J> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// What one worker takes its jobs from.
pub(super) struct JobReceiver<J>(Arc<JobQueue<J>>);

impl<J> JobReceiver<J> {
    /// Waits for the next job. None: there are no more.
    pub(super) fn next(&self) -> Option<J> {
        let mut state = self.0.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state.asleep += 1;
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }
}

/// A queue, and what each of so many workers takes its jobs from.
pub(super) fn job_queue<J>(workers: usize) -> (JobSender<J>, Vec<JobReceiver<J>>) {
    let state = JobQueueState { waiting: VecDeque::new(), workers, asleep: 0, is_closed: false };
    let queue = Arc::new(JobQueue { state: Mutex::new(state), changed: Condvar::new() });
    let receivers = (0..workers).map(|_| JobReceiver(Arc::clone(&queue))).collect();
    (JobSender(queue), receivers)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn all_workers_are_woken_where_jobs_wait_for_each_other() {
        const WORKERS: usize = 3;
        let (sender, receivers) = job_queue(WORKERS);
        let together = Arc::new(std::sync::Barrier::new(WORKERS));
        let (done, all_done) = channel();
        for receiver in receivers {
            let (together, done) = (Arc::clone(&together), done.clone());
            thread::spawn(move || {
                while let Some(job) = receiver.next() {
                    together.wait();
                    done.send(job).expect("the test waits");
                }
            });
        }
        drop(done);
        // One worker has the first, and the next two wait: that is when others are woken.
        for job in 0..2 * WORKERS {
            sender.send(job);
        }
        drop(sender);
        let mut done: Vec<_> = all_done.iter().collect();
        done.sort_unstable();
        assert_eq!(done, (0..2 * WORKERS).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_alone_is_done_and_a_closed_queue_is_emptied_first() {
        let (sender, receivers) = job_queue(2);
        let (done, all_done) = channel();
        for receiver in receivers {
            let done = done.clone();
            thread::spawn(move || {
                while let Some(job) = receiver.next() {
                    done.send(job).expect("the test waits");
                }
            });
        }
        drop(done);
        for job in 0..100 {
            sender.send(job);
            assert_eq!(all_done.recv(), Ok(job));
        }
        sender.send(100);
        drop(sender);
        assert_eq!(all_done.iter().collect::<Vec<_>>(), [100]);
    }
}
