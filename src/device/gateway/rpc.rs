//! The RPC client: every call with its deadline, its size limit, and at a master gateway its token.

use std::time::Duration;

use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, Streaming};
use tonic::codegen::StdError as BoxError;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::batching::BatchingChannel;
use super::proto::gsdk::login::{LoginRequest, LoginResponse};
use super::status::{call_error, timeout_error};
use crate::{Error, Result};

/// A channel, and what every call over it needs.
pub(super) struct RpcClient {
    channel: Channel,
    /// `HOST:PORT`, for errors.
    gateway: String,
    deadline: Duration,
    login: Option<Login>,
}

/// The login at a master gateway.
struct Login {
    /// PEM; the certificate, not its key.
    certificate: String,
    token: Mutex<Option<SecretString>>,
}

impl RpcClient {
    /// A client that logs in with this certificate, if there is one.
    pub(super) fn new(
        channel: Channel,
        gateway: String,
        deadline: Duration,
        certificate: Option<String>,
    ) -> Self {
        let login = certificate.map(|certificate| Login { certificate, token: Mutex::default() });
        Self { channel, gateway, deadline, login }
    }

    /// `HOST:PORT`.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The error of a call that ended with this status.
    pub(super) fn error(&self, call: &str, status: &Status) -> Error {
        call_error(call, status, &self.gateway)
    }

    /// Makes a call; `what` names it in errors.
    pub(super) async fn call<Q, A>(&self, what: &str, path: &'static str, request: Q) -> Result<A>
    where
        Q: Message + Clone + Default + 'static,
        A: Message + Default + 'static,
    {
        self.call_with::<ProstCodec<Q, A>>(what, path, request).await
    }

    /// Like [`call`](Self::call), with another codec.
    pub(super) async fn call_with<C: CallCodec>(
        &self,
        what: &str,
        path: &'static str,
        request: C::Encode,
    ) -> Result<C::Decode> {
        match self.try_call::<C>(what, path, request).await? {
            Ok(response) => Ok(response),
            Err(status) => Err(self.error(what, &status)),
        }
    }

    /// Like [`call`](Self::call), and returns the gateway's status as it is. The error is that of the deadline.
    pub(super) async fn try_call<C: CallCodec>(
        &self,
        what: &str,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Result<C::Decode, Status>> {
        let response = self.with_token(|token| {
            let request = self.request(request.clone(), token, Some(self.deadline));
            let path = PathAndQuery::from_static(path);
            async move { ready(self.channel.clone()).await?.unary(request?, path, C::default()).await }
        });
        match tokio::time::timeout(self.deadline, response).await {
            Ok(response) => Ok(response.map(Response::into_inner)),
            Err(_) => Err(timeout_error(what, self.deadline, &self.gateway)),
        }
    }

    /// Opens a stream. Some gateways respond only with the first item, so the caller must not wait for this.
    pub(super) async fn stream<C: CallCodec>(
        &self,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Streaming<C::Decode>, Status> {
        self.open::<C, _>(|channel| channel, path, request).await
    }

    /// Like [`stream`](Self::stream); the codec gets all messages that have arrived together.
    pub(super) async fn batched_stream<C: CallCodec>(
        &self,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Streaming<C::Decode>, Status> {
        self.open::<C, _>(BatchingChannel, path, request).await
    }

    async fn open<C: CallCodec, S: Service>(
        &self,
        service: impl Fn(Channel) -> S + Send + Sync,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Streaming<C::Decode>, Status> {
        let stream = self.with_token(|token| {
            let request = self.request(request.clone(), token, None);
            let (path, service) = (PathAndQuery::from_static(path), service(self.channel.clone()));
            async move { ready(service).await?.server_streaming(request?, path, C::default()).await }
        });
        stream.await.map(Response::into_inner)
    }

    /// Logs in, if a login is required and not done yet.
    pub(super) async fn log_in(&self) -> Result<()> {
        let Some(login) = &self.login else { return Ok(()) };
        match tokio::time::timeout(self.deadline, self.token(login, None)).await {
            Ok(token) => token.map(drop).map_err(|status| self.error(LOGIN, &status)),
            Err(_) => Err(timeout_error(LOGIN, self.deadline, &self.gateway)),
        }
    }

    fn request<Q>(
        &self,
        message: Q,
        token: Option<SecretString>,
        deadline: Option<Duration>,
    ) -> Result<Request<Q>, Status> {
        let mut request = Request::new(message);
        if let Some(deadline) = deadline {
            // It says to the gateway how long the client waits. The client's own clock ends the call earlier.
            request.set_timeout(deadline.saturating_add(GRACE));
        }
        if let Some(token) = token {
            let mut value = MetadataValue::try_from(token.expose_secret())
                .map_err(|_| Status::internal("the token is not valid in a header"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert(TOKEN, value);
        }
        Ok(request)
    }

    /// Makes a call with the current token. If the gateway refuses it, makes the call once more with a new token.
    async fn with_token<T: Send, F: Future<Output = Result<T, Status>> + Send>(
        &self,
        call: impl Fn(Option<SecretString>) -> F + Send + Sync,
    ) -> Result<T, Status> {
        let Some(login) = &self.login else { return call(None).await };
        let token = self.token(login, None).await?;
        match call(Some(token.clone())).await {
            Err(status) if status.code() == Code::Unauthenticated => {
                call(Some(self.token(login, Some(&token)).await?)).await
            }
            response => response,
        }
    }

    /// The current token, or a new one if the current token is the refused one.
    async fn token(&self, login: &Login, refused: Option<&SecretString>) -> Result<SecretString, Status> {
        let mut kept = login.token.lock().await;
        if let Some(token) = &*kept
            && refused.is_none_or(|refused| refused.expose_secret() != token.expose_secret())
        {
            return Ok(token.clone());
        }
        *kept = None;
        let request = LoginRequest { tenant_cert: login.certificate.clone() };
        let request = self.request(request, None, Some(self.deadline))?;
        let codec = ProstCodec::<LoginRequest, LoginResponse>::default();
        let response = ready(self.channel.clone())
            .await?
            .unary(request, PathAndQuery::from_static(LOGIN_PATH), codec)
            .await?;
        Ok(kept.insert(response.into_inner().jwt_token.into()).clone())
    }
}

async fn ready<S: Service>(service: S) -> Result<Grpc<S>, Status> {
    let mut grpc = Grpc::new(service).max_decoding_message_size(LARGEST_RESPONSE);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    Ok(grpc)
}

/// A channel, or a service around one.
trait Service:
    GrpcService<Body, ResponseBody: http_body::Body<Error: Into<BoxError>> + Send + 'static, Future: Send> + Send
{
}

impl<S> Service for S where
    S: GrpcService<Body, ResponseBody: http_body::Body<Error: Into<BoxError>> + Send + 'static, Future: Send>
        + Send
{
}

/// The codec of a call that can be repeated.
pub(super) trait CallCodec: Codec<Encode: Clone + Sync, Decode: Sync> + Default + Send {}

impl<C: Codec<Encode: Clone + Sync, Decode: Sync> + Default + Send> CallCodec for C {}

/// Larger than every page that this client requests. The gateway has the same limit.
const LARGEST_RESPONSE: usize = 64 << 20;
const GRACE: Duration = Duration::from_secs(1);
const LOGIN: &str = "login";
const TOKEN: &str = "token";
const LOGIN_PATH: &str = "/gsdk.login.Login/Login";
