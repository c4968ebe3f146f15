//! Converts a store that an earlier version wrote: copies the folder, converts the copy, and swaps the two at the end.
//!
//! The folder itself is never opened for writing, so that at any moment the earlier version can open what it wrote: under its own
//! name before the swap, and as `FOLDER.before-1.2` after it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with, statvfs};
use rustix::io::Errno;

use super::datastore::DiskEngine;
use super::disk::DiskMemory;
use super::layout::Layout;

/// Why a store is not converted. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// Nothing to do.
    #[error("the store in {} needs no conversion", .0.display())]
    NotNeeded(PathBuf),
    /// It is not a store of an earlier version.
    #[error("{} holds no store of an earlier version of Rollcall", .0.display())]
    NoStore(PathBuf),
    /// A process has it open.
    #[error("a process has the store in {} open: stop it first", .0.display())]
    InUse(PathBuf),
    /// The disk is too full for the copy and what it becomes.
    #[error(
        "the conversion needs {needed} MiB beside the store, and {free} MiB are free: make room, or move the store"
    )]
    NoRoom {
        /// Mebibytes.
        needed: u64,
        /// Mebibytes.
        free: u64,
    },
    /// The backup path already exists.
    #[error("{} exists already: it may be the original of an earlier conversion. Move it away first", .0.display())]
    BackupExists(PathBuf),
    /// The folder cannot be swapped with a copy beside it.
    #[error("{} is a mount point or has no name: convert it where it is a folder of its parent's file system", .0.display())]
    NotSwappable(PathBuf),
    /// The write-ahead log of the store is damaged.
    #[error(
        "the log of the store is damaged: {0}. --salvage converts it without the records from the damage to the end of that file of \
         the log, as the former version would have; the store itself was not touched"
    )]
    DamagedLog(String),
    /// The engine does not convert it.
    #[error("the engine cannot convert the copy: {0}. The store itself was not touched")]
    Engine(String),
    /// A file.
    #[error("{}: {cause}. The store itself was not touched", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// The policy for a damaged log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedLog {
    /// The conversion fails.
    Refuse,
    /// Records from the damage to the end of its file are dropped; later files of the log are kept.
    Salvage,
}

/// The result of [`Conversion::begin`].
pub enum Started {
    /// The store is to be converted.
    Begun(Conversion),
    /// An interrupted conversion, which is finished now. The original is here.
    Finished(PathBuf),
}

/// A conversion that has begun: the original is locked.
pub struct Conversion {
    folder: PathBuf,
    /// The copy that is converted, beside the original.
    pub copy: PathBuf,
    /// The path of the original after the swap.
    pub original: PathBuf,
    /// Bytes to copy.
    pub bytes: u64,
    _lock: File,
}

impl Conversion {
    /// Checks the store and takes its lock, or finishes a swap that a kill interrupted.
    ///
    /// # Errors
    ///
    /// [`ConversionError`]; nothing has been written then.
    pub fn begin(folder: &Path) -> Result<Started, ConversionError> {
        // Without links: the copy belongs beside the folder itself.
        let folder = &if folder.exists() { folder.canonicalize().map_err(at(folder))? } else { folder.to_owned() };
        let (copy, original) = (beside(folder, "converting"), beside(folder, "before-1.2"));
        match layout(folder)? {
            Layout::Former => Self::lock(folder, copy, original).map(Started::Begun),
            Layout::Current if !original.exists() && layout(&copy)? == Layout::Former => {
                rename(&copy, &original)?;
                Ok(Started::Finished(original))
            }
            Layout::Absent if original.exists() && layout(&copy)? == Layout::Current => {
                rename(&copy, folder)?;
                Ok(Started::Finished(original))
            }
            Layout::Current => Err(ConversionError::NotNeeded(folder.to_owned())),
            Layout::Absent | Layout::HalfConverted | Layout::Foreign => {
                Err(ConversionError::NoStore(folder.to_owned()))
            }
        }
    }

    fn lock(folder: &Path, copy: PathBuf, original: PathBuf) -> Result<Self, ConversionError> {
        if original.exists() {
            return Err(ConversionError::BackupExists(original));
        }
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).map_err(at(path));
        if folder.file_name().is_none() || device(folder)? != device(parent(folder))? {
            return Err(ConversionError::NotSwappable(folder.to_owned()));
        }
        let lock = lock(folder)?;
        // Another conversion may have ended before the lock was free.
        if layout(folder)? != Layout::Former {
            return Err(ConversionError::NotNeeded(folder.to_owned()));
        }
        let bytes = size(folder)?;
        let needed = bytes.saturating_mul(2) >> 20;
        let free = free_bytes(parent(folder))? >> 20;
        if free < needed {
            return Err(ConversionError::NoRoom { needed, free });
        }
        Ok(Self { folder: folder.to_owned(), copy, original, bytes, _lock: lock })
    }

    /// Copies the store. `copied` is told how many bytes each step copied.
    ///
    /// # Errors
    ///
    /// [`ConversionError::File`].
    pub fn copy(&self, copied: &dyn Fn(u64)) -> Result<(), ConversionError> {
        if self.copy.exists() {
            // An earlier attempt was killed.
            fs::remove_dir_all(&self.copy).map_err(at(&self.copy))?;
        }
        copy_folder(&self.folder, &self.copy, copied)?;
        sync_folder(parent(&self.folder))
    }

    /// Converts the copy, and reads every value of it. `read` is told how many rows were read so far.
    ///
    /// # Errors
    ///
    /// [`ConversionError::DamagedLog`] and [`ConversionError::Engine`].
    pub async fn convert(
        &self,
        memory: DiskMemory,
        log: DamagedLog,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, ConversionError> {
        let engine = DiskEngine::convert(&self.copy, memory, log).await?;
        let rows = engine.read_every_value(read);
        let closed = engine.close().await;
        let failed = |error: surrealdb_kvs::Error| ConversionError::Engine(error.to_string());
        let rows = rows.map_err(failed)?;
        closed.map_err(failed)?;
        // The engine keeps old files in the copy; the way back is the original.
        let kept = self.copy.join("_surrealkv_v0_backup");
        fs::remove_dir_all(&kept).map_err(at(&kept))?;
        let owner = fs::metadata(&self.folder).map_err(at(&self.folder))?;
        give_to(&self.copy, owner.uid(), owner.gid())?;
        sync_folder(&self.copy)?;
        Ok(rows)
    }

    /// Swaps the copy with the store. The original is at [`Conversion::original`] from then on.
    ///
    /// # Errors
    ///
    /// [`ConversionError::File`].
    pub fn swap(self) -> Result<PathBuf, ConversionError> {
        if renameat_with(CWD, &self.copy, CWD, &self.folder, RenameFlags::EXCHANGE).is_ok() {
            rename(&self.copy, &self.original)?;
        } else {
            // A file system that cannot exchange two folders.
            rename(&self.folder, &self.original)?;
            rename(&self.copy, &self.folder)?;
        }
        Ok(self.original)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ConversionError {
    let path = path.to_owned();
    move |cause| ConversionError::File { path, cause }
}

/// Whether a swap was interrupted between its two steps: then there is nothing under the name of the store.
pub(super) fn is_interrupted(folder: &Path) -> bool {
    !folder.exists() && beside(folder, "converting").exists() && beside(folder, "before-1.2").exists()
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().map(OsString::from).unwrap_or_default();
    name.push(".");
    name.push(suffix);
    folder.with_file_name(name)
}

fn parent(folder: &Path) -> &Path {
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Takes the lock that both versions of the engine take while they have a store open. Truncates nothing.
fn lock(folder: &Path) -> Result<File, ConversionError> {
    let path = folder.join("LOCK");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(ConversionError::InUse(folder.to_owned())),
        Err(error) => Err(at(&path)(error.into())),
    }
}

fn free_bytes(folder: &Path) -> Result<u64, ConversionError> {
    let found = statvfs(folder).map_err(|error| at(folder)(error.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn size(folder: &Path) -> Result<u64, ConversionError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let found = entry.metadata().map_err(at(&entry.path()))?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.size() };
    }
    Ok(bytes)
}

/// Copies files and folders, each synced to disk.
fn copy_folder(from: &Path, to: &Path, copied: &dyn Fn(u64)) -> Result<(), ConversionError> {
    fs::create_dir(to).map_err(at(to))?;
    let mode = fs::metadata(from).map_err(at(from))?.permissions();
    fs::set_permissions(to, mode).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(at(&source))?.is_dir() {
            copy_folder(&source, &target, copied)?;
        } else if entry.file_name() != "LOCK" {
            let bytes = fs::copy(&source, &target).map_err(at(&target))?;
            File::open(&target).and_then(|file| file.sync_all()).map_err(at(&target))?;
            copied(bytes);
        }
    }
    sync_folder(to)
}

/// Gives a folder and everything in it to a user: whoever converts a store may be another one, `root` say.
fn give_to(path: &Path, user: u32, group: u32) -> Result<(), ConversionError> {
    let found = fs::symlink_metadata(path).map_err(at(path))?;
    if (found.uid(), found.gid()) != (user, group) {
        chown(path, Some(user), Some(group)).map_err(at(path))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path).map_err(at(path))? {
            give_to(&entry.map_err(at(path))?.path(), user, group)?;
        }
    }
    Ok(())
}

fn layout(folder: &Path) -> Result<Layout, ConversionError> {
    Layout::of(folder).map_err(at(folder))
}

fn sync_folder(folder: &Path) -> Result<(), ConversionError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(at(folder))
}

fn rename(from: &Path, to: &Path) -> Result<(), ConversionError> {
    fs::rename(from, to).map_err(at(from))?;
    sync_folder(parent(to))
}
