//! Result codes of the vendor's library: an open number with names.

use core::fmt;

mod names;

/// The result of a function of the vendor's library: positive for the kinds of success, negative for errors.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::sdk_code::SdkCode;
///
/// assert_eq!(SdkCode::new(-601).to_string(), "TIMEOUT (-601)");
/// assert_eq!(SdkCode::new(-77).to_string(), "-77");
/// assert!(SdkCode::new(1).is_success());
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SdkCode(i32);

impl SdkCode {
    /// The code with this number.
    #[must_use]
    pub const fn new(code: i32) -> Self {
        Self(code)
    }

    /// Every name in the catalogue, by descending code.
    #[must_use]
    pub const fn catalogue() -> &'static [SdkCodeName] {
        names::NAMES
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The SDK's name without `BS_SDK_ERROR_`; `None` for a code that it does not list.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let at = names::NAMES.partition_point(|row| row.code > self);
        names::NAMES.get(at).filter(|row| row.code == self).map(|row| row.name)
    }

    /// Whether the call succeeded: any positive code.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 > 0
    }
}

/// Name and number, or the number alone.
impl fmt::Display for SdkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for SdkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One name of the catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SdkCodeName {
    /// The code that the name stands for.
    pub code: SdkCode,
    /// The name, without `BS_SDK_` and `BS_SDK_ERROR_`.
    pub name: &'static str,
    /// The SDK's own group, such as `communication`.
    pub group: &'static str,
    /// Whether the name is in use.
    pub status: super::code::NameStatus,
}
