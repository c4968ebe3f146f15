//! Checks before a store is opened, with one sentence for each reason not to open it.

use std::error::Error as StdError;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::StartError;
use crate::config::Config;
use crate::secrets::key_file_beside;
use crate::store::{DiskLocation, StoreError};

/// The policy for a store that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStore {
    /// It is created.
    Create,
    /// The command fails: it is in the wrong folder, or does not read the settings that the server reads.
    Refuse,
}

/// The lock file of SurrealKV, which a process holds while it has the store open.
const LOCK: &str = "LOCK";
/// The file that a `RocksDB` store always has.
const ROCKSDB_FILE: &str = "CURRENT";

/// Checks that the store can be opened by this process with this key, before anything is written.
///
/// # Errors
///
/// [`StartError::Store`], [`StartError::NoStore`] and [`StartError::Keys`], each with a sentence that says what to do.
pub(super) fn check(config: &Config, missing: MissingStore) -> Result<(), StartError> {
    let url = &config.store.url;
    let Some(folder) = folder(url) else { return Ok(()) };
    if folder.exists() && !folder.is_dir() {
        let reason =
            format!("{} is a file, and a store on disk is a folder: name another one in store.url", folder.display());
        return Err(refused(url, reason));
    }
    if holds_store(url, &folder)? {
        return check_key(config, &folder);
    }
    if holds_other_files(&folder).map_err(|error| refused(url, io_sentence(&folder, &error)))? {
        let reason =
            format!("{} holds files that are no store of Rollcall: name another folder in store.url", folder.display());
        return Err(refused(url, reason));
    }
    match missing {
        MissingStore::Create => Ok(()),
        MissingStore::Refuse => Err(StartError::NoStore(format!(
            "there is no store in {}, and none was made. `rollcall config dump` says where store.url comes from: run the command in the \
             folder and with the settings of the server. To begin with an empty store, run `rollcall init`, or add --create",
            folder.display()
        ))),
    }
}

/// The folder of a store on disk of this process.
fn folder(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("surrealkv://").or_else(|| url.strip_prefix("rocksdb://"))?;
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

fn holds_store(url: &str, folder: &Path) -> Result<bool, StartError> {
    match DiskLocation::parse(url) {
        Ok(Some(location)) => {
            location.check().and_then(|()| location.holds_store()).map_err(|error| store_error(url, &error))
        }
        _ => Ok(folder.join(ROCKSDB_FILE).exists()),
    }
}

/// Whether a folder without a store holds files of something else.
fn holds_other_files(folder: &Path) -> io::Result<bool> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != LOCK {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A new key would open nothing of what the store has sealed.
fn check_key(config: &Config, folder: &Path) -> Result<(), StartError> {
    let key = key_file_beside(folder);
    if !config.sign_in.key_file.as_os_str().is_empty() || key.exists() {
        return Ok(());
    }
    Err(StartError::Keys(format!(
        "the key file {} is missing, and the store beside it has data that only this key opens: put it back from your backup, or name \
         its place in sign_in.key_file",
        key.display()
    )))
}

fn refused(url: &str, cause: String) -> StartError {
    StartError::Store { url: without_credentials(url), cause }
}

fn without_credentials(url: &str) -> String {
    url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned()
}

/// The error of a store that was not opened.
pub(super) fn store_error(url: &str, error: &StoreError) -> StartError {
    let cause = match error {
        StoreError::Unavailable(cause) => unavailable(url, &chain(&**cause)),
        other => other.to_string(),
    };
    refused(url, cause)
}

/// The sentence for a store that does not answer, by the reason of its engine.
fn unavailable(url: &str, reason: &str) -> String {
    let Some(folder) = folder(url) else { return server_sentence(url, reason) };
    if is_in_use(&folder) || (url.starts_with("rocksdb://") && reason.contains("lock")) {
        return format!(
            "{} is in use. A store on disk is open in one process at a time: stop the server or the command that has it open. While a \
             server runs, its GraphQL API manages users, groups, roles, directories and their provisioning log; everything else \
             needs this command line and a stopped server",
            folder.display()
        );
    }
    os_sentence(&folder, reason)
        .unwrap_or_else(|| format!("{reason}. If a file of the store is damaged, restore the folder from a backup"))
}

fn server_sentence(url: &str, reason: &str) -> String {
    match url.split_once("://") {
        Some(("ws" | "wss", _)) if reason.contains("uthenticat") => {
            "the SurrealDB server refuses the user: check store.username and store.password_file".to_owned()
        }
        Some(("ws" | "wss", _)) => format!("no SurrealDB server answers there: is it running? ({reason})"),
        _ => reason.to_owned(),
    }
}

/// Whether a process holds the lock of a store.
fn is_in_use(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn io_sentence(folder: &Path, error: &io::Error) -> String {
    let reason = error.to_string();
    os_sentence(folder, &reason).unwrap_or(reason)
}

/// The sentence for an error of the operating system, which engines hand on as text.
fn os_sentence(folder: &Path, reason: &str) -> Option<String> {
    let place = folder.display();
    if reason.contains("os error 13") {
        let user = rustix::process::geteuid().as_raw();
        let owner = first_existing(folder).and_then(|path| Some((path, path.metadata().ok()?.uid())));
        let owner = owner.map(|(path, owner)| format!(": {} belongs to user {owner}", path.display()));
        return Some(format!(
            "user {user} has no permission to use {place}{}. Run the command as the user that runs the server",
            owner.unwrap_or_default()
        ));
    }
    if reason.contains("os error 28") {
        return Some(format!("the disk of {place} is full: make room, then start again"));
    }
    reason.contains("os error 30").then(|| format!("{place} is on a disk that is mounted read-only"))
}

/// The folder itself, or the nearest one above it that exists.
fn first_existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|path| path.exists())
}

/// An error with its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let causes: Vec<String> =
        std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        let mut config = Config::load(None).expect("the defaults");
        url.clone_into(&mut config.store.url);
        config
    }

    fn refusal(url: &str, missing: MissingStore) -> String {
        check(&config(url), missing).expect_err("refused").to_string()
    }

    /// D, "errors on opening": one sentence for each cause.
    #[test]
    fn what_is_no_store_is_told_by_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| format!("surrealkv://{}", folder.path().join(name).display());
        std::fs::write(folder.path().join("file"), "garbage").expect("written");
        std::fs::create_dir(folder.path().join("notes")).expect("made");
        std::fs::write(folder.path().join("notes/todo.txt"), "garbage").expect("written");
        for missing in [MissingStore::Create, MissingStore::Refuse] {
            assert!(refusal(&at("file"), missing).contains("is a file"));
            assert!(refusal(&at("notes"), missing).contains("files that are no store"));
        }
        assert!(check(&config(&at("new")), MissingStore::Create).is_ok());
        assert!(!folder.path().join("new").exists(), "nothing is written yet");
        assert!(refusal(&at("new"), MissingStore::Refuse).contains("rollcall init"));
        assert!(check(&config("mem://"), MissingStore::Refuse).is_ok());
    }

    #[test]
    fn errors_of_the_operating_system_and_of_servers_have_sentences_of_their_own() {
        let disk = |reason: &str| unavailable("surrealkv:///nowhere/at/all", reason);
        assert!(disk("Permission denied (os error 13)").contains("no permission"));
        assert!(disk("No space left on device (os error 28)").contains("is full"));
        assert!(disk("Read-only file system (os error 30)").contains("read-only"));
        assert!(disk("checksum mismatch").contains("restore the folder from a backup"));
        let server = |reason: &str| unavailable("wss://name:secret@db:8000", reason);
        assert!(server("There was a problem with authentication").contains("store.username"));
        assert!(server("connection refused").contains("is it running?"));
        let told = store_error("wss://name:secret@db:8000", &StoreError::Unavailable("refused".into())).to_string();
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn a_lock_that_is_held_says_that_the_store_is_in_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = File::create(folder.path().join(LOCK)).expect("made");
        let url = format!("surrealkv://{}", folder.path().display());
        assert!(!is_in_use(folder.path()));
        lock.lock().expect("locked");
        assert!(unavailable(&url, "whatever").contains("one process at a time"));
    }
}
