//! gRPC codecs whose answers are events, not messages.

use std::sync::Arc;

use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

use super::batching::messages;
use super::event_log::{EventLog, Misfit};
use super::proto::gsdk::event::{GetLogRequest, SubscribeRealtimeLogRequest};
use super::wire::{Reader, Value, WireError, WireFault};
use crate::codec::{Event, Extras};

/// An answer to GetLog: the events, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct LogPage {
    pub(super) events: Vec<Event>,
    /// Their extras, by event id.
    pub(super) extras: Vec<(u32, Extras)>,
    /// What does not fit an event. Each counts: the caller may know one of them already and not the next.
    pub(super) misfits: Vec<Misfit>,
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
                Err(misfit) => page.misfits.push(misfit),
            }
        }
    }
}

/// Live events that came together.
#[derive(Debug, Default)]
pub(super) struct LiveLogs {
    pub(super) logs: Vec<(Event, Option<Box<Extras>>)>,
    /// What does not fit an event, and how many of `logs` came before it.
    pub(super) misfits: Vec<(usize, Misfit)>,
}

impl LiveLogs {
    /// Reads a [bundle](super::batching) of `EventLog`s.
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
                Err(misfit) => live.misfits.push((live.logs.len(), misfit)),
            }
        }
        Ok(live)
    }
}

/// GetLog, into events and their extras.
#[derive(Debug, Default)]
pub(super) struct PageCodec;

/// SubscribeRealtimeLog in bundles, into events.
#[derive(Debug, Default)]
pub(super) struct LiveCodec;

macro_rules! codec {
    ($codec:ident, $request:ty => $answer:ty, $read:expr) => {
        impl Codec for $codec {
            type Encode = $request;
            type Decode = $answer;
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
            type Item = $answer;
            type Error = Status;

            fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<$answer>, Status> {
                read(message, $read).map(Some)
            }
        }
    };
}

codec!(PageCodec, GetLogRequest => LogPage, LogPage::read);
codec!(LiveCodec, SubscribeRealtimeLogRequest => LiveLogs, LiveLogs::read);

/// Reads a whole message and takes it out of the buffer.
#[inline]
fn read<T>(
    message: &mut DecodeBuf<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, WireError>,
) -> Result<T, Status> {
    use bytes::Buf;

    let size = message.remaining();
    let answer = match message.chunk() {
        whole if whole.len() == size => {
            let answer = read(whole);
            message.advance(size);
            answer
        }
        _ => read(&message.copy_to_bytes(size)),
    };
    answer.map_err(unreadable)
}

#[cold]
fn unreadable(error: WireError) -> Status {
    let mut status = Status::data_loss("the answer is not the message that was expected");
    status.set_source(Arc::new(error));
    status
}

/// How many events so many bytes hold if all are as long as the first: what is allocated at once is never more than
/// three or four times as much.
fn likely(bytes: usize, first: usize) -> usize {
    bytes.div_ceil(first.max(16))
}

const NAMES: [&str; 2] = ["", "events"];

#[cfg(test)]
mod differential;
