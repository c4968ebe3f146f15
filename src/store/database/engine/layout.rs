//! Tells what a folder holds before anything opens it.
//!
//! SurrealKV 1.x converts a store of SurrealKV 0.21 while it opens it, without asking, and what it keeps of the old files is not
//! a way back. So the files decide first, and they are only read.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The content of a folder, as its files tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Layout {
    /// Nothing: there is no folder, or no store in it.
    Absent,
    /// A store of SurrealKV 1.x, which this version reads and writes.
    Current,
    /// A store of SurrealKV 0.21, which earlier versions of Rollcall wrote.
    Former,
    /// Another program began to convert the folder in place and did not finish. Rollcall converts copies.
    HalfConverted,
    /// Files of a store without the one that lists them, or of another database.
    Foreign,
}

/// Lists the files of a store; the first two bytes are the version of its format, in network order.
const MANIFEST: &str = "manifest/00000000000000000000.manifest";
const FORMER_VERSION: u16 = 1;
const CURRENT_VERSIONS: std::ops::RangeInclusive<u16> = 2..=3;

/// Files that SurrealKV 1.x leaves while it converts or restores a store, and that other databases have.
const CONVERTING: &str = "MIGRATING";
const FOREIGN: [&str; 4] = ["MIGRATING_ROCKSDB", "RESTORE_IN_PROGRESS", "CURRENT", "indxdb_dump.bin"];

/// The end of a table file: its format in the first byte, and a magic number in the last eight.
const FOOTER_BYTES: u8 = 50;
const FOOTER_MAGIC: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const FORMER_TABLE: u8 = 1;

impl Layout {
    /// Reads what a folder holds. Nothing is opened for writing.
    ///
    /// # Errors
    ///
    /// When a file that is there cannot be read.
    pub(in crate::store) fn of(folder: &Path) -> io::Result<Self> {
        let has = |name: &str| folder.join(name).exists();
        if has(CONVERTING) {
            return Ok(Self::HalfConverted);
        }
        match manifest_version(&folder.join(MANIFEST))? {
            Some(FORMER_VERSION) => Ok(Self::Former),
            Some(version) if CURRENT_VERSIONS.contains(&version) => {
                Ok(if has_former_table(&folder.join("sstables"))? { Self::HalfConverted } else { Self::Current })
            }
            Some(_) => Ok(Self::Foreign),
            None if FOREIGN.iter().any(|name| has(name)) || holds_files(folder)? => Ok(Self::Foreign),
            None => Ok(Self::Absent),
        }
    }
}

fn manifest_version(manifest: &Path) -> io::Result<Option<u16>> {
    let mut version = [0; 2];
    match File::open(manifest) {
        Ok(mut file) => match file.read_exact(&mut version) {
            // A file that a crash left short, in a copy say.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(0)),
            read => read?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(u16::from_be_bytes(version)))
}

/// Whether tables, logs or values are there.
fn holds_files(folder: &Path) -> io::Result<bool> {
    for part in ["sstables", "wal", "vlog"] {
        if !entries(&folder.join(part))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_former_table(tables: &Path) -> io::Result<bool> {
    for path in entries(tables)? {
        if path.extension().is_some_and(|extension| extension == "sst") && is_former_table(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_former_table(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut footer = [0; FOOTER_BYTES as usize];
    match file.seek(SeekFrom::End(-i64::from(FOOTER_BYTES))) {
        Ok(_) => file.read_exact(&mut footer)?,
        // Shorter than a footer: a table that a crash left unfinished.
        Err(_) => return Ok(false),
    }
    Ok(footer[0] == FORMER_TABLE && footer.ends_with(&FOOTER_MAGIC))
}

fn entries(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'f> = &'f [(&'f str, &'f [u8])];

    fn folder_with(files: Files<'_>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, content).expect("written");
        }
        folder
    }

    #[test]
    fn the_files_of_a_folder_say_which_engine_wrote_it() {
        let mut former_table = vec![0; 200];
        former_table[150] = FORMER_TABLE;
        former_table[192..].copy_from_slice(&FOOTER_MAGIC);
        let mut table = former_table.clone();
        table[150] = 2;
        let cases: [(Files<'_>, Layout); 11] = [
            (&[], Layout::Absent),
            (&[("LOCK", b"1\n")], Layout::Absent),
            (&[(MANIFEST, &[0, 1, 0])], Layout::Former),
            (&[(MANIFEST, &[0, 3, 0])], Layout::Current),
            (&[(MANIFEST, &[0, 3, 0]), ("sstables/1.sst", &table), ("sstables/2.sst", b"short")], Layout::Current),
            (&[(MANIFEST, &[0, 3, 0]), ("sstables/1.sst", &former_table)], Layout::HalfConverted),
            (&[(MANIFEST, &[0, 1, 0]), ("MIGRATING", b"")], Layout::HalfConverted),
            (&[(MANIFEST, &[0, 9, 0])], Layout::Foreign),
            (&[(MANIFEST, &[0])], Layout::Foreign),
            (&[("sstables/1.sst", &table)], Layout::Foreign),
            (&[("CURRENT", b"MANIFEST-000005")], Layout::Foreign),
        ];
        for (files, layout) in cases {
            let folder = folder_with(files);
            assert_eq!(Layout::of(folder.path()).expect("readable"), layout, "{files:?}");
        }
        assert_eq!(Layout::of(Path::new("/nowhere/at/all")).expect("readable"), Layout::Absent);
    }
}
