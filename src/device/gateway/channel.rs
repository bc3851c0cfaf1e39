//! The connection to a gateway: HTTP/2 over TCP, with TLS unless the settings refuse it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::codegen::{Service, StdError as BoxError};
use tonic::transport::{Channel, Endpoint};

use super::options::{GatewaySettings, Trust};
use crate::tls::{self, ClientIdentity};
use crate::{Error, ErrorKind, Result};

/// What a channel is made of, again and again. Files are read when this is made, once.
pub(super) struct ChannelFactory {
    endpoint: Endpoint,
    connector: Connector,
}

impl ChannelFactory {
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an address that is none and files that cannot be used;
    /// [`Unsupported`](ErrorKind::Unsupported) where there is no cryptography provider.
    pub(super) fn new(settings: &GatewaySettings) -> Result<Self> {
        // TLS is our connector's work. tonic must not see `https`: where another crate turns on tonic's own TLS, it
        // refuses an `https` address without tonic's settings for it.
        let address: Uri = format!("http://{}", settings.authority)
            .parse()
            .map_err(|error| invalid("the gateway's address is not `HOST:PORT`").with_source(error))?;
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEP_ALIVE));
        http.set_connect_timeout(Some(settings.deadline));
        let mut endpoint = Endpoint::from(address.clone())
            .user_agent(concat!("bs2-events/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| invalid("the user agent cannot stand in a header").with_source(error))?
            .connect_timeout(settings.deadline)
            // Gateways are written in Go, whose library closes connections that ping more often than every five
            // minutes. A session finds a silent gateway sooner, by the calls that it makes for that.
            .http2_keep_alive_interval(HTTP2_KEEP_ALIVE)
            .keep_alive_timeout(settings.deadline)
            // A frame of less than 256 bytes that is not read yet takes what it lacks to 256 from a budget of half the
            // connection's window. When the budget is used up, the connection ends. With these windows one stream
            // cannot use it up: of the smallest messages, 5 bytes, fewer than 32 MiB / 251 fit into its window. A page
            // of 10 000 events fits too.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let tls = match trust(settings) {
            None => None,
            Some(trust) => {
                let origin: Uri = format!("https://{}", settings.authority).parse().map_err(|error| {
                    invalid("the gateway's address is not `HOST:PORT`").with_source(error)
                })?;
                endpoint = endpoint.origin(origin);
                let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
                let name = settings.server_name.as_deref().unwrap_or(host);
                let name = ServerName::try_from(name.to_owned()).map_err(|error| {
                    invalid(format!("`{name}` is not the name of a host")).with_source(error)
                })?;
                let config = trust.client_config(identity(settings).as_ref(), &[HTTP2])?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
        };
        Ok(Self { endpoint, connector: Connector { http, tls } })
    }

    /// A channel with a connection of its own, which the first call makes.
    pub(super) fn channel(&self) -> Channel {
        self.endpoint.connect_with_connector_lazy(self.connector.clone())
    }
}

/// Connects over TCP, then over TLS.
#[derive(Clone)]
struct Connector {
    http: HttpConnector,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Service<Uri> for Connector {
    type Response = TokioIo<Pin<Box<dyn Stream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let (tcp, tls) = (self.http.call(address), self.tls.clone());
        Box::pin(async move {
            let tcp = tcp.await?.into_inner();
            let Some((connector, name)) = tls else { return Ok(TokioIo::new(Box::pin(tcp) as _)) };
            let stream = connector.connect(name, tcp).await?;
            if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
                return Err(io::Error::other("the server does not speak HTTP/2").into());
            }
            Ok(TokioIo::new(Box::pin(stream) as _))
        })
    }
}

fn trust(settings: &GatewaySettings) -> Option<tls::Trust> {
    match &settings.trust {
        Trust::Ca(path) => Some(tls::Trust::ca_file(path)),
        Trust::Pin(path) => Some(tls::Trust::pin_file(path)),
        Trust::SystemRoots => Some(tls::Trust::system()),
        Trust::DangerPlaintext => None,
    }
}

pub(super) fn identity(settings: &GatewaySettings) -> Option<ClientIdentity> {
    let (certificate, key) = settings.client_certificate.as_ref()?;
    Some(ClientIdentity::from_files(certificate, key))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

const HTTP2: &[u8] = b"h2";
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(330);
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;
