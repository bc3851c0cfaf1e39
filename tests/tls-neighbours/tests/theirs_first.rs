//! In a process of its own, because rustls keeps the provider for the whole process: the neighbours come first.

use tls_neighbours::{Handshakes, ours, theirs};

#[tokio::test(flavor = "multi_thread")]
async fn bs2_events_works_after_the_neighbours() {
    theirs().await;
    let server = Handshakes::start(rustls::crypto::aws_lc_rs::default_provider()).await;
    ours(&server).await;
    theirs().await;
}
