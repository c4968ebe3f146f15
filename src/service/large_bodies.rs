//! Work on large bodies, kept off the threads that answer everybody: parsing and patching are synchronous, and a client
//! decides how long they take.
//!
//! The thread that does it hands its other tasks to another one first. An organization has one such work at a time, so that
//! it cannot keep every processor busy; what the others send goes on meanwhile.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use super::Service;
use crate::domain::Caller;
use crate::domain::provisioning::ProvisioningRequest;

/// A body above this is large, in bytes. Below it the work takes under a millisecond, and handing tasks over would cost more.
const LARGE: usize = 64 * 1024;

impl Service {
    /// Carries out work on the body of the caller's request, where it is its turn if that is large.
    pub(crate) async fn work_on_body<T>(&self, caller: &Caller, work: impl FnOnce() -> T) -> T {
        if caller.provisioning().map_or(0, ProvisioningRequest::body_bytes) <= LARGE {
            return work();
        }
        let _turn = self.large_bodies.enter(caller.organization()).await;
        off_the_workers(work)
    }
}

/// Carries out work while the other tasks of this thread go on elsewhere. A runtime of one thread has nowhere to hand them to.
fn off_the_workers<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    /// S-1.
    #[test]
    fn other_tasks_of_the_only_worker_go_on_while_a_large_body_is_worked_on() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let finished = runtime.block_on(async {
            let (send, receive) = oneshot::channel();
            let worked = tokio::spawn(async move {
                tokio::spawn(async move { send.send(()).expect("waited for") });
                off_the_workers(|| {
                    let (done, waits) = std::sync::mpsc::channel();
                    std::thread::spawn(move || drop(done.send(receive.blocking_recv())));
                    waits.recv_timeout(Duration::from_secs(10)).is_ok_and(|received| received.is_ok())
                })
            });
            worked.await.expect("no panic")
        });
        assert!(finished, "the other task ran meanwhile");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_the_work_itself() {
        assert_eq!(off_the_workers(|| 1 + 1), 2);
    }
}
