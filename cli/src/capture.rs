//! Captures, printed, and made of JSON.

use std::io;

use bs2_events::Result;
use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureRecordBuf, CaptureWriter};
use jiff::Timestamp;

use crate::explain::explain_payload;
use crate::output::Output;
use crate::table::count;

/// Writes a record as a line for people, without what is personal; and behind it, where it is to be explained, every
/// byte of its payload.
pub(crate) fn print(output: &mut Output, record: &CaptureRecord<'_>, explained: bool) -> Result<()> {
    output.line(line(record))?;
    if explained { output.line(explain_payload(&record.payload)) } else { Ok(()) }
}

/// What a capture begins with, before its records.
pub(crate) fn head() -> io::Result<Vec<u8>> {
    Ok(CaptureWriter::new(Vec::new())?.into_inner())
}

/// The bytes of the record that this object of JSON describes.
pub(crate) fn encode(object: &str) -> serde_json::Result<Vec<u8>> {
    let record: CaptureRecordBuf = serde_json::from_str(object)?;
    framed(&record.as_record()).map_err(serde_json::Error::io)
}

fn framed(record: &CaptureRecord<'_>) -> io::Result<Vec<u8>> {
    let mut writer = CaptureWriter::new(Vec::new())?;
    writer.append(record)?;
    Ok(writer.into_inner().split_off(head()?.len()))
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
