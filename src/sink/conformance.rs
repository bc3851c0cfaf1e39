//! The suite that every sink passes: the contract of [`Sink`], point by point.

use std::fmt;
use std::sync::Arc;

use super::Sink;
use crate::codec::{DeviceId, Event, EventCode, EventFlags, Subject, Timestamp, UserId};
use crate::device::DeviceInfo;
use crate::{Error, Result};

mod flow;
mod identity;

/// Checks a sink against the contract of [`Sink`].
///
/// `open` opens the same store every time; it is opened twice, the second time after it was closed. The suite writes
/// events of readers 4 294 967 200 to 4 294 967 295 and expects none of them there before.
///
/// # Errors
///
/// The first [`Violation`]: which point is broken, and how.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use bs2_events::sink::{MemorySink, Sink, conformance};
///
/// # async fn example() {
/// let store = MemorySink::new();
/// conformance::check(async || Ok(Arc::new(store.reopen()) as Arc<dyn Sink>)).await.unwrap();
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example());
/// ```
#[allow(clippy::future_not_send)] // An `AsyncFn` cannot promise it, and a test does not need it.
pub async fn check(open: impl AsyncFn() -> Result<Arc<dyn Sink>>) -> Result<(), Violation> {
    let sink = OPEN.call(open().await)?;
    identity::check(&*sink).await?;
    flow::check(&*sink).await?;
    flow::close(&*sink).await?;
    let sink = OPEN.call(open().await)?;
    flow::check_reopened(&*sink).await?;
    OPEN.call(sink.close().await)
}

/// A point of the contract that a sink does not keep.
///
/// # Examples
///
/// ```
/// use bs2_events::sink::conformance::Violation;
///
/// fn report(violation: &Violation) -> String {
///     format!("{} is broken: {violation}", violation.point())
/// }
/// ```
#[derive(Debug)]
pub struct Violation {
    point: Point,
    sentence: &'static str,
    source: Option<Error>,
}

impl Violation {
    /// The point's name, such as `once`.
    #[must_use]
    pub const fn point(&self) -> &'static str {
        self.point.0
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.point.0, self.sentence)
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// One point of the contract, by its name.
#[derive(Clone, Copy, Debug)]
struct Point(&'static str);

impl Point {
    fn holds(self, condition: bool, otherwise: &'static str) -> Result<(), Violation> {
        if condition { Ok(()) } else { Err(Violation { point: self, sentence: otherwise, source: None }) }
    }

    fn call<T>(self, result: Result<T>) -> Result<T, Violation> {
        let sentence = "a call that must succeed failed";
        result.map_err(|error| Violation { point: self, sentence, source: Some(error) })
    }
}

/// The reader of one point, so that points do not meet.
const fn reader(number: u32) -> DeviceId {
    DeviceId::new(4_294_967_200 + number)
}

/// An event whose bytes differ from those of its neighbours, and whose subject changes from id to id: a person with a
/// plain id, with an id that is no text, and without one; a card; a door.
fn event(device: DeviceId, id: u32) -> Event {
    let plain = UserId::from_array(b"1001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let (code, subject) = match id % 5 {
        0 => (0x1301, Subject::User(plain)),
        1 => (0x1301, Subject::User(UserId::from_array(&[0xA5; 32]))),
        2 => (0x1400, Subject::User(UserId::from_array(&[0; 32]))),
        3 => (0x1102, Subject::Unknown(&[0xC3; 32])),
        _ => (0x5500, Subject::Door { door_id: id }),
    };
    Event::builder(device, id, EventCode::new(code))
        .subject(subject)
        .timestamp(Timestamp::from_unix_seconds(1_700_000_000_u32.wrapping_add(id)))
        .param(id.to_le_bytes()[0])
        .flags(EventFlags::from_bits_retain(id.to_le_bytes()[1]))
        .build()
}

fn events(device: DeviceId, ids: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Event> {
    ids.into_iter().map(move |id| event(device, id))
}

fn info(device: DeviceId) -> DeviceInfo {
    DeviceInfo::new(device).with_model("conformance")
}

const OPEN: Point = Point("open");
