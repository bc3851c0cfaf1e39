//! What a `STORE` argument names: where events are stored, and the outcome there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bs2_events::settings::Url;
use bs2_events::sink::biostar_x::{BiostarXSink, BiostarXSinkOptions, Summary};
use bs2_events::sink::sqlite::{self, Verification};
use bs2_events::sink::{self, Gap, Sink};
use bs2_events::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::stdio::count;

/// A store by its URL; nothing is opened yet.
pub(crate) enum Store {
    BiostarX(Box<BiostarXSinkOptions>),
    Other(String),
}

/// A store that is open.
pub(crate) struct OpenStore {
    pub(crate) sink: Arc<dyn Sink>,
    /// The sink once more, and its state file, if it is a BioStar X server.
    biostar_x: Option<(Arc<BiostarXSink>, PathBuf)>,
}

impl Store {
    /// Opens the store, or makes it.
    pub(crate) fn open(&self) -> Result<OpenStore> {
        Ok(match self {
            Self::BiostarX(options) => {
                let sink = Arc::new(options.open()?);
                OpenStore { sink: sink.clone(), biostar_x: Some((sink, options.state())) }
            }
            Self::Other(url) => OpenStore { sink: sink::open(url)?, biostar_x: None },
        })
    }

    /// Verifies the store from its file alone. A missing file is an error and is not made.
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
        if !text.starts_with("biostar-x:") {
            return Ok(Self::Other(text.to_owned()));
        }
        let options = text.parse();
        options
            .map(|options| Self::BiostarX(Box::new(options)))
            .map_err(|error: Error| Error::new(error.kind(), format!("store `biostar-x`: {error}")))
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BiostarX(options) => {
                write!(f, "virtual device {} of {}", options.virtual_device(), options.host())
            }
            Self::Other(url) => f.write_str(url),
        }
    }
}

impl OpenStore {
    /// What this run brought to a BioStar X server; `None` for other stores, which store all events.
    pub(crate) async fn outcome(&self) -> Option<Outcome> {
        let (sink, state) = self.biostar_x.as_ref()?;
        Some(Outcome { summary: sink.summary_of_run().await, state: state.clone() })
    }
}

/// What a BioStar X server did with the events of one run.
pub(crate) struct Outcome {
    pub(crate) summary: Summary,
    state: PathBuf,
}

impl Outcome {
    pub(crate) fn refused(&self) -> u64 {
        self.summary.refused.len().try_into().unwrap_or(u64::MAX)
    }

    /// What the server does not have, as sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unmapped = self.summary.unmapped.iter();
        let mut notes: Vec<_> = unmapped
            .map(|(reason, number)| format!("{} not imported: {reason}", count(number, "event")))
            .collect();
        if self.refused() > 0 {
            let (events, state) = (count(self.refused(), "event"), self.state.display());
            notes.push(format!("{events} rejected by the server: `refused` in {state} lists them"));
        }
        notes
    }

    pub(crate) fn json(&self) -> Value {
        let Summary { imported, unmapped, refused, .. } = &self.summary;
        let unmapped: BTreeMap<_, _> =
            unmapped.iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        let refused: Vec<_> = refused
            .iter()
            .map(|event| {
                json!({
                    "device_id": event.device.get(), "epoch": event.epoch, "event_id": event.id, "code": event.code,
                })
            })
            .collect();
        json!({ "imported": imported, "unmapped": unmapped, "refused": refused })
    }
}

/// Gaps as JSON, for `collect` and `verify`.
pub(crate) fn gaps_json(gaps: &[Gap]) -> Vec<Value> {
    gaps.iter().map(|gap| json!({ "from": gap.from, "to": gap.to, "reason": gap.reason.as_str() })).collect()
}

/// A cell of a table: one line for each gap, up to twelve.
pub(crate) fn gap_cell(gaps: &[Gap]) -> String {
    let mut lines: Vec<_> = gaps.iter().take(LINES).map(words).collect();
    if let Some(more) = gaps.len().checked_sub(LINES).filter(|more| *more > 0) {
        lines.push(format!("and {more} more; --json lists them"));
    }
    lines.join("\n")
}

/// How many ids are missing. The number is not known for an open gap.
pub(crate) fn total_missing<'a>(gaps: impl Iterator<Item = &'a Gap> + Clone) -> String {
    let ids: u64 = gaps.clone().filter(|gap| !gap.is_open()).map(Gap::len).sum();
    let more = if gaps.into_iter().any(Gap::is_open) { " or more" } else { "" };
    format!("{ids}{more} missing")
}

fn words(gap: &Gap) -> String {
    let Gap { from, to, reason, .. } = gap;
    if gap.is_open() {
        format!("from {from}, end not seen, {reason}")
    } else if from == to {
        format!("{from} {reason} (1)")
    } else {
        format!("{from}–{to} {reason} ({})", gap.len())
    }
}

/// A table counts the gaps beyond these.
const LINES: usize = 12;

#[cfg(test)]
mod tests {
    use bs2_events::codec::DeviceId;
    use bs2_events::sink::GapReason;

    use super::*;

    fn gap(from: u32, to: u32, reason: GapReason) -> Gap {
        Gap { device: DeviceId::new(7), epoch: 0, from, to, reason }
    }

    #[test]
    fn a_gap_shows_its_ends_its_reason_and_its_size() {
        let gaps = [
            gap(6_911, 7_561, GapReason::Cleared),
            gap(8_000, 8_000, GapReason::Unknown),
            gap(9_000, u32::MAX, GapReason::Reset),
        ];
        assert_eq!(
            gap_cell(&gaps),
            "6911–7561 cleared (651)\n8000 unknown (1)\nfrom 9000, end not seen, reset"
        );
        assert_eq!(total_missing(gaps.iter()), "652 or more missing");
        assert_eq!(total_missing(gaps[..1].iter()), "651 missing");
    }

    #[test]
    fn many_gaps_are_counted_and_not_listed() {
        let gaps: Vec<_> = (0..14).map(|id| gap(2 * id, 2 * id, GapReason::Unknown)).collect();
        let cell = gap_cell(&gaps);
        assert_eq!(cell.lines().count(), 13);
        assert!(cell.ends_with("\nand 2 more; --json lists them"), "{cell}");
    }
}
