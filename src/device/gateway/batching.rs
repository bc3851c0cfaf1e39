//! Batches of live events: the codec gets all messages that have arrived together.
//!
//! tonic takes the messages out of a stream one by one. Each costs about as much as decoding the event in it. A busy
//! gateway sends hundreds at once. So this module wraps the body of a response: all messages that have arrived, with
//! their headers, become one message for tonic. The codec takes them apart.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http_body::{Body as _, Frame};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::Channel;

/// A channel whose responses are batches of messages.
pub(super) struct BatchingChannel(pub(super) Channel);

/// The body of a response as fewer messages: each holds complete messages with their headers.
pub(super) struct BatchedBody {
    body: Body,
    /// The bytes that have arrived; the last message may be incomplete.
    received: BytesMut,
    /// How many of these bytes are complete messages.
    complete: usize,
    /// The batch whose header has been returned already.
    next: Option<Bytes>,
    /// What the body returned after its messages.
    end: Option<Option<Result<Frame<Bytes>, Status>>>,
}

impl Service<http::Request<Body>> for BatchingChannel {
    type Response = http::Response<BatchedBody>;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = MapOk<
        <Channel as Service<http::Request<Body>>>::Future,
        fn(http::Response<Body>) -> http::Response<BatchedBody>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(|response| response.map(BatchedBody::new))
    }
}

impl BatchedBody {
    fn new(body: Body) -> Self {
        Self { body, received: BytesMut::new(), complete: 0, next: None, end: None }
    }

    /// Receives what is available, up to a limit. `Pending` is the state of the body: messages may be available.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while self.complete < ENOUGH && self.end.is_none() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    self.received.extend_from_slice(&frame.into_data().unwrap_or_default());
                    self.complete += complete(self.received.get(self.complete..).unwrap_or_default())?;
                }
                end => self.end = Some(end),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl http_body::Body for BatchedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(batch) = self.next.take() {
            return Poll::Ready(Some(Ok(Frame::data(batch))));
        }
        let state = self.poll_receive(cx)?;
        let size = std::mem::take(&mut self.complete);
        if size == 0 {
            return state.map(|()| self.end.take().flatten());
        }
        self.next = Some(self.received.split_to(size).freeze());
        let mut header = BytesMut::with_capacity(HEADER);
        header.put_u8(0);
        header.put_u32(u32::try_from(size).map_err(|_| too_long())?);
        Poll::Ready(Some(Ok(Frame::data(header.freeze()))))
    }
}

/// The messages of a batch; `None` for a message that cannot be read.
pub(super) fn messages(batch: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = split(rest).filter(|_| rest.first() == Some(&0));
        rest = message.map_or(&[], |(_, rest)| rest);
        Some(message.map(|(message, _)| message))
    })
}

/// How many of these bytes are complete messages.
fn complete(bytes: &[u8]) -> Result<usize, Status> {
    let mut rest = bytes;
    while let Some((_, after)) = split(rest) {
        rest = after;
    }
    match length(rest) {
        Some(length) if length > LONGEST => Err(too_long()),
        _ => Ok(bytes.len().saturating_sub(rest.len())),
    }
}

/// The first message and the bytes after it; `None` if the message is incomplete.
#[inline]
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.get(HEADER..)?.split_at_checked(length(bytes)?)
}

#[inline]
fn length(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = *bytes.first_chunk::<HEADER>()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

#[cold]
fn too_long() -> Status {
    Status::out_of_range("a live event is longer than the limit of 1 MiB")
}

/// One byte: whether the message is compressed. Four bytes: its length.
const HEADER: usize = 5;
/// Far longer than any event. A field that does not fit an event is skipped, but must be received first.
const LONGEST: usize = 1 << 20;
/// The usual length of an HTTP/2 frame.
const ENOUGH: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_come_whole_and_in_order_however_the_frames_are_cut(
            sent in vec(vec(any::<u8>(), 0..40), 0..40),
            cuts in vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let wire: Vec<u8> = sent.iter().flat_map(|message| framed(0, message)).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let frames = cuts.windows(2).map(|cut| wire[cut[0]..cut[1]].to_vec()).collect();
            prop_assert_eq!(received(frames).unwrap(), sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(frames in vec(vec(any::<u8>(), 0..30), 0..10)) {
            let _ = received(frames);
        }
    }

    #[test]
    fn a_message_that_says_it_is_huge_is_refused_before_it_is_there() {
        let status = received(vec![vec![0, 0, 0x10, 0, 1]]).unwrap_err();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
        assert!(received(vec![vec![0, 0, 0x10, 0, 0]]).unwrap().is_empty());
    }

    #[test]
    fn a_compressed_message_is_not_taken_for_a_plain_one() {
        let batch = [framed(0, b"a"), framed(1, b"b")].concat();
        assert_eq!(messages(&batch).collect::<Vec<_>>(), [Some(&b"a"[..]), None]);
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[flag], &length[..], message].concat()
    }

    /// What the codec would receive of a response in these frames.
    fn received(frames: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Status> {
        let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Frame::data(Bytes::from(frame))));
        let mut body = BatchedBody::new(Body::new(StreamBody::new(stream::iter(frames))));
        let mut bytes = Vec::new();
        while let Some(frame) = futures_util::FutureExt::now_or_never(body.frame()).flatten() {
            bytes.extend_from_slice(&frame?.into_data().unwrap());
        }
        let batches = messages(&bytes).map(Option::unwrap);
        Ok(batches.flat_map(messages).map_while(|message| Some(message?.to_vec())).collect())
    }
}
