//! Calls and responses as bytes.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};

use super::State;

/// One service of the gateway, by its place in [`NAMES`].
#[derive(Clone)]
pub struct Raw<const N: usize>(pub Arc<State>);

const NAMES: [&str; 8] = [
    "gsdk.connect.Connect",
    "gsdk.event.Event",
    "gsdk.device.Device",
    "gsdk.time.Time",
    "gsdk.admin.Admin",
    "gsdk.login.Login",
    "gsdk.connect_master.ConnectMaster",
    "gsdk.tna.TNA",
];

impl<const N: usize> NamedService for Raw<N> {
    const NAME: &'static str = NAMES[N];
}

impl<const N: usize> Service<http::Request<Body>> for Raw<N> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let call = Call { state: Arc::clone(&self.0), path: request.uri().path().to_owned() };
        if let Some(body) = self.0.body.lock().unwrap().as_mut().and_then(|body| body(&call.path)) {
            let response = http::Response::builder().header("content-type", "application/grpc").body(body);
            return std::future::ready(Ok(response.unwrap())).boxed();
        }
        async move { Ok(Grpc::new(Plain).server_streaming(call, request).await) }.boxed()
    }
}

/// One call. On the wire a single response is the same as a stream of one.
struct Call {
    state: Arc<State>,
    path: String,
}

impl ServerStreamingService<Bytes> for Call {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (state, mut path) = (Arc::clone(&self.state), self.path.clone());
        if let Some(token) = request.metadata().get("token") {
            path = format!("{}|{path}", token.to_str().unwrap());
        }
        async move { state.answer(&path, request.into_inner()).await.map(Response::new) }.boxed()
    }
}

/// Bytes as they are, each message in a frame of its own.
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(1 << 10, 1)
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
