//! What an event of 48 bytes cannot hold.

use core::fmt;

/// What travels beside an event because its 48 bytes have no place for it.
///
/// `Debug` shows the size of the image, and of the temperature that there is one.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Extras;
///
/// assert_eq!(Extras::default().image, None);
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Extras<'a> {
    /// The job code, where there is one.
    pub job_code: Option<JobCode>,
    /// The image, where the record holds it.
    pub image: Option<&'a [u8]>,
    /// The temperature, where the reader has a thermal camera.
    pub temperature: Option<Temperature>,
}

impl fmt::Debug for Extras<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("job_code", &self.job_code)
            .field("image", &self.image.map(<[u8]>::len))
            .field("temperature", &self.temperature)
            .finish()
    }
}

/// [`Extras`] that borrow nothing: what serde reads.
///
/// `Debug` shows what theirs does: no image and no temperature.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{ExtrasBuf, JobCode};
///
/// let extras: ExtrasBuf = serde_json::from_str(r#"{"job_code": 7, "image": "/9j/2Q=="}"#)?;
/// assert_eq!(extras.as_extras().job_code, Some(JobCode(7)));
/// assert_eq!(extras.as_extras().image, Some(&[0xFF, 0xD8, 0xFF, 0xD9][..]));
/// assert_eq!(serde_json::to_string(&extras)?, r#"{"job_code":7,"image":"/9j/2Q=="}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[cfg(feature = "serde")]
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct ExtrasBuf {
    job_code: Option<JobCode>,
    image: Option<alloc::vec::Vec<u8>>,
    temperature: Option<Temperature>,
}

#[cfg(feature = "serde")]
impl ExtrasBuf {
    /// What travels beside the event, in the bytes that are held here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{Extras, ExtrasBuf};
    /// assert_eq!(ExtrasBuf::default().as_extras(), Extras::default());
    /// ```
    #[must_use]
    pub fn as_extras(&self) -> Extras<'_> {
        Extras { job_code: self.job_code, image: self.image.as_deref(), temperature: self.temperature }
    }
}

#[cfg(feature = "serde")]
impl From<Extras<'_>> for ExtrasBuf {
    fn from(Extras { job_code, image, temperature }: Extras<'_>) -> Self {
        Self { job_code, image: image.map(Into::into), temperature }
    }
}

#[cfg(feature = "serde")]
impl fmt::Debug for ExtrasBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_extras().fmt(f)
    }
}

/// A job code: the number of the work that a person began, as the site defines it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::JobCode;
///
/// assert_eq!(JobCode(7).0, 7);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobCode(pub u32);

/// A person's temperature, in hundredths of a degree Celsius. `Debug` does not show it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::Temperature;
///
/// let temperature = Temperature::from_hundredths(3_655);
/// assert_eq!(temperature.hundredths(), 3_655);
/// assert_eq!(format!("{temperature:?}"), "Temperature(..)");
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Temperature(u32);

impl Temperature {
    /// A temperature in hundredths of a degree Celsius.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::Temperature;
    /// assert!(Temperature::from_hundredths(3_800) > Temperature::from_hundredths(3_655));
    /// ```
    #[must_use]
    pub const fn from_hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// Hundredths of a degree Celsius; 0 where the reader did not measure.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::Temperature;
    /// assert_eq!(Temperature::default().hundredths(), 0);
    /// ```
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Temperature(..)")
    }
}
