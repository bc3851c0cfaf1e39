//! The number of a reader.

use core::fmt;

/// The number by which the vendor's programs know a reader, such as 540 000 001.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::DeviceId;
///
/// assert_eq!(DeviceId::new(540_000_001).to_string(), "540000001");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeviceId(u32);

impl DeviceId {
    /// The reader with this number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// assert_eq!(DeviceId::new(7).get(), 7);
    /// ```
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::DeviceId;
    /// assert_eq!(DeviceId::new(7).get(), 7);
    /// ```
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
