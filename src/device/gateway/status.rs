//! What the status of a call means: the errors of a gateway, of its devices, and of the connection.

use std::error::Error as StdError;
use std::time::Duration;

use prost::Message;
use tokio_rustls::rustls::{self, CertificateError};
use tonic::{Code, ConnectError, Status};

use super::proto::google::rpc;
use super::proto::gsdk::err::MultiErrorResponse;
use super::wire::WireError;
use crate::codec::DeviceId;
use crate::codec::sdk_code::SdkCode;
use crate::settings::DurationText;
use crate::{Error, ErrorKind};

/// The error of a call to the gateway at this address.
///
/// Of the text that the gateway writes beside the code only the vendor's name of an error is shown: the rest may name a
/// person.
pub(super) fn call_error(call: &str, status: &Status, gateway: &str) -> Error {
    let Some(source) = status.source() else {
        return response_error(call, status.code(), status.message());
    };
    // A status with a source was not sent by the gateway. It was made on this side.
    let causes = || std::iter::successors(Some(source), |&cause| cause.source());
    if let Some(error) = causes().find_map(|cause| cause.downcast_ref::<WireError>()) {
        return Error::new(ErrorKind::InvalidData, format!("{call}: {error}")).with_source(*error);
    }
    // It concerns the gateway and not a device.
    let error = match causes().find_map(certificate_error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            let message =
                format!("{call}: the certificate of the gateway at {gateway} is not the pinned one");
            Error::new(ErrorKind::CertificateRefused, message)
        }
        Some(error) => {
            let message =
                format!("{call}: the gateway at {gateway} and the client do not accept each other: {error}");
            Error::new(ErrorKind::CertificateRefused, message)
        }
        None if causes().any(|cause| cause.is::<ConnectError>()) => {
            let message = format!("{call}: cannot connect to the gateway at {gateway}: {}", last(source));
            Error::new(ErrorKind::Disconnected, message)
        }
        None => {
            let message = format!("{call}: the connection to the gateway at {gateway} is lost");
            let cause = last(source).to_string();
            // A cause of rustls ends with the address of its manual.
            let cause = cause.split(": https://").next().unwrap_or_default();
            Error::new(ErrorKind::Disconnected, message).with_source(cause)
        }
    };
    error.of_backend()
}

/// The errors of single devices in the status of a call to many; `None` if the status names no device.
pub(super) fn device_errors(call: &str, status: &Status) -> Option<Vec<Error>> {
    let details = rpc::Status::decode(status.details()).ok()?;
    let is_multi = |detail: &&rpc::Detail| detail.type_url.rsplit('/').next() == Some(MULTI_ERROR);
    let multi = MultiErrorResponse::decode(&*details.details.iter().find(is_multi)?.value).ok()?;
    let errors = multi.device_errors.iter().map(|error| {
        let code = Code::from_i32(error.code);
        response_error(call, code, &error.msg).with_device(DeviceId::new(error.device_id))
    });
    Some(errors.collect())
}

/// The error of a code that the gateway sent, with this text.
fn response_error(call: &str, code: Code, text: &str) -> Error {
    match vendor_error(text) {
        Some(vendor) => {
            let kind = kind_of_vendor_error(vendor).unwrap_or(kind_of(code));
            Error::new(kind, format!("{call}: the gateway responds {}, {vendor}", name(code)))
        }
        None => Error::new(kind_of(code), format!("{call}: the gateway responds {}", name(code))),
    }
}

/// The vendor's name of an error in the text of a status, such as `BS_ERR_NOT_SUPPORTED`.
///
/// A gateway reports what a device answers as `INTERNAL`, and this name at the end of its text.
fn vendor_error(text: &str) -> Option<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_upper = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_lowercase());
    let words = text.split(|character| !is_part(character));
    words
        .filter(is_upper)
        .find(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.len() <= LONGEST_NAME)
}

/// What such a name means, where it says more than the code beside it. The names are those of the vendor's library, with
/// another prefix. `NotFound` means that the device has no data of this kind.
fn kind_of_vendor_error(vendor: &str) -> Option<ErrorKind> {
    let name = PREFIXES.iter().find_map(|prefix| vendor.strip_prefix(prefix))?;
    if name.contains("NO_DATA") || name == "CANNOT_FIND_LOG" {
        return Some(ErrorKind::NotFound);
    }
    let row = SdkCode::catalogue().iter().find(|row| row.name == name)?;
    match Error::from_sdk_code(row.code, "").kind() {
        // Of the connection to the device, not of this client.
        ErrorKind::NotFound => Some(ErrorKind::Disconnected),
        ErrorKind::Other => None,
        kind => Some(kind),
    }
}

pub(super) fn timeout_error(call: &str, deadline: Duration, gateway: &str) -> Error {
    let deadline = DurationText(deadline);
    Error::new(
        ErrorKind::TimedOut,
        format!("{call}: no response from the gateway at {gateway} within {deadline}"),
    )
}

/// The kind of a code from the gateway. The gateway documents no codes. These are gRPC's own meanings, and what gateways
/// were seen to do: a device that is not connected is `NOT_FOUND`, a device that does not respond is `UNAVAILABLE`.
const fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled | Code::FailedPrecondition | Code::NotFound | Code::Unavailable => {
            ErrorKind::Disconnected
        }
        // A program in Go responds the last two for anything that went wrong, such as a device that does not respond.
        Code::Aborted | Code::ResourceExhausted | Code::Internal | Code::Unknown => ErrorKind::Busy,
        // tonic itself makes the second for a response that is larger than the limit.
        Code::DataLoss | Code::OutOfRange => ErrorKind::InvalidData,
        Code::DeadlineExceeded => ErrorKind::TimedOut,
        Code::InvalidArgument => ErrorKind::InvalidInput,
        Code::PermissionDenied | Code::Unauthenticated => ErrorKind::PermissionDenied,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::AlreadyExists | Code::Ok => ErrorKind::Other,
    }
}

/// As gRPC writes it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Aborted => "ABORTED (10)",
        Code::AlreadyExists => "ALREADY_EXISTS (6)",
        Code::Cancelled => "CANCELLED (1)",
        Code::DataLoss => "DATA_LOSS (15)",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED (4)",
        Code::FailedPrecondition => "FAILED_PRECONDITION (9)",
        Code::Internal => "INTERNAL (13)",
        Code::InvalidArgument => "INVALID_ARGUMENT (3)",
        Code::NotFound => "NOT_FOUND (5)",
        Code::Ok => "OK (0)",
        Code::OutOfRange => "OUT_OF_RANGE (11)",
        Code::PermissionDenied => "PERMISSION_DENIED (7)",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED (8)",
        Code::Unauthenticated => "UNAUTHENTICATED (16)",
        Code::Unavailable => "UNAVAILABLE (14)",
        Code::Unimplemented => "UNIMPLEMENTED (12)",
        Code::Unknown => "UNKNOWN (2)",
    }
}

/// An error about a certificate, of either side. Other errors of TLS are errors of the connection.
fn certificate_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    // The source of an `io::Error` is the source of the error inside it, and not the error itself.
    let inside = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    let error = match inside {
        Some(inside) => inside.downcast_ref::<rustls::Error>(),
        None => cause.downcast_ref::<rustls::Error>(),
    }?;
    let is_about_certificate = match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            rustls::AlertDescription::BadCertificate
                | rustls::AlertDescription::CertificateRequired
                | rustls::AlertDescription::CertificateUnknown
                | rustls::AlertDescription::UnknownCA
        ),
        _ => false,
    };
    is_about_certificate.then_some(error)
}

fn last<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    std::iter::successors(Some(error), |&cause| cause.source()).last().unwrap_or(error)
}

const MULTI_ERROR: &str = "gsdk.err.MultiErrorResponse";
const PREFIXES: [&str; 2] = ["BS_ERR_", "BS_SDK_ERROR_"];
/// Longer than every name of the vendor.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_only_the_vendors_name_of_an_error_is_shown_and_decides() {
        let cases = [
            (
                "Cannot get log: Packet error: 256: Async packet error: Packet error: BS_ERR_NOT_SUPPORTED",
                ErrorKind::Unsupported,
                "x: the gateway responds INTERNAL (13), BS_ERR_NOT_SUPPORTED",
            ),
            (
                "user 4711: BS_SDK_ERROR_TIMEOUT.",
                ErrorKind::TimedOut,
                "x: the gateway responds INTERNAL (13), BS_SDK_ERROR_TIMEOUT",
            ),
            ("BS_ERR_NO_DATA", ErrorKind::NotFound, "x: the gateway responds INTERNAL (13), BS_ERR_NO_DATA"),
            (
                "Packet error: BS_ERR_UNKNOWN",
                ErrorKind::Busy,
                "x: the gateway responds INTERNAL (13), BS_ERR_UNKNOWN",
            ),
            (
                "BS_ERR_CANNOT_FIND_DEVICE",
                ErrorKind::Disconnected,
                "x: the gateway responds INTERNAL (13), BS_ERR_CANNOT_FIND_DEVICE",
            ),
            (
                "BS_ERR_of user 4711, BS_ERRNO 4711, bs_err_not_supported",
                ErrorKind::Busy,
                "x: the gateway responds INTERNAL (13)",
            ),
            ("", ErrorKind::Busy, "x: the gateway responds INTERNAL (13)"),
        ];
        for (text, kind, sentence) in cases {
            let error = call_error("x", &Status::internal(text), "gateway");
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, sentence));
        }
        let error = call_error("x", &Status::not_found("Cannot get connection"), "gateway");
        assert_eq!(error.kind(), ErrorKind::Disconnected);
    }
}
