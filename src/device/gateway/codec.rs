//! gRPC codecs whose answers are events, not messages.

use std::sync::Arc;

use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

use super::batching::messages;
use super::event_log::{EventLog, Misfit};
use super::proto::gsdk::event::{GetLogRequest, SubscribeRealtimeLogRequest};
use super::wire::{Reader, Value, WireError, WireFault};
use crate::codec::{Event, Temperature};
use crate::device::FurtherSubject;

/// An answer to GetLog: what was made of each `EventLog`, in the order in which they came.
#[derive(Debug)]
pub(super) struct LogPage<T> {
    pub(super) logs: Vec<T>,
    /// What stands beside them.
    pub(super) further: Vec<FurtherSubject>,
    /// What does not fit an event. Each counts: the caller may know one of them already and not the next.
    pub(super) misfits: Vec<Misfit>,
}

impl<T> LogPage<T> {
    /// Reads a `GetLogResponse`.
    fn read(bytes: &[u8], of: impl Fn(Event, &EventLog<'_>) -> T) -> Result<Self, WireError> {
        let mut page = Self { logs: Vec::new(), further: Vec::new(), misfits: Vec::new() };
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
            match log.to_event(&mut page.further) {
                Ok(event) => {
                    if page.logs.is_empty() {
                        let first = bytes.len().saturating_sub(reader.bytes().len());
                        page.logs.reserve(likely(bytes.len(), first));
                    }
                    page.logs.push(of(event, &log));
                }
                Err(misfit) => page.misfits.push(misfit),
            }
        }
    }
}

/// An event, and the person's temperature where there was a thermal camera.
pub(super) type FullLog = (Event, Option<Temperature>);

/// Live events that came together.
#[derive(Debug, Default)]
pub(super) struct LiveLogs {
    pub(super) logs: Vec<FullLog>,
    /// What is more than an event, or does not fit one, and how many of `logs` stand before it.
    pub(super) odd: Vec<(usize, Odd)>,
}

/// A live event that goes its own way.
#[derive(Debug)]
pub(super) enum Odd {
    Further(FullLog, Vec<FurtherSubject>),
    Misfit(Misfit),
}

impl LiveLogs {
    /// Reads a [bundle](super::batching) of `EventLog`s.
    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut live, mut further) = (Self::default(), Vec::new());
        for message in messages(bytes) {
            let message =
                message.ok_or_else(|| Reader::new(bytes).error("EventLog", WireFault::Compressed))?;
            let mut log = EventLog::default();
            log.merge(Reader::new(message))?;
            match log.to_event(&mut further) {
                Ok(event) if !further.is_empty() => {
                    let log = (event, log.temperature());
                    live.odd.push((live.logs.len(), Odd::Further(log, std::mem::take(&mut further))));
                }
                Ok(event) => {
                    if live.logs.is_empty() {
                        live.logs.reserve(likely(bytes.len(), message.len()));
                    }
                    live.logs.push((event, log.temperature()));
                }
                Err(misfit) => live.odd.push((live.logs.len(), Odd::Misfit(misfit))),
            }
        }
        Ok(live)
    }
}

/// GetLog, into events.
#[derive(Debug, Default)]
pub(super) struct PageCodec;

/// GetLog, into events and what stands beside them.
#[derive(Debug, Default)]
pub(super) struct FullPageCodec;

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

codec!(PageCodec, GetLogRequest => LogPage<Event>, |bytes| LogPage::read(bytes, |event, _| event));
codec!(FullPageCodec, GetLogRequest => LogPage<FullLog>, |bytes| {
    LogPage::read(bytes, |event, log| (event, log.temperature()))
});
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
