//! How imports are sent and live events received.

use std::time::Duration;

use super::{ClientBuilder, VirtualDeviceFlag};

/// How live events are received.
#[derive(Clone, Copy, Debug)]
pub(in crate::biostar_x) struct LiveOptions {
    pub(in crate::biostar_x) queue: usize,
    pub(in crate::biostar_x) ping: Duration,
    pub(in crate::biostar_x) overlap: Duration,
}

/// How imports are sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::biostar_x) struct ImportOptions {
    pub(in crate::biostar_x) chunk: usize,
    pub(in crate::biostar_x) flag: VirtualDeviceFlag,
    pub(in crate::biostar_x) settle: Duration,
}

impl ClientBuilder {
    /// Sets how long a page of a search is asked for again while the server is busy, fails or is not reached; 60 s
    /// unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::Client;
    /// # use std::time::Duration;
    /// let builder = Client::builder("https://192.0.2.10").with_patience(Duration::from_secs(300));
    /// ```
    pub const fn with_patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }
}
