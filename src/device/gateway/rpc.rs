//! Calls: each with its deadline, its limit, and behind a master gateway its token.

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

use super::batching::Bundling;
use super::proto::gsdk::login::{LoginRequest, LoginResponse};
use super::status::{failure, too_late};
use crate::Result;

/// A channel, and what every call over it needs.
pub(super) struct Link {
    channel: Channel,
    deadline: Duration,
    login: Option<Login>,
}

/// What a master gateway wants.
struct Login {
    /// PEM; the certificate, not its key.
    certificate: String,
    token: Mutex<Option<SecretString>>,
}

impl Link {
    /// A link that logs in with this certificate, if there is one.
    pub(super) fn new(channel: Channel, deadline: Duration, certificate: Option<String>) -> Self {
        let login = certificate.map(|certificate| Login { certificate, token: Mutex::default() });
        Self { channel, deadline, login }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) async fn call<Q, A>(&self, what: &str, path: &'static str, request: Q) -> Result<A>
    where
        Q: Message + Clone + Default + 'static,
        A: Message + Default + 'static,
    {
        self.call_into::<ProstCodec<Q, A>>(what, path, request).await
    }

    /// The same with a codec of one's own.
    pub(super) async fn call_into<C: Call>(
        &self,
        what: &str,
        path: &'static str,
        request: C::Encode,
    ) -> Result<C::Decode> {
        match self.try_call::<C>(path, request).await {
            Some(answer) => answer.map_err(|status| failure(what, &status)),
            None => Err(too_late(what, self.deadline)),
        }
    }

    /// The same with the status as it came; `None` past the deadline.
    pub(super) async fn try_call<C: Call>(
        &self,
        path: &'static str,
        request: C::Encode,
    ) -> Option<Result<C::Decode, Status>> {
        let answer = self.with_token(|token| {
            let request = self.request(request.clone(), token, Some(self.deadline));
            let path = PathAndQuery::from_static(path);
            async move { ready(self.channel.clone()).await?.unary(request?, path, C::default()).await }
        });
        let answer = tokio::time::timeout(self.deadline, answer).await.ok()?;
        Some(answer.map(Response::into_inner))
    }

    /// Opens a stream. Some gateways answer nothing at all before the first item: do not wait for it.
    pub(super) async fn stream<C: Call>(
        &self,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Streaming<C::Decode>, Status> {
        self.open::<C, _>(|channel| channel, path, request).await
    }

    /// The same, with all messages that are there at once for the codec.
    pub(super) async fn bundles<C: Call>(
        &self,
        path: &'static str,
        request: C::Encode,
    ) -> Result<Streaming<C::Decode>, Status> {
        self.open::<C, _>(Bundling, path, request).await
    }

    async fn open<C: Call, S: Service>(
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

    /// Logs in where that is asked for and not done yet.
    pub(super) async fn log_in(&self) -> Result<()> {
        let Some(login) = &self.login else { return Ok(()) };
        match tokio::time::timeout(self.deadline, self.token(login, None)).await {
            Ok(token) => token.map(drop).map_err(|status| failure(LOGGING_IN, &status)),
            Err(_) => Err(too_late(LOGGING_IN, self.deadline)),
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
            // For the gateway to know when nobody waits any more; here the clock of the call is earlier.
            request.set_timeout(deadline.saturating_add(GRACE));
        }
        if let Some(token) = token {
            let mut value = MetadataValue::try_from(token.expose_secret())
                .map_err(|_| Status::internal("the token cannot stand in a header"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert(TOKEN, value);
        }
        Ok(request)
    }

    /// Makes a call with the token that there is; if it is refused, once more with a new one.
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
            answer => answer,
        }
    }

    /// The token, or a new one if it is still the one that was refused.
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
        let answer = ready(self.channel.clone())
            .await?
            .unary(request, PathAndQuery::from_static(LOGIN), codec)
            .await?;
        Ok(kept.insert(answer.into_inner().jwt_token.into()).clone())
    }
}

async fn ready<S: Service>(service: S) -> Result<Grpc<S>, Status> {
    let mut grpc = Grpc::new(service).max_decoding_message_size(LARGEST_ANSWER);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    Ok(grpc)
}

/// What carries calls: the channel, or something around it.
trait Service:
    GrpcService<Body, ResponseBody: http_body::Body<Error: Into<BoxError>> + Send + 'static, Future: Send> + Send
{
}

impl<S> Service for S where
    S: GrpcService<Body, ResponseBody: http_body::Body<Error: Into<BoxError>> + Send + 'static, Future: Send>
        + Send
{
}

/// A codec of a call that can be made again.
pub(super) trait Call: Codec<Encode: Clone + Sync, Decode: Sync> + Default + Send {}

impl<C: Codec<Encode: Clone + Sync, Decode: Sync> + Default + Send> Call for C {}

/// Larger than any page that is asked for; the gateway's own limit is as large.
const LARGEST_ANSWER: usize = 64 << 20;
const GRACE: Duration = Duration::from_secs(1);
const LOGGING_IN: &str = "logging in";
const TOKEN: &str = "token";
const LOGIN: &str = "/gsdk.login.Login/Login";
