//! What to do about an error, and which code of the server means what.

/// What to do about an [`Error`](super::Error).
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::ErrorKind;
///
/// assert!(ErrorKind::TimedOut.is_retryable());
/// assert!(!ErrorKind::LoginRefused.is_retryable());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Too many bad logins. Wait as long as the server is set to, or unlock the account there.
    AccountLocked,
    /// The server is doing something else. Wait and retry.
    Busy,
    /// The server's certificate is not trusted. Give its CA, or pin its certificate.
    Certificate,
    /// No connection was made, so nothing was sent. Check address and network, and retry.
    Disconnected,
    /// The answer is not what the endpoint promises: perhaps another server stands at this address.
    InvalidAnswer,
    /// An argument or a setting cannot be right; the message names it. Correct it.
    InvalidInput,
    /// The server has no Event Log API licence, or another one is missing. Buy it or activate it there.
    LicenceMissing,
    /// Wrong login id or password, or this id may not log in. Correct it; it is not tried again by itself.
    LoginRefused,
    /// The account asks for a second factor, which a program cannot give. Use an account without one.
    MfaRequired,
    /// There is no such user, device, group, image or address. Correct it.
    NotFound,
    /// None of the others; the server's code says more.
    Other,
    /// The server did a part of it. Look what is there before anything is sent again.
    PartlyDone,
    /// The account lacks a right, or the server refuses this computer's address. Change the rights there.
    PermissionDenied,
    /// The server refuses the request as it is. Retrying does not help.
    Refused,
    /// The server failed. It may have done what it was asked.
    ServerFailed,
    /// The session ended although it was renewed: perhaps somebody else logs in with the same account.
    SessionExpired,
    /// No answer in time. The server may have done what it was asked, or do it still.
    TimedOut,
    /// The connection broke before the answer. The server may have done what it was asked.
    Unanswered,
}

impl ErrorKind {
    /// Whether the same call may succeed later without any change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::ErrorKind;
    /// assert!(ErrorKind::Busy.is_retryable());
    /// ```
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Disconnected
                | Self::ServerFailed
                | Self::SessionExpired
                | Self::TimedOut
                | Self::Unanswered
        )
    }

    /// The kind that the rest of the crate knows.
    #[cfg(feature = "device")]
    pub(in crate::biostar_x) const fn of_the_crate(self) -> crate::ErrorKind {
        use crate::ErrorKind as Crate;
        match self {
            Self::Busy => Crate::Busy,
            Self::Disconnected | Self::ServerFailed | Self::SessionExpired => Crate::Disconnected,
            Self::InvalidAnswer => Crate::InvalidData,
            Self::InvalidInput => Crate::InvalidInput,
            Self::NotFound => Crate::NotFound,
            Self::TimedOut | Self::Unanswered => Crate::TimedOut,
            Self::AccountLocked
            | Self::Certificate
            | Self::LicenceMissing
            | Self::LoginRefused
            | Self::MfaRequired
            | Self::PermissionDenied => Crate::PermissionDenied,
            Self::Other | Self::PartlyDone | Self::Refused => Crate::Other,
        }
    }
}

/// The kind and the sentence of an answer: by its code where that is known, otherwise by its status.
pub(super) fn classify(status: u16, code: Option<&str>) -> (ErrorKind, &'static str) {
    let number = code.and_then(|code| code.parse::<u32>().ok());
    let by_code = number.and_then(|number| {
        CODES.iter().find(|(codes, ..)| codes.contains(&number)).map(|&(_, kind, words)| (kind, words))
    });
    by_code.unwrap_or_else(|| by_status(status))
}

const fn by_status(status: u16) -> (ErrorKind, &'static str) {
    match status {
        300..=399 => {
            (ErrorKind::InvalidAnswer, "the server sends elsewhere: the address is not that of BioStar X")
        }
        401 => (ErrorKind::SessionExpired, "the session has ended"),
        403 => (ErrorKind::PermissionDenied, "the account lacks the right to do this"),
        404 => {
            (ErrorKind::NotFound, "there is nothing at this address: perhaps the port is another server's")
        }
        408 | 504 => (ErrorKind::TimedOut, "the server waited too long"),
        429 | 503 => (ErrorKind::Busy, "the server is busy"),
        500..=599 => (ErrorKind::ServerFailed, "the server failed"),
        _ => (ErrorKind::Refused, "the server refused the request"),
    }
}

/// Codes worth a sentence of their own. Source: the vendor's catalogue of BioStar 2, wording ours.
const CODES: &[(&[u32], ErrorKind, &str)] = &[
    (&[1], ErrorKind::PartlyDone, "the server did a part of it"),
    (&[4, 1003], ErrorKind::TimedOut, "the server waited too long"),
    (&[10, 11, 1101], ErrorKind::SessionExpired, "the session has ended"),
    (&[20], ErrorKind::PermissionDenied, "the account lacks the right to do this"),
    (&[30, 702, 800], ErrorKind::Refused, "the server refused a value of the request"),
    (&[101], ErrorKind::LoginRefused, "the login id or the password is wrong"),
    (
        &[102, 103],
        ErrorKind::Refused,
        "the server does not know this request: perhaps its version is too old",
    ),
    (&[104, 105, 700, 701], ErrorKind::Refused, "the server cannot read the request"),
    (&[107], ErrorKind::NotFound, "the server has no such file"),
    (&[109, 114], ErrorKind::PermissionDenied, "the server does not accept this computer's address"),
    (&[113], ErrorKind::AccountLocked, "the account is locked after too many bad logins: wait, or unlock it"),
    (&[121], ErrorKind::LoginRefused, "this login id may not log in"),
    (&[122], ErrorKind::MfaRequired, "the account asks for a second factor: use an account without one"),
    (&[201, 65_649], ErrorKind::NotFound, "the server has no such user"),
    (&[300, 65_663], ErrorKind::Refused, "a device with this id exists"),
    (&[301, 309], ErrorKind::NotFound, "the server has no such device"),
    (&[317], ErrorKind::Refused, "the server does not accept this device id"),
    (&[330, 652, 65_664, 65_698], ErrorKind::Refused, "something with this name exists"),
    (&[500], ErrorKind::NotFound, "the server has no such device group"),
    (&[600, 65_717], ErrorKind::NotFound, "the server has no such user group"),
    (&[601, 603], ErrorKind::NotFound, "the server has no such door or access group"),
    (&[1_017, 1_020], ErrorKind::Busy, "the server is busy"),
    (
        &[66_644, 66_645, 66_646, 66_647],
        ErrorKind::ServerFailed,
        "the server's database failed or its disk is full",
    ),
    (
        &[331_776, 331_777, 331_778, 331_779, 331_780, 331_781, 331_782, 331_783],
        ErrorKind::LicenceMissing,
        "the server's licence does not cover this",
    ),
    (
        &[331_791],
        ErrorKind::LicenceMissing,
        "the server has no licence for this: the Event Log API needs one",
    ),
    (&[339_968], ErrorKind::ServerFailed, "a part of the server is not connected"),
];
