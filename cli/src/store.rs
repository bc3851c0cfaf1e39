//! What a `STORE` argument names: where events are stored.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bs2_events::settings::Url;
use bs2_events::sink::sqlite::{self, Verification};
use bs2_events::sink::{self, Sink};
use bs2_events::{Error, ErrorKind, Result};

use crate::x::target::{Outcome, Target};

/// A store by its URL; nothing is opened yet.
pub(crate) enum Store {
    BiostarX(Box<Target>),
    Other(String),
}

impl Store {
    /// Opens the store, or makes it.
    pub(crate) fn open(&self) -> Result<Arc<dyn Sink>> {
        match self {
            Self::BiostarX(target) => Ok(target.open()?),
            Self::Other(url) => sink::open(url),
        }
    }

    /// What a BioStar X server did with the events; `None` for other stores, which store all of them.
    pub(crate) async fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::BiostarX(target) => target.outcome().await,
            Self::Other(_) => None,
        }
    }

    /// Verifies the store from its file alone. A missing one is an error and is not made.
    pub(crate) fn verify(&self) -> Result<Verification> {
        if let Self::Other(url) = self {
            let url = Url::parse(url)?;
            if url.scheme() == "sqlite" {
                return sqlite::verify(sqlite::path(&url)?);
            }
        }
        Err(Error::new(ErrorKind::Unsupported, "only a store `sqlite:PATH` can be verified"))
    }
}

impl FromStr for Store {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.strip_prefix("biostar-x:") {
            Some(rest) => Self::BiostarX(Box::new(Target::read(rest)?)),
            None => Self::Other(text.to_owned()),
        })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BiostarX(target) => target.fmt(f),
            Self::Other(url) => f.write_str(url),
        }
    }
}
