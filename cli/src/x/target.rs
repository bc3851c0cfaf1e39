//! `biostar-x://HOST?…` as a store: a virtual device, and what a run brought there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bs2_events::sink::biostar_x::{BiostarXSink, BiostarXSinkOptions, Summary};
use bs2_events::{Error, Result};
use serde_json::json;

use crate::table::count;

/// A virtual device of a server; nothing is opened yet.
pub(crate) struct Target {
    options: BiostarXSinkOptions,
    sink: OnceLock<Arc<BiostarXSink>>,
}

impl Target {
    /// Reads a URL.
    pub(crate) fn read(url: &str) -> Result<Self> {
        let options = url
            .parse()
            .map_err(|error: Error| Error::new(error.kind(), format!("store `biostar-x`: {error}")))?;
        Ok(Self { options, sink: OnceLock::new() })
    }

    pub(crate) fn open(&self) -> Result<Arc<BiostarXSink>> {
        let sink = Arc::new(self.options.open()?);
        Ok(Arc::clone(self.sink.get_or_init(|| sink)))
    }

    /// What this run brought to the server, and what not.
    pub(crate) async fn outcome(&self) -> Option<Outcome> {
        let summary = self.sink.get()?.summary_of_run().await;
        Some(Outcome { summary, state: self.options.state() })
    }
}

/// What became of the events of one run.
pub(crate) struct Outcome {
    summary: Summary,
    state: PathBuf,
}

impl Outcome {
    pub(crate) fn imported(&self) -> u64 {
        self.summary.imported
    }

    pub(crate) fn refused(&self) -> u64 {
        self.summary.refused.len().try_into().unwrap_or(u64::MAX)
    }

    /// What did not get to the server, as sentences.
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

    pub(crate) fn json(&self) -> serde_json::Value {
        let unmapped: BTreeMap<_, _> =
            self.summary.unmapped.iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        let refused = self.summary.refused.iter().map(|event| {
            json!({
                "device_id": event.device.get(), "epoch": event.epoch, "event_id": event.id, "code": event.code,
            })
        });
        json!({
            "imported": self.imported(), "unmapped": unmapped, "refused": refused.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtual device {} of {}", self.options.virtual_device(), self.options.host())
    }
}
