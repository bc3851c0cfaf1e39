//! An event to be imported, and how it is made from an event of a device.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::codes::{DENIED, GRANTED};
use super::virtual_devices::VirtualDeviceId;
use crate::Result;
use crate::codec::code::Outcome;
use crate::codec::{Event, EventCode, Subject, Timestamp};
use crate::error::invalid;

/// An event to be imported: who was let in or turned away, and when.
///
/// `Debug` shows everything except the person.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::ImportEvent;
/// use bs2_events::codec::Timestamp;
///
/// let punch = ImportEvent::granted("1001", Timestamp::from_unix_seconds(1_761_837_120)).tna_key(1);
/// assert_eq!(punch.time().to_string(), "2025-10-30T15:12:00Z");
/// assert!(punch.check().is_ok());
///
/// let error = punch.tna_key(17).check().unwrap_err();
/// assert_eq!(error.to_string(), "field `tna_key` is not from 1 to 16");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ImportEvent {
    verdict: Verdict,
    user: String,
    time: Timestamp,
    tna_key: Option<u8>,
}

/// The two codes that the server accepts in an import.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Code 4088, which is the server's own: no device has it.
    Granted,
    /// Code 6400, which devices have too.
    Denied,
}

impl ImportEvent {
    /// Somebody was let in. The server has to know the user.
    #[must_use]
    pub fn granted(user: impl Into<String>, time: Timestamp) -> Self {
        Self::new(Verdict::Granted, user, time)
    }

    /// Somebody was turned away. The server has to know the user.
    #[must_use]
    pub fn denied(user: impl Into<String>, time: Timestamp) -> Self {
        Self::new(Verdict::Denied, user, time)
    }

    /// An event with this verdict.
    #[must_use]
    pub fn new(verdict: Verdict, user: impl Into<String>, time: Timestamp) -> Self {
        Self { verdict, user: user.into(), time, tna_key: None }
    }

    /// Sets the time and attendance key that was pressed, 1 to 16.
    #[must_use]
    pub const fn tna_key(mut self, key: u8) -> Self {
        self.tna_key = Some(key);
        self
    }

    /// Whether the person was let in.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// When it happened.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The person's id. Personal.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Checks what the server's documents require. [`BiostarX::import`](super::BiostarX::import) does so for every event.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), which names the field.
    pub fn check(&self) -> Result<()> {
        self.problem().map_or(Ok(()), |problem| Err(invalid(problem)))
    }

    /// What is wrong with the event.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.user.trim().is_empty() {
            Some("field `user_id` is empty")
        } else if self.user.chars().any(char::is_control) {
            Some("field `user_id` has a control character")
        } else if self.tna_key.is_some_and(|key| !(1..=16).contains(&key)) {
            Some("field `tna_key` is not from 1 to 16")
        } else {
            None
        }
    }

    pub(crate) const fn key(&self) -> Option<u8> {
        self.tna_key
    }
}

impl Verdict {
    /// The event code.
    #[must_use]
    pub const fn code(self) -> EventCode {
        match self {
            Self::Granted => GRANTED,
            Self::Denied => DENIED,
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
    is_virtual_device: Value,
    events: Vec<EventBody<'a>>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    dev_id: u32,
    evt: u16,
    datetime: String,
    user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tna_key: Option<String>,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        device: VirtualDeviceId,
        flag: VirtualDeviceFlag,
        events: impl IntoIterator<Item = &'a ImportEvent>,
    ) -> Self {
        let dev_id = device.get();
        let event = |event: &'a ImportEvent| EventBody {
            dev_id,
            evt: event.verdict.code().get(),
            datetime: event.time.to_string(),
            user_id: &event.user,
            tna_key: event.tna_key.map(|key| key.to_string()),
        };
        let is_virtual_device = match flag {
            VirtualDeviceFlag::Boolean => true.into(),
            VirtualDeviceFlag::Text => "true".into(),
        };
        Self { packet_device_id: dev_id, is_virtual_device, events: events.into_iter().map(event).collect() }
    }
}

/// Why an event of a device cannot be imported.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// The event is not about whether somebody was let in.
    #[error("the event is not an authentication")]
    NoAuthentication,
    /// The event is an authentication whose code does not say how it ended.
    #[error("the event's code says neither granted nor denied")]
    NoOutcome,
    /// The event names no person: a card or a finger that the device does not know.
    #[error("the event names no person")]
    NoUser,
    /// The person's id is not text, so that no server can know it.
    #[error("the person's id is not text")]
    UserIsNoText,
}

impl Unmapped {
    /// Every reason.
    #[cfg(feature = "collect")]
    pub(crate) const ALL: [Self; 4] =
        [Self::NoAuthentication, Self::NoOutcome, Self::NoUser, Self::UserIsNoText];
}

/// From an event of a device: granted or denied by its code, the person, the second, and the time and attendance key if
/// one was pressed. Nothing is guessed.
impl TryFrom<&Event> for ImportEvent {
    type Error = Unmapped;

    fn try_from(event: &Event) -> Result<Self, Unmapped> {
        if !event.code().is_authentication() {
            return Err(Unmapped::NoAuthentication);
        }
        let verdict = match event.code().outcome() {
            Outcome::Granted => Verdict::Granted,
            Outcome::Denied => Verdict::Denied,
            Outcome::Neither => return Err(Unmapped::NoOutcome),
        };
        let Subject::User(user) = event.subject() else { return Err(Unmapped::NoUser) };
        if user.is_empty() {
            return Err(Unmapped::NoUser);
        }
        let text =
            user.as_text().filter(|text| !text.trim().is_empty() && !text.chars().any(char::is_control));
        let imported = Self::new(verdict, text.ok_or(Unmapped::UserIsNoText)?, event.timestamp());
        Ok(event.tna_key().map_or(imported.clone(), |key| imported.tna_key(key)))
    }
}

/// How many events could not be imported, by reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnmappedCount(std::collections::BTreeMap<Unmapped, u64>);

impl UnmappedCount {
    /// Counts one.
    pub fn add(&mut self, reason: Unmapped) {
        self.add_many(reason, 1);
    }

    pub(crate) fn add_many(&mut self, reason: Unmapped, more: u64) {
        let count = self.0.entry(reason).or_default();
        *count = count.saturating_add(more);
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many there are for each reason.
    pub fn iter(&self) -> impl Iterator<Item = (Unmapped, u64)> {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

impl fmt::Display for UnmappedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (reason, count)) in self.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{count}: {reason}")?;
        }
        Ok(())
    }
}

/// How a request marks its device as a virtual one: the vendor's documents disagree.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VirtualDeviceFlag {
    /// `true`, as in the support article and the interface description.
    #[default]
    Boolean,
    /// `"true"`, as in the vendor's recorded call.
    Text,
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
    fn what_the_documents_rule_out_is_refused_with_its_field() {
        let check = |event: ImportEvent| event.check().map_err(|error| error.to_string());
        let time = Timestamp::default();
        assert_eq!(check(ImportEvent::granted(" ", time)), Err("field `user_id` is empty".to_owned()));
        assert!(check(ImportEvent::granted("1\n", time)).is_err());
        assert!(check(ImportEvent::granted("1", time).tna_key(0)).is_err());
        assert!(check(ImportEvent::granted("1", time).tna_key(17)).is_err());
        assert_eq!(check(ImportEvent::granted("anna.k", time).tna_key(16)), Ok(()));
    }
}
