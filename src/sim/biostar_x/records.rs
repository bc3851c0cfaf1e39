//! What the server has stored, for tests to compare.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::journal::{Journal, Line};
use super::row;
use crate::Result;
use crate::codec::{EventCode, Timestamp};

/// What the server has stored: a copy, taken at one moment.
///
/// `Debug` shows counts; user ids are there for who asks by name.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Server, ServerSettings};
///
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start(ServerSettings::default().with_backlog(20)).await?;
/// let state = server.state();
/// assert_eq!(state.events().len(), 20);
/// assert!(state.imported().next().is_none());
/// assert_eq!(state.to_json()["virtual_devices"], serde_json::json!([]));
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct State {
    pub(super) virtual_devices: Vec<VirtualDevice>,
    pub(super) events: Vec<StoredEvent>,
}

impl State {
    /// What a state file says, also while a server writes it: without the events that every start makes again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) or [`Storage`](crate::ErrorKind::Storage) when the file cannot be
    /// read, [`InvalidData`](crate::ErrorKind::InvalidData) when it is none of these.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::ErrorKind;
    /// use bs2_events::sim::biostar_x::State;
    ///
    /// let error = State::read("nowhere/server.jsonl".as_ref()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    pub fn read(path: &Path) -> Result<Self> {
        let mut devices = BTreeMap::new();
        let mut events = Vec::new();
        for line in Journal::read(path)? {
            match line {
                Line::Start | Line::User(_) => {}
                Line::VirtualDevice(device) => {
                    devices.insert(device.id, device);
                }
                Line::Deleted(ids) => devices.retain(|id, _| !ids.contains(id)),
                Line::Events(stored) => events.extend(stored),
            }
        }
        Ok(Self { virtual_devices: devices.into_values().collect(), events })
    }

    /// The virtual devices, in the order of their ids.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::State;
    /// assert!(State::default().virtual_devices().is_empty());
    /// ```
    #[must_use]
    pub fn virtual_devices(&self) -> &[VirtualDevice] {
        &self.virtual_devices
    }

    /// All events, in the order in which they were stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::State;
    /// assert!(State::default().events().is_empty());
    /// ```
    #[must_use]
    pub fn events(&self) -> &[StoredEvent] {
        &self.events
    }

    /// The events that were imported, in the order in which they came.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::State;
    /// assert_eq!(State::default().imported().count(), 0);
    /// ```
    pub fn imported(&self) -> impl Iterator<Item = &StoredEvent> {
        self.events.iter().filter(|event| event.imported)
    }

    /// The same as JSON, with `virtual_devices` and `events`; user ids are in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::State;
    /// let json = State::default().to_json();
    /// assert_eq!(json.to_string(), r#"{"virtual_devices":[],"events":[]}"#);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let events: Vec<_> = self.events.iter().map(StoredEvent::to_json).collect();
        json!({ "virtual_devices": self.virtual_devices, "events": events })
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("virtual_devices", &self.virtual_devices.len())
            .field("events", &self.events.len())
            .finish()
    }
}

/// A virtual device: the place that imported events are said to come from.
///
/// # Examples
///
/// ```
/// # use bs2_events::sim::biostar_x::VirtualDevice;
/// let device = VirtualDevice { id: 100_001, name: "Gate".into(), description: None, group: 1 };
/// assert_eq!(device.id, 100_001);
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VirtualDevice {
    /// Its number, unique among all devices.
    pub id: u32,
    /// Its name, unique among all devices.
    pub name: String,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// The number of its device group; 1 holds all devices.
    pub group: u32,
}

/// An event in the server's log.
///
/// `Debug` does not show the user.
///
/// # Examples
///
/// ```
/// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
/// # async fn example() -> bs2_events::Result<()> {
/// let server = Server::start(ServerSettings::default().with_backlog(1)).await?;
/// let state = server.state();
/// let event = &state.events()[0];
/// assert_eq!((event.id, event.index), (1, 1));
/// assert_eq!(event.hint().len(), 30);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredEvent {
    /// The row in the log of its month; begins at 1 each month, so it is not unique.
    pub id: u32,
    /// The number that its device gave it.
    pub index: u32,
    /// The device that it is said to come from.
    pub device_id: u32,
    /// What happened.
    pub code: u16,
    /// When it happened, in Unix seconds.
    pub time: u32,
    /// When the server stored it, in Unix seconds.
    pub stored: u32,
    /// To whom it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The T&A key that was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tna_key: Option<String>,
    /// The door where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_id: Option<u32>,
    /// The zone of the device's clock, in minutes ahead of UTC; virtual devices have no clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset_minutes: Option<i16>,
    /// Whether the device's clock had daylight saving.
    #[serde(default, skip_serializing_if = "is_false")]
    pub daylight_saving: bool,
    /// Whether there is a picture.
    #[serde(default, skip_serializing_if = "is_false")]
    pub image: bool,
    /// Whether it came by import, and not from a reader.
    #[serde(default, skip_serializing_if = "is_false")]
    pub imported: bool,
}

impl StoredEvent {
    /// The key that is unique over all months: ten digits each for the time, the device and the index.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default().with_backlog(1)).await?;
    /// let hint = server.state().events()[0].hint();
    /// assert!(hint.ends_with("05410000010000000001"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn hint(&self) -> String {
        format!("{:010}{:010}{:010}", self.time, self.device_id, self.index)
    }

    /// The time and the code in this crate's own types.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default().with_backlog(1)).await?;
    /// let (time, _) = server.state().events()[0].meaning();
    /// assert!(time.to_string().starts_with("2025-03-24T"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    #[must_use]
    pub fn meaning(&self) -> (Timestamp, EventCode) {
        (Timestamp::from_unix_seconds(self.time), EventCode::new(self.code))
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "hint": self.hint(),
            "index": self.index,
            "device_id": self.device_id,
            "code": self.code,
            "datetime": Timestamp::from_unix_seconds(self.time).to_string(),
            "stored": Timestamp::from_unix_seconds(self.stored).to_string(),
            "user_id": self.user_id,
            "tna_key": self.tna_key,
            "image": self.image.then(|| row::image_name(self)),
            "imported": self.imported,
        })
    }
}

impl fmt::Debug for StoredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, code) = self.meaning();
        f.debug_struct("StoredEvent")
            .field("id", &self.id)
            .field("index", &self.index)
            .field("device_id", &self.device_id)
            .field("code", &code)
            .field("time", &time)
            .field("imported", &self.imported)
            .finish_non_exhaustive()
    }
}

fn is_false(truth: &bool) -> bool {
    !truth
}
