//! gRPC codecs that decode a response into events, without prost's messages.

use std::sync::Arc;

use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

use super::batching::messages;
use super::event_log::{EventLog, UnrepresentableEvent};
use super::proto::gsdk::event::{GetLogRequest, SubscribeRealtimeLogRequest};
use super::wire::{Reader, Value, WireError, WireFault};
use crate::codec::{Event, Extras};

/// A response to GetLog: the events, in the order of the response.
#[derive(Debug, Default)]
pub(super) struct LogPage {
    pub(super) events: Vec<Event>,
    /// Their extras, by event id.
    pub(super) extras: Vec<(u32, Extras)>,
    /// The events of which no record can be made. The caller may know the first of them already, so all are here.
    pub(super) unrepresentable: Vec<UnrepresentableEvent>,
}

impl LogPage {
    /// Reads a `GetLogResponse`.
    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut page = Self::default();
        let mut reader = Reader::new(bytes);
        loop {
            let message = match reader.short_message() {
                Some(message) => message,
                None => match reader.field(&NAMES)? {
                    Some((1, Value::Bytes(message))) => message,
                    Some((1, _)) => return Err(reader.wrong_kind(&NAMES, 1)),
                    Some((number, value)) => {
                        reader.skip(number, value)?;
                        continue;
                    }
                    None => return Ok(page),
                },
            };
            let mut log = EventLog::default();
            log.merge(message)?;
            match log.to_event() {
                Ok((event, extras)) => {
                    if page.events.is_empty() {
                        let first = bytes.len().saturating_sub(reader.bytes().len());
                        page.events.reserve(likely(bytes.len(), first));
                    }
                    page.events.push(event);
                    page.extras.extend(extras.map(|extras| (event.id(), extras)));
                }
                Err(event) => page.unrepresentable.push(event),
            }
        }
    }
}

/// Live events that arrived together.
#[derive(Debug, Default)]
pub(super) struct LiveLogs {
    pub(super) logs: Vec<LiveLog>,
    /// The events of which no record can be made, each with the number of `logs` before it.
    pub(super) unrepresentable: Vec<(usize, UnrepresentableEvent)>,
}

/// A live event and its extras.
pub(super) type LiveLog = (Event, Option<Box<Extras>>);

impl LiveLogs {
    /// Reads a [batch](super::batching) of `EventLog`s.
    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut live = Self::default();
        for message in messages(bytes) {
            let message =
                message.ok_or_else(|| Reader::new(bytes).error("EventLog", WireFault::Compressed))?;
            let mut log = EventLog::default();
            log.merge(Reader::new(message))?;
            match log.to_event() {
                Ok((event, extras)) => {
                    if live.logs.is_empty() {
                        live.logs.reserve(likely(bytes.len(), message.len()));
                    }
                    live.logs.push((event, extras.map(Box::new)));
                }
                Err(event) => live.unrepresentable.push((live.logs.len(), event)),
            }
        }
        Ok(live)
    }
}

/// GetLog, into events and their extras.
#[derive(Debug, Default)]
pub(super) struct PageCodec;

/// SubscribeRealtimeLog in batches, into events.
#[derive(Debug, Default)]
pub(super) struct LiveCodec;

macro_rules! codec {
    ($codec:ident, $request:ty => $response:ty, $read:expr) => {
        impl Codec for $codec {
            type Encode = $request;
            type Decode = $response;
            type Encoder = <ProstCodec<$request, $request> as Codec>::Encoder;
            type Decoder = Self;

            fn encoder(&mut self) -> Self::Encoder {
                ProstCodec::<$request, $request>::raw_encoder(BufferSettings::default())
            }

            fn decoder(&mut self) -> Self::Decoder {
                Self
            }
        }

        impl Decoder for $codec {
            type Item = $response;
            type Error = Status;

            fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<$response>, Status> {
                read(message, $read).map(Some)
            }
        }
    };
}

codec!(PageCodec, GetLogRequest => LogPage, LogPage::read);
codec!(LiveCodec, SubscribeRealtimeLogRequest => LiveLogs, LiveLogs::read);

/// Reads a complete message and removes it from the buffer.
#[inline]
fn read<T>(
    message: &mut DecodeBuf<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, WireError>,
) -> Result<T, Status> {
    use bytes::Buf;

    let size = message.remaining();
    let response = match message.chunk() {
        complete if complete.len() == size => {
            let response = read(complete);
            message.advance(size);
            response
        }
        _ => read(&message.copy_to_bytes(size)),
    };
    response.map_err(unreadable)
}

#[cold]
fn unreadable(error: WireError) -> Status {
    let mut status = Status::data_loss("the response is not the expected message");
    status.set_source(Arc::new(error));
    status
}

/// How many events these bytes hold if all are as long as the first. What is allocated at once is at most three or four
/// times as large as the bytes.
fn likely(bytes: usize, first: usize) -> usize {
    bytes.div_ceil(first.max(16))
}

const NAMES: [&str; 2] = ["", "events"];

/// This decoder against prost's: both read the same from the same bytes, or both refuse them.
#[cfg(test)]
mod differential {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message;

    use crate::codec::subject::PortValue;
    use crate::codec::{ExtraSubject, Extras, Subject, SubjectKind, Temperature};
    use crate::device::gateway::codec::LogPage;
    use crate::device::gateway::event_log::{Alarm, EventLog, Input, Interlock};
    use crate::device::gateway::proto::gsdk::event as proto;
    use crate::device::gateway::wire::Reader;

    proptest! {
        #[test]
        fn reads_what_prost_reads(log in log()) {
            prop_assert!(agrees(&log.encode_to_vec()));
        }

        #[test]
        fn of_two_values_the_last_counts_and_messages_are_merged(a in log(), b in log()) {
            let bytes = [a.encode_to_vec(), b.encode_to_vec()].concat();
            prop_assert!(agrees(&bytes));
        }

        #[test]
        fn passes_over_what_it_does_not_know(before in unknown(), log in log(), after in unknown()) {
            prop_assert!(agrees(&[before, log.encode_to_vec(), after].concat()));
        }

        #[test]
        fn doors_count_packed_and_unpacked(packed in vec(any::<u32>(), 0..7), single in vec(any::<u32>(), 0..7)) {
            let mut info = proto::InterlockZoneInfo { zone_id: 1, door_i_ds: packed }.encode_to_vec();
            for door in single {
                prost::encoding::uint32::encode(2, &door, &mut info);
            }
            let mut bytes = Vec::new();
            prost::encoding::bytes::encode(15, &info, &mut bytes);
            prop_assert!(agrees(&bytes));
        }

        #[test]
        fn refuses_what_prost_refuses(log in log(), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in 0usize..4) {
            let mut bytes = log.encode_to_vec();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = with;
                bytes.truncate(bytes.len() - cut.min(bytes.len()));
            }
            prop_assert!(agrees(&bytes));
        }

        #[test]
        fn any_bytes_are_read_or_refused_alike(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(agrees(&bytes));
            let page = LogPage::read(&bytes);
            prop_assert_eq!(page.is_ok(), proto::GetLogResponse::decode(&*bytes).is_ok());
        }

        #[test]
        fn what_is_set_is_in_the_event_or_in_its_extras_or_an_error(log in log()) {
            let message = proto::GetLogResponse { events: vec![log.clone()] }.encode_to_vec();
            let page = LogPage::read(&message).unwrap();
            let Some(event) = page.events.first() else {
                let field = page.unrepresentable[0].field;
                prop_assert!(is_too_large(&log, field), "{field}");
                return Ok(());
            };
            let (id, extras) = page.extras.first().cloned().unwrap_or((log.id, Extras::default()));
            prop_assert_eq!(id, log.id);
            for (kind, bytes) in set(&log) {
                let is_own = event.as_bytes()[12..44] == bytes;
                prop_assert!(is_own || extras.subjects.contains(&ExtraSubject::new(kind, bytes)), "{kind} is lost");
            }
            prop_assert_eq!(extras.temperature.map_or(0, Temperature::hundredths), log.temperature);
            prop_assert!(extras.subjects.len() <= set(&log).len());
        }

        #[test]
        fn a_page_has_every_event_or_says_which_does_not_fit(logs in vec(log(), 0..20), more in unknown()) {
            let message = proto::GetLogResponse { events: logs.clone() };
            let bytes = [message.encode_to_vec(), more].concat();
            let page = LogPage::read(&bytes).unwrap();
            let fitting: Vec<u32> = logs.iter().filter(|log| fits(log)).map(|log| log.id).collect();
            let refused: Vec<u32> = logs.iter().filter(|log| !fits(log)).map(|log| log.id).collect();
            prop_assert_eq!(page.events.iter().map(crate::codec::Event::id).collect::<Vec<_>>(), fitting);
            prop_assert_eq!(page.unrepresentable.iter().map(|event| event.id).collect::<Vec<_>>(), refused);
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_the_offset() {
        let error = |bytes: &[u8]| EventLog::read(Reader::new(bytes)).err().unwrap().to_string();
        assert_eq!(error(&[0x08]), "field `ID` at offset 1: the message ends inside it");
        assert_eq!(error(&[0x08, 1, 0x22, 2, 0xC3, 0x28]), "field `userID` at offset 4: not UTF-8");
        assert_eq!(
            error(&[0x0D, 1, 0, 0, 0]),
            "field `ID` at offset 5: the wire type is not that of this field"
        );
        assert_eq!(error(&[0x07]), "field `key` at offset 1: no field begins with these bytes");
        assert_eq!(
            error(&[0x1B; 200]),
            "field `deviceID` at offset 1: the wire type is not that of this field"
        );
        assert_eq!(error(&[0x93; 3]), "field `key` at offset 0: the message ends inside it");
    }

    /// Whether both decoders refuse the bytes, or read the same from them.
    fn agrees(bytes: &[u8]) -> bool {
        match (EventLog::read(Reader::new(bytes)), proto::EventLog::decode(bytes)) {
            (Ok(own), Ok(theirs)) => own == borrowed(&theirs),
            (Err(_), Err(_)) => true,
            _ => false,
        }
    }

    fn borrowed(log: &proto::EventLog) -> EventLog<'_> {
        EventLog {
            id: log.id,
            timestamp: log.timestamp,
            device_id: log.device_id,
            user_id: log.user_id.as_bytes(),
            entity_id: log.entity_id,
            event_code: log.event_code,
            sub_code: log.sub_code,
            tna_key: log.tna_key,
            has_image: log.has_image,
            changed_on_device: log.changed_on_device,
            temperature: log.temperature,
            card_data: &log.card_data,
            input: log.input_info.map(|info| Input {
                io_device_id: info.io_device_id,
                port: info.port,
                value: info.value,
            }),
            alarm: log.alarm_zone_info.map(|info| Alarm {
                zone_id: info.zone_id,
                door_id: info.door_id,
                io_device_id: info.io_device_id,
                port: info.port,
            }),
            interlock: log.interlock_zone_info.as_ref().map(|info| {
                let mut door_ids = [0; 4];
                door_ids.iter_mut().zip(&info.door_i_ds).for_each(|(place, door)| *place = *door);
                Interlock { zone_id: info.zone_id, door_ids, doors: info.door_i_ds.len() }
            }),
        }
    }

    /// The fields that hold a subject and are set, as prost reads them.
    fn set(log: &proto::EventLog) -> Vec<(SubjectKind, [u8; 32])> {
        let padded = |bytes: &[u8]| {
            let mut array = [0; 32];
            array[..bytes.len()].copy_from_slice(bytes);
            array
        };
        let mut set = Vec::new();
        if !log.card_data.is_empty() {
            set.push((SubjectKind::Card, padded(&log.card_data)));
        }
        if !log.user_id.is_empty() {
            set.push((SubjectKind::User, padded(log.user_id.as_bytes())));
        }
        if let Some(info) = log.input_info.filter(|info| *info != Default::default()) {
            let value = i8::try_from(info.value).map_or(PortValue::UNKNOWN, PortValue::new);
            let port = info.port.try_into().unwrap();
            let subject = Subject::Input { io_device_id: info.io_device_id, port, value };
            set.push((SubjectKind::Input, subject.to_bytes()));
        }
        if let Some(info) = log.alarm_zone_info.filter(|info| *info != Default::default()) {
            let proto::AlarmZoneInfo { zone_id, door_id, io_device_id, port } = info;
            let subject =
                Subject::AlarmZone { zone_id, door_id, io_device_id, port: port.try_into().unwrap() };
            set.push((SubjectKind::AlarmZone, subject.to_bytes()));
        }
        if let Some(info) = log.interlock_zone_info.as_ref().filter(|info| **info != Default::default()) {
            let mut door_ids = [0; 4];
            door_ids[..info.door_i_ds.len()].copy_from_slice(&info.door_i_ds);
            let subject = Subject::Interlock { zone_id: info.zone_id, door_ids };
            set.push((SubjectKind::Interlock, subject.to_bytes()));
        }
        if log.entity_id != 0 {
            set.push((SubjectKind::Unknown, padded(&log.entity_id.to_le_bytes())));
        }
        set
    }

    /// Whether the field holds more than an event can.
    fn is_too_large(log: &proto::EventLog, field: &str) -> bool {
        match field {
            "eventCode" => log.event_code > 0xFFFF,
            "subCode" => log.sub_code > 0xFF,
            "userID" => log.user_id.len() > 32,
            "cardData" => log.card_data.len() > 32,
            "inputInfo.port" => log.input_info.unwrap().port > 0xFFFF,
            "alarmZoneInfo.port" => log.alarm_zone_info.unwrap().port > 0xFFFF,
            "interlockZoneInfo.doorIDs" => log.interlock_zone_info.as_ref().unwrap().door_i_ds.len() > 4,
            _ => false,
        }
    }

    fn fits(log: &proto::EventLog) -> bool {
        borrowed(log).to_event().is_ok()
    }

    fn log() -> impl Strategy<Value = proto::EventLog> {
        let number = || prop_oneof![Just(0u32), 1u32..300, any::<u32>()];
        let id = prop_oneof!["[0-9]{0,8}", "\\PC{0,40}"];
        let code = prop_oneof![
            prop::sample::select(vec![
                0x1000u32, 0x1102, 0x2000, 0x3000, 0x4F00, 0x5000, 0x6000, 0x9300, 0xA000, 0xC300
            ]),
            0u32..0x1_0000,
            any::<u32>(),
        ];
        let infos = (
            prop::option::of((number(), 0u32..70_000, -2i32..6)),
            prop::option::of((number(), number(), number(), 0u32..70_000)),
            prop::option::of((number(), vec(number(), 0..6))),
        );
        (
            (number(), number(), number(), id, number()),
            (code, prop_oneof![0u32..256, any::<u32>()], prop_oneof![0i32..17, any::<i32>()]),
            (any::<bool>(), any::<bool>(), number(), vec(any::<u8>(), 0..40)),
            infos,
        )
            .prop_map(|((id, timestamp, device_id, user_id, entity_id), codes, rest, infos)| {
                proto::EventLog {
                    id,
                    timestamp,
                    device_id,
                    user_id,
                    entity_id,
                    event_code: codes.0,
                    sub_code: codes.1,
                    tna_key: codes.2,
                    has_image: rest.0,
                    changed_on_device: rest.1,
                    temperature: rest.2,
                    card_data: rest.3.into(),
                    input_info: infos.0.map(|(io_device_id, port, value)| proto::DetectInputInfo {
                        io_device_id,
                        port,
                        value,
                    }),
                    alarm_zone_info: infos.1.map(|(zone_id, door_id, io_device_id, port)| {
                        proto::AlarmZoneInfo { zone_id, door_id, io_device_id, port }
                    }),
                    interlock_zone_info: infos
                        .2
                        .map(|(zone_id, door_i_ds)| proto::InterlockZoneInfo { zone_id, door_i_ds }),
                }
            })
    }

    /// Fields that no version has yet, of every kind, also a group in a group.
    fn unknown() -> impl Strategy<Value = Vec<u8>> {
        let field = prop_oneof![
            any::<u64>().prop_map(|value| {
                let mut bytes = Vec::new();
                prost::encoding::uint64::encode(16, &value, &mut bytes);
                bytes
            }),
            vec(any::<u8>(), 0..20).prop_map(|value| {
                let mut bytes = Vec::new();
                prost::encoding::bytes::encode(2_000, &value, &mut bytes);
                bytes
            }),
            any::<u64>().prop_map(|value| {
                let mut bytes = Vec::new();
                prost::encoding::fixed64::encode(17, &value, &mut bytes);
                prost::encoding::fixed32::encode(536_870_911, &7, &mut bytes);
                bytes
            }),
            Just(vec![0xA3, 0x01, 0x08, 0x01, 0xAB, 0x01, 0xAC, 0x01, 0xA4, 0x01]),
        ];
        vec(field, 0..4).prop_map(|fields| fields.concat())
    }
}
