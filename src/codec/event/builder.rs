//! Writing an event field by field.

use zerocopy::little_endian::U32;

use super::Event;
use crate::codec::{EventFlags, Subject, Timestamp};

/// Fills in an [`Event`]; made by [`Event::builder`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
///
/// let builder = Event::builder(DeviceId::new(1), 5, EventCode::DEVICE_TCP_CONNECTED);
/// assert_eq!(builder.build().id(), 5);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct EventBuilder {
    event: Event,
}

impl EventBuilder {
    pub(super) const fn new(event: Event) -> Self {
        Self { event }
    }

    /// Sets when it happened; 1970-01-01 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
    /// let time = Timestamp::from_unix_seconds(1);
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::DOOR_OPENED).timestamp(time).build();
    /// assert_eq!(event.timestamp(), time);
    /// ```
    pub const fn timestamp(mut self, time: Timestamp) -> Self {
        self.event.date_time = U32::new(time.as_unix_seconds());
        self
    }

    /// Sets to whom or what it happened; 32 zero bytes unless set.
    ///
    /// Which member the bytes are is for the code to say: a subject that does not go with the code is written as
    /// given and read back as what the code says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, Subject};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::FLOOR_ACTIVATED)
    ///     .subject(Subject::Lift { lift_id: 3 })
    ///     .build();
    /// assert_eq!(event.subject(), Subject::Lift { lift_id: 3 });
    /// ```
    pub fn subject(mut self, subject: Subject<'_>) -> Self {
        self.event.subject = subject.to_bytes();
        self
    }

    /// Sets the byte at offset 46; 0 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// assert_eq!(Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS).param(4).build().param(), 4);
    /// ```
    pub const fn param(mut self, param: u8) -> Self {
        self.event.param = param;
        self
    }

    /// Sets the byte at offset 47; 0 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS).flags(EventFlags::IMAGE).build();
    /// assert!(event.flags().has_image());
    /// ```
    pub const fn flags(mut self, flags: EventFlags) -> Self {
        self.event.flags = flags.bits();
        self
    }

    /// The event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// assert_eq!(Event::builder(DeviceId::new(1), 8, EventCode::DOOR_OPENED).build().id(), 8);
    /// ```
    #[must_use]
    pub const fn build(self) -> Event {
        self.event
    }
}
