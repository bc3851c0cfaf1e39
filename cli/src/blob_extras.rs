//! Job codes and temperatures, which devices keep in blobs beside their events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bs2_events::codec::Extras;
use bs2_events::codec::blob::EventMask;
use bs2_events::codec::portable::PortableBlob;
use bs2_events::device::Device;
use bs2_events::{ErrorKind, Result};

use crate::runtime::retried;

/// Reads the blobs of one device, as long as the device has any.
pub(crate) struct BlobExtras {
    device: Device,
    is_wanted: bool,
}

impl BlobExtras {
    /// Reads the blobs of this device if `is_wanted`, else nothing.
    pub(crate) fn new(device: Device, is_wanted: bool) -> Self {
        Self { device, is_wanted }
    }

    /// The job codes and temperatures of the events after `after` up to `last`, by event id. `count` is how many events
    /// there are.
    pub(crate) async fn read(
        &mut self,
        mut after: u32,
        last: u32,
        count: usize,
    ) -> Result<BTreeMap<u32, Extras>> {
        let mut extras = BTreeMap::new();
        let max = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        // With `INFO` every event has a blob, and the device does not search its whole log for one.
        let mask = EventMask::INFO | EventMask::JOB_CODE | EventMask::TEMPERATURE;
        while self.is_wanted && after < last {
            let blobs = match retried(|| self.device.blobs(after, max, mask)).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    self.is_wanted = false; // Such a device has no job codes and no temperatures either.
                    break;
                }
                blobs => blobs?,
            };
            let Some(newest) = blobs.last() else { break };
            after = newest.head().id();
            extras.extend(blobs.iter().map(|blob| (blob.head().id(), measured(blob))));
        }
        extras.retain(|_, extras| !extras.is_empty());
        Ok(extras)
    }

    /// Those of one event that has just happened. A device that does not return them at once has none here: live events
    /// do not wait.
    pub(crate) async fn read_now(&mut self, id: u32) -> Option<Extras> {
        let after = id.checked_sub(1).filter(|_| self.is_wanted)?;
        let mask = EventMask::INFO | EventMask::JOB_CODE | EventMask::TEMPERATURE;
        match tokio::time::timeout(AT_ONCE, self.device.blobs(after, 1, mask)).await {
            Ok(Ok(blobs)) => blobs.iter().find(|blob| blob.head().id() == id).map(measured),
            Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => {
                self.is_wanted = false;
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// The extras of a blob. A temperature of 0 was not measured.
fn measured(blob: &PortableBlob<'_>) -> Extras {
    let mut extras = blob.extras();
    extras.temperature = extras.temperature.filter(|temperature| temperature.hundredths() > 0);
    extras
}

/// What came with the event, with what its blob adds.
pub(crate) fn combined<'a>(own: Option<&'a Extras>, more: Option<&'a Extras>) -> Option<Cow<'a, Extras>> {
    let (Some(own), Some(more)) = (own, more) else { return own.or(more).map(Cow::Borrowed) };
    let mut all = own.clone();
    all.temperature = all.temperature.or(more.temperature);
    all.job_code = all.job_code.or(more.job_code);
    Some(Cow::Owned(all))
}

/// How long a live event waits for what its blob adds.
const AT_ONCE: Duration = Duration::from_secs(1);
