//! prost: the events as protobuf messages, one by one and as one answer with all of them.

use bs2_events::codec::{Event, Subject, UserId};
use prost::Message;

use crate::four_touches::Touches;

/// The four touches on messages that stand one after the other, each with its length before it.
pub fn touch_each(mut messages: &[u8], user: &str) -> Touches {
    crate::touch(std::iter::from_fn(|| {
        let log = EventLog::decode_length_delimited(&mut messages).ok()?;
        Some(log.fields(user))
    }))
}

/// The four touches on one message that holds all events.
pub fn touch_answer(message: &[u8], user: &str) -> Touches {
    let answer = Answer::decode(message).unwrap_or_default();
    crate::touch(answer.events.iter().map(|log| log.fields(user)))
}

/// The messages of these events, one after the other.
pub fn each(bytes: &[u8]) -> Vec<u8> {
    logs(bytes).flat_map(|log| log.encode_length_delimited_to_vec()).collect()
}

/// The one message of these events.
pub fn answer(bytes: &[u8]) -> Vec<u8> {
    Answer { events: logs(bytes).collect() }.encode_to_vec()
}

/// The message that the vendor's gateway sends, and the whole last byte, which it does not send.
#[derive(Clone, PartialEq, Message)]
struct EventLog {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint32, tag = "2")]
    timestamp: u32,
    #[prost(uint32, tag = "3")]
    device_id: u32,
    #[prost(string, tag = "4")]
    user_id: String,
    #[prost(uint32, tag = "5")]
    entity_id: u32,
    #[prost(uint32, tag = "6")]
    event_code: u32,
    #[prost(uint32, tag = "7")]
    sub_code: u32,
    #[prost(uint32, tag = "8")]
    tna_key: u32,
    #[prost(bool, tag = "9")]
    has_image: bool,
    #[prost(bool, tag = "10")]
    changed_on_device: bool,
    #[prost(uint32, tag = "11")]
    temperature: u32,
    #[prost(bytes = "vec", tag = "12")]
    card_data: Vec<u8>,
    #[prost(message, optional, tag = "13")]
    input: Option<Input>,
    #[prost(message, optional, tag = "14")]
    alarm_zone: Option<AlarmZone>,
    #[prost(message, optional, tag = "15")]
    interlock_zone: Option<InterlockZone>,
    #[prost(uint32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Input {
    #[prost(uint32, tag = "1")]
    io_device_id: u32,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(int32, tag = "3")]
    value: i32,
}

#[derive(Clone, PartialEq, Message)]
struct AlarmZone {
    #[prost(uint32, tag = "1")]
    zone_id: u32,
    #[prost(uint32, tag = "2")]
    door_id: u32,
    #[prost(uint32, tag = "3")]
    io_device_id: u32,
    #[prost(uint32, tag = "4")]
    port: u32,
}

#[derive(Clone, PartialEq, Message)]
struct InterlockZone {
    #[prost(uint32, tag = "1")]
    zone_id: u32,
    #[prost(uint32, repeated, tag = "2")]
    door_ids: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, repeated, tag = "1")]
    events: Vec<EventLog>,
}

impl EventLog {
    #[inline(always)]
    fn fields(&self, user: &str) -> crate::Fields {
        (self.id, self.event_code as u16, self.user_id == user, self.flags as u8)
    }
}

/// As the gateway would send them; the log has neither cards, inputs, alarms nor interlocks.
fn logs(bytes: &[u8]) -> impl Iterator<Item = EventLog> {
    Event::slice_from_prefix(bytes).0.iter().map(|event| EventLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        user_id: event.user_id().and_then(UserId::as_text).unwrap_or_default().to_owned(),
        entity_id: match event.subject() {
            Subject::Door { door_id: id } | Subject::Zone { zone_id: id } => id,
            _ => 0,
        },
        event_code: event.code().main().get().into(),
        sub_code: event.code().sub().into(),
        tna_key: event.param().into(),
        has_image: event.flags().has_image(),
        flags: event.flags().bits().into(),
        ..EventLog::default()
    })
}
