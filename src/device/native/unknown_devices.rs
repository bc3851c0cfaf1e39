//! Events of readers that nobody here has connected to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::codec::DeviceId;

/// One more event of this reader reaches nobody. The first is told at once.
pub(super) fn count(device: DeviceId) {
    let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
    // A library that makes up numbers does not fill the memory.
    let is_one_of_too_many = events.len() >= MOST_READERS && !events.contains_key(&device);
    let device = if is_one_of_too_many { OTHERS } else { device };
    let count = events.entry(device).or_default();
    *count = count.saturating_add(1);
    let is_first = *count == 1;
    drop(events);
    if is_first {
        tracing::warn!(%device, "the library reports events of a reader that is not connected here: they are left out");
    }
}

/// Tells how many they were, and begins anew.
pub(super) fn tell() {
    let all = std::mem::take(&mut *EVENTS.lock().unwrap_or_else(PoisonError::into_inner));
    for (device, events) in all {
        tracing::warn!(%device, events, "events of a reader that was not connected here were left out");
    }
}

static EVENTS: Mutex<BTreeMap<DeviceId, u64>> = Mutex::new(BTreeMap::new());

/// As many readers as the library can be connected to.
const MOST_READERS: usize = 1_024;
/// All readers beyond them: no reader has this number.
const OTHERS: DeviceId = DeviceId::new(0);
