//! Prints the report of a collection.

use bs2_events::Result;
use bs2_events::collect::{DeviceReport, Report};
use serde::Serialize;

use crate::gaps::{self, GapJson};
use crate::output::{self, Output};
use crate::store::Store;
use crate::table::{count, table};
use crate::x::target::Outcome;

/// Prints the table and a line with the totals.
pub(super) fn print(
    output: &mut Output,
    report: &Report,
    store: &Store,
    into: Option<&Outcome>,
) -> Result<()> {
    let columns = [
        ("reader", true),
        ("epoch", true),
        (if into.is_some() { "taken" } else { "stored" }, true),
        ("repeated", true),
        ("missing", false),
    ];
    let mut table = table(columns);
    for device in &report.devices {
        let (reader, failed) = (device.device.to_string(), device.error.is_some());
        for epoch in &device.epochs {
            let [number, stored, repeated] =
                [epoch.epoch.into(), epoch.stored, epoch.repeated].map(|number: u64| number.to_string());
            table.add_row([reader.clone(), number, stored, repeated, gaps::cell(&epoch.gaps)]);
        }
        if device.epochs.is_empty() || failed {
            let why = if failed { "failed: see the error" } else { "has no event" };
            table.add_row([reader, "-".into(), "-".into(), "-".into(), why.into()]);
        }
    }
    output.line(&table)?;
    output.line(totals(report, store, into))
}

/// Prints one object with all devices.
pub(super) fn print_json(output: &mut Output, report: &Report, into: Option<&Outcome>) -> Result<()> {
    let devices = report.devices.iter().flat_map(EpochJson::list).collect();
    let unreached = report.unreached.iter().map(output::sentence).collect();
    output.json(&ReportJson { devices, unreached, biostar_x: into.map(Outcome::json) })
}

fn totals(report: &Report, store: &Store, into: Option<&Outcome>) -> String {
    let readers = count((report.devices.len() + report.unreached.len()) as u64, "reader");
    if report.stored() == 0 && report.is_complete() {
        return format!("nothing new: {store} has all that the {readers} can give");
    }
    let gaps = report.devices.iter().flat_map(|device| &device.epochs).flat_map(|epoch| &epoch.gaps);
    let failed =
        report.devices.iter().filter(|device| device.error.is_some()).count() + report.unreached.len();
    let failed =
        if failed > 0 { format!(", {} failed", count(failed as u64, "reader")) } else { String::new() };
    // A virtual device takes only authentications.
    let stored = match into {
        Some(into) => {
            let (imported, all) = (into.imported(), count(report.stored(), "event"));
            format!("{imported} of {all} of {readers} imported into {store}")
        }
        None => format!("{} of {readers} stored in {store}", count(report.stored(), "event")),
    };
    format!("{stored}, {} dropped as repeated, {}{failed}", report.repeated(), gaps::total(gaps),)
}

#[derive(Serialize)]
struct ReportJson {
    devices: Vec<EpochJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreached: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    biostar_x: Option<serde_json::Value>,
}

/// One epoch of one device.
#[derive(Serialize)]
struct EpochJson {
    device_id: u32,
    epoch: u32,
    stored: u64,
    repeated: u64,
    gaps: Vec<GapJson>,
    watermark: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl EpochJson {
    /// The objects of a device: one even if no epoch is known.
    fn list(device: &DeviceReport) -> Vec<Self> {
        let nothing = || Self {
            device_id: device.device.get(),
            epoch: 0,
            stored: 0,
            repeated: 0,
            gaps: Vec::new(),
            watermark: 0,
            error: device.error.as_ref().map(output::sentence),
        };
        if device.epochs.is_empty() {
            return vec![nothing()];
        }
        let epochs = device.epochs.iter().map(|epoch| Self {
            epoch: epoch.epoch,
            stored: epoch.stored,
            repeated: epoch.repeated,
            gaps: GapJson::list(&epoch.gaps),
            watermark: epoch.watermark,
            ..nothing()
        });
        epochs.collect()
    }
}
