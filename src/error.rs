//! The one error of the crate, for everything but decoding bytes.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::codec::sdk_code::SdkCode;
use crate::codec::{DecodeError, DeviceId};

/// The result of everything that talks to a device, a server or a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: a kind that says what to do, a sentence, and, where known, the device, the vendor's code, what an
/// HTTP server answered ([`http`](Self::http)) and the source.
///
/// The sentence names settings, fields, files and devices. It holds no user id, no card and no secret, and neither does
/// `Debug`, which prints the sentence and its sources.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::sdk_code::SdkCode;
/// use bs2_events::codec::DeviceId;
/// use bs2_events::{Error, ErrorKind};
///
/// let error = Error::from_sdk_code(SdkCode::new(-601), "cannot read the log").with_device(DeviceId::new(7));
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// assert!(error.is_retryable());
/// assert_eq!(error.to_string(), "device 7: cannot read the log: TIMEOUT (-601)");
///
/// // `Debug` is what `main() -> Result` prints: the sentence, and what caused it.
/// let error = error.with_source(std::io::Error::other("no route to host"));
/// assert_eq!(format!("{error:?}"), "device 7: cannot read the log: TIMEOUT (-601): caused by: no route to host");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    device: Option<DeviceId>,
    sdk_code: Option<SdkCode>,
    /// The first and the last.
    unreadable_events: Option<(u32, u32)>,
    position: Option<usize>,
    http: Option<HttpError>,
    /// The call creates something, and a second call would create it twice.
    is_creation: bool,
    /// The way to all devices of a backend failed, not one device.
    is_of_backend: bool,
    /// The device that is now where the device of the error was.
    replacement: Option<DeviceId>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message is a sentence without capital and full stop, and holds nothing personal.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            device: None,
            sdk_code: None,
            unreadable_events: None,
            position: None,
            http: None,
            is_creation: false,
            is_of_backend: false,
            replacement: None,
            source: None,
        }))
    }

    /// The error for a code of the vendor's library. A code without a kind of its own is [`ErrorKind::Other`].
    pub fn from_sdk_code(code: SdkCode, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::of(code), message).set(|inner| inner.sdk_code = Some(code))
    }

    /// Adds the device that the error concerns.
    #[must_use]
    pub fn with_device(self, device: DeviceId) -> Self {
        self.set(|inner| inner.device = Some(device))
    }

    /// Adds the id of an event that the log has and that no record can represent.
    #[must_use]
    pub fn with_unreadable_event(self, id: u32) -> Self {
        self.set(|inner| inner.unreadable_events = Some((id, id)))
    }

    /// Adds the ids of events that the device does not give.
    #[cfg(feature = "device")]
    pub(crate) fn with_unreadable_events(self, first: u32, last: u32) -> Self {
        self.set(|inner| inner.unreadable_events = Some((first, last)))
    }

    /// Adds the position of what is wrong: the index in a list, or the line in a file.
    #[must_use]
    pub fn with_position(self, position: usize) -> Self {
        self.set(|inner| inner.position = Some(position))
    }

    /// Marks an error that concerns a whole backend and not one device: the connection to a gateway is lost, for example.
    #[must_use]
    pub fn of_backend(self) -> Self {
        self.set(|inner| inner.is_of_backend = true)
    }

    /// Adds the device that is now at the address of the device that the error concerns.
    #[must_use]
    pub fn with_replacement(self, device: DeviceId) -> Self {
        self.set(|inner| inner.replacement = Some(device))
    }

    /// Adds what caused the error.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = Arc::from(source.into());
        self.set(|inner| inner.source = Some(source))
    }

    /// Adds the HTTP request that failed, and the server's answer.
    #[cfg(feature = "biostar-x")]
    pub(crate) fn with_http(self, http: HttpError) -> Self {
        self.set(|inner| inner.http = Some(http))
    }

    /// Marks the error of a call that creates something: it is not retryable when the call may have taken effect.
    #[cfg(feature = "biostar-x")]
    pub(crate) fn of_creation(self) -> Self {
        self.set(|inner| inner.is_creation = true)
    }

    /// What to do about the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The device that the error concerns.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.0.device
    }

    /// The event that the log has and that no record can represent, or that the device does not give. It is the first one
    /// after the id from which the caller read, or the last of several; a read after its id returns the events behind it.
    #[must_use]
    pub fn unreadable_event(&self) -> Option<u32> {
        self.0.unreadable_events.map(|(_, last)| last)
    }

    /// The first and the last id of the events that cannot be read.
    #[cfg(feature = "collect")]
    pub(crate) fn unreadable_events(&self) -> Option<(u32, u32)> {
        self.0.unreadable_events
    }

    /// Whether the way to all devices of a backend failed, not one device.
    #[must_use]
    pub fn concerns_backend(&self) -> bool {
        self.0.is_of_backend
    }

    /// The device that is now at the address of the device that the error concerns: somebody has replaced the device.
    #[must_use]
    pub fn replacement(&self) -> Option<DeviceId> {
        self.0.replacement
    }

    /// The error and its causes as one sentence, for an operator.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors of other crates end with their source's text.
            if !sentence.ends_with(&text) {
                sentence.push_str(": ");
                sentence.push_str(&text);
            }
            source = cause.source();
        }
        sentence
    }

    /// The vendor's code, where the vendor's library or a device gave one.
    #[must_use]
    pub fn sdk_code(&self) -> Option<SdkCode> {
        self.0.sdk_code
    }

    /// The position of what is wrong in the input: the index in a list, counted from 0, or the line in a file, counted
    /// from 1. The message says which.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// The HTTP request that failed and the server's answer, where the error comes from an HTTP server.
    #[must_use]
    pub fn http(&self) -> Option<&HttpError> {
        self.0.http.as_ref()
    }

    /// Whether the same call may succeed later without any change.
    ///
    /// It is `false` for a call that creates something and [may have been done](Self::may_have_been_done): look whether
    /// the thing exists before the call is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable() && !(self.0.is_creation && self.may_have_been_done())
    }

    /// Whether the call may have taken effect, wholly or in part, although it failed.
    ///
    /// It is `false` only where that is certain: nothing was sent, or the request was refused before it was carried out.
    /// An HTTP server that reports a failure may report it in the middle of the work, so such an answer proves nothing.
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match &self.0.http {
            Some(http) => http.may_have_been_done,
            None => {
                matches!(self.0.kind, ErrorKind::Disconnected | ErrorKind::PartlyDone | ErrorKind::TimedOut)
            }
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// The error of an argument or a setting that is wrong.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(device) = self.0.device {
            write!(f, "device {device}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(code) = self.0.sdk_code {
            write!(f, ": {code}")?;
        }
        match &self.0.http {
            Some(http) => write!(f, ": {http}"),
            None => Ok(()),
        }
    }
}

/// The sentence and its sources.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::InvalidData, "the bytes are not the expected record").with_source(error)
    }
}

/// What to do about an [`Error`].
///
/// # Examples
///
/// ```
/// use bs2_events::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::InvalidInput => "correct the setting that the message names",
///         ErrorKind::CertificateRefused => "give the CA, or pin the certificate",
///         _ if error.is_retryable() => "wait and retry",
///         _ => "read the message",
///     }
/// }
///
/// assert_eq!(advice(&Error::new(ErrorKind::Busy, "the device is busy")), "wait and retry");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The account is locked after too many bad logins. Wait as long as the server is set to, or unlock the account
    /// there. Retrying before that does not help.
    AccountLocked,
    /// Something with this id or name exists. Use it, or choose another id or name. Retrying does not help.
    AlreadyExists,
    /// The device, the server or the store does something else. Wait and retry.
    Busy,
    /// The peer's certificate is not trusted, or the peer does not trust ours. Give the CA, pin the certificate, or give
    /// a client certificate. Retrying does not help.
    CertificateRefused,
    /// The client, the device or the store was closed here. Open it again.
    Closed,
    /// There is no connection: none could be made, or it broke. Check address and network; retrying helps once the
    /// network works. [`Error::may_have_been_done`] says whether a request was under way.
    Disconnected,
    /// An answer or a stored row does not have the expected form; perhaps another server runs at this address. Check the
    /// address; otherwise report it. Retrying does not help.
    InvalidData,
    /// An argument or a setting is wrong; the message names it. Correct it.
    InvalidInput,
    /// The server has no licence for this call. Buy or activate it there. Retrying does not help.
    LicenceMissing,
    /// The server refuses the login: wrong login id or password, or an account that may not log in or that asks for a
    /// second factor. The message says which. Use another account or password; the client does not retry by itself,
    /// because the server locks accounts.
    LoginRefused,
    /// There is no such device, event, image, user or file. Retrying does not help.
    NotFound,
    /// None of the other kinds; a code of the vendor or of the server, if there is one, says more. Retrying does not
    /// help.
    Other,
    /// A part was done. Look what is there before anything is sent again.
    PartlyDone,
    /// The device, the server or the store denies this account, certificate, address or file. Change the rights there.
    PermissionDenied,
    /// The server refuses the request as it is; the server's code says why. Change the request. Retrying does not help.
    Refused,
    /// The server failed. It may have done what was asked. Wait and retry; if it lasts, look into the server's log.
    ServerFailed,
    /// The session ended although it was renewed: perhaps another program logs in with the same account. Give each
    /// program its own account; a retry logs in again.
    SessionExpired,
    /// The store failed: the disk is full, the file is damaged, the database is gone. Events that it confirmed before
    /// are safe.
    Storage,
    /// No answer in time. The device or the server may still have done what was asked; reading again is safe.
    TimedOut,
    /// The device, the library or the backend has no such function. Retrying does not help.
    Unsupported,
}

impl ErrorKind {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Disconnected | Self::ServerFailed | Self::SessionExpired | Self::TimedOut
        )
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

/// A request to an HTTP server that failed, and what the server answered.
///
/// `Display` and `Debug` show the endpoint, the status and the code. The server's own words ([`message`](Self::message),
/// [`body`](Self::body)) may name people, so only these two methods return them.
#[derive(Clone)]
pub struct HttpError {
    pub(crate) endpoint: &'static str,
    pub(crate) may_have_been_done: bool,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) by: Option<String>,
    pub(crate) body: Option<String>,
}

impl HttpError {
    /// A request without an answer.
    #[cfg(feature = "biostar-x")]
    pub(crate) const fn unanswered(endpoint: &'static str, may_have_been_done: bool) -> Self {
        let (status, code, message, by, body) = (None, None, None, None, None);
        Self { endpoint, may_have_been_done, status, code, message, by, body }
    }

    /// A request with an answer, which may have been done unless the caller knows better.
    #[cfg(feature = "biostar-x")]
    pub(crate) fn answered(endpoint: &'static str, status: u16, body: &[u8]) -> Self {
        let start = body.get(..BODY_LIMIT).unwrap_or(body);
        let body = Some(String::from_utf8_lossy(start).into_owned());
        Self { status: Some(status), body, ..Self::unanswered(endpoint, true) }
    }

    /// The method and the path of the call, with the names of the path's parts instead of their values.
    #[must_use]
    pub const fn endpoint(&self) -> &'static str {
        self.endpoint
    }

    /// The HTTP status; `None` if there was no answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The server's code as the server wrote it; mostly a number, but not always.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The part of the server that answered, if the answer names it, such as `web`.
    #[must_use]
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// The server's sentence. It may name a person or a thing.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The first 4 096 bytes of the answer. They may name people.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}

/// The endpoint, the status and the code; a code only where it looks like one, because a server may write anything
/// there.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.endpoint)?;
        if let Some(status) = self.status {
            write!(f, " answered {status}")?;
        }
        match &self.code {
            Some(code) if is_code(code) => write!(f, " with code {code}"),
            Some(_) => f.write_str(" with an unusual code"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpError({self})")
    }
}

/// A number of up to seven digits, perhaps behind one letter: `331791`, `u1001`.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text);
    (1..=7).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// How much of an answer an error keeps.
#[cfg(feature = "biostar-x")]
const BODY_LIMIT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_small_and_can_be_shared() {
        const fn shared<T: Send + Sync + Clone>() {}
        shared::<Error>();
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn changing_a_clone_leaves_the_original() {
        let error = Error::new(ErrorKind::NotFound, "no such event");
        let changed = error.clone().with_device(DeviceId::new(9)).with_position(3).with_unreadable_event(4);
        assert_eq!((error.device(), error.position(), error.unreadable_event()), (None, None, None));
        assert_eq!(
            (changed.device(), changed.position(), changed.unreadable_event()),
            (Some(DeviceId::new(9)), Some(3), Some(4))
        );
    }

    #[test]
    fn debug_prints_the_sentence_and_every_source() {
        let inner =
            Error::new(ErrorKind::Storage, "the disk is full").with_source(std::io::Error::other("errno 28"));
        let error = Error::new(ErrorKind::Storage, "cannot write the page").with_source(inner);
        assert_eq!(
            format!("{error:?}"),
            "cannot write the page: caused by: the disk is full: caused by: errno 28"
        );
        assert_eq!(error.to_string(), "cannot write the page");
    }

    #[test]
    fn codes_of_the_library_have_kinds_that_advise() {
        let kind = |code| Error::from_sdk_code(SdkCode::new(code), "x").kind();
        assert_eq!(kind(-600), ErrorKind::Unsupported);
        assert_eq!(kind(-101), ErrorKind::Disconnected);
        assert_eq!(kind(-99_999), ErrorKind::Other);
    }

    #[cfg(feature = "biostar-x")]
    #[test]
    fn what_the_server_wrote_is_shown_on_request_only() {
        let mut http = HttpError::answered("GET /api/x", 400, b"{\"message\":\"Ada\"}");
        http.code = Some("201".to_owned());
        http.message = Some("Ada is unknown".to_owned());
        let error = Error::new(ErrorKind::NotFound, "the server has no such user").with_http(http.clone());
        assert_eq!(error.to_string(), "the server has no such user: GET /api/x answered 400 with code 201");
        assert!(!format!("{error:?} {http:?}").contains("Ada"));
        assert_eq!(error.http().and_then(HttpError::message), Some("Ada is unknown"));
        assert!(error.http().and_then(HttpError::body).unwrap().contains("Ada"));
        http.code = Some("Ada".to_owned());
        assert!(!http.to_string().contains("Ada"));
    }

    #[cfg(feature = "biostar-x")]
    #[test]
    fn creation_is_not_retryable_when_it_may_have_been_done() {
        let error = |is_sent| {
            Error::new(ErrorKind::Disconnected, "no answer")
                .with_http(HttpError::unanswered("POST /", is_sent))
        };
        assert!(error(true).is_retryable() && error(false).is_retryable());
        assert!(!error(true).of_creation().is_retryable());
        assert!(error(false).of_creation().is_retryable());
    }
}
