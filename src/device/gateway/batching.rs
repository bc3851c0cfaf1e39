//! The live events that are there, handed to the codec together.
//!
//! tonic takes messages out of a stream one by one, and each costs about as much as to read the event in it. A gateway
//! that is busy sends hundreds of them at once. So the body of an answer is put into other messages on its way to
//! tonic: each holds all that have come, heads and all, and the codec takes them apart.

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

/// A channel whose answers come as bundles of messages.
pub(super) struct Bundling(pub(super) Channel);

/// The body of an answer as fewer messages, each of them whole messages with their heads.
pub(super) struct Bundled {
    body: Body,
    /// What has come; the last message may not be whole.
    come: BytesMut,
    /// How many bytes of it are whole messages.
    whole: usize,
    /// The bundle whose head is on its way already.
    next: Option<Bytes>,
    /// What the body had after its messages.
    end: Option<Option<Result<Frame<Bytes>, Status>>>,
}

impl Service<http::Request<Body>> for Bundling {
    type Response = http::Response<Bundled>;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = MapOk<
        <Channel as Service<http::Request<Body>>>::Future,
        fn(http::Response<Body>) -> http::Response<Bundled>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(|answer| answer.map(Bundled::new))
    }
}

impl Bundled {
    fn new(body: Body) -> Self {
        Self { body, come: BytesMut::new(), whole: 0, next: None, end: None }
    }

    /// Takes in what is there, until it is enough. `Pending` is for the body alone: messages may be there.
    fn poll_come(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while self.whole < ENOUGH && self.end.is_none() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    self.come.extend_from_slice(&frame.into_data().unwrap_or_default());
                    self.whole += whole(self.come.get(self.whole..).unwrap_or_default())?;
                }
                end => self.end = Some(end),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl http_body::Body for Bundled {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(bundle) = self.next.take() {
            return Poll::Ready(Some(Ok(Frame::data(bundle))));
        }
        let come = self.poll_come(cx)?;
        let size = std::mem::take(&mut self.whole);
        if size == 0 {
            return come.map(|()| self.end.take().flatten());
        }
        self.next = Some(self.come.split_to(size).freeze());
        let mut head = BytesMut::with_capacity(HEAD);
        head.put_u8(0);
        head.put_u32(u32::try_from(size).map_err(|_| too_long())?);
        Poll::Ready(Some(Ok(Frame::data(head.freeze()))))
    }
}

/// The messages of a bundle, one after the other; `None` for one that cannot be read.
pub(super) fn messages(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = split(rest).filter(|_| rest.first() == Some(&0));
        rest = message.map_or(&[], |(_, rest)| rest);
        Some(message.map(|(message, _)| message))
    })
}

/// How many bytes of these are whole messages.
fn whole(bytes: &[u8]) -> Result<usize, Status> {
    let mut rest = bytes;
    while let Some((_, after)) = split(rest) {
        rest = after;
    }
    match length(rest) {
        Some(length) if length > LONGEST => Err(too_long()),
        _ => Ok(bytes.len().saturating_sub(rest.len())),
    }
}

/// The first message, and what follows it; `None` if it is not whole.
#[inline]
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.get(HEAD..)?.split_at_checked(length(bytes)?)
}

#[inline]
fn length(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = *bytes.first_chunk::<HEAD>()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

#[cold]
fn too_long() -> Status {
    Status::out_of_range("a live event is longer than any can be")
}

/// Whether a message is compressed, and its length.
const HEAD: usize = 5;
/// Far longer than any event; what does not fit an event is passed over, and must be read for that.
const LONGEST: usize = 1 << 20;
/// As long as a frame of HTTP/2 mostly is.
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
        let bundle = [framed(0, b"a"), framed(1, b"b")].concat();
        assert_eq!(messages(&bundle).collect::<Vec<_>>(), [Some(&b"a"[..]), None]);
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[flag], &length[..], message].concat()
    }

    /// What the codec would be given of an answer that comes in these frames.
    fn received(frames: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Status> {
        let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Frame::data(Bytes::from(frame))));
        let mut body = Bundled::new(Body::new(StreamBody::new(stream::iter(frames))));
        let mut bytes = Vec::new();
        while let Some(frame) = futures_util::FutureExt::now_or_never(body.frame()).flatten() {
            bytes.extend_from_slice(&frame?.into_data().unwrap());
        }
        let bundles = messages(&bytes).map(Option::unwrap);
        Ok(bundles.flat_map(messages).map_while(|message| Some(message?.to_vec())).collect())
    }
}
