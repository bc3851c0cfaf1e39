//! An event of a device's log, with what is known of it beyond its bytes.

use core::fmt;

use super::{DeviceId, Event, Extras, Subject};

/// An event of a device's log, with what is known of it beyond its bytes: as text and, with the feature `serde`, as JSON.
///
/// The record alone does not say in whose log it is: its number may be that of a slave of the device. Nor does it say
/// whether its clock byte is known: over a device gateway it is not.
///
/// The JSON is that of an [`Event`], where `device_id` is the device and `source_device_id` the device that saw the event,
/// if it is another one; `dst` and `utc_offset_minutes` are missing if they are unknown; `temperature` (degrees Celsius),
/// `job_code` and `extras` with `subjects` are there if there are any. `Display` shows no person and no card, and `Debug`
/// neither.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode, LoggedEvent};
///
/// let (controller, exit_reader) = (DeviceId::new(541_000_001), DeviceId::new(541_000_900));
/// let event = Event::builder(exit_reader, 2, EventCode::DOOR_OPENED).build();
/// let logged = LoggedEvent::new(controller, &event);
/// assert_eq!(logged.to_string(), "541000001 #2 1970-01-01T00:00:00Z DOOR_OPENED door 0, seen by 541000900");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoggedEvent<'a> {
    pub(super) device: DeviceId,
    pub(super) event: &'a Event,
    pub(super) extras: Option<&'a Extras>,
    pub(super) has_clock: bool,
}

impl<'a> LoggedEvent<'a> {
    /// An event in the log of `device`, without extras, and with its clock byte.
    #[must_use]
    pub const fn new(device: DeviceId, event: &'a Event) -> Self {
        Self { device, event, extras: None, has_clock: true }
    }

    /// Sets what a backend reports beyond the 48 bytes.
    #[must_use]
    pub const fn with_extras(mut self, extras: Option<&'a Extras>) -> Self {
        self.extras = extras;
        self
    }

    /// Sets whether the flags say the UTC offset and daylight saving; they do unless set.
    #[must_use]
    pub const fn with_clock(mut self, has_clock: bool) -> Self {
        self.has_clock = has_clock;
        self
    }

    /// The device whose log has the event.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Whether the flags say the UTC offset and daylight saving.
    #[must_use]
    pub const fn has_clock(&self) -> bool {
        self.has_clock
    }

    /// The device that saw the event, if it is not the one whose log has it.
    #[must_use]
    pub fn other_source(&self) -> Option<DeviceId> {
        Some(self.event.source_device(self.device)).filter(|source| *source != self.device)
    }
}

/// Device, id, time, name, and the ids of things; never a person.
impl fmt::Display for LoggedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, event, extras, .. } = self;
        write!(f, "{device} #{} {} {}", event.id(), event.timestamp(), event.code())?;
        match event.subject() {
            Subject::None | Subject::Unknown(_) => {}
            subject => write!(f, " {subject}")?,
        }
        if let Some(source) = self.other_source() {
            write!(f, ", seen by {source}")?;
        }
        let subjects = extras.iter().flat_map(|extras| &extras.subjects);
        for (index, extra) in subjects.enumerate() {
            let before = if index == 0 { ", also: " } else { ", " };
            write!(f, "{before}{}", extra.subject())?;
        }
        Ok(())
    }
}
