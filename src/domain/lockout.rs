//! Failures that are counted, and when they shut the door: pure rules over one counter.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// When a counter shuts the door, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many tries a window has.
    pub failures: u32,
    /// How long a window is.
    pub window: Duration,
    /// What happens when they are used up.
    pub then: Then,
}

/// What happens when the tries of a window are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Shut until the window is over; twice as long each time it happens again, up to a day.
    Wait,
    /// Shut until the window is over, always the same time.
    WaitForWindow,
    /// Shut until somebody opens it.
    Lock,
}

/// So that nobody is kept out for ever by somebody else's guesses.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// "Until somebody opens it": longer than anybody waits, and still an instant that can be shown.
const LOCKED: Duration = Duration::from_hours(24 * 365 * 10);

/// How often something went wrong lately. Counted before the secret is looked at, so that parallel guesses cannot
/// overrun the limit (AU-01), and taken back by success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureCounter {
    /// When the present window began.
    pub window_start: DateTime<Utc>,
    /// Tries in it.
    pub failures: u32,
    /// How often it was shut, one time after the other.
    pub locks: u32,
    /// Until when it is shut.
    pub locked_until: Option<DateTime<Utc>>,
}

impl FailureCounter {
    /// Counts a try that is about to be made.
    ///
    /// # Errors
    ///
    /// Until when the door is shut, if it is: then the try must not be made.
    pub fn count(&self, limit: &Limit, now: DateTime<Utc>) -> Result<Self, DateTime<Utc>> {
        if let Some(until) = self.locked_until
            && now < until
        {
            return Err(until);
        }
        let is_over = self.locked_until.is_some() || now >= self.window_start + limit.window || now < self.window_start;
        let calm = now >= self.window_start + LONGEST_WAIT.max(limit.window * 2);
        let mut counter = if is_over {
            Self { window_start: now, failures: 0, locks: if calm { 0 } else { self.locks }, locked_until: None }
        } else {
            *self
        };
        counter.failures += 1;
        if counter.failures >= limit.failures {
            counter.locks += 1;
            counter.locked_until = Some(now + shut_for(limit, counter.locks));
        }
        Ok(counter)
    }

    /// The counter after the try turned out right: this one is no failure.
    #[must_use]
    pub fn taken_back(&self, limit: &Limit) -> Self {
        let was_the_last = self.failures >= limit.failures;
        Self {
            failures: self.failures.saturating_sub(1),
            locks: if was_the_last { self.locks.saturating_sub(1) } else { self.locks },
            locked_until: if was_the_last { None } else { self.locked_until },
            ..*self
        }
    }

    /// Until when the door is shut, if it is now.
    pub fn shut_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.locked_until.filter(|until| now < *until)
    }
}

fn shut_for(limit: &Limit, times: u32) -> Duration {
    match limit.then {
        Then::Wait => (limit.window * 2_u32.saturating_pow(times.saturating_sub(1).min(10))).min(LONGEST_WAIT),
        Then::WaitForWindow => limit.window,
        Then::Lock => LOCKED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { failures: 3, window: Duration::from_mins(15), then: Then::Wait };

    fn at(minutes: u64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::from_mins(60 * 24 * 365 + minutes)
    }

    /// As many tries as are let through.
    fn tries(counter: &mut FailureCounter, limit: &Limit, now: DateTime<Utc>) -> u32 {
        let mut made = 0;
        while let Ok(counted) = counter.count(limit, now) {
            *counter = counted;
            made += 1;
        }
        made
    }

    #[test]
    fn au01_exactly_so_many_tries_then_longer_and_longer_waits() {
        let mut counter = FailureCounter::default();
        assert_eq!(tries(&mut counter, &LIMIT, at(0)), 3);
        assert_eq!(counter.shut_until(at(1)), Some(at(15)));
        assert_eq!(tries(&mut counter, &LIMIT, at(14)), 0);
        assert_eq!(tries(&mut counter, &LIMIT, at(15)), 3, "the wait is over");
        assert_eq!(counter.shut_until(at(16)), Some(at(45)), "twice as long");
        assert_eq!(tries(&mut counter, &LIMIT, at(45)), 3);
        assert_eq!(counter.shut_until(at(46)), Some(at(105)));
        assert_eq!(tries(&mut counter, &LIMIT, at(105 + 60 * 24 * 2)), 3);
        assert_eq!(counter.locks, 1, "two calm days begin anew");
    }

    #[test]
    fn failures_of_an_old_window_count_no_more() {
        let counter = FailureCounter::default().count(&LIMIT, at(0)).and_then(|counter| counter.count(&LIMIT, at(1)));
        let later = counter.and_then(|counter| counter.count(&LIMIT, at(20))).expect("open");
        assert_eq!((later.failures, later.locked_until), (1, None));
    }

    #[test]
    fn success_takes_back_its_own_try_and_no_other() {
        let counter = FailureCounter::default().count(&LIMIT, at(0)).expect("open").count(&LIMIT, at(0)).expect("open");
        assert_eq!(counter.taken_back(&LIMIT).failures, 1);
        let third = counter.count(&LIMIT, at(0)).expect("open");
        assert!(third.shut_until(at(0)).is_some());
        assert_eq!(third.taken_back(&LIMIT).shut_until(at(0)), None, "the right password at the last try");
    }

    #[test]
    fn a_lock_lasts_until_somebody_opens_it() {
        let limit = Limit { then: Then::Lock, ..LIMIT };
        let mut counter = FailureCounter::default();
        assert_eq!(tries(&mut counter, &limit, at(0)), 3);
        assert!(counter.shut_until(at(60 * 24 * 365)).is_some());
    }

    #[test]
    fn d05_a_clock_that_goes_back_opens_no_door() {
        let mut counter = FailureCounter::default();
        tries(&mut counter, &LIMIT, at(10));
        assert_eq!(tries(&mut counter, &LIMIT, at(5)), 0);
    }
}
