//! The connection to a gateway: HTTP/2 over TCP, with TLS unless the settings refuse it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::codegen::{Service, StdError as BoxError};
use tonic::transport::{Channel, Endpoint};

use super::options::GatewayOptions;
use crate::Result;
use crate::error::invalid;

/// Makes channels to one gateway. It reads the files of the options once, when it is made.
pub(super) struct ChannelFactory {
    endpoint: Endpoint,
    connector: Connector,
}

impl ChannelFactory {
    /// Errors: [`InvalidInput`](ErrorKind::InvalidInput) for a wrong address and for files that cannot be used;
    /// [`Unsupported`](ErrorKind::Unsupported) without a cryptography provider.
    pub(super) fn new(options: &GatewayOptions) -> Result<Self> {
        let address = |scheme| {
            let parsed = format!("{scheme}://{}", options.authority).parse::<Uri>();
            parsed.map_err(|error| {
                invalid(format!("`{}` is not the address of a gateway", options.authority)).with_source(error)
            })
        };
        // The connector makes TLS, not tonic. So tonic gets no `https` address: if another crate turns on tonic's own
        // TLS, tonic refuses such an address without settings for its TLS.
        let plain = address("http")?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
        tcp.set_connect_timeout(Some(options.deadline));
        let mut endpoint = Endpoint::from(plain.clone())
            .user_agent(concat!("bs2-events/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| invalid("the user agent is not valid in a header").with_source(error))?
            // Gateways are written in Go. Its gRPC library closes a connection that pings more often than every five
            // minutes. A session finds a silent gateway sooner, by calls of its own.
            .http2_keep_alive_interval(HTTP2_KEEP_ALIVE)
            .keep_alive_timeout(options.deadline)
            // A received frame of less than 256 bytes that the stream has not read yet takes the difference to 256 from
            // a budget, which is half the connection's window. If the budget is exceeded, the connection is closed.
            // With these windows one stream cannot exceed it: its window holds fewer than 32 MiB / 251 of the smallest
            // messages, 5 bytes. It also holds a page of 10 000 events.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let mut tls = None;
        if let Some(trust) = &options.trust {
            endpoint = endpoint.origin(address("https")?);
            let host = plain.host().unwrap_or_default().trim_matches(['[', ']']);
            let name = options.server_name.as_deref().unwrap_or(host);
            let name = ServerName::try_from(name.to_owned())
                .map_err(|error| invalid(format!("`{name}` is not the name of a host")).with_source(error))?;
            let config = trust.client_config(options.identity.as_ref(), &[HTTP2])?;
            tls = Some((TlsConnector::from(Arc::new(config)), name));
        }
        Ok(Self { endpoint, connector: Connector { tcp, tls, deadline: options.deadline } })
    }

    /// A channel with a connection of its own, which the first call makes.
    pub(super) fn channel(&self) -> Channel {
        self.endpoint.connect_with_connector_lazy(self.connector.clone())
    }
}

/// Connects over TCP, then over TLS.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    deadline: Duration,
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Service<Uri> for Connector {
    type Response = TokioIo<Pin<Box<dyn Stream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let (tcp, tls, deadline) = (self.tcp.call(address), self.tls.clone(), self.deadline);
        let connected = async move {
            let tcp = tcp.await?.into_inner();
            let Some((connector, name)) = tls else { return Ok(TokioIo::new(Box::pin(tcp) as _)) };
            let stream = connector.connect(name, tcp).await?;
            if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
                return Err(io::Error::other("the server does not offer HTTP/2").into());
            }
            Ok(TokioIo::new(Box::pin(stream) as _))
        };
        Box::pin(async move {
            let too_late = || io::Error::new(io::ErrorKind::TimedOut, "no connection before the deadline");
            timeout(deadline, connected).await.map_err(|_| too_late())?
        })
    }
}

const HTTP2: &[u8] = b"h2";
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(330);
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;
