//! Captures, printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bs2_events::Result;
use bs2_events::codec::capture::{CapturePayload, CaptureRecord, LinkState};
use bs2_events::codec::{Event, PortableBlob};
use jiff::Timestamp;
use serde::Serialize;

use crate::explain::explain_payload;
use crate::hex::to_hex;
use crate::output::Output;
use crate::table::count;

/// Writes a record as a line for people, without what is personal; and behind it, where it is to be explained, every
/// byte of its payload.
pub(crate) fn print(output: &mut Output, record: &CaptureRecord<'_>, explained: bool) -> Result<()> {
    output.line(line(record))?;
    if explained { output.line(explain_payload(&record.payload)) } else { Ok(()) }
}

/// Writes a record as a line for programs, with all that it holds.
pub(crate) fn print_json(output: &mut Output, record: &CaptureRecord<'_>) -> Result<()> {
    output.json(&RecordJson::new(record))
}

fn line(record: &CaptureRecord<'_>) -> String {
    let milliseconds = i64::try_from(record.received_at).ok();
    let time = milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let time = time.map_or_else(|| format!("{} ms", record.received_at), |time| format!("{time:.3}"));
    let bytes = |bytes: &[u8]| count(bytes.len() as u64, "byte");
    let device = record.device;
    match record.payload {
        CapturePayload::Event(event) => format!("{time} {event}"),
        CapturePayload::EventWithTemperature(event, _) => format!("{time} {event} with temperature"),
        CapturePayload::ImageLog { event, jpeg } => format!("{time} {event} picture of {}", bytes(jpeg)),
        CapturePayload::SmallBlob(blob) => format!("{time} {device} small blob of {}", bytes(blob)),
        CapturePayload::State(state) => format!("{time} {device} {state}"),
        CapturePayload::Unknown { kind, bytes: payload } => {
            format!("{time} {device} record of kind {kind} and {}", bytes(payload))
        }
        // Whatever a later codec tells apart.
        payload => format!("{time} {device} record of kind {}", payload.kind()),
    }
}

/// The object that `decode` prints for a record of a capture; it holds user ids, card data and pictures.
#[derive(Serialize)]
struct RecordJson<'a> {
    kind: &'static str,
    device_id: u32,
    /// Milliseconds since 1970.
    received_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a Event>,
    /// Hundredths of a degree Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<u32>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<PortableBlob<'a>>,
    /// The number of a kind that has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_number: Option<u32>,
    /// Hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl<'a> RecordJson<'a> {
    fn new(record: &CaptureRecord<'a>) -> Self {
        let mut json = Self {
            kind: "unknown",
            device_id: record.device.get(),
            received_at: record.received_at,
            event: record.event(),
            temperature: None,
            image: None,
            state: None,
            state_code: None,
            blob: None,
            kind_number: None,
            payload: None,
        };
        match record.payload {
            CapturePayload::Event(_) => json.kind = "event",
            CapturePayload::EventWithTemperature(_, temperature) => {
                json.kind = "event_with_temperature";
                json.temperature = Some(temperature.hundredths());
            }
            CapturePayload::ImageLog { jpeg, .. } => {
                json.kind = "image_log";
                json.image = Some(STANDARD.encode(jpeg));
            }
            CapturePayload::SmallBlob(bytes) => {
                json.kind = "small_blob";
                json.blob = PortableBlob::decode(bytes).ok(); // The reader has checked it.
            }
            CapturePayload::State(LinkState { code, name }) => {
                json.kind = "state";
                (json.state, json.state_code) = (Some(name), Some(code));
            }
            CapturePayload::Unknown { kind, bytes } => {
                (json.kind_number, json.payload) = (Some(kind), Some(to_hex(bytes)));
            }
            // Whatever a later codec tells apart.
            payload => json.kind_number = Some(payload.kind()),
        }
        json
    }
}
