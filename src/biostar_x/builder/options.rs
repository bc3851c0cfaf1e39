//! How imports are sent and live events received.

use std::time::Duration;

use super::VirtualDeviceFlag;

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
