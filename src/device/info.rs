//! What a reader says of itself, and its pictures.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::Error;
use crate::codec::{DeviceId, Event, EventCode};

/// The readers that a [`Backend`](super::Backend) reaches, and why it does not reach the others.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::DeviceList;
///
/// let list = DeviceList::new([9, 7, 9].map(DeviceId::new));
/// assert_eq!(list.devices, [7, 9].map(DeviceId::new));
/// assert!(list.failures.is_empty());
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeviceList {
    /// The readers, ascending, each once.
    pub devices: Vec<DeviceId>,
    /// An error for each reader that the settings name and whose number nobody could find out.
    pub failures: Vec<Error>,
}

impl DeviceList {
    /// These readers, in whatever order and however often they are given.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::DeviceList;
    /// assert!(DeviceList::new([]).devices.is_empty());
    /// ```
    pub fn new(devices: impl IntoIterator<Item = DeviceId>) -> Self {
        let mut devices: Vec<_> = devices.into_iter().collect();
        devices.sort_unstable();
        devices.dedup();
        Self { devices, failures: Vec::new() }
    }

    /// The same list, with readers that cannot be reached now.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::DeviceList, Error, ErrorKind};
    /// let silent = Error::new(ErrorKind::Disconnected, "nobody answers at 192.0.2.7");
    /// let list = DeviceList::new([]).with_failures([silent]);
    /// assert_eq!(list.failures.len(), 1);
    /// ```
    #[must_use]
    pub fn with_failures(mut self, failures: impl IntoIterator<Item = Error>) -> Self {
        self.failures.extend(failures);
        self
    }
}

/// What a reader says of itself.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
/// use bs2_events::device::DeviceInfo;
///
/// let info = DeviceInfo::new(DeviceId::new(7)).with_model("BioStation 3");
/// assert_eq!(info.model, "BioStation 3");
/// ```
#[doc(alias("BS2_GetDeviceInfo", "BS2SimpleDeviceInfo"))]
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The reader's number.
    pub id: DeviceId,
    /// The model's name; empty where the backend does not know it.
    pub model: String,
    /// The firmware's version; empty where the backend does not know it.
    pub firmware: String,
    /// Where the reader is reached; `None` where it has no address of its own.
    pub address: Option<SocketAddr>,
}

impl DeviceInfo {
    /// A reader of which nothing but the number is known.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::DeviceInfo};
    /// assert!(DeviceInfo::new(DeviceId::new(7)).model.is_empty());
    /// ```
    #[must_use]
    pub fn new(id: DeviceId) -> Self {
        Self { id, model: String::new(), firmware: String::new(), address: None }
    }

    /// Sets the model's name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::DeviceInfo};
    /// assert_eq!(DeviceInfo::new(DeviceId::new(7)).with_model("FaceStation F2").model, "FaceStation F2");
    /// ```
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets the firmware's version.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::DeviceInfo};
    /// assert_eq!(DeviceInfo::new(DeviceId::new(7)).with_firmware("1.2.3").firmware, "1.2.3");
    /// ```
    #[must_use]
    pub fn with_firmware(mut self, firmware: impl Into<String>) -> Self {
        self.firmware = firmware.into();
        self
    }

    /// Sets where the reader is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, device::DeviceInfo};
    /// let address = "192.0.2.7:51211".parse().unwrap();
    /// assert_eq!(DeviceInfo::new(DeviceId::new(7)).with_address(address).address, Some(address));
    /// ```
    #[must_use]
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// What a reader can do.
///
/// # Examples
///
/// ```
/// use bs2_events::device::Capabilities;
///
/// let capabilities = Capabilities::new(3_000_000).with_image_logs(50_000);
/// assert!(capabilities.has_image_logs());
/// ```
#[doc(alias("BS2_GetDeviceCapabilities", "BS2DeviceCapabilities"))]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How many events the reader keeps before it overwrites the oldest; 0 where unknown.
    pub max_event_logs: u32,
    /// How many images the reader keeps; 0 for a reader without images.
    pub max_image_logs: u32,
}

impl Capabilities {
    /// A reader that keeps this many events and no images.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::Capabilities;
    /// assert_eq!(Capabilities::new(50_000).max_event_logs, 50_000);
    /// ```
    #[must_use]
    pub const fn new(max_event_logs: u32) -> Self {
        Self { max_event_logs, max_image_logs: 0 }
    }

    /// Sets how many images the reader keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::Capabilities;
    /// assert_eq!(Capabilities::new(50_000).with_image_logs(1_000).max_image_logs, 1_000);
    /// ```
    #[must_use]
    pub const fn with_image_logs(mut self, max_image_logs: u32) -> Self {
        self.max_image_logs = max_image_logs;
        self
    }

    /// Whether the reader takes pictures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::Capabilities;
    /// assert!(!Capabilities::new(50_000).has_image_logs());
    /// ```
    #[must_use]
    pub const fn has_image_logs(&self) -> bool {
        self.max_image_logs > 0
    }
}

/// For which events a reader takes a picture, and when.
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
    /// The schedule in which pictures are taken; 0 is never, 1 is always, others are defined on the reader.
    pub schedule_id: u32,
}

impl ImageFilter {
    /// A picture of every event with this main code, at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventCode, device::ImageFilter};
    /// assert_eq!(ImageFilter::new(EventCode::VERIFY_FAIL).schedule_id, 1);
    /// ```
    #[must_use]
    pub const fn new(code: EventCode) -> Self {
        Self { code, exact: false, schedule_id: 1 }
    }

    /// Asks for the very code, sub code included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventCode, device::ImageFilter};
    /// let filter = ImageFilter::new(EventCode::new(0x1901)).exactly();
    /// assert!(!filter.matches(EventCode::new(0x1902)));
    /// ```
    #[must_use]
    pub const fn exactly(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Sets the schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventCode, device::ImageFilter};
    /// assert_eq!(ImageFilter::new(EventCode::VERIFY_FAIL).with_schedule(0).schedule_id, 0);
    /// ```
    #[must_use]
    pub const fn with_schedule(mut self, schedule_id: u32) -> Self {
        self.schedule_id = schedule_id;
        self
    }

    /// Whether an event with this code falls under the filter; its schedule is the reader's affair.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventCode, device::ImageFilter};
    /// assert!(ImageFilter::new(EventCode::ACCESS_DENIED).matches(EventCode::new(0x1901)));
    /// ```
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
    /// The picture, a JPEG.
    pub jpeg: Bytes,
}

impl ImageLog {
    /// The picture of an event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{DeviceId, Event, EventCode}, device::ImageLog};
    /// let event = Event::builder(DeviceId::new(1), 5, EventCode::ACCESS_DENIED).build();
    /// assert_eq!(ImageLog::new(event, vec![0xFF, 0xD8]).jpeg.len(), 2);
    /// ```
    pub fn new(event: Event, jpeg: impl Into<Bytes>) -> Self {
        Self { event, jpeg: jpeg.into() }
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
