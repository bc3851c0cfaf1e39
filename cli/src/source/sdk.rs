//! Sources behind the vendor's C library.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::Result;
use bs2_events::device::native::{NativeBackend, NativeOptions};
use bs2_events::device::{Client, ClientOptions};

/// Opens what a text such as `sdk:/opt/libBS_SDK_V2.so?device=192.168.0.10` names.
pub(super) fn open(text: &str) -> Result<Client> {
    let options: NativeOptions = text.parse()?;
    let client_options = ClientOptions::default().with_deadline(options.client_deadline());
    Ok(Client::with_options(Arc::new(NativeBackend::open(options)?), client_options))
}

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
