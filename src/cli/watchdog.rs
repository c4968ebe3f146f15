//! Ends a server whose threads wait for each other, so that whoever runs it starts it again: it would answer nobody any more,
//! not even whether it lives. SurrealKV 0.21.4 takes two of its locks in one order to read and in the other to sort files, so
//! that it can come to that. What was acknowledged is on disk.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

/// How often it is asked, and how long it may take to answer.
const EVERY: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(10);
/// So often in a row it has to stay silent: a process that was halted for a while is not stuck.
const SILENCES: u32 = 2;

/// Watches the threads that carry out requests, until the process ends.
pub(super) fn watch(runtime: Handle) {
    let watching = move || {
        let mut silent = 0;
        while silent < SILENCES {
            thread::sleep(EVERY);
            silent = if answers(&runtime, WITHIN) { 0 } else { silent + 1 };
        }
        tracing::error!("nothing is carried out any more: the process ends, to be started again");
        std::process::abort();
    };
    if let Err(error) = thread::Builder::new().name("watchdog".to_owned()).spawn(watching) {
        tracing::warn!(error = %error, "nobody watches whether requests are still carried out");
    }
}

/// Whether a task is carried out in time.
fn answers(runtime: &Handle, within: Duration) -> bool {
    let (sender, answer) = mpsc::channel();
    runtime.spawn(async move { _ = sender.send(()) });
    answer.recv_timeout(within).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_whose_threads_are_all_stuck_does_not_answer() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        assert!(answers(runtime.handle(), Duration::from_secs(10)));
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = std::sync::Arc::new(std::sync::Mutex::new(stuck));
        for _ in 0..2 {
            let stuck = stuck.clone();
            // One waits for the message, the other for the first.
            runtime.spawn(async move { drop(stuck.lock().map(|stuck| stuck.recv())) });
        }
        // Until both have begun, one of them may still answer.
        let begun = std::time::Instant::now();
        while answers(runtime.handle(), Duration::from_millis(200)) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it still answers");
        }
        drop(release);
        assert!(answers(runtime.handle(), Duration::from_secs(10)), "it goes on");
    }
}
