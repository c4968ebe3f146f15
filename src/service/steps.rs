//! Answers that must not betray by their time what they do not say (AU-08).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longer than anything that differs from one account to another takes; shorter than anybody notices.
pub(super) const STEP: Duration = Duration::from_millis(25);

/// Does the work, and answers at the next step after it. Chance decides when the `first` step is, so that wherever the work
/// ends, what it took is lost in the wait.
pub(super) async fn at_full_steps<T>(first: Duration, work: impl Future<Output = T>) -> T {
    let first = Instant::now() + first;
    let outcome = work.await;
    let late = first.elapsed().as_nanos() / STEP.as_nanos() + u128::from(Instant::now() > first);
    sleep_until(first + STEP * u32::try_from(late).unwrap_or(u32::MAX)).await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn au08_answers_come_at_full_steps() {
        for (first, work, least) in [(0, 1, 25), (25, 1, 25), (0, 30, 50), (12, 1, 12), (12, 20, 37)] {
            let asked = Instant::now();
            at_full_steps(Duration::from_millis(first), tokio::time::sleep(Duration::from_millis(work))).await;
            assert!(asked.elapsed() >= Duration::from_millis(least), "{first} {work}");
        }
    }
}
