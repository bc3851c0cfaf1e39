//! What SQLite's failures mean to a caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::{Error, ErrorKind};

/// Which store an error speaks of.
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

    pub(super) fn closed(&self) -> Error {
        self.error(ErrorKind::Closed, "is closed")
    }

    /// The error for a failure of SQLite. Its text is left out, only the number is kept: a text may name values.
    pub(super) fn failed(&self, doing: &str, error: &rusqlite::Error) -> Error {
        let Some(code) = error.sqlite_error().copied() else {
            return self
                .error(ErrorKind::InvalidData, format!("cannot {doing}: a row is not what the schema says"));
        };
        let (kind, why) = match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                (ErrorKind::Busy, "another process is writing")
            }
            ErrorCode::NotADatabase => (ErrorKind::InvalidData, "the file is not an SQLite database"),
            ErrorCode::DatabaseCorrupt => (ErrorKind::InvalidData, "the file is damaged"),
            ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::ReadOnly => (ErrorKind::PermissionDenied, "the file may not be written"),
            ErrorCode::CannotOpen => (ErrorKind::PermissionDenied, "the file cannot be opened"),
            ErrorCode::DiskFull => (ErrorKind::Storage, "the disk is full"),
            ErrorCode::SystemIoFailure => (ErrorKind::Storage, "the file system failed"),
            _ => (ErrorKind::Storage, "SQLite refused it"),
        };
        self.error(kind, format!("cannot {doing}: {why}")).with_source(code)
    }
}
