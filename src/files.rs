//! Files that hold personal data: made so that only their owner can read them, locked, and replaced as a whole.
//!
//! Every file that this crate and the command line write goes through these functions, except the files of SQLite, which
//! take over the rights of the store. A file that exists already keeps its rights: its owner may have given others the
//! right to read it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;

/// Makes a file that only its owner can read and write (mode 0600 on Unix), and opens it for both.
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists) for a name that is taken, also by a symbolic link: nothing is followed and
/// nothing is overwritten. The errors of the file system.
pub fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Opens a file for reading and writing, and makes it as [`create_new`] does if there is none. Nothing is cut off.
///
/// # Errors
///
/// The errors of the file system.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    options().create(true).truncate(false).open(path)
}

/// Opens a file as [`open`] does, and locks it against other processes until it is closed.
///
/// # Errors
///
/// [`WouldBlock`](ErrorKind::WouldBlock) while another process has it locked. The errors of the file system.
pub fn open_locked(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The process that had it locked may have removed it meanwhile. Then the lock is worth nothing.
        if is_at(&file, path)? {
            return Ok(file);
        }
    }
}

/// Replaces a file, or makes it: `write` fills a new file beside it, which takes its name when it is on the disk. A
/// reader, and a system that starts again after a power cut, finds the old content or the new one. Returns the new file,
/// behind its last byte.
///
/// # Errors
///
/// Those of `write` and of the file system. The old content stays, unless the error is that of the folder, which could
/// not be synced.
pub fn replace(path: impl AsRef<Path>, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let path = path.as_ref();
    let (mut file, new) = create_beside(path)?;
    let written = write(&mut file).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // It has no reader: nothing is lost with it.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(path)?;
    Ok(file)
}

/// A new file under a name that no other process uses.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    for number in 0..NAMES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}.new", process::id()));
        match create_new(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (file, name.into())),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The new name must survive a power cut too. On systems where a folder cannot be opened there is no such call.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder) {
        Ok(folder) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}

/// Whether the file with this name is the open one.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Other systems do not remove a file that is open.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How many names are tried for a new file: one process replaces few files at a time.
const NAMES: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for text in ["long text", "short"] {
            replace(&path, |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let error = replace(&path, |_| Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_can_be_read_by_its_owner_alone_and_what_exists_keeps_its_rights() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        create_new(path("new")).unwrap();
        open(path("opened")).unwrap();
        replace(path("replaced"), |_| Ok(())).unwrap();
        assert_eq!(["new", "opened", "replaced"].map(mode), [0o600; 3]);
        fs::set_permissions(path("opened"), fs::Permissions::from_mode(0o640)).unwrap();
        open(path("opened")).unwrap();
        assert_eq!(mode("opened"), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_under_a_temporary_name_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("state"), folder.path().join("victim"));
        fs::write(&victim, "untouched").unwrap();
        for number in 0..3 {
            let name = folder.path().join(format!("state.{}-{number}.new", process::id()));
            std::os::unix::fs::symlink(&victim, name).unwrap();
        }
        replace(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(create_new(folder.path().join("victim")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_is_for_the_file_that_has_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        let first = open_locked(&path).unwrap();
        assert_eq!(open_locked(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        fs::remove_file(&path).unwrap();
        let second = open_locked(&path).unwrap();
        assert_eq!(open_locked(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop((first, second));
        open_locked(&path).unwrap();
    }
}
