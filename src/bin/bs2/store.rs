//! What a `STORE` argument names: where events are kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bs2_events::sink::Sink;
use bs2_events::sink::sqlite::{self, SqliteSink, Verification};
use bs2_events::{Error, ErrorKind, Result};

/// A store by its name; nothing is opened yet.
pub(crate) enum Store {
    Sqlite(PathBuf),
}

impl Store {
    /// Opens the store, or makes it.
    pub(crate) fn open(&self) -> Result<Arc<dyn Sink>> {
        match self {
            Self::Sqlite(path) => Ok(Arc::new(SqliteSink::open(path)?)),
        }
    }

    /// Proves the store by itself. A missing one is an error and stays missing.
    pub(crate) fn verify(&self) -> Result<Verification> {
        match self {
            Self::Sqlite(path) => sqlite::verify(path),
        }
    }
}

impl FromStr for Store {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let problem = match text.split_once(':') {
            Some((SQLITE, "")) => "has no path".to_owned(),
            Some((SQLITE, path)) => return Ok(Self::Sqlite(path.into())),
            Some((scheme, _)) => format!("scheme `{scheme}` is not known"),
            None => format!("`{text}` has no scheme"),
        };
        Err(Error::new(ErrorKind::InvalidInput, format!("store: {problem}; there is `{SQLITE}:PATH`")))
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{SQLITE}:{}", path.display()),
        }
    }
}

const SQLITE: &str = "sqlite";
