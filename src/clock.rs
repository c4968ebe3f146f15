//! The only sources of time and chance. Everything else is given one, so that tests can move the clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use rand::Rng;
use uuid::Uuid;

/// What time it is, to the millisecond (what SCIM's `meta` shows and the store keeps).
#[derive(Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is advanced; milliseconds since 1970.
    Fixed(AtomicI64),
}

impl Clock {
    /// A clock that stands at this instant.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::Fixed(AtomicI64::new(at.timestamp_millis()))
    }

    /// The current instant.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::System => Utc::now().trunc_subsecs(3),
            Self::Fixed(millis) => DateTime::from_timestamp_millis(millis.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Moves a fixed clock; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(millis) = self {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// Chance: secrets, ids, jitter.
#[derive(Debug, Default)]
pub struct Entropy {
    last_id: Mutex<(i64, u16)>,
}

impl Entropy {
    /// Unpredictable bytes, fit for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is the source of chance")]
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }

    /// A `UUIDv7` (RFC 9562 §5.7) that sorts after every one made before in this process: a counter fills the twelve bits
    /// after the milliseconds. Unique, but not a secret.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while the lock is held.
    pub fn id(&self, now: DateTime<Utc>) -> Uuid {
        const COUNTER_BITS: u16 = 12;
        let (millis, counter) = {
            let mut last = self.last_id.lock().expect("nothing panics while the lock is held");
            let (last_millis, last_counter) = *last;
            let now = now.timestamp_millis();
            *last = if now > last_millis {
                (now, 0)
            } else if last_counter + 1 < 1 << COUNTER_BITS {
                (last_millis, last_counter + 1)
            } else {
                (last_millis + 1, 0)
            };
            *last
        };
        let mut bytes = self.bytes::<16>();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&counter.to_be_bytes());
        uuid::Builder::from_custom_bytes(bytes).with_version(uuid::Version::SortRand).into_uuid()
    }

    /// A random part of a duration.
    pub fn jitter(&self, up_to: Duration) -> Duration {
        let part = u32::from_be_bytes(self.bytes());
        up_to.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_ids_sort_by_creation_even_within_a_millisecond() {
        let (clock, entropy) = (Clock::fixed(DateTime::UNIX_EPOCH), Entropy::default());
        let ids: Vec<Uuid> = (0..10_000).map(|_| entropy.id(clock.now())).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ids.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(DateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now().timestamp(), 1);
    }
}
