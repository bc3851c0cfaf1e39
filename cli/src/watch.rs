//! `bs2 watch`: events as they happen.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bs2_events::codec::DeviceId;
use bs2_events::device::{Device, Live, Subscription};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use clap::Args;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::device_id::device_id;
use crate::output::{self, Output};
use crate::runtime::{self, Interrupt};
use crate::source::Source;
use crate::table::count;

/// Print events as they happen, until Ctrl-C
///
/// What is lost on the way is told on stderr; bs2 collect is the verb that loses nothing. Simulated readers make 5 events
/// a second unless their setting `rate` says otherwise; with rate=0 there is nothing to see. User ids and card data
/// appear with --json only.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Watch {
    /// Where the readers are
    source: String,
    /// A reader's number; may be given several times; all readers if missing
    #[arg(long = "device", value_name = "ID", value_parser = device_id())]
    devices: Vec<DeviceId>,
    /// Print one JSON object a line, as bs2 decode does
    #[arg(long)]
    json: bool,
    /// End after this time, such as 20s, 5m or 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = runtime::duration)]
    time: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

impl Watch {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        runtime::block_on(self.watch())
    }

    async fn watch(&self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::new()?;
        // Readers that nobody has listened to yet; until they are known there may be one.
        let deaf = Arc::new(AtomicUsize::new(1));
        tokio::select! {
            result = self.print(&deaf) => return result.map(|()| ExitCode::SUCCESS),
            () = runtime::over(self.time) => {}
            () = interrupt.next() => {}
        }
        match deaf.load(Ordering::Relaxed) {
            0 => Ok(ExitCode::SUCCESS),
            _ => Err(Error::new(ErrorKind::Disconnected, "ended before every reader could be listened to")),
        }
    }

    /// Ends when so many events are printed as were asked for.
    async fn print(&self, deaf: &Arc<AtomicUsize>) -> Result<()> {
        let source = Source::open_live(&self.source)?;
        let (items, mut coming) = mpsc::channel(64);
        let mut watching = JoinSet::new();
        let begun = Arc::new(Semaphore::new(0));
        let devices = self.choose(&source).await?;
        deaf.store(devices.len(), Ordering::Relaxed);
        // The first subscription would start the events of simulated devices; they wait for the last one.
        source.stop();
        for device in &devices {
            watching.spawn(follow(device.clone(), items.clone(), Arc::clone(&begun), Arc::clone(deaf)));
        }
        drop(items);
        let _ = begun.acquire_many(u32::try_from(devices.len()).unwrap_or(u32::MAX)).await;
        source.start()?;
        let mut output = Output::new();
        let mut printed = 0;
        while self.max != Some(printed) {
            let Some(item) = coming.recv().await else {
                return Err(Error::new(ErrorKind::Disconnected, "the readers report nothing any more"));
            };
            let item = match item {
                Ok(item) => item,
                Err(error) if devices.len() == 1 => return Err(error),
                Err(error) => {
                    output::report(&error);
                    continue;
                }
            };
            match item {
                Live::Event { event, extras, .. } => {
                    output.event(&event, extras.as_deref(), self.json)?;
                    output.flush()?;
                    printed += 1;
                }
                Live::Lagged { device, missed } => {
                    note(
                        device,
                        &format!("{} lost here: the log has what the reader kept", count(missed, "event")),
                    );
                }
                Live::Resumed { device } => {
                    note(device, "connected again; what happened meanwhile is in the log")
                }
                // What a later client tells beside these is no event.
                _ => {}
            }
        }
        Ok(())
    }

    async fn choose(&self, source: &Source) -> Result<Vec<Device>> {
        if self.devices.is_empty() {
            let devices = source.devices().await?;
            if devices.is_empty() {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "there is no device to watch: name one in the source with `device=`",
                ));
            }
            return Ok(devices);
        }
        let mut devices = BTreeMap::new();
        for id in &self.devices {
            devices.insert(*id, source.device(Some(*id)).await?);
        }
        Ok(devices.into_values().collect())
    }
}

/// What a reader reported, or why it never will.
type Item = Result<Live>;

/// Hands over what a reader reports. One that cannot be listened to now is tried again and again, and keeps no other
/// back.
async fn follow(device: Device, items: mpsc::Sender<Item>, begun: Arc<Semaphore>, deaf: Arc<AtomicUsize>) {
    let mut failures: u32 = 0;
    for delay in RetryPolicy::default().delays() {
        match device.subscribe().await {
            Ok(mut live) => {
                deaf.fetch_sub(1, Ordering::Relaxed);
                if failures == 0 {
                    begun.add_permits(1);
                }
                return hand_over(&mut live, &items).await;
            }
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                begun.add_permits(1);
                // Where nobody takes it any more the watching is over.
                let _ = items.send(Err(error)).await;
                return;
            }
            Err(error) => {
                if failures == 0 {
                    output::note(&format!("{}; it is tried again", output::sentence(&error)));
                    begun.add_permits(1);
                }
                failures += 1;
            }
        }
        tokio::time::sleep(delay).await;
    }
}

/// Until the stream ends, or nobody takes it any more.
async fn hand_over(live: &mut Subscription, items: &mpsc::Sender<Item>) {
    while let Some(item) = live.next().await {
        if items.send(Ok(item)).await.is_err() {
            return;
        }
    }
}

fn note(device: DeviceId, text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "bs2: device {device}: {text}");
}

const AFTER_HELP: &str = "\
Examples:
  bs2 watch 'sim:devices=3&rate=2'
  bs2 watch sim:devices=3 --device 541000001 --max 10 --json

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.

A device gateway may tell of an event more than its subject, such as the card of a user. It stands behind the event;
with --json it is `extras` in the event's object: `subjects`, `temperature`, `job_code`.";
