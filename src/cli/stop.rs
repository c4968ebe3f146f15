//! When to stop: an interrupt or SIGTERM lets requests finish, a second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first signal.
pub(super) async fn requested() {
    next_signal().await;
    tokio::spawn(async {
        next_signal().await;
        std::process::exit(130);
    });
}

async fn next_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        drop(tokio::signal::ctrl_c().await);
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
