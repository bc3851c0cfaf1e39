//! The one error of everything that talks to devices and stores.

use std::error::Error as StdError;
use std::fmt;

use crate::codec::{DecodeError, DeviceId, SdkCode};

/// The result of everything that talks to devices and stores.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: a kind that says what to do, a sentence, and where known the reader and the vendor's code.
///
/// The message names settings, fields, files and readers; it never holds a user id, card data or a secret.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, SdkCode};
/// use bs2_events::{Error, ErrorKind};
///
/// let error = Error::from_sdk_code(SdkCode::new(-601), "cannot read the log").with_device(DeviceId::new(7));
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// assert!(error.is_retryable());
/// assert_eq!(error.to_string(), "device 7: cannot read the log: TIMEOUT (-601)");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    device: Option<DeviceId>,
    sdk_code: Option<SdkCode>,
    unreadable_event: Option<u32>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind; the message is a sentence without capital and full stop, and holds nothing personal.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::InvalidInput, "setting `rate`: `many` is no number");
    /// assert_eq!(error.to_string(), "setting `rate`: `many` is no number");
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (device, sdk_code, unreadable_event, source) = Default::default();
        Self(Box::new(Inner { kind, message: message.into(), device, sdk_code, unreadable_event, source }))
    }

    /// The error that a code of the vendor's library stands for; codes without an own kind are
    /// [`ErrorKind::Other`].
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::SdkCode;
    /// use bs2_events::{Error, ErrorKind};
    ///
    /// let error = Error::from_sdk_code(SdkCode::new(-600), "cannot read image logs");
    /// assert_eq!(error.kind(), ErrorKind::Unsupported);
    /// assert_eq!(error.sdk_code(), Some(SdkCode::new(-600)));
    /// ```
    pub fn from_sdk_code(code: SdkCode, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::of(code), message);
        error.0.sdk_code = Some(code);
        error
    }

    /// This error, said of a reader.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::DeviceId, Error, ErrorKind};
    /// let error = Error::new(ErrorKind::NotFound, "no such event").with_device(DeviceId::new(9));
    /// assert_eq!(error.device(), Some(DeviceId::new(9)));
    /// ```
    #[must_use]
    pub fn with_device(mut self, device: DeviceId) -> Self {
        self.0.device = Some(device);
        self
    }

    /// This error, said of an event that the log has and of which no record can be made.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::InvalidData, "event 9: field `userID` is too long");
    /// assert_eq!(error.with_unreadable_event(9).unreadable_event(), Some(9));
    /// ```
    #[must_use]
    pub fn with_unreadable_event(mut self, id: u32) -> Self {
        self.0.unreadable_event = Some(id);
        self
    }

    /// This error, with what caused it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// use std::error::Error as _;
    ///
    /// let cause = std::io::Error::other("disk full");
    /// assert!(Error::new(ErrorKind::Storage, "cannot write the page").with_source(cause).source().is_some());
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What to do about it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Busy, "busy").kind(), ErrorKind::Busy);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The reader that it concerns.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Busy, "busy").device(), None);
    /// ```
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.0.device
    }

    /// The event that the log has and of which no record can be made. It is the first after the id that was asked from;
    /// who asks from its id gets those behind it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::InvalidData, "no page").unreadable_event(), None);
    /// ```
    #[must_use]
    pub fn unreadable_event(&self) -> Option<u32> {
        self.0.unreadable_event
    }

    /// The vendor's code, where the vendor's library or a reader gave one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Busy, "busy").sdk_code(), None);
    /// ```
    #[must_use]
    pub fn sdk_code(&self) -> Option<SdkCode> {
        self.0.sdk_code
    }

    /// Whether the same call may succeed later without any change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{Error, ErrorKind};
    /// assert!(Error::new(ErrorKind::Disconnected, "gone").is_retryable());
    /// assert!(!Error::new(ErrorKind::Unsupported, "never").is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(device) = self.0.device {
            write!(f, "device {device}: ")?;
        }
        f.write_str(&self.0.message)?;
        match self.0.sdk_code {
            Some(code) => write!(f, ": {code}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("device", &self.0.device)
            .field("sdk_code", &self.0.sdk_code)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::InvalidData, "bytes are not the record that was expected").with_source(error)
    }
}

/// What to do about an [`Error`].
///
/// # Examples
///
/// ```
/// use bs2_events::ErrorKind;
///
/// assert!(ErrorKind::TimedOut.is_retryable());
/// assert!(!ErrorKind::InvalidInput.is_retryable());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The reader or the store is doing something else. Wait and retry.
    Busy,
    /// The client, the device or the store was closed here. Open it again.
    Closed,
    /// The connection is lost or was never made. Connecting again and retrying helps once the network does.
    Disconnected,
    /// An answer or a stored row is not what its layout says. Retrying does not help; report it.
    InvalidData,
    /// An argument or a setting cannot be right; the message names it. Correct it.
    InvalidInput,
    /// There is no such device, event, image or file. Retrying does not help.
    NotFound,
    /// None of the others; the vendor's code, if there is one, says more. Retrying does not help.
    Other,
    /// The reader or the store refuses this user, certificate or file. Change the rights.
    PermissionDenied,
    /// The store failed: disk full, file damaged, database gone. What was acknowledged before is safe.
    Storage,
    /// No answer in time. The reader may still have done what it was asked; reading again is safe.
    TimedOut,
    /// The reader, the library or the backend has no such function. Retrying does not help.
    Unsupported,
}

impl ErrorKind {
    /// Whether the same call may succeed later without any change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::ErrorKind;
    /// assert!(ErrorKind::Busy.is_retryable());
    /// ```
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Disconnected | Self::TimedOut)
    }

    /// The kind of a vendor's code. Source: the names in `src/codec/tables/error_codes.tsv`.
    const fn of(code: SdkCode) -> Self {
        match code.get() {
            -10007 | -912 | -110 => Self::Busy,
            -3002 | -109..=-101 => Self::Disconnected,
            -10009 | -712 | -207..=-204 | -201 => Self::InvalidData,
            -10010 | -10000 | -3006 | -3004 | -200 | -116 => Self::InvalidInput,
            -907 | -725 | -202 => Self::NotFound,
            -3007 | -3005 | -2004 | -1400 => Self::PermissionDenied,
            -601 => Self::TimedOut,
            -600 | -115 | -113 => Self::Unsupported,
            _ => Self::Other,
        }
    }
}
