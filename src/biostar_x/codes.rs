//! The server's codes: of imported events, and of failures with the error that each means.

use crate::codec::EventCode;
use crate::error::HttpError;
use crate::{Error, ErrorKind};

/// An imported event: somebody was let in. The code is the server's own; no device has it.
pub(super) const GRANTED: EventCode = EventCode::new(4_088);
/// An imported event: somebody was turned away.
pub(super) const DENIED: EventCode = EventCode::new(6_400);

/// The error that an answer means: by its code where that is known, otherwise by its status.
pub(super) fn refused(mut http: HttpError) -> Error {
    let (kind, sentence) = classify(http.status.unwrap_or_default(), http.code());
    http.may_have_been_done = !is_refused_unseen(&http, kind);
    Error::new(kind, sentence).with_http(http)
}

/// The error of an answer that does not have the form that its endpoint promises.
pub(super) fn unreadable(http: HttpError, sentence: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, sentence).with_http(http)
}

/// The error of a request that has no answer, and of which nothing was done.
pub(super) fn not_sent(endpoint: &'static str, kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_http(HttpError::unanswered(endpoint, false))
}

/// The error of a request that has no answer, and that the server may have carried out.
pub(super) fn unanswered(endpoint: &'static str, kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_http(HttpError::unanswered(endpoint, true))
}

/// The same answer, where it can only mean that the login was refused.
pub(super) fn login_refused(error: &Error) -> Error {
    let refused = Error::new(ErrorKind::LoginRefused, "the server refused the login");
    match error.http() {
        Some(http) => refused.with_http(http.clone()),
        None => refused,
    }
}

/// Whether another server than BioStar X gave this answer, such as the page of a proxy while the server is in maintenance:
/// it is not JSON.
pub(super) fn is_foreign(error: &Error) -> bool {
    let body = error.http().and_then(HttpError::body).unwrap_or_default();
    let body = body.trim_start_matches('\u{feff}').trim_start();
    !body.is_empty() && !body.starts_with(['{', '['])
}

/// Whether the server refuses the events of an import, and may take others: the reason is not the session, the licence,
/// the device or the address.
pub(super) fn is_refusal_of_values(error: &Error) -> bool {
    let is_about_values = matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::NotFound
            | ErrorKind::Other
            | ErrorKind::PartlyDone
            | ErrorKind::Refused
    );
    if is_foreign(error) {
        return false;
    }
    match error.http().and_then(HttpError::code) {
        Some("102" | "103" | "301" | "309" | "317") => false,
        None => is_about_values && error.http().and_then(HttpError::status) != Some(404),
        Some(_) => is_about_values,
    }
}

/// Whether the server does not know the person of an event.
pub(super) fn is_about_person(error: &Error) -> bool {
    matches!(error.http().and_then(HttpError::code), Some("201" | "65649"))
}

/// Whether the server gives this answer before it looks at the request, so that nothing was done.
fn is_refused_unseen(http: &HttpError, kind: ErrorKind) -> bool {
    match http.status {
        Some(401) => matches!(http.code(), Some("10" | "11")),
        Some(403) => kind == ErrorKind::LicenceMissing,
        _ => false,
    }
}

/// The kind and the sentence of an answer: by its code where that is known, otherwise by its status.
fn classify(status: u16, code: Option<&str>) -> (ErrorKind, &'static str) {
    let number = code.and_then(|code| code.parse::<u32>().ok());
    let by_code = number.and_then(|number| {
        CODES.iter().find(|(codes, ..)| codes.contains(&number)).map(|&(_, kind, words)| (kind, words))
    });
    by_code.unwrap_or_else(|| by_status(status))
}

const fn by_status(status: u16) -> (ErrorKind, &'static str) {
    match status {
        300..=399 => {
            (ErrorKind::InvalidData, "the server sends elsewhere: the address is not that of BioStar X")
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
    (&[122], ErrorKind::LoginRefused, "the account asks for a second factor: use an account without one"),
    (&[201, 65_649], ErrorKind::NotFound, "the server has no such user"),
    (&[300, 65_663], ErrorKind::AlreadyExists, "a device with this id exists"),
    (&[301, 309], ErrorKind::NotFound, "the server has no such device"),
    (&[317], ErrorKind::Refused, "the server does not accept this device id"),
    (&[330, 652, 65_664, 65_698], ErrorKind::AlreadyExists, "something with this name exists"),
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
