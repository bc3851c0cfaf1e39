//! Sources behind the vendor's C library.

use std::time::Duration;

use bs2_events::device::Client;
use bs2_events::device::native::NativeOptions;

/// Waits a little until the connections are ended, so that the library is not cut off at its work.
pub(super) fn close(client: &Client) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let closing = tokio::time::timeout(CLOSING, client.close());
        // What does not end in time ends with the process.
        let _ = tokio::task::block_in_place(|| runtime.block_on(closing));
    }
}

/// The scheme of these sources.
pub(super) const SCHEME: &str = NativeOptions::SCHEME;

const CLOSING: Duration = Duration::from_secs(2);
