//! What a device says of itself, and its pictures.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::codec::{DeviceId, Event, EventCode};

/// Model, firmware and address of a device.
#[doc(alias("BS2_GetDeviceInfo", "BS2SimpleDeviceInfo"))]
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The id of the device.
    pub id: DeviceId,
    /// The name of the model; empty if the backend does not know it.
    pub model: String,
    /// The version of the firmware; empty if the backend does not know it.
    pub firmware: String,
    /// The address of the device; `None` if it has none of its own.
    pub address: Option<SocketAddr>,
}

impl DeviceInfo {
    /// A device of which only the id is known.
    #[must_use]
    pub fn new(id: DeviceId) -> Self {
        Self { id, model: String::new(), firmware: String::new(), address: None }
    }

    /// Sets the name of the model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets the version of the firmware.
    #[must_use]
    pub fn with_firmware(mut self, firmware: impl Into<String>) -> Self {
        self.firmware = firmware.into();
        self
    }

    /// Sets the address.
    #[must_use]
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// What a device can do.
#[doc(alias("BS2_GetDeviceCapabilities", "BS2DeviceCapabilities"))]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How many events the device keeps before it overwrites the oldest; 0 if unknown.
    pub max_event_logs: u32,
    /// How many images the device keeps; 0 for a device without images.
    pub max_image_logs: u32,
}

impl Capabilities {
    /// A device that keeps this many events and no images.
    #[must_use]
    pub const fn new(max_event_logs: u32) -> Self {
        Self { max_event_logs, max_image_logs: 0 }
    }

    /// Sets how many images the device keeps.
    #[must_use]
    pub const fn with_image_logs(mut self, max_image_logs: u32) -> Self {
        self.max_image_logs = max_image_logs;
        self
    }

    /// Whether the device takes pictures.
    #[must_use]
    pub const fn has_image_logs(&self) -> bool {
        self.max_image_logs > 0
    }
}

/// For which events a device takes a picture, and when.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::EventCode;
/// use bs2_events::device::ImageFilter;
///
/// // Every denied access, at any time.
/// let filter = ImageFilter::new(EventCode::ACCESS_DENIED);
/// assert!(filter.matches(EventCode::new(0x1903)));
/// assert!(!filter.matches(EventCode::VERIFY_SUCCESS));
/// ```
#[doc(alias = "BS2EventConfig")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ImageFilter {
    /// The code; its sub code counts only if `exact` is set.
    pub code: EventCode,
    /// Whether the sub code must match too.
    pub exact: bool,
    /// The schedule in which pictures are taken; 0 is never, 1 is always, others are defined on the device.
    pub schedule_id: u32,
}

impl ImageFilter {
    /// A picture of every event with this main code, at any time.
    #[must_use]
    pub const fn new(code: EventCode) -> Self {
        Self { code, exact: false, schedule_id: 1 }
    }

    /// Asks for exactly this code, sub code included.
    #[must_use]
    pub const fn exactly(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Sets the schedule.
    #[must_use]
    pub const fn with_schedule(mut self, schedule_id: u32) -> Self {
        self.schedule_id = schedule_id;
        self
    }

    /// Whether the filter covers an event with this code. The schedule is not looked at.
    #[must_use]
    pub fn matches(&self, code: EventCode) -> bool {
        if self.exact { self.code == code } else { self.code.main() == code.main() }
    }
}

/// The picture of an event. `Debug` shows its size, not the picture.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::device::ImageLog;
///
/// let event = Event::builder(DeviceId::new(1), 5, EventCode::ACCESS_DENIED).build();
/// let image = ImageLog::new(event, vec![0xFF, 0xD8]);
/// assert_eq!(image.event.id(), 5);
/// assert!(format!("{image:?}").contains("2 bytes"));
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ImageLog {
    /// The event.
    pub event: Event,
    /// The picture, a JPEG; empty if the device returned none ([`is_empty`](ImageLog::is_empty)).
    pub jpeg: Bytes,
}

impl ImageLog {
    /// The picture of an event.
    pub fn new(event: Event, jpeg: impl Into<Bytes>) -> Self {
        Self { event, jpeg: jpeg.into() }
    }

    /// Whether the device returned no picture, only that there should be one. It may have the picture later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jpeg.is_empty()
    }
}

impl fmt::Debug for ImageLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.jpeg.len();
        f.debug_struct("ImageLog")
            .field("event", &self.event.id())
            .field("jpeg", &format_args!("{size} bytes"))
            .finish()
    }
}
