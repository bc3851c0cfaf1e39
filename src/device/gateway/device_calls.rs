//! The calls about one device: what it is, its clock, its log, its images.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::codec::PageCodec;
use super::event_log::EventLog;
use super::proto::gsdk::device::{
    CapabilityInfoFrom18, CapabilityInfoUpTo17, GetCapabilityInfoRequest, GetCapabilityInfoResponse,
    GetCapabilityRequest, GetCapabilityResponse, GetInfoRequest, GetInfoResponse,
};
use super::proto::gsdk::event::{
    self as proto, ClearLogRequest, ClearLogResponse, GetImageFilterRequest, GetImageFilterResponse,
    GetImageLogRequest, GetImageLogResponse, GetLogRequest, SetImageFilterRequest, SetImageFilterResponse,
};
use super::proto::gsdk::time;
use super::proto::gsdk::tna::{GetJobCodeLogRequest, GetJobCodeLogResponse};
use super::rpc::RpcClient;
use super::session::Session;
use super::support::Feature;
use super::wire::Reader;
use crate::codec::blob::{BlobHead, EventMask};
use crate::codec::portable::PortableBlob;
use crate::codec::{DeviceId, Event, EventCode, JobCode, Temperature, Timestamp};
use crate::device::paging::{self, PageSize};
use crate::device::{Capabilities, DeviceInfo, EventPage, ImageFilter, ImageLog};
use crate::{Error, ErrorKind, Result};

/// The calls about one device, in one session.
pub(super) struct DeviceCalls {
    pub(super) session: Arc<Session>,
    pub(super) device: DeviceId,
}

impl DeviceCalls {
    fn rpc(&self) -> &RpcClient {
        self.session.rpc()
    }

    pub(super) async fn info(&self) -> Result<DeviceInfo> {
        let request = GetInfoRequest { device_id: self.device.get() };
        let response: GetInfoResponse = self.rpc().call("device info", GET_INFO, request).await?;
        let factory = response.info.unwrap_or_default();
        let info = DeviceInfo::new(self.device)
            .with_model(factory.model_name)
            .with_firmware(factory.firmware_version);
        let address = self.session.states.address(self.device);
        let address = address.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
        Ok(match address {
            Some(address) => info.with_address(address),
            None => info,
        })
    }

    /// What the device can do: from the call whose field numbers never changed, or from the older call if the gateway
    /// has no other.
    pub(super) async fn capabilities(&self) -> Result<Capabilities> {
        let request = GetCapabilityRequest { device_id: self.device.get() };
        let response = self.rpc().call("capabilities", GET_CAPABILITY, request).await;
        let response: GetCapabilityResponse = match response {
            Err(error) if error.kind() == ErrorKind::Unsupported => GetCapabilityResponse::default(),
            response => response?,
        };
        if let Some(found) = response.device_capability {
            return Ok(Capabilities::new(found.max_event_logs).with_image_logs(found.max_image_logs));
        }
        // The older call reports whether there are images, not how many.
        let has_images = self.has_image_logs().await?;
        Ok(Capabilities::new(0).with_image_logs(has_images.into()))
    }

    async fn has_image_logs(&self) -> Result<bool> {
        let request = GetCapabilityInfoRequest { device_id: self.device.get() };
        let response: GetCapabilityInfoResponse =
            self.rpc().call("capabilities", GET_CAPABILITY_INFO, request).await?;
        let version = match self.session.version().await {
            Ok(version) => version,
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => String::new(),
        };
        image_log_supported(&response.cap_info, &version).ok_or_else(|| {
            Error::new(ErrorKind::InvalidData, "capabilities: field `capInfo` is not a capability info")
        })
    }

    pub(super) async fn time(&self) -> Result<Timestamp> {
        let request = time::GetRequest { device_id: self.device.get() };
        let response: time::GetResponse = self.rpc().call("device time", GET_TIME, request).await?;
        let seconds = u32::try_from(response.gmt_time).map_err(|_| {
            Error::new(ErrorKind::InvalidData, "device time: field `GMTTime` is after the year 2106")
        })?;
        Ok(Timestamp::from_unix_seconds(seconds))
    }

    /// One response of the gateway, unchanged; at most [`PAGE`] events after the one of `after`.
    ///
    /// The request begins at `after` itself. That costs one record. It works with gateways that take the start as the
    /// first id to return, as the manual says, and with gateways that take it as the last known id.
    ///
    /// If one event is wanted and the two records cannot be had, the one of `after` may be in the way; then the request
    /// begins behind it.
    pub(super) async fn logs(&self, after: u32, max: u32) -> Result<EventPage> {
        let overlap = u32::from(after > 0);
        let result = self.logs_from(after, max.min(PAGE).saturating_add(overlap)).await;
        match (result, after.checked_add(1)) {
            (Err(error), Some(next)) if max == 1 && after > 0 && error.kind() != ErrorKind::Disconnected => {
                self.logs_from(next, 1).await.map_err(|_| error)
            }
            (result, _) => result,
        }
    }

    async fn logs_from(&self, start_event_id: u32, max_num_of_log: u32) -> Result<EventPage> {
        let request = GetLogRequest { device_id: self.device.get(), start_event_id, max_num_of_log };
        let response = match self.rpc().call_with::<PageCodec>("logs", GET_LOG, request).await {
            // The device says that it has nothing to return.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(EventPage::default()),
            response => response?,
        };
        self.session.sources.learn(self.device, &response.events);
        let mut page = EventPage::from(response.events).overlapping();
        if !response.extras.is_empty() {
            page = page.with_extras(response.extras);
        }
        let unrepresentable = response.unrepresentable.iter();
        Ok(unrepresentable.fold(page, |page, event| page.with_unreadable(event.id, event.to_string())))
    }

    /// Up to `max` blobs of events with ids greater than `after` to which a field of `mask` applies, ascending. A blob
    /// has one subject, like its event.
    pub(super) async fn blobs(
        &self,
        after: u32,
        max: u32,
        mask: EventMask,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let (mut blobs, mut cursor, size) = (Vec::new(), after, PageSize::default());
        // Every event has the fields of `INFO`. Other fields may be rare.
        let wanted = if mask.contains(EventMask::INFO) { max } else { PAGE };
        while blobs.is_empty() {
            let page = paging::page(cursor, wanted, &size, |from, amount| self.logs(from, amount)).await?;
            let Some(last) = page.last() else { break };
            let job_codes = self.job_codes(cursor, &page, mask).await?;
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
        let image = match event.flags().has_image() && mask.contains(EventMask::IMAGE) {
            true => match self.image(event.id()).await {
                // Without its picture the event is still there.
                Err(error) if error.kind() == ErrorKind::Unsupported => None,
                image => image?,
            },
            false => None,
        };
        if head.mask().is_empty() && temperature.is_none() && image.is_none() {
            return Ok(None);
        }
        let image = image.map(Vec::from).unwrap_or_default();
        let blob = PortableBlob::new(head, image)
            .map_err(|error| Error::new(ErrorKind::InvalidData, format!("event {}: {error}", event.id())))?;
        Ok(Some(blob.with_some_temperature(temperature)))
    }

    /// The job codes of these events, which the gateway keeps in a log of their own.
    async fn job_codes(
        &self,
        after: u32,
        events: &[Event],
        mask: EventMask,
    ) -> Result<BTreeMap<u32, JobCode>> {
        let mut codes = BTreeMap::new();
        let Some(last) = events.last().filter(|_| mask.contains(EventMask::JOB_CODE)) else {
            return Ok(codes);
        };
        if self.session.support.is_missing(self.device, Feature::JobCodes) {
            return Ok(codes);
        }
        let device_id = self.device.get();
        let max_num_of_log = u32::try_from(events.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut start_event_id = after;
        loop {
            let request = GetJobCodeLogRequest { device_id, start_event_id, max_num_of_log };
            let response = self.rpc().call("job codes", GET_JOB_CODES, request).await;
            let GetJobCodeLogResponse { job_code_events } = match response {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    self.session.support.set_missing(self.device, Feature::JobCodes);
                    return Ok(codes);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(codes),
                response => response?,
            };
            let highest = job_code_events.iter().map(|log| log.id).max();
            codes.extend(job_code_events.into_iter().map(|log| (log.id, JobCode(log.job_code))));
            match highest {
                Some(highest) if highest > start_event_id && highest < last.id() => start_event_id = highest,
                _ => return Ok(codes),
            }
        }
    }

    pub(super) async fn clear_log(&self) -> Result<()> {
        let request = ClearLogRequest { device_id: self.device.get() };
        let ClearLogResponse {} = self.rpc().call("clearing the log", CLEAR_LOG, request).await?;
        Ok(())
    }

    /// The image of one event, if the device has it. An empty one is none.
    pub(super) async fn image(&self, id: u32) -> Result<Option<Bytes>> {
        let found = |images: Vec<proto::ImageLog>| images.into_iter().find(|image| image.id == id);
        let image = match found(self.images(id, 1).await?) {
            Some(image) => Some(image),
            // A gateway that returns what follows the start needs the id before.
            None => found(self.images(id.saturating_sub(1), 2).await?),
        };
        Ok(image.map(|image| image.jpg_image).filter(|jpeg| !jpeg.is_empty()))
    }

    /// One response of the gateway; at most [`IMAGES`] images after the one of `after`.
    pub(super) async fn image_logs(&self, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let mut logs = Vec::new();
        for image in self.images(after, max.min(IMAGES).saturating_add(1)).await? {
            // The caller knows the images up to `after`. They need no event of the log.
            let logged = if image.id > after { self.logged(image.id).await? } else { None };
            let event = logged.map_or_else(|| event_of(&image), Ok)?;
            logs.push(ImageLog::new(event, image.jpg_image));
        }
        Ok(logs)
    }

    /// Asks the device for images, which are kept under the number of the log's owner, also those of its slaves.
    ///
    /// Fails with `Unsupported` if the device takes no images. Its capabilities are asked first. If they name no images,
    /// that may also mean that the gateway does not know: then the device is asked once.
    async fn images(&self, start_event_id: u32, max_num_of_log: u32) -> Result<Vec<proto::ImageLog>> {
        let support = &self.session.support;
        if support.is_unknown(self.device, Feature::Images) {
            match self.capabilities().await {
                Ok(capabilities) if capabilities.has_image_logs() => {
                    support.set_known(self.device, Feature::Images);
                }
                Err(error) if error.kind() == ErrorKind::Disconnected => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        if support.is_missing(self.device, Feature::Images) {
            let message = "image logs: the device takes no pictures";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let request = GetImageLogRequest { device_id: self.device.get(), start_event_id, max_num_of_log };
        match self.rpc().call("image logs", GET_IMAGE_LOG, request).await {
            Ok(GetImageLogResponse { image_events }) => {
                support.set_known(self.device, Feature::Images);
                Ok(image_events)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => {
                if error.kind() == ErrorKind::Unsupported {
                    support.set_missing(self.device, Feature::Images);
                }
                Err(error)
            }
        }
    }

    /// The event from the log, if the log still has it.
    async fn logged(&self, id: u32) -> Result<Option<Event>> {
        let Some(before) = id.checked_sub(1) else { return Ok(None) };
        let page =
            paging::page(before, 1, &PageSize::default(), |from, amount| self.logs(from, amount)).await?;
        Ok(page.first().copied().filter(|event| event.id() == id))
    }

    /// For which events the device takes an image. A code with a sub code means exactly this code.
    pub(super) async fn image_filters(&self) -> Result<Vec<ImageFilter>> {
        let request = GetImageFilterRequest { device_id: self.device.get() };
        let response: GetImageFilterResponse = self.rpc().call(FILTERS, GET_FILTERS, request).await?;
        response.filters.iter().map(filter).collect()
    }

    pub(super) async fn set_image_filters(&self, filters: &[ImageFilter]) -> Result<()> {
        let filters = filter_messages(filters)?;
        let request = SetImageFilterRequest { device_id: self.device.get(), filters };
        let SetImageFilterResponse {} = self.rpc().call(FILTERS, SET_FILTERS, request).await?;
        Ok(())
    }
}

/// An event with the fields that the image has, for an image whose event is no longer in the log.
fn event_of(image: &proto::ImageLog) -> Result<Event> {
    let log = EventLog {
        id: image.id,
        timestamp: image.timestamp,
        device_id: image.device_id,
        user_id: image.user_id.as_bytes(),
        event_code: image.event_code,
        sub_code: image.sub_code,
        has_image: true,
        ..EventLog::default()
    };
    let event = log.to_event().map(|(event, _)| event);
    event.map_err(|event| Error::new(ErrorKind::InvalidData, event.to_string()))
}

/// Image filters as the gateway's messages.
/// Errors: `Unsupported` for a filter of exactly sub code 0: to the gateway such a code means all sub codes.
pub(super) fn filter_messages(filters: &[ImageFilter]) -> Result<Vec<proto::ImageFilter>> {
    let message = |filter: &ImageFilter| {
        if filter.exact && filter.code.sub() == 0 {
            let message =
                format!("{FILTERS}: the gateway has no filter of {} without its sub codes", filter.code);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let code = if filter.exact { filter.code } else { filter.code.main() };
        Ok(proto::ImageFilter { event_code: code.get().into(), schedule_id: filter.schedule_id })
    };
    filters.iter().map(message).collect()
}

fn filter(message: &proto::ImageFilter) -> Result<ImageFilter> {
    let code = u16::try_from(message.event_code).map(EventCode::new).map_err(|_| {
        Error::new(
            ErrorKind::InvalidData,
            format!("{FILTERS}: field `eventCode` is larger than a code can be"),
        )
    })?;
    let filter = ImageFilter::new(code).with_schedule(message.schedule_id);
    Ok(if code.sub() == 0 { filter } else { filter.exactly() })
}

/// Reads `imageLogSupported` with the field numbers of the gateway's version. If its text names no version, the field
/// numbers in the message decide.
fn image_log_supported(info: &[u8], version: &str) -> Option<bool> {
    let up_to_17 = match version_numbers(version) {
        Some(version) => version < (1, 8),
        None => has_field_past(info, LAST_OF_18)?,
    };
    if up_to_17 {
        CapabilityInfoUpTo17::decode(info).ok().map(|info| info.image_log_supported)
    } else {
        CapabilityInfoFrom18::decode(info).ok().map(|info| info.image_log_supported)
    }
}

/// The first two numbers of a version such as `v1.8.0`.
fn version_numbers(version: &str) -> Option<(u32, u32)> {
    let first = version.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = version.get(first..)?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn has_field_past(message: &[u8], last: u32) -> Option<bool> {
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field(&[]).ok()? {
        if number > last {
            return Some(true);
        }
        reader.skip(number, value).ok()?;
    }
    Some(false)
}

/// The last field of `CapabilityInfo` in the numbering since version 1.8. The older numbering goes up to 60.
const LAST_OF_18: u32 = 26;
/// The longest page of a request. With records of up to 4 000 bytes it is within the limit of a message, and the gateway
/// receives it from the device before its own limit of 20 s.
const PAGE: u32 = 16_384;
/// The most images of one request: each may have four megabytes within the limit of a message.
const IMAGES: u32 = 15;
const FILTERS: &str = "image filters";
const GET_INFO: &str = "/gsdk.device.Device/GetInfo";
const GET_CAPABILITY: &str = "/gsdk.device.Device/GetCapability";
const GET_CAPABILITY_INFO: &str = "/gsdk.device.Device/GetCapabilityInfo";
const GET_TIME: &str = "/gsdk.time.Time/Get";
const GET_LOG: &str = "/gsdk.event.Event/GetLog";
const GET_JOB_CODES: &str = "/gsdk.tna.TNA/GetJobCodeLog";
const CLEAR_LOG: &str = "/gsdk.event.Event/ClearLog";
const GET_IMAGE_LOG: &str = "/gsdk.event.Event/GetImageLog";
const GET_FILTERS: &str = "/gsdk.event.Event/GetImageFilter";
const SET_FILTERS: &str = "/gsdk.event.Event/SetImageFilter";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_21_is_pictures_before_version_1_8_and_daylight_saving_since() {
        let old = CapabilityInfoUpTo17 { image_log_supported: true, ..Default::default() }.encode_to_vec();
        assert_eq!(image_log_supported(&old, "V1.7.2"), Some(true));
        let new = CapabilityInfoFrom18 { dst_supported: true, ..Default::default() }.encode_to_vec();
        assert_eq!(old, new);
        assert_eq!(image_log_supported(&new, "1.8.0"), Some(false));
        assert_eq!(image_log_supported(&new, "G-SDK 1.10.0"), Some(false));
    }

    #[test]
    fn of_an_unknown_version_the_field_numbers_decide() {
        let info =
            CapabilityInfoUpTo17 { image_log_supported: true, tna_supported: true, ..Default::default() };
        assert_eq!(image_log_supported(&info.encode_to_vec(), ""), Some(true));
        let info =
            CapabilityInfoFrom18 { image_log_supported: true, tna_supported: true, ..Default::default() };
        assert_eq!(image_log_supported(&info.encode_to_vec(), "unknown"), Some(true));
        assert_eq!(image_log_supported(&[0xFF], ""), None);
    }
}
