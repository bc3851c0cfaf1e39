//! What a `STORE` argument names: where events are kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bs2_events::sink::Sink;
use bs2_events::sink::sqlite::{self, SqliteSink, Verification};
use bs2_events::{Error, ErrorKind, Result};

use crate::x::target::{Outcome, Target};

/// A store by its name; nothing is opened yet.
pub(crate) enum Store {
    BiostarX(Box<Target>),
    Sqlite(PathBuf),
}

impl Store {
    /// Opens the store, or makes it.
    pub(crate) fn open(&self) -> Result<Arc<dyn Sink>> {
        match self {
            Self::BiostarX(target) => Ok(target.open()?),
            Self::Sqlite(path) => Ok(Arc::new(SqliteSink::open(path)?)),
        }
    }

    /// What became of the events where not all of them can be stored.
    pub(crate) async fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::BiostarX(target) => target.outcome().await,
            Self::Sqlite(_) => None,
        }
    }

    /// Proves the store by itself. A missing one is an error and stays missing.
    pub(crate) fn verify(&self) -> Result<Verification> {
        match self {
            Self::BiostarX(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "store: a BioStar X server cannot be proved by itself",
            )),
            Self::Sqlite(path) => sqlite::verify(path),
        }
    }
}

impl FromStr for Store {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let problem = match text.split_once(':') {
            Some((BIOSTAR_X, _)) => return Ok(Self::BiostarX(Box::new(Target::read(text)?))),
            Some((SQLITE, "")) => "has no path".to_owned(),
            Some((SQLITE, path)) => return Ok(Self::Sqlite(path.into())),
            Some((scheme, _)) => format!("scheme `{scheme}` is not known"),
            None => format!("`{text}` has no scheme"),
        };
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("store: {problem}; there are `{SQLITE}:PATH` and `{BIOSTAR_X}://HOST?…`"),
        ))
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BiostarX(target) => target.fmt(f),
            Self::Sqlite(path) => write!(f, "{SQLITE}:{}", path.display()),
        }
    }
}

const BIOSTAR_X: &str = "biostar-x";
const SQLITE: &str = "sqlite";
