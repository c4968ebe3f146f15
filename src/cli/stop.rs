//! When a server stops: an interrupt or SIGTERM lets requests finish, a second one ends the process at once. A fatal error of the
//! storage engine ends the server too, so that the service manager restarts it.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::app::{self, Listening};

/// How often the storage engine is asked whether it has stopped.
const ENGINE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until a stop is requested.
///
/// # Errors
///
/// When the storage engine has stopped for good: nothing can be written until the store is opened again.
pub(super) async fn serve_until(listening: Listening, requested: impl Future<Output = ()>) -> Result<(), Failure> {
    let stopped = OnceLock::new();
    let stop = async {
        tokio::select! {
            () = requested => {}
            reason = engine_stop() => {
                tracing::error!(error = %reason, "storage engine stopped");
                // It is set once, here.
                let _ = stopped.set(reason);
            }
        }
    };
    listening.serve(stop).await;
    match stopped.into_inner() {
        None => Ok(()),
        Some(reason) => Err(format!("the storage engine stopped: {reason}. Start the server again").into()),
    }
}

/// Resolves once the storage engine has stopped for good, with its reason.
async fn engine_stop() -> String {
    loop {
        tokio::time::sleep(ENGINE_CHECK_INTERVAL).await;
        if let Some(reason) = app::engine_stop_reason() {
            return reason;
        }
    }
}

/// Resolves at the first signal from now on, whether or not it is waited for yet.
pub(super) fn requested() -> io::Result<impl Future<Output = ()>> {
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(130);
        });
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
