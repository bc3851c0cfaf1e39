//! Pictures, and for which events they are taken.

use super::event_log::EventLog;
use super::proto::gsdk::event as proto;
use super::proto::gsdk::event::{
    GetImageFilterRequest, GetImageFilterResponse, GetImageLogRequest, GetImageLogResponse,
    SetImageFilterRequest, SetImageFilterResponse,
};
use super::session::Session;
use crate::codec::{DeviceId, Event, EventCode};
use crate::device::{ImageFilter, ImageLog, paging};
use crate::{Error, ErrorKind, Result};

impl Session {
    /// The picture of one event, if the reader has it.
    pub(super) async fn picture(&self, device: DeviceId, id: u32) -> Result<Option<proto::ImageLog>> {
        let found = |answer: Vec<proto::ImageLog>| answer.into_iter().find(|picture| picture.id == id);
        if let Some(picture) = found(self.pictures(device, id, 1).await?) {
            return Ok(Some(picture));
        }
        // Where the start is taken for the last known id, the one before leads to it.
        Ok(found(self.pictures(device, id.saturating_sub(1), 2).await?))
    }

    /// One answer of the gateway; at most [`PICTURES`] pictures behind that of `after`.
    pub(super) async fn image_logs(&self, device: DeviceId, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let mut images = Vec::new();
        for picture in self.pictures(device, after, max.min(PICTURES).saturating_add(1)).await? {
            // What was asked for already needs no event of the log.
            let event = if picture.id > after { self.logged(device, picture.id).await? } else { None };
            let event = event.map_or_else(|| described(&picture), Ok)?;
            images.push(ImageLog::new(event, picture.jpg_image));
        }
        Ok(images)
    }

    /// For which events the reader takes a picture. A code with a sub code means that very code.
    pub(super) async fn image_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        let request = GetImageFilterRequest { device_id: device.get() };
        let answer: GetImageFilterResponse = self.link().call("image filters", GET_FILTERS, request).await?;
        answer.filters.iter().map(filter).collect()
    }

    pub(super) async fn set_image_filters(&self, device: DeviceId, filters: &[ImageFilter]) -> Result<()> {
        let request = SetImageFilterRequest { device_id: device.get(), filters: messages(filters)? };
        let what = "setting image filters";
        let SetImageFilterResponse {} = self.link().call(what, SET_FILTERS, request).await?;
        Ok(())
    }

    async fn pictures(&self, device: DeviceId, start: u32, max: u32) -> Result<Vec<proto::ImageLog>> {
        let request =
            GetImageLogRequest { device_id: device.get(), start_event_id: start, max_num_of_log: max };
        let answer: GetImageLogResponse = self.link().call("image logs", GET_IMAGE_LOG, request).await?;
        Ok(answer.image_events)
    }

    /// The event as the log has it, if it still does.
    async fn logged(&self, device: DeviceId, id: u32) -> Result<Option<Event>> {
        let Some(before) = id.checked_sub(1) else { return Ok(None) };
        let page = paging::page(before, 1, |from, amount| self.logs(device, from, amount)).await?;
        Ok(page.first().copied().filter(|event| event.id() == id))
    }
}

/// The event of a picture that the log no longer has: what the picture says of it and a record holds.
fn described(picture: &proto::ImageLog) -> Result<Event> {
    let log = EventLog {
        id: picture.id,
        timestamp: picture.timestamp,
        device_id: picture.device_id,
        user_id: picture.user_id.as_bytes(),
        event_code: picture.event_code,
        sub_code: picture.sub_code,
        has_image: true,
        ..EventLog::default()
    };
    let event = log.to_event().map(|(event, _)| event);
    event.map_err(|misfit| Error::new(ErrorKind::InvalidData, misfit.to_string()))
}

/// Filters as the gateway writes them.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for the very sub code 0: a code with it stands for all.
pub(super) fn messages(filters: &[ImageFilter]) -> Result<Vec<proto::ImageFilter>> {
    let message = |filter: &ImageFilter| {
        if filter.exact && filter.code.sub() == 0 {
            let message =
                format!("image filters: the gateway cannot tell {} from its sub codes", filter.code);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let code = if filter.exact { filter.code } else { filter.code.main() };
        Ok(proto::ImageFilter { event_code: code.get().into(), schedule_id: filter.schedule_id })
    };
    filters.iter().map(message).collect()
}

fn filter(message: &proto::ImageFilter) -> Result<ImageFilter> {
    let code = u16::try_from(message.event_code).map(EventCode::new).map_err(|_| {
        Error::new(ErrorKind::InvalidData, "image filters: field `eventCode` is larger than a code can be")
    })?;
    let filter = ImageFilter::new(code).with_schedule(message.schedule_id);
    Ok(if code.sub() == 0 { filter } else { filter.exactly() })
}

/// Pictures asked for at once: each may have four megabytes before the limit of a message.
const PICTURES: u32 = 15;
const GET_IMAGE_LOG: &str = "/gsdk.event.Event/GetImageLog";
const GET_FILTERS: &str = "/gsdk.event.Event/GetImageFilter";
const SET_FILTERS: &str = "/gsdk.event.Event/SetImageFilter";
