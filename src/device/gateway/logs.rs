//! The log: pages of events, what stands beside them, and its end.

use std::collections::BTreeMap;

use super::codec::{LogPage, PageCodec};
use super::proto::gsdk::event::{ClearLogRequest, ClearLogResponse, GetLogRequest};
use super::proto::gsdk::tna::{GetJobCodeLogRequest, GetJobCodeLogResponse};
use super::session::Session;
use crate::codec::{BlobHead, DeviceId, Event, EventMask, JobCode, PortableBlob, Temperature};
use crate::device::EventPage;
use crate::{Error, ErrorKind, Result};

impl Session {
    /// Up to `max` events with ids greater than `after`, ascending; not more than [`PAGE`].
    pub(super) async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        let ask = |request| self.link().call_into::<PageCodec>("logs", GET_LOG, request);
        let (answer, known) = page(ask, device, after, max).await?;
        let page = EventPage::from(answer.events);
        // The records before are not copied away but passed over.
        let page = EventPage::from_bytes(page.as_bytes().slice(known * Event::SIZE..))?;
        Ok(if answer.extras.is_empty() { page } else { page.with_extras(answer.extras) })
    }

    /// Up to `max` blobs of events with ids greater than `after` to which a field of `mask` applies, ascending. A blob
    /// has one subject, as the event.
    pub(super) async fn blobs(
        &self,
        device: DeviceId,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let (mut blobs, mut cursor) = (Vec::new(), after);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        while blobs.len() < max {
            // Every event has the fields of `INFO`; of others there may be few.
            let wanted = if mask.contains(EventMask::INFO) { max - blobs.len() } else { usize::MAX };
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let page = self.logs(device, cursor, wanted).await?;
            let Some(last) = page.last() else { break };
            let job_codes = self.job_codes(device, cursor, &page, mask).await?;
            cursor = last.id();
            for event in page.iter() {
                let temperature = page.extras_of(event.id()).and_then(|extras| extras.temperature);
                blobs.extend(self.blob(event, temperature, job_codes.get(&event.id()), mask).await?);
                if blobs.len() == max {
                    break;
                }
            }
        }
        Ok(blobs)
    }

    async fn blob(
        &self,
        event: &Event,
        temperature: Option<Temperature>,
        job_code: Option<&JobCode>,
        mask: EventMask,
    ) -> Result<Option<PortableBlob<'static>>> {
        let head = BlobHead::from_event(event);
        let head = job_code.map_or(head, |code| head.with_job_code(*code));
        let head = head.with_mask(head.mask() & mask);
        let temperature = temperature.filter(|_| mask.contains(EventMask::TEMPERATURE));
        let picture = match event.flags().has_image() && mask.contains(EventMask::IMAGE) {
            true => self.picture(event.device_id(), event.id()).await?,
            false => None,
        };
        if head.mask().is_empty() && temperature.is_none() && picture.is_none() {
            return Ok(None);
        }
        let picture = picture.map(|picture| Vec::from(picture.jpg_image)).unwrap_or_default();
        let blob = PortableBlob::new(head, picture)
            .map_err(|error| Error::new(ErrorKind::InvalidData, format!("event {}: {error}", event.id())))?;
        Ok(Some(match temperature {
            Some(temperature) => blob.with_temperature(temperature),
            None => blob,
        }))
    }

    /// The job codes of these events, which the gateway keeps in a log of their own.
    async fn job_codes(
        &self,
        device: DeviceId,
        after: u32,
        events: &[Event],
        mask: EventMask,
    ) -> Result<BTreeMap<u32, JobCode>> {
        let mut codes = BTreeMap::new();
        let Some(last) = events.last().filter(|_| mask.contains(EventMask::JOB_CODE)) else {
            return Ok(codes);
        };
        let max_num_of_log = u32::try_from(events.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut start_event_id = after;
        loop {
            let request = GetJobCodeLogRequest { device_id: device.get(), start_event_id, max_num_of_log };
            let answer = self.link().call("job codes", GET_JOB_CODES, request).await;
            let GetJobCodeLogResponse { job_code_events } = match answer {
                Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(codes),
                answer => answer?,
            };
            let highest = job_code_events.iter().map(|log| log.id).max();
            codes.extend(job_code_events.into_iter().map(|log| (log.id, JobCode(log.job_code))));
            match highest {
                Some(highest) if highest > start_event_id && highest < last.id() => start_event_id = highest,
                _ => return Ok(codes),
            }
        }
    }

    /// Deletes a reader's log.
    pub(super) async fn clear_log(&self, device: DeviceId) -> Result<()> {
        let request = ClearLogRequest { device_id: device.get() };
        let ClearLogResponse {} = self.link().call("clearing the log", CLEAR_LOG, request).await?;
        Ok(())
    }
}

/// A page in the client's terms: what was answered, ascending, and how much of its beginning is known already.
///
/// The question begins at `after` itself: that costs one record and serves gateways that take the start for the first
/// id that is wanted, as the manual says, and those that take it for the last that is known.
async fn page<F: Future<Output = Result<LogPage>>>(
    ask: impl Fn(GetLogRequest) -> F,
    device: DeviceId,
    after: u32,
    max: u32,
) -> Result<(LogPage, usize)> {
    let max = max.min(PAGE);
    let of = |start_event_id, max_num_of_log| GetLogRequest {
        device_id: device.get(),
        start_event_id,
        max_num_of_log,
    };
    let answer = ask(of(after, max.saturating_add((after > 0).into()))).await?;
    let is_end = answer.events.is_empty() && answer.misfits.is_empty();
    let (answer, known) = ordered(answer, after, max)?;
    if is_end || answer.events.len() > known || after == u32::MAX {
        return Ok((answer, known));
    }
    // Nothing but what was known: where pages are short this is not the end.
    ordered(ask(of(after.saturating_add(1), max)).await?, after, max)
}

/// An answer with its events ascending, each once, up to the first that does not fit an event, and how many at the
/// beginning are not after `after`; after these at most `max`. Extras of others than these are not sorted out.
///
/// # Errors
///
/// [`ErrorKind::InvalidData`] where the first after `after` does not fit an event.
fn ordered(mut answer: LogPage, after: u32, max: u32) -> Result<(LogPage, usize)> {
    let events = &mut answer.events;
    if !events.is_sorted_by(|a, b| a.id() < b.id()) {
        events.sort_by_key(Event::id);
        events.dedup(); // Two that differ under one id are both kept: that is for the client to see.
    }
    let known = events.partition_point(|event| event.id() <= after);
    let misfits = answer.misfits.iter().filter(|misfit| misfit.id > after);
    if let Some(misfit) = misfits.min_by_key(|misfit| misfit.id) {
        events.truncate(events.partition_point(|event| event.id() < misfit.id));
        if events.len() <= known {
            let error = Error::new(ErrorKind::InvalidData, misfit.to_string());
            return Err(error.with_unreadable_event(misfit.id));
        }
    }
    events.truncate(known.saturating_add(usize::try_from(max).unwrap_or(usize::MAX)));
    Ok((answer, known))
}

/// The longest page that is asked for: with records of up to 4 000 bytes it is within the limit of a message, and the
/// gateway has it from the reader before its own patience of 20 s ends.
pub(super) const PAGE: u32 = 16_384;
const GET_LOG: &str = "/gsdk.event.Event/GetLog";
const GET_JOB_CODES: &str = "/gsdk.tna.TNA/GetJobCodeLog";
const CLEAR_LOG: &str = "/gsdk.event.Event/ClearLog";
