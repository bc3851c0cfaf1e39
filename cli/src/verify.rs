//! `bs2 verify`: verifies a store from its file alone.

use std::process::ExitCode;

use bs2_events::Result;
use bs2_events::sink::sqlite::{Defect, EpochVerification, Verification};
use clap::Args;
use serde_json::{Value, json};

use crate::stdio::{Output, count, table};
use crate::store::{Store, gap_cell, gaps_json, total_missing};

/// Verify a store from its file alone
///
/// Every id up to the watermark must be stored or in a gap, and the columns of every row must agree with its record. A
/// gap is not a fault. bs2 only reads the store, and a collector may write at the same time.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Verify {
    /// The store to verify
    store: String,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let store: Store = self.store.parse()?;
        let verification = store.verify()?;
        let mut output = Output::new();
        if self.json {
            output.json(&verification_json(&verification))?;
        } else {
            print(&mut output, &verification, &store)?;
        }
        output.flush()?;
        Ok(if verification.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(output: &mut Output, verification: &Verification, store: &Store) -> Result<()> {
    let mut table = table([
        ("device", true),
        ("epoch", true),
        ("events", true),
        ("first id", true),
        ("watermark", true),
        ("above", true),
        ("missing", false),
    ]);
    for epoch in &verification.epochs {
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        table.add_row([
            epoch.device.to_string(),
            epoch.epoch.to_string(),
            epoch.events.to_string(),
            number(epoch.first),
            number(epoch.watermark),
            epoch.above.to_string(),
            gap_cell(&epoch.gaps),
        ]);
    }
    output.line(&table)?;
    for epoch in &verification.epochs {
        let place = format!("device {}, epoch {}", epoch.device, epoch.epoch);
        for defect in &epoch.defects {
            output.line(format_args!("{place}: {defect}"))?;
        }
        if let Some(more) =
            epoch.defect_count.checked_sub(epoch.defects.len() as u64).filter(|more| *more > 0)
        {
            output.line(format_args!("{place}: and {} more", count(more, "fault")))?;
        }
    }
    let events = count(verification.epochs.iter().map(|epoch| epoch.events).sum::<u64>(), "event");
    let missing = total_missing(verification.epochs.iter().flat_map(|epoch| &epoch.gaps));
    let faults = faults(verification);
    output.line(if verification.is_sound() {
        format!("sound: {store} has {events}, {missing} and explained")
    } else {
        format!("NOT SOUND: {store} has {events}, {missing} and explained, {}", count(faults, "fault"))
    })
}

/// How many faults there are; a stray row is one.
fn faults(verification: &Verification) -> u64 {
    verification.strays + verification.epochs.iter().map(|epoch| epoch.defect_count).sum::<u64>()
}

fn verification_json(verification: &Verification) -> Value {
    let devices: Vec<_> = verification.epochs.iter().map(epoch_json).collect();
    json!({
        "sound": verification.is_sound(), "faults": faults(verification), "stray_rows": verification.strays,
        "devices": devices,
    })
}

/// One epoch of one device.
fn epoch_json(epoch: &EpochVerification) -> Value {
    let (mut holes, mut faults) = (Vec::new(), Vec::new());
    for defect in &epoch.defects {
        match *defect {
            // Ids that are neither stored nor in a gap.
            Defect::Hole { from, to } => holes.push(json!({ "from": from, "to": to })),
            _ => faults.push(defect.to_string()),
        }
    }
    json!({
        "device_id": epoch.device.get(), "epoch": epoch.epoch, "events": epoch.events, "first": epoch.first,
        "first_event": epoch.first_event, "last_event": epoch.last_event, "watermark": epoch.watermark,
        "above": epoch.above, "gaps": gaps_json(&epoch.gaps), "holes": holes, "faults": faults,
        "fault_count": epoch.defect_count,
    })
}

const AFTER_HELP: &str = "\
Example:
  bs2 verify sqlite:bs2-events.db

What --json prints: one object with sound, faults (how many), stray_rows, and devices, which has
an object for each epoch of each device, with device_id, epoch, events, first, first_event,
last_event, watermark, above (events that wait for a hole below them), gaps (from, to, reason),
holes (from, to), faults (as sentences) and fault_count.
Exit code: 0 if the store is sound, 1 if it has a fault or cannot be read.";
