//! In a process of its own: the program installs a provider itself, and bs2-events uses that one.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, aws_lc_rs};
use tls_neighbours::{Handshakes, ours, theirs};

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_of_the_process_is_used() {
    CryptoProvider { secure_random: &COUNTING, ..aws_lc_rs::default_provider() }.install_default().unwrap();
    let server = Handshakes::start(aws_lc_rs::default_provider()).await;
    ours(&server).await;
    assert!(COUNTING.0.load(Ordering::SeqCst) > 0, "bs2-events used another provider");
    theirs().await;
}

/// The random numbers of aws-lc, and how often they were taken.
#[derive(Debug)]
struct Counting(AtomicUsize);

static COUNTING: Counting = Counting(AtomicUsize::new(0));

impl SecureRandom for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.fetch_add(1, Ordering::SeqCst);
        aws_lc_rs::default_provider().secure_random.fill(buffer)
    }
}
