//! Threads that hash: each with its memory, all of them give way to every other thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::crypto::password::Memory;
use crate::domain::Error;

/// How long a thread without work keeps its memory: longer than the pauses between sign-ins of a busy server.
const IDLE: Duration = Duration::from_secs(10);

/// Work for a thread, which lends it the memory of its hashes.
pub(super) type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// The threads; they end when this is dropped.
pub(super) struct Threads {
    shared: Arc<Shared>,
    started: usize,
}

struct Shared {
    jobs: Mutex<Jobs>,
    wakes: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Work>,
    closed: bool,
}

/// The next work of a thread.
enum Next {
    Work(Work),
    GiveBack,
    End,
}

impl Threads {
    /// So many threads, each of which keeps so much memory from one hash to the next.
    pub(super) fn start(name: &str, count: usize, keep_kib: u32) -> Self {
        let shared = Arc::new(Shared { jobs: Mutex::new(Jobs::default()), wakes: Condvar::new() });
        let mut started = 0;
        for number in 0..count {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            match thread.spawn(move || work_off(&shared, keep_kib)) {
                Ok(_) => started += 1,
                Err(error) => tracing::error!(error = %error, "a thread for hashing could not be started"),
            }
        }
        Self { shared, started }
    }

    /// Has work done as soon as a thread is free.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] where no thread could be started.
    pub(super) fn run(&self, work: Work) -> Result<(), Error> {
        if self.started == 0 {
            return Err(Error::Internal("no thread hashes".into()));
        }
        self.shared.lock().waiting.push_back(work);
        self.shared.wakes.notify_one();
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wakes.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Next {
        let idle = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.closed;
        let waited = self.wakes.wait_timeout_while(self.lock(), IDLE, idle);
        let (mut jobs, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match jobs.waiting.pop_front() {
            Some(work) => Next::Work(work),
            None if jobs.closed => Next::End,
            None => Next::GiveBack,
        }
    }
}

fn work_off(shared: &Shared, keep_kib: u32) {
    // A hash is long, an answer is short.
    crate::threads::give_way();
    let mut memory = Memory::default();
    loop {
        match shared.next() {
            Next::Work(work) => {
                if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
                    memory = Memory::default();
                }
                memory.shrink_to(keep_kib);
            }
            Next::GiveBack => memory = Memory::default(),
            Next::End => return,
        }
    }
}
