//! `bs2 verify`: verifies a store from its file alone.

use std::process::ExitCode;

use bs2_events::Result;
use bs2_events::sink::sqlite::{Defect, EpochVerification, Verification};
use clap::Args;
use serde::Serialize;

use crate::gaps::{self, GapJson};
use crate::output::Output;
use crate::store::Store;
use crate::table::{count, table};

/// Verify from a store alone that it is whole
///
/// Every id up to the watermark must be stored or in a gap, and the columns of every row must agree with its record. A
/// gap is no fault. The store is only read, and a collector may write at the same time.
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
            output.json(&VerificationJson::new(&verification))?;
        } else {
            print(&mut output, &verification, &store)?;
        }
        output.flush()?;
        Ok(if verification.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(output: &mut Output, verification: &Verification, store: &Store) -> Result<()> {
    let mut table = table([
        ("reader", true),
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
            gaps::cell(&epoch.gaps),
        ]);
    }
    output.line(&table)?;
    for epoch in &verification.epochs {
        let place = format!("reader {}, epoch {}", epoch.device, epoch.epoch);
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
    let missing = gaps::total(verification.epochs.iter().flat_map(|epoch| &epoch.gaps));
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

#[derive(Serialize)]
struct VerificationJson {
    sound: bool,
    faults: u64,
    stray_rows: u64,
    devices: Vec<EpochJson>,
}

impl VerificationJson {
    fn new(verification: &Verification) -> Self {
        Self {
            sound: verification.is_sound(),
            faults: faults(verification),
            stray_rows: verification.strays,
            devices: verification.epochs.iter().map(EpochJson::new).collect(),
        }
    }
}

/// One epoch of one device.
#[derive(Serialize)]
struct EpochJson {
    device_id: u32,
    epoch: u32,
    events: u64,
    first: Option<u32>,
    first_event: Option<u32>,
    last_event: Option<u32>,
    watermark: Option<u32>,
    above: u64,
    gaps: Vec<GapJson>,
    holes: Vec<HoleJson>,
    /// The faults that are not holes, in words.
    faults: Vec<String>,
    fault_count: u64,
}

/// Ids that are neither stored nor in a gap.
#[derive(Serialize)]
struct HoleJson {
    from: u32,
    to: u32,
}

impl EpochJson {
    fn new(epoch: &EpochVerification) -> Self {
        let (mut holes, mut faults) = (Vec::new(), Vec::new());
        for defect in &epoch.defects {
            match *defect {
                Defect::Hole { from, to } => holes.push(HoleJson { from, to }),
                _ => faults.push(defect.to_string()),
            }
        }
        Self {
            device_id: epoch.device.get(),
            epoch: epoch.epoch,
            events: epoch.events,
            first: epoch.first,
            first_event: epoch.first_event,
            last_event: epoch.last_event,
            watermark: epoch.watermark,
            above: epoch.above,
            gaps: GapJson::list(&epoch.gaps),
            holes,
            faults,
            fault_count: epoch.defect_count,
        }
    }
}

const AFTER_HELP: &str = "\
Example:
  bs2 verify sqlite:bs2-events.db

What --json prints: one object with sound, faults (how many), stray_rows, and devices, which has
an object for each epoch of each reader, with device_id, epoch, events, first, first_event,
last_event, watermark, above (events that wait for a hole below them), gaps (from, to, reason),
holes (from, to), faults (in words) and fault_count.
Exit code: 0 if the store is sound, 1 if something is wrong in it or it cannot be read.";
