//! What both programs do: connect with bs2-events, and use rustls, reqwest and tonic as their documentation shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bs2_events::ErrorKind;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions};
use bs2_events::device::backend::Backend;
use bs2_events::device::gateway::{Gateway, GatewayOptions};
use bs2_events::tls::Trust;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server that completes TLS handshakes, counts them, and closes each connection.
pub struct Handshakes {
    pub address: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl Handshakes {
    pub async fn start(provider: CryptoProvider) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Counted while the connection is open: the client may fail as soon as it is closed.
                if let Ok(_open) = acceptor.accept(socket).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, count }
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Both clients of bs2-events complete a handshake, and then fail with an ordinary error.
pub async fn ours(server: &Handshakes) {
    let before = server.count();
    let options =
        GatewayOptions::new(server.address.to_string()).with_trust(Trust::danger_accept_any_certificate());
    let error = Gateway::new(options).unwrap().devices().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
    assert!(server.count() > before, "the gateway's client made no handshake: {error:?}");

    let before = server.count();
    let options = BiostarXOptions::new(format!("https://{}", server.address))
        .with_credentials("admin", "simulated")
        .with_trust(Trust::danger_accept_any_certificate());
    let error = BiostarX::new(options).unwrap().login().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(server.count() > before, "the BioStar X client made no handshake: {error:?}");
}

/// The neighbours with their own default features. Each of these lines panics if another crate of the program has changed
/// the features or the provider behind them.
pub async fn theirs() {
    let _ = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let _ = reqwest::Client::new();
    let tls = tonic::transport::ClientTlsConfig::new();
    let _ = tonic::transport::Endpoint::from_static("https://localhost").tls_config(tls).unwrap();
}
