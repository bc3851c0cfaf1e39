//! The number of a virtual device.

use std::fmt;
use std::str::FromStr;

use crate::biostar_x::codes::invalid;
use crate::codec::DeviceId;
use crate::{Error, Result};

/// The number of a virtual device: 100 001 to 999 999, both included.
///
/// The range is that of the interface's description and of the support article. The administrator's guide begins at
/// 100 000, which is refused here: what one of three documents allows cannot be relied on.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::VirtualDeviceId;
///
/// assert_eq!("100001".parse::<VirtualDeviceId>()?, VirtualDeviceId::MIN);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VirtualDeviceId(u32);

impl VirtualDeviceId {
    /// The smallest.
    pub const MIN: Self = Self(100_001);
    /// The greatest.
    pub const MAX: Self = Self(999_999);

    /// Checks a number.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) outside 100 001 to 999 999.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert!(VirtualDeviceId::new(100_001).is_ok() && VirtualDeviceId::new(999_999).is_ok());
    /// assert!(VirtualDeviceId::new(100_000).is_err() && VirtualDeviceId::new(1_000_000).is_err());
    /// ```
    pub fn new(id: u32) -> Result<Self> {
        if (Self::MIN.0..=Self::MAX.0).contains(&id) {
            return Ok(Self(id));
        }
        let (min, max) = (Self::MIN.0, Self::MAX.0);
        Err(invalid(format!("virtual device id {id} lies outside {min} to {max}")))
    }

    /// What a server calls a virtual device is one, whatever its number.
    pub(in crate::biostar_x) const fn of_server(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::MIN.get(), 100_001);
    /// ```
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for VirtualDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VirtualDeviceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map_or_else(|| Err(invalid("a virtual device id is no number")), Self::new)
    }
}

/// Among the devices of a server a virtual one is a device like any other.
impl From<VirtualDeviceId> for DeviceId {
    fn from(id: VirtualDeviceId) -> Self {
        Self::new(id.0)
    }
}
