//! Threads that work for long, and let those go first that answer.

/// Others go before this thread, without starving it: beside one of them it has a tenth of a processor. Elsewhere than on Linux
/// a priority is that of the whole process, and is left alone.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(error = %error, "a thread that should give way is as urgent as all others");
    }
}
