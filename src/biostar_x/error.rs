//! The one error of the BioStar X client.

mod answer;
mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub(super) use answer::Answer;
pub use kind::ErrorKind;

/// The result of every call to a BioStar X server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a BioStar X server: a kind that says what to do, a sentence, and what the server answered.
///
/// `Display` and `Debug` show this crate's own words, the status and the server's code. What the server wrote
/// ([`message`](Self::message), [`body`](Self::body)) may name people, so it is there only when asked for by name.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{ErrorKind, VirtualDeviceId};
///
/// let error = VirtualDeviceId::new(7).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert_eq!(error.to_string(), "virtual device id 7 lies outside 100001 to 999999");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    endpoint: Option<&'static str>,
    answer: Option<Answer>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), endpoint: None, answer: None, source: None }))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// The error that an answer stands for.
    pub(super) fn of_answer(endpoint: &'static str, answer: Answer) -> Self {
        let (kind, sentence) = kind::classify(answer.status, answer.code.as_deref());
        Self::unreadable(endpoint, answer, kind, sentence)
    }

    /// An answer that is not what its endpoint promises.
    pub(super) fn unreadable(
        endpoint: &'static str,
        answer: Answer,
        kind: ErrorKind,
        sentence: impl Into<String>,
    ) -> Self {
        let (message, answer) = (sentence.into(), Some(answer));
        Self(Arc::new(Inner { kind, message, endpoint: Some(endpoint), answer, source: None }))
    }

    /// Whether the server refuses these events, and may take others: not for the session, the licence, the device or
    /// the address.
    pub(super) fn is_refusal_of_values(&self) -> bool {
        let is_about_values = matches!(
            self.kind(),
            ErrorKind::NotFound | ErrorKind::Other | ErrorKind::PartlyDone | ErrorKind::Refused
        );
        match self.code() {
            Some("102" | "103" | "301" | "309" | "317") => false,
            None => is_about_values && self.status() != Some(404),
            Some(_) => is_about_values,
        }
    }

    /// The same answer, where it can only mean that a login was refused.
    pub(super) fn as_login_refused(&self) -> Self {
        let message = "the server refused the login".to_owned();
        let (endpoint, answer) = (self.0.endpoint, self.0.answer.clone());
        Self(Arc::new(Inner { kind: ErrorKind::LoginRefused, message, endpoint, answer, source: None }))
    }

    pub(super) fn without_answer(
        endpoint: &'static str,
        kind: ErrorKind,
        message: &str,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let message = message.to_owned();
        Self(Arc::new(Inner { kind, message, endpoint: Some(endpoint), answer: None, source }))
    }

    pub(super) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let (message, source) = (message.into(), Some(source.into()));
        Self(Arc::new(Inner { kind, message, endpoint: None, answer: None, source }))
    }

    /// What to do about it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{ErrorKind, VirtualDeviceId};
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The method and the path that was called, with the names of its parts and not their values.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// // Nothing was called.
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().endpoint(), None);
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> Option<&'static str> {
        self.0.endpoint
    }

    /// The HTTP status, if there was an answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().status(), None);
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.answer.as_ref().map(|answer| answer.status)
    }

    /// The server's code as it wrote it; mostly a number, not always.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().code(), None);
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.answer.as_ref().and_then(|answer| answer.code.as_deref())
    }

    /// The server's sentence. It may name a person or a thing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().message(), None);
    /// ```
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.answer.as_ref().and_then(|answer| answer.message.as_deref())
    }

    /// Which part of the server answered, if it said so: `web`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().by(), None);
    /// ```
    #[must_use]
    pub fn by(&self) -> Option<&str> {
        self.0.answer.as_ref().and_then(|answer| answer.by.as_deref())
    }

    /// The first 4 096 bytes of the answer. They may name people.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert_eq!(VirtualDeviceId::new(1).unwrap_err().body(), None);
    /// ```
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.0.answer.as_ref().map(|answer| answer.body.as_str())
    }

    /// Whether the same call may succeed later without any change. An import is the exception: what a lost answer
    /// leaves open is found by [`Import::reconcile`](super::Import::reconcile), not by sending again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// assert!(!VirtualDeviceId::new(1).unwrap_err().is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Whether the server may have done what it was asked, wholly or in part.
    ///
    /// An answer that says no proves little: a database that fails, or a server that is busy, may be so in the middle
    /// of the work. Only a 401 that asks for a login, and a 403 for want of a licence, come before it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceId;
    /// // Nothing was sent.
    /// assert!(!VirtualDeviceId::new(1).unwrap_err().may_have_been_done());
    /// ```
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match (&self.0.answer, self.0.kind) {
            (None, kind) => matches!(kind, ErrorKind::TimedOut | ErrorKind::Unanswered),
            (Some(answer), kind) => !answer.refuses_first(kind),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match (self.0.endpoint, &self.0.answer) {
            (Some(endpoint), Some(answer)) => write!(f, ": {endpoint} answered {answer}"),
            (Some(endpoint), None) => write!(f, ": {endpoint}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("endpoint", &self.0.endpoint)
            .field("answer", &self.0.answer.as_ref().map(tracing::field::display))
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The error of the rest of the crate: the same sentence, with this one as its source.
#[cfg(feature = "device")]
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind().of_the_crate(), error.to_string()).with_source(error)
    }
}
