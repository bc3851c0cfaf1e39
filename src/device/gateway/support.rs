//! What devices were found to support, so that they are not asked again and again for what they do not have.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::codec::DeviceId;
use crate::sync::lock;

/// What a device may lack.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Feature {
    Images,
    JobCodes,
}

/// Whether devices have a feature, as far as it is known in this session.
#[derive(Default)]
pub(super) struct Support(Mutex<BTreeMap<(DeviceId, Feature), bool>>);

impl Support {
    pub(super) fn is_unknown(&self, device: DeviceId, feature: Feature) -> bool {
        !lock(&self.0).contains_key(&(device, feature))
    }

    pub(super) fn is_missing(&self, device: DeviceId, feature: Feature) -> bool {
        lock(&self.0).get(&(device, feature)) == Some(&false)
    }

    pub(super) fn set_known(&self, device: DeviceId, feature: Feature) {
        lock(&self.0).insert((device, feature), true);
    }

    /// Notes that the device said that it does not have this.
    pub(super) fn set_missing(&self, device: DeviceId, feature: Feature) {
        lock(&self.0).insert((device, feature), false);
    }
}
