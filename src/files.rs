//! Keeps the files of the server private to its own user.

use std::path::{Path, PathBuf};

/// Makes every file and folder that this process creates from here on readable for its own user alone: stores hold password
/// hashes and personal data, and the storage engine creates its files as the system says.
pub(crate) fn keep_private() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
}

/// Creates a folder that only this user may enter, whatever the process creates otherwise.
pub(crate) fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Returns a file or folder at this path that other users of the machine can read, if there is one. In a folder that they
/// cannot enter nothing is open to them.
#[cfg(unix)]
pub(crate) fn find_open_to_others(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.is_dir() {
        return (found.is_file() && found.mode() & 0o044 != 0).then(|| path.to_owned());
    }
    if found.mode() & 0o011 == 0 {
        // Names can be listed at most.
        return (found.mode() & 0o044 != 0).then(|| path.to_owned());
    }
    let entries = std::fs::read_dir(path).ok()?.flatten();
    entries.map(|entry| entry.path()).find_map(|inside| find_open_to_others(&inside)).or_else(|| Some(path.to_owned()))
}

/// Elsewhere than on Unix the mode of a file says nothing.
#[cfg(not(unix))]
pub(crate) fn find_open_to_others(_: &Path) -> Option<PathBuf> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }

    /// L-5.
    #[test]
    fn what_others_can_read_is_found_and_what_they_cannot_reach_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let (folder, file) = (root.path().join("store"), root.path().join("store/wal"));
        create_private_folder(&folder).expect("made");
        assert_eq!(fs::metadata(&folder).expect("there").permissions().mode() & 0o777, 0o700);
        fs::write(&file, "x").expect("written");
        set_mode(&file, 0o644);
        assert_eq!(find_open_to_others(&folder), None, "nobody else gets in");
        set_mode(&folder, 0o755);
        assert_eq!(find_open_to_others(&folder), Some(file.clone()));
        set_mode(&file, 0o600);
        assert_eq!(find_open_to_others(&folder), Some(folder.clone()));
        assert_eq!(find_open_to_others(&file), None);
        assert_eq!(find_open_to_others(&root.path().join("missing")), None);
    }
}
