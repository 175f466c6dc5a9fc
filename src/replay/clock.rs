//! Monotonic time in nanoseconds, and an alarm in an event loop that is exact to a few microseconds.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::report::EventTime;

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds for which this process was paused, until now.
static PAUSED: AtomicU64 = AtomicU64::new(0);

/// What the clock shows while it stands still; 0 while it runs.
static STOPPED_AT: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds of the kernel's monotonic clock.
fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64
}

/// Nanoseconds of a monotonic clock that stands still while the process is paused. Its zero means nothing.
pub(super) fn now() -> u64 {
    loop {
        let paused = PAUSED.load(Ordering::Acquire);
        let shown = match STOPPED_AT.load(Ordering::Acquire) {
            0 => monotonic().saturating_sub(paused),
            stopped => return stopped,
        };
        // A pause that began in between would count as time that has passed.
        if STOPPED_AT.load(Ordering::Acquire) == 0 && PAUSED.load(Ordering::Acquire) == paused {
            return shown;
        }
    }
}

/// Stops the clock while `pause` lasts, which is to stop the process: nothing becomes due meanwhile, and nothing times
/// out. For one thread at a time.
pub fn pause<T>(pause: impl FnOnce() -> T) -> T {
    let shown = now();
    STOPPED_AT.store(shown.max(1), Ordering::Release);
    let result = pause();
    PAUSED.store(monotonic().saturating_sub(shown), Ordering::Release);
    STOPPED_AT.store(0, Ordering::Release);
    result
}

/// Nanoseconds since the Unix epoch.
pub(super) fn wall() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * SECOND as i64 + time.tv_nsec
}

/// A moment of [`now`], which is the present, on both clocks. What the wall clock is put forward or back meanwhile does
/// not show.
pub(super) fn event_time(now: u64) -> EventTime {
    static BASE: OnceLock<i64> = OnceLock::new();
    let base = *BASE.get_or_init(|| wall() - monotonic() as i64);
    EventTime { monotonic: now, wall: base + (now + PAUSED.load(Ordering::Acquire)) as i64 }
}

/// A span as nanoseconds, at most 584 years.
pub(super) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Has the kernel wake this thread as exactly as it can, rather than when
/// that saves power. Where it refuses, timers are late by 50 µs; no more.
pub(super) fn ask_for_exact_timers() {
    if rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).is_err() {
        // Lateness is measured and reported anyway.
    }
}

/// Wakes an event loop at a moment of the monotonic clock. The timeouts of
/// epoll itself are of whole milliseconds.
#[derive(Debug)]
pub(super) struct Alarm {
    descriptor: OwnedFd,
    set_to: u64,
}

impl Alarm {
    /// An alarm that is not set, reported to the event loop as `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let descriptor =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Registered edge-triggered, so that it need never be read: setting it anew clears it.
        registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm { descriptor, set_to: 0 })
    }

    /// It has gone off. If its moment has not come, as the clock stood still, it is to be set anew.
    pub(super) fn rang(&mut self) {
        self.set_to = 0;
    }

    /// Goes off at `moment`, and only then; at once if that has passed.
    pub(super) fn set(&mut self, moment: u64) -> io::Result<()> {
        // The kernel's clock goes on in pauses. An absolute time of 0 would disarm it.
        let moment = moment.saturating_add(PAUSED.load(Ordering::Acquire)).max(1);
        if moment == self.set_to {
            return Ok(());
        }
        self.set_to = moment;
        let it_value = Timespec { tv_sec: (moment / SECOND) as i64, tv_nsec: (moment % SECOND) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(self.descriptor.as_fd(), TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}
