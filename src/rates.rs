//! Token buckets by key (GCRA), in the memory of this process.
//!
//! Keys are made by clients: an address that somebody tries, a network that asks. So whoever owns a [`KeyedRate`] calls
//! [`KeyedRate::forget_unused`] now and then; a bucket that is full again is no different from one that never was.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

const DAY: Duration = Duration::from_secs(86_400);

/// One token bucket for each key.
pub(crate) struct KeyedRate<K: Clone + Eq + Hash> {
    limiter: Option<DefaultKeyedRateLimiter<K>>,
    clock: DefaultClock,
}

impl<K: Clone + Eq + Hash> KeyedRate<K> {
    /// Buckets of this size; `None`: no limit.
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self { limiter: quota.map(RateLimiter::keyed), clock: DefaultClock::default() }
    }

    /// Takes one token.
    ///
    /// # Errors
    ///
    /// The time until the next token is there.
    pub(crate) fn take(&self, key: &K) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets the buckets that are full, so that memory is bounded by what was asked lately.
    pub(crate) fn forget_unused(&self) {
        let Some(limiter) = &self.limiter else { return };
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

/// So many a day, with bursts of as many.
pub(crate) fn per_day(count: NonZeroU32) -> Option<Quota> {
    Quota::with_period(DAY / count.get()).map(|quota| quota.allow_burst(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    /// L-8.
    #[test]
    fn buckets_that_are_full_again_are_forgotten_and_others_are_not() {
        // A token comes back within a microsecond, long before the test asks.
        let rate = KeyedRate::new(Quota::with_period(Duration::from_nanos(1)).map(|quota| quota.allow_burst(count(1))));
        for key in 0..1_000_u32 {
            let _ = rate.take(&key);
        }
        let slow = KeyedRate::new(per_day(count(1)));
        assert_eq!(slow.take(&1), Ok(()));
        for _ in 0..1_000 {
            rate.forget_unused();
            slow.forget_unused();
        }
        assert_eq!(rate.limiter.as_ref().map(RateLimiter::len), Some(0));
        assert_eq!(slow.limiter.as_ref().map(RateLimiter::len), Some(1));
        assert!(slow.take(&1).is_err(), "what was taken stays taken");
    }

    #[test]
    fn as_many_a_day_as_are_said_come_at_once_and_no_more() {
        let rate = KeyedRate::new(per_day(count(3)));
        assert_eq!((0..5).filter(|_| rate.take(&"acme").is_ok()).count(), 3);
        assert!(rate.take(&"globex").is_ok(), "each for itself");
        assert!(rate.take(&"acme").is_err_and(|wait| wait <= DAY / 3));
    }
}
