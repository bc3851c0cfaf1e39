//! The file of an open store: whether its path still names it, and whether it is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle};
use tokio::sync::watch;

use super::schema::{self, Store};
use crate::{Error, Result};

/// Which files a connection has open: the store, and the two files that SQLite keeps beside it.
///
/// Who deletes or replaces one of them does not disturb the connection: it goes on with files that no path names, and
/// what it stores is lost for everybody else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OpenFiles {
    path: PathBuf,
    store: Option<FileId>,
    beside: [Option<FileId>; 2],
}

impl OpenFiles {
    /// The files that the path names now.
    pub(super) fn at(path: &Path) -> Self {
        let beside = BESIDE.map(|suffix| file_id(&beside(path, suffix)));
        Self { path: path.to_owned(), store: file_id(path), beside }
    }

    /// Whether the path still names these files.
    pub(super) fn are_in_place(&self) -> bool {
        *self == Self::at(&self.path)
    }

    /// After the connection was closed: removes what SQLite left beside a store that is not at the path any more. With
    /// them another store at the path would be read wrongly.
    pub(super) fn remove_leftovers(&self) {
        if file_id(&self.path) == self.store {
            return;
        }
        for (suffix, id) in BESIDE.into_iter().zip(&self.beside) {
            let left = beside(&self.path, suffix);
            if id.is_some() && file_id(&left) == *id {
                let _ = fs::remove_file(left); // The next try to open the store reports what is wrong.
            }
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// Tells a file from another one that takes its name later.
#[cfg(unix)]
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere the time at which the file was made.
#[cfg(not(unix))]
type FileId = Option<std::time::SystemTime>;

#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|file| file.created().ok())
}

/// The search for damage in a store that was opened: in a small file before it is used, in a large one while it is used.
pub(super) struct Examination {
    store: Store,
    /// `None` while the search runs; then whether the file is damaged.
    is_damaged: watch::Receiver<Option<bool>>,
    interrupt: Arc<InterruptHandle>,
    thread: Option<JoinHandle<()>>,
}

impl Examination {
    /// Begins to search. Returns `None` for a file that is whole already.
    /// Errors: `InvalidData` for a small file that is damaged.
    pub(super) fn begin(store: &Store, connection: &Connection) -> Result<Option<Self>> {
        if fs::metadata(store.path()).is_ok_and(|file| file.len() <= SMALL) {
            return if is_damaged(connection) { Err(store.damaged("open")) } else { Ok(None) };
        }
        // A connection of its own, which reads: others read and write meanwhile.
        let Some((connection, _)) = schema::open_read_only(store.path())?.1 else { return Ok(None) };
        let interrupt = Arc::new(connection.get_interrupt_handle());
        let (sender, receiver) = watch::channel(None);
        let of_thread = store.clone();
        let search = move || {
            let found = is_damaged(&connection);
            if found {
                tracing::error!("{}", of_thread.damaged("use"));
            }
            sender.send_replace(Some(found));
        };
        let thread = thread::Builder::new().name("bs2-sqlite-examination".into()).spawn(search).ok();
        Ok(Some(Self { store: store.clone(), is_damaged: receiver, interrupt, thread }))
    }

    /// Fails with `InvalidData` once the search has found damage.
    pub(super) fn check(&self) -> Result<()> {
        if *self.is_damaged.borrow() == Some(true) { Err(self.store.damaged("use")) } else { Ok(()) }
    }

    /// Waits for the end of the search, not for long.
    /// Errors: `InvalidData` if it has found damage.
    pub(super) async fn finish(&self) -> Result<()> {
        let mut is_damaged = self.is_damaged.clone();
        let _ = tokio::time::timeout(PATIENCE, is_damaged.wait_for(Option::is_some)).await;
        self.interrupt.interrupt();
        self.check()
    }
}

impl Drop for Examination {
    fn drop(&mut self) {
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // The panic hook has reported a panic of the thread.
        }
    }
}

/// Whether SQLite finds a page of the file that is not in order. It reads every page.
fn is_damaged(connection: &Connection) -> bool {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) => found != "ok",
        Err(error) => {
            matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
    }
}

/// The error of a call that found the store's files deleted or replaced.
pub(super) fn displaced(store: &Store) -> Error {
    let what = "its file was deleted or replaced while it was open; collecting begins again from what the path holds";
    store.error(crate::ErrorKind::Storage, what)
}

/// What SQLite keeps beside a store.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// A file of this size is read in a fraction of a second.
const SMALL: u64 = 64 << 20;
/// How long closing a store waits for the search.
const PATIENCE: Duration = Duration::from_secs(5);
