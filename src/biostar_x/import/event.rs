//! An event to be imported.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::Result;
use crate::biostar_x::codes::invalid;
use crate::biostar_x::row::EventRow;
use crate::biostar_x::{VirtualDeviceFlag, VirtualDeviceId};
use crate::codec::{EventCode, Timestamp};

/// An event to be imported: who was let in or turned away, and when.
///
/// `Debug` shows everything but the person.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::ImportEvent;
/// use bs2_events::codec::Timestamp;
///
/// let punch = ImportEvent::granted("1001", Timestamp::from_unix_seconds(1_761_837_120)).tna_key(1);
/// assert_eq!(punch.time().to_string(), "2025-10-30T15:12:00Z");
/// assert!(!format!("{punch:?}").contains("1001"));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ImportEvent {
    verdict: Verdict,
    user: String,
    time: Timestamp,
    tna_key: Option<u8>,
}

/// What an imported event can say: no other codes are accepted by the server.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::Verdict;
///
/// assert_eq!((Verdict::Granted.code().get(), Verdict::Denied.code().get()), (4_088, 6_400));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Code 4088, which is the server's own: no reader has it.
    Granted,
    /// Code 6400, as readers have it.
    Denied,
}

impl ImportEvent {
    /// Somebody was let in. The server has to know the user.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::ImportEvent, codec::Timestamp};
    /// let event = ImportEvent::granted("1001", Timestamp::from_unix_seconds(1_761_837_120));
    /// ```
    #[must_use]
    pub fn granted(user: impl Into<String>, time: Timestamp) -> Self {
        Self::new(Verdict::Granted, user, time)
    }

    /// Somebody was turned away. The server has to know the user.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::ImportEvent, codec::Timestamp};
    /// let event = ImportEvent::denied("1001", Timestamp::from_unix_seconds(1_761_837_120));
    /// ```
    #[must_use]
    pub fn denied(user: impl Into<String>, time: Timestamp) -> Self {
        Self::new(Verdict::Denied, user, time)
    }

    /// The same by a verdict.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{ImportEvent, Verdict}, codec::Timestamp};
    /// let time = Timestamp::from_unix_seconds(1_761_837_120);
    /// assert_eq!(ImportEvent::new(Verdict::Denied, "2", time), ImportEvent::denied("2", time));
    /// ```
    #[must_use]
    pub fn new(verdict: Verdict, user: impl Into<String>, time: Timestamp) -> Self {
        Self { verdict, user: user.into(), time, tna_key: None }
    }

    /// Says which time and attendance key was pressed, 1 to 16.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::ImportEvent, codec::Timestamp};
    /// let check_in = ImportEvent::granted("2", Timestamp::from_unix_seconds(1_761_837_120)).tna_key(1);
    /// ```
    #[must_use]
    pub const fn tna_key(mut self, key: u8) -> Self {
        self.tna_key = Some(key);
        self
    }

    /// Whether the person was let in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::{ImportEvent, Verdict}, codec::Timestamp};
    /// assert_eq!(ImportEvent::granted("2", Timestamp::default()).verdict(), Verdict::Granted);
    /// ```
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// When it happened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::ImportEvent, codec::Timestamp};
    /// assert_eq!(ImportEvent::granted("2", Timestamp::default()).time(), Timestamp::default());
    /// ```
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The person's id. Personal.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{biostar_x::ImportEvent, codec::Timestamp};
    /// assert_eq!(ImportEvent::granted("2", Timestamp::default()).user(), "2");
    /// ```
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Refuses what the server's documents rule out; `position` counts from 0.
    pub(super) fn check(&self, position: usize) -> Result<()> {
        let problem = if self.user.trim().is_empty() {
            "field `user_id` is empty"
        } else if self.user.chars().any(char::is_control) {
            "field `user_id` holds a control character"
        } else if self.tna_key.is_some_and(|key| !(1..=16).contains(&key)) {
            "field `tna_key` lies outside 1 to 16"
        } else {
            return Ok(());
        };
        Err(invalid(format!("event {position}: {problem}")).with_position(position))
    }

    /// What search shows of it, except the key.
    pub(super) fn trace(&self) -> Trace {
        Trace { code: self.verdict.code(), user: self.user.trim().to_owned(), time: self.time }
    }

    pub(crate) const fn key(&self) -> Option<u8> {
        self.tna_key
    }
}

/// What an imported event and the row that it became have in common.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) struct Trace {
    code: EventCode,
    user: String,
    time: Timestamp,
}

impl Trace {
    pub(super) fn of_row(row: &EventRow) -> Option<Self> {
        let user = row.user_id.as_deref()?.trim().to_owned();
        Some(Self { code: row.code?, user, time: row.time? })
    }

    pub(super) const fn code(&self) -> EventCode {
        self.code
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) const fn time(&self) -> Timestamp {
        self.time
    }
}

impl Verdict {
    /// The event code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Verdict;
    /// assert_eq!(Verdict::Denied.code().get(), 0x1900);
    /// ```
    #[must_use]
    pub const fn code(self) -> EventCode {
        match self {
            Self::Granted => EventCode::new(4_088),
            Self::Denied => EventCode::new(6_400),
        }
    }
}

impl fmt::Debug for ImportEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportEvent")
            .field("verdict", &self.verdict)
            .field("time", &format_args!("{}", self.time))
            .field("tna_key", &self.tna_key)
            .finish_non_exhaustive()
    }
}

/// The body of an import request.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    packet_device_id: u32,
    is_virtual_device: Flag,
    events: Vec<EventBody<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn new(device: VirtualDeviceId, flag: VirtualDeviceFlag, events: &'a [ImportEvent]) -> Self {
        let dev_id = device.get();
        Self {
            packet_device_id: dev_id,
            is_virtual_device: Flag(flag),
            events: events.iter().map(|event| EventBody { dev_id, event }).collect(),
        }
    }
}

struct Flag(VirtualDeviceFlag);

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            VirtualDeviceFlag::Boolean => serializer.serialize_bool(true),
            VirtualDeviceFlag::Text => serializer.serialize_str("true"),
        }
    }
}

struct EventBody<'a> {
    dev_id: u32,
    event: &'a ImportEvent,
}

impl Serialize for EventBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Event", 5)?;
        body.serialize_field("dev_id", &self.dev_id)?;
        body.serialize_field("evt", &self.event.verdict.code().get())?;
        body.serialize_field("datetime", &self.event.time.to_string())?;
        body.serialize_field("user_id", &self.event.user)?;
        match self.event.tna_key {
            Some(key) => body.serialize_field("tna_key", &key.to_string())?,
            None => body.skip_field("tna_key")?,
        }
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_request_is_written_byte_for_byte() {
        let time = Timestamp::from_unix_seconds(1_761_837_120);
        let later = Timestamp::from_unix_seconds(1_761_837_181);
        let events = [ImportEvent::denied("2", time).tna_key(1), ImportEvent::denied("2", later).tna_key(1)];
        let body = |flag| serde_json::to_string(&Body::new(VirtualDeviceId::MIN, flag, &events)).unwrap();
        let expected = concat!(
            r#"{"packet_device_id":100001,"is_virtual_device":"true","events":["#,
            r#"{"dev_id":100001,"evt":6400,"datetime":"2025-10-30T15:12:00Z","user_id":"2","tna_key":"1"},"#,
            r#"{"dev_id":100001,"evt":6400,"datetime":"2025-10-30T15:13:01Z","user_id":"2","tna_key":"1"}]}"#,
        );
        assert_eq!(body(VirtualDeviceFlag::Text), expected);
        assert_eq!(body(VirtualDeviceFlag::Boolean), expected.replace(r#""true""#, "true"));
    }

    #[test]
    fn what_the_documents_rule_out_is_refused_with_its_place() {
        let check = |event: ImportEvent| event.check(3).map_err(|error| error.to_string());
        let time = Timestamp::default();
        assert_eq!(
            check(ImportEvent::granted(" ", time)),
            Err("event 3: field `user_id` is empty".to_owned())
        );
        assert!(check(ImportEvent::granted("1\n", time)).is_err());
        assert!(check(ImportEvent::granted("1", time).tna_key(0)).is_err());
        assert!(check(ImportEvent::granted("1", time).tna_key(17)).is_err());
        assert_eq!(check(ImportEvent::granted("anna.k", time).tna_key(16)), Ok(()));
    }
}
