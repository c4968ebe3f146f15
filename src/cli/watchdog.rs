//! Ends a server whose threads wait for each other, so that whoever runs it starts it again: it would answer nobody any more,
//! not even whether it lives. SurrealKV 0.21.4 takes two of its locks in one order to read and in the other to sort files, so
//! that it can come to that. What was acknowledged is on disk.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

/// How often it is asked, and how long it may take to answer.
const EVERY: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(10);
/// So often in a row it has to stay silent: a process that was halted for a while is not stuck.
const SILENCES: u32 = 2;

/// Watches the threads that carry out requests, for as long as there are any.
pub(super) fn watch(runtime: Handle) {
    let watching = move || {
        let mut silent = 0;
        while silent < SILENCES {
            thread::sleep(EVERY);
            match asked(&runtime, WITHIN) {
                Asked::Answers => silent = 0,
                Asked::IsSilent => silent += 1,
                Asked::HasEnded => return,
            }
        }
        tracing::error!("nothing is carried out any more: the process ends, to be started again");
        std::process::abort();
    };
    if let Err(error) = thread::Builder::new().name("watchdog".to_owned()).spawn(watching) {
        tracing::warn!(error = %error, "nobody watches whether requests are still carried out");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Answers,
    IsSilent,
    HasEnded,
}

/// Whether a task is carried out in time.
fn asked(runtime: &Handle, within: Duration) -> Asked {
    let (sender, answer) = mpsc::channel();
    runtime.spawn(async move { _ = sender.send(()) });
    match answer.recv_timeout(within) {
        Ok(()) => Asked::Answers,
        Err(RecvTimeoutError::Timeout) => Asked::IsSilent,
        Err(RecvTimeoutError::Disconnected) => Asked::HasEnded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_whose_threads_are_all_stuck_does_not_answer() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        let handle = runtime.handle().clone();
        assert_eq!(asked(&handle, Duration::from_secs(10)), Asked::Answers);
        let (release, stuck) = mpsc::channel::<()>();
        let stuck = std::sync::Arc::new(std::sync::Mutex::new(stuck));
        for _ in 0..2 {
            let stuck = stuck.clone();
            // One waits for the message, the other for the first.
            runtime.spawn(async move { drop(stuck.lock().map(|stuck| stuck.recv())) });
        }
        // Until both have begun, one of them may still answer.
        let begun = std::time::Instant::now();
        while asked(&handle, Duration::from_millis(200)) == Asked::Answers {
            assert!(begun.elapsed() < Duration::from_secs(10), "it still answers");
        }
        drop(release);
        assert_eq!(asked(&handle, Duration::from_secs(10)), Asked::Answers, "it goes on");
        drop(runtime);
        assert_eq!(asked(&handle, Duration::from_secs(10)), Asked::HasEnded);
    }
}
