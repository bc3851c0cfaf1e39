//! The log: pages of events, what stands beside them, and its end.

use std::collections::BTreeMap;

use super::codec::PageCodec;
use super::proto::gsdk::event::{ClearLogRequest, ClearLogResponse, GetLogRequest};
use super::proto::gsdk::tna::{GetJobCodeLogRequest, GetJobCodeLogResponse};
use super::session::Session;
use crate::codec::{BlobHead, DeviceId, Event, EventMask, JobCode, PortableBlob, Temperature};
use crate::device::{EventPage, paging};
use crate::{Error, ErrorKind, Result};

impl Session {
    /// One answer of the gateway, as it is; at most [`PAGE`] events behind that of `after`.
    ///
    /// The request begins at `after` itself: that costs one record. Some gateways take the start for the first id that
    /// is wanted, as the manual says, and others for the last that is known; both answer what is needed.
    pub(super) async fn logs(&self, device: DeviceId, after: u32, max: u32) -> Result<EventPage> {
        let max_num_of_log = max.min(PAGE).saturating_add((after > 0).into());
        let request = GetLogRequest { device_id: device.get(), start_event_id: after, max_num_of_log };
        let answer = self.link().call_into::<PageCodec>("logs", GET_LOG, request).await?;
        let mut page = EventPage::from(answer.events).overlapping();
        if !answer.extras.is_empty() {
            page = page.with_extras(answer.extras);
        }
        Ok(answer
            .misfits
            .iter()
            .fold(page, |page, misfit| page.with_unreadable(misfit.id, misfit.to_string())))
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
        // Every event has the fields of `INFO`; of others there may be few.
        let wanted = if mask.contains(EventMask::INFO) { max } else { PAGE };
        while blobs.is_empty() {
            let page = paging::page(cursor, wanted, |from, amount| self.logs(device, from, amount)).await?;
            let Some(last) = page.last() else { break };
            let job_codes = self.job_codes(device, cursor, &page, mask).await?;
            cursor = last.id();
            for event in page.iter() {
                let temperature = page.extras_of(event.id()).and_then(|extras| extras.temperature);
                blobs.extend(self.blob(event, temperature, job_codes.get(&event.id()), mask).await?);
                if u32::try_from(blobs.len()).is_ok_and(|count| count == max) {
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

/// The longest page that is asked for: with records of up to 4 000 bytes it is within the limit of a message, and the
/// gateway has it from the reader before its own patience of 20 s ends.
pub(super) const PAGE: u32 = 16_384;
const GET_LOG: &str = "/gsdk.event.Event/GetLog";
const GET_JOB_CODES: &str = "/gsdk.tna.TNA/GetJobCodeLog";
const CLEAR_LOG: &str = "/gsdk.event.Event/ClearLog";
