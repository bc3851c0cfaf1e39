//! The C functions for logs, images and live events.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use bs2_events::codec::blob::{EventBlob, EventMask};
#[cfg(target_pointer_width = "32")]
use bs2_events::codec::blob::{SmallBlob32 as SmallRecord, SmallBlobEx32 as SmallRecordEx};
#[cfg(target_pointer_width = "64")]
use bs2_events::codec::blob::{SmallBlob64 as SmallRecord, SmallBlobEx64 as SmallRecordEx};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{Event, EventCode, Subject};

use crate::context::Context;
use crate::ffi::{
    INTERNAL, INVALID_PARAMETER, Out, SdkResult, bytes_object, export, lock, not_null, object_results, text,
    with_capacity, words_object,
};
use crate::monitor::{Callback, OnLogReceived, OnLogReceivedEx};
use crate::records::clear_zone;

export! {
    /// Up to `amount` events after an id, ascending; 0 means all.
    fn BS2_GetLog(
        context: *mut c_void,
        device: u32,
        event: u32,
        amount: u32,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetLog")?;
        let page = context.call(device, async |backend, id| backend.logs(id, event, limit(amount)).await)?;
        let (object, length) = events_object(&page, context.session()?.settings.old_flag_byte)?;
        logs.write(object);
        count.write(length);
        Ok(())
    }

    /// Events to which a field of the mask applies. Each contains its image.
    fn BS2_GetLogBlob(
        context: *mut c_void,
        device: u32,
        mask: u16,
        event: u32,
        amount: u32,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetLogBlob")?;
        let blobs = blobs(&context, device, fields(mask), event, amount)?;
        let mut records = with_capacity(blobs.len().saturating_mul(EventBlob::SIZE))?;
        records.resize(blobs.len() * EventBlob::SIZE, 0);
        for (blob, buffer) in blobs.iter().zip(records.chunks_exact_mut(EventBlob::SIZE)) {
            if blob.fill_event_blob(buffer).is_err() {
                // The image is too long for this record; `BS2_GetImageLog` returns it.
                let head = blob.head().with_mask(blob.head().mask() - EventMask::IMAGE);
                EventBlob::fill(buffer, head, &[]).map_err(|_| INTERNAL)?;
            }
        }
        let length = length(blobs.len())?;
        logs.write(bytes_object(records));
        count.write(length);
        Ok(())
    }

    /// The same, with each image as an object of its own.
    fn BS2_GetLogSmallBlob(
        context: *mut c_void,
        device: u32,
        mask: u16,
        event: u32,
        amount: u32,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetLogSmallBlob")?;
        let blobs = blobs(&context, device, fields(mask), event, amount)?;
        let length = length(blobs.len())?;
        logs.write(small_blobs_object(&blobs, SmallRecord::SIZE, |blob, address, records| {
            records.extend_from_slice(SmallRecord::as_bytes(&blob.to_small_blob(address)));
        })?);
        count.write(length);
        Ok(())
    }

    /// The same, with temperatures.
    fn BS2_GetLogSmallBlobEx(
        context: *mut c_void,
        device: u32,
        mask: u16,
        event: u32,
        amount: u32,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetLogSmallBlobEx")?;
        let blobs = blobs(&context, device, EventMask::from_bits_retain(mask), event, amount)?;
        let length = length(blobs.len())?;
        logs.write(small_blobs_object(&blobs, SmallRecordEx::SIZE, |blob, address, records| {
            records.extend_from_slice(SmallRecordEx::as_bytes(&blob.to_small_blob_ex(address)));
        })?);
        count.write(length);
        Ok(())
    }

    /// The events of a user, a code, a period and a T&A key. NULL and 0 match all.
    fn BS2_GetFilteredLog(
        context: *mut c_void,
        device: u32,
        user: *const c_char,
        code: u16,
        start: u32,
        end: u32,
        key: u8,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetFilteredLog")?;
        let filter = Filter::new(user, code, start, end, key)?;
        let (object, length) = filtered(&context, device, &filter, 0, 0)?;
        logs.write(object);
        count.write(length);
        Ok(())
    }

    /// The same after an id, up to `amount` events.
    fn BS2_GetFilteredLogSinceEventId(
        context: *mut c_void,
        device: u32,
        user: *const c_char,
        code: u16,
        start: u32,
        end: u32,
        key: u8,
        event: u32,
        amount: u32,
        logs: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (logs, count) = object_results(logs, count)?;
        let context = Context::find(context, "BS2_GetFilteredLogSinceEventId")?;
        let filter = Filter::new(user, code, start, end, key)?;
        let (object, length) = filtered(&context, device, &filter, event, amount)?;
        logs.write(object);
        count.write(length);
        Ok(())
    }

    /// The image of an event, a JPEG.
    fn BS2_GetImageLog(
        context: *mut c_void,
        device: u32,
        event: u32,
        image: Out<'_, *mut c_void>,
        size: Out<'_, u32>,
    ) {
        let (image, size) = object_results(image, size)?;
        let context = Context::find(context, "BS2_GetImageLog")?;
        let jpeg = context.call(device, async |backend, id| backend.image_log(id, event).await)?;
        let length = length(jpeg.len())?;
        image.write(bytes_object(jpeg.to_vec()));
        size.write(length);
        Ok(())
    }

    /// Deletes a log. The ids continue.
    fn BS2_ClearLog(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_ClearLog")?;
        let time = lock(&context.options).long_response;
        context.call_within(time, device, async |backend, id| backend.clear_log(id).await)
    }

    /// Reports events as they happen. A second call for the same device replaces the first.
    fn BS2_StartMonitoringLog(context: *mut c_void, device: u32, received: Option<OnLogReceived>) {
        let context = Context::find(context, "BS2_StartMonitoringLog")?;
        context.monitor(device, Callback::Plain(not_null(received)?))
    }

    /// The same, with temperatures. Both can run for the same device.
    fn BS2_StartMonitoringLogEx(context: *mut c_void, device: u32, received: Option<OnLogReceivedEx>) {
        let context = Context::find(context, "BS2_StartMonitoringLogEx")?;
        context.monitor(device, Callback::Ex(not_null(received)?))
    }

    /// Ends the reports. No callback begins after this returns.
    fn BS2_StopMonitoringLog(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_StopMonitoringLog")?;
        let session = context.session()?;
        session.stop_monitoring(session.devices.connected(device)?);
        Ok(())
    }
}

/// The arguments of `BS2_GetFilteredLog`.
struct Filter<'a> {
    user: Option<&'a [u8]>,
    code: EventCode,
    start: u32,
    end: u32,
    key: u8,
}

impl<'a> Filter<'a> {
    fn new(user: *const c_char, code: u16, start: u32, end: u32, key: u8) -> SdkResult<Self> {
        let user = if user.is_null() { None } else { Some(text(user)?) };
        if user.is_some_and(|user| user.len() > LONGEST_USER_ID) {
            return Err(INVALID_PARAMETER);
        }
        Ok(Self { user: user.filter(|user| !user.is_empty()), code: EventCode::new(code), start, end, key })
    }

    fn matches(&self, event: &Event) -> bool {
        let time = event.timestamp().as_unix_seconds();
        let whole = self.code.get() & 0x00FF != 0;
        (self.start == 0 || time >= self.start)
            && (self.end == 0 || time <= self.end)
            && (self.code.get() == 0
                || event.code() == self.code
                || !whole && event.code().main() == self.code.main())
            && (self.key == 0 || event.tna_key() == Some(self.key))
            && self.user.is_none_or(|wanted| match event.subject() {
                Subject::User(user) => user.as_bytes() == wanted,
                _ => false,
            })
    }
}

fn filtered(
    context: &Context,
    device: u32,
    filter: &Filter<'_>,
    after: u32,
    amount: u32,
) -> SdkResult<(*mut c_void, u32)> {
    let page = context
        .call_within(FILTER_LIMIT, device, async |backend, id| backend.logs(id, after, u32::MAX).await)?;
    let max = usize::try_from(limit(amount)).unwrap_or(usize::MAX);
    let events: Vec<Event> = page.iter().filter(|event| filter.matches(event)).take(max).copied().collect();
    events_object(&events, context.session()?.settings.old_flag_byte)
}

fn blobs(
    context: &Context,
    device: u32,
    mask: EventMask,
    after: u32,
    amount: u32,
) -> SdkResult<Vec<PortableBlob<'static>>> {
    context.call(device, async |backend, id| backend.blobs(id, after, limit(amount), mask).await)
}

/// Events as an object; NULL for none.
fn events_object(events: &[Event], old_flag_byte: bool) -> SdkResult<(*mut c_void, u32)> {
    let length = length(events.len())?;
    let bytes = Event::slice_as_bytes(events);
    let mut words = with_capacity(bytes.len() / 4)?;
    words.extend(bytes.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word)));
    if old_flag_byte {
        words.as_chunks_mut().0.iter_mut().for_each(clear_zone);
    }
    Ok((words_object(words), length))
}

/// Small blobs as an object, and each image as another object.
fn small_blobs_object(
    blobs: &[PortableBlob<'_>],
    size: usize,
    write: impl Fn(&PortableBlob<'_>, u64, &mut Vec<u8>),
) -> SdkResult<*mut c_void> {
    let mut records = with_capacity(blobs.len().saturating_mul(size))?;
    for blob in blobs {
        let image = blob.image().map_or(std::ptr::null_mut(), |image| bytes_object(image.to_vec()));
        let address = u64::try_from(image.expose_provenance()).map_err(|_| INTERNAL)?;
        write(blob, address, &mut records);
    }
    Ok(bytes_object(records))
}

/// The limit that an amount means.
fn limit(amount: u32) -> u32 {
    if amount == 0 { u32::MAX } else { amount }
}

/// The fields of records without a temperature.
fn fields(mask: u16) -> EventMask {
    EventMask::from_bits_retain(mask) - EventMask::TEMPERATURE
}

fn length(count: usize) -> SdkResult<u32> {
    u32::try_from(count).map_err(|_| INTERNAL)
}

const LONGEST_USER_ID: usize = 32;
/// The vendor's limit for a search through a whole log.
const FILTER_LIMIT: Duration = Duration::from_secs(300);
