//! In a process of its own, because rustls keeps the provider for the whole process: bs2-events connects first.

use tls_neighbours::{Handshakes, ours, theirs};

#[tokio::test(flavor = "multi_thread")]
async fn the_neighbours_work_after_bs2_events_and_find_no_provider_of_ours() {
    let server = Handshakes::start(rustls::crypto::aws_lc_rs::default_provider()).await;
    ours(&server).await;
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "bs2-events installed a provider");
    theirs().await;
    ours(&server).await;
}
