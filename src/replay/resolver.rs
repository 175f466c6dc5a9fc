//! Names that are looked up again while a replay runs, as services move.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::addresses::ServerAddress;
use super::target::Target;
use crate::Result;

/// How often a name is looked up. Resolvers do not tell how long an answer holds.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// The addresses that a name has got since they were taken last.
#[derive(Clone, Debug, Default)]
pub(super) struct NewAddresses(Arc<Mutex<Option<Vec<ServerAddress>>>>);

impl NewAddresses {
    /// Takes them, if there are some.
    pub(super) fn take(&self) -> Option<Vec<ServerAddress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Looks the target's name up again and again, as long as somebody holds what this returns. A failure leaves the
/// addresses as they are. The thread is not to be waited for: a resolver may take long.
pub(super) fn keep_looking(target: &Target, known: Vec<ServerAddress>) -> NewAddresses {
    let fresh = NewAddresses::default();
    if target.is_a_name() {
        let (target, weak) = (target.clone(), Arc::downgrade(&fresh.0));
        thread::spawn(move || look(&weak, known, INTERVAL, || target.resolve()));
    }
    fresh
}

fn look(
    fresh: &Weak<Mutex<Option<Vec<ServerAddress>>>>,
    mut known: Vec<ServerAddress>,
    interval: Duration,
    resolve: impl Fn() -> Result<Vec<ServerAddress>>,
) {
    loop {
        thread::sleep(interval);
        if fresh.strong_count() == 0 {
            return;
        }
        let Ok(found) = resolve() else { continue };
        let Some(fresh) = fresh.upgrade() else { return };
        // Many resolvers change the order each time.
        let is_same = found.len() == known.len() && found.iter().all(|address| known.contains(address));
        if !is_same {
            *fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
            known = found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn new_addresses_are_told_once_and_failures_and_other_orders_are_not() {
        let address = |port| ServerAddress::Ip(([127, 0, 0, 1], port).into());
        let (answers, asked) = mpsc::channel();
        let fresh = NewAddresses::default();
        let weak = Arc::downgrade(&fresh.0);
        let known = vec![address(1), address(2)];
        let thread = thread::spawn(move || {
            let resolve = || asked.recv().unwrap_or(Err(crate::Error::Invalid("gone".into())));
            look(&weak, known, Duration::from_millis(1), resolve);
        });
        let wait = || {
            loop {
                if let Some(found) = fresh.take() {
                    return found;
                }
                thread::yield_now();
            }
        };
        answers.send(Ok(vec![address(2), address(1)])).unwrap();
        answers.send(Err(crate::Error::Invalid("no answer".into()))).unwrap();
        answers.send(Ok(vec![address(2), address(3)])).unwrap();
        assert_eq!(wait(), [address(2), address(3)]);
        drop(answers);
        drop(fresh);
        thread.join().unwrap();
    }
}
