//! The file of a store: opening it, its schema, and its errors.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior, params};

use super::upgrade;
use crate::codec::code::Outcome;
use crate::codec::{EventCode, SubjectKind};
use crate::{Error, ErrorKind, Result, files};

/// The file of a store, which its errors name.
#[derive(Clone)]
pub(super) struct Store(Arc<PathBuf>);

impl Store {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(path.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn error(&self, kind: ErrorKind, what: impl AsRef<str>) -> Error {
        Error::new(kind, format!("store `{}`: {}", self.0.display(), what.as_ref()))
    }

    /// The error for a damaged file. A collector must not go on with it.
    pub(super) fn damaged(&self, doing: &str) -> Error {
        let path = self.0.display();
        let advice = format!("examine it with `bs2 verify sqlite:{path}`, and restore it from a copy");
        self.error(ErrorKind::InvalidData, format!("cannot {doing}: the file is damaged; {advice}"))
    }

    pub(super) fn closed(&self) -> Error {
        self.error(ErrorKind::Closed, "is closed")
    }

    /// The error for a failure of SQLite. It keeps SQLite's code and leaves out the text, which may contain values.
    pub(super) fn failed(&self, doing: &str, error: &rusqlite::Error) -> Error {
        let Some(code) = error.sqlite_error().copied() else {
            return self
                .error(ErrorKind::InvalidData, format!("cannot {doing}: a row does not match the schema"));
        };
        let (kind, why) = match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                (ErrorKind::Busy, "another process is writing")
            }
            ErrorCode::NotADatabase => (ErrorKind::InvalidData, "the file is not an SQLite database"),
            ErrorCode::DatabaseCorrupt if doing != VERIFY => {
                return self.damaged(doing).with_source(code);
            }
            ErrorCode::DatabaseCorrupt => (ErrorKind::InvalidData, "the file is damaged"),
            ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::ReadOnly => (ErrorKind::PermissionDenied, "the file may not be written"),
            ErrorCode::CannotOpen => (ErrorKind::PermissionDenied, "the file cannot be opened"),
            ErrorCode::DiskFull => (ErrorKind::Storage, "the disk is full"),
            ErrorCode::SystemIoFailure => (ErrorKind::Storage, "the file system failed"),
            _ => (ErrorKind::Storage, "SQLite failed"),
        };
        self.error(kind, format!("cannot {doing}: {why}")).with_source(code)
    }
}

/// Opens a store for writing, and makes it if there is none.
pub(super) fn open(path: &Path) -> Result<(Store, Connection)> {
    let store = locate(path)?;
    if !store.path().exists() && !store.path().parent().is_some_and(Path::exists) {
        return Err(store.error(ErrorKind::NotFound, "its folder does not exist"));
    }
    // SQLite gives the rights of the store to the files beside it.
    match files::create_new(store.path()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::Storage,
            };
            return Err(store.error(kind, "the file cannot be made").with_source(error));
        }
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = connect(&store, flags)?;
    let read_only = connection.is_readonly(MAIN_DB).map_err(|error| store.failed("open", &error))?;
    if read_only || fs::metadata(store.path()).is_ok_and(|file| file.permissions().readonly()) {
        return Err(store.error(ErrorKind::PermissionDenied, "the file may not be written"));
    }
    let began = Instant::now();
    loop {
        // Checked before anything is written: the database of another program stays as it is.
        let made = version(&store, &connection).and_then(|_| prepare(&store, &mut connection));
        match made {
            // When two processes make one store, SQLite fails the change to WAL in one of them without waiting.
            Err(error) if error.kind() == ErrorKind::Busy && began.elapsed() < BUSY_TIMEOUT => {
                thread::sleep(BUSY_PAUSE);
            }
            made => return made.map(|()| (store, connection)),
        }
    }
}

/// Opens a store for reading, and returns the version of its schema: a store of version 1 is upgraded when a program opens
/// it for writing. There is no connection for an empty file: a process that is killed before it has made the tables leaves
/// one.
pub(super) fn open_read_only(path: &Path) -> Result<(Store, Option<(Connection, i64)>)> {
    let store = locate(path)?;
    if !store.path().exists() {
        return Err(store.error(ErrorKind::NotFound, "there is no such file"));
    }
    let connection = connect(&store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = version(&store, &connection)?;
    Ok((store, version.map(|version| (connection, version))))
}

/// Makes the path absolute: then it cannot be a name that is special to SQLite, such as `:memory:`.
fn locate(path: &Path) -> Result<Store> {
    let store = Store::new(absolute(path).map_err(|error| {
        Store::new(path).error(ErrorKind::InvalidInput, "this is not the path of a file").with_source(error)
    })?);
    match fs::metadata(store.path()) {
        Ok(file) if file.is_dir() => {
            Err(store.error(ErrorKind::InvalidInput, "this is a folder, not a file"))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(store.error(ErrorKind::PermissionDenied, "the file may not be read").with_source(error))
        }
        _ => Ok(store),
    }
}

fn connect(store: &Store, flags: OpenFlags) -> Result<Connection> {
    let open = || {
        let connection = Connection::open_with_flags(store.path(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|error| store.failed("open", &error))
}

/// The version of the store's schema; `None` for an empty file, an error for one that is neither a store nor empty.
fn version(store: &Store, connection: &Connection) -> Result<Option<i64>> {
    let read = || {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let objects =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, objects))
    };
    match read().map_err(|error| store.failed("open", &error))? {
        (APPLICATION_ID, version @ 1..=VERSION, _) => Ok(Some(version)),
        (APPLICATION_ID, version, _) => Err(store.error(
            ErrorKind::Unsupported,
            format!("its schema has version {version}, and this program knows versions up to {VERSION}"),
        )),
        (0, 0, 0) => Ok(None),
        _ => Err(store.error(ErrorKind::InvalidInput, "this is the database of another program")),
    }
}

/// Sets the pragmas, and makes the tables if there are none, or upgrades those of an earlier version. Either is done whole
/// or not at all.
fn prepare(store: &Store, connection: &mut Connection) -> Result<()> {
    let failed = |error| store.failed("open", &error);
    for (pragma, value) in SETTINGS {
        connection.pragma_update(None, pragma, value).map_err(failed)?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let fill = |version: Option<i64>| {
        match version {
            Some(VERSION) => return fill_codes(&transaction),
            Some(_) => {
                tracing::info!(store = %store.path().display(), "the store is made one of schema version {VERSION}");
                upgrade::from_version_1(&transaction)?;
            }
            None => {
                transaction.execute_batch(TABLES)?;
                transaction.execute_batch(NAMES)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            }
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        fill_codes(&transaction)
    };
    // Checked again: inside the transaction no other process can make the tables.
    fill(version(store, &transaction)?).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Writes the names of this crate's catalogue. Rows that are already right are not written.
fn fill_codes(connection: &Connection) -> rusqlite::Result<()> {
    let named = EventCode::catalogue().iter().map(|row| row.code);
    let main = (0..=u8::MAX).map(|main| EventCode::new(u16::from_be_bytes([main, 0])));
    let codes: BTreeSet<_> = named.chain(main).collect();
    let mut statement = connection.prepare(
        "INSERT INTO codes (code, name, category, outcome, subject, main_name) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET
             name = excluded.name, category = excluded.category, outcome = excluded.outcome,
             subject = excluded.subject, main_name = excluded.main_name
         WHERE (name, category, outcome, subject, main_name) IS NOT
             (excluded.name, excluded.category, excluded.outcome, excluded.subject, excluded.main_name)",
    )?;
    for code in codes {
        let category = code.category().map(|category| category.to_string());
        let subject = subject_word(SubjectKind::of(code));
        let outcome = outcome_word(code.outcome());
        statement.execute(params![code.get(), code.name(), category, outcome, subject, code.main_name()])?;
    }
    Ok(())
}

const fn outcome_word(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Granted => Some("granted"),
        Outcome::Denied => Some("denied"),
        Outcome::Neither => None,
    }
}

const fn subject_word(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::AlarmZone => "alarm_zone",
        SubjectKind::Card => "card",
        SubjectKind::Door => "door",
        SubjectKind::Input => "input",
        SubjectKind::Interlock => "interlock",
        SubjectKind::Lift => "lift",
        SubjectKind::None => "none",
        SubjectKind::Osdp => "osdp",
        SubjectKind::Relay => "relay",
        SubjectKind::Unknown => "unknown",
        SubjectKind::User => "user",
        SubjectKind::Zone => "zone",
    }
}

/// What [`verify`](super::verify()) does, in its errors. It need not be advised.
pub(super) const VERIFY: &str = "verify";

/// "bs2E".
const APPLICATION_ID: i64 = 0x6273_3245;

/// Version 2 added the columns `source_device_id`, `card_data`, `card_text` and `has_clock`.
const VERSION: i64 = 2;

/// A transaction is durable when it returns, and programs that read do not wait for those that write. The cache of
/// 16 MiB holds the pages of the largest transaction and the inner pages between the places where many devices write.
const SETTINGS: [(&str, &str); 4] =
    [("journal_mode", "wal"), ("synchronous", "full"), ("temp_store", "memory"), ("cache_size", "-16384")];

/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// More than there are different statements.
const STATEMENTS: usize = 32;

const TABLES: &str = include_str!("schema.sql");
const NAMES: &str = include_str!("names.sql");
