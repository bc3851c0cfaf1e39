//! What a gateway's refusals mean.

use std::error::Error as StdError;
use std::time::Duration;

use prost::Message;
use tokio_rustls::rustls::{self, CertificateError};
use tonic::{Code, Status};

use super::proto::google::rpc;
use super::proto::gsdk::err::MultiErrorResponse;
use super::wire::WireError;
use crate::codec::DeviceId;
use crate::{Error, ErrorKind};

/// The error that a status stands for. What the gateway writes beside the code is not told: nobody knows whom it names.
pub(super) fn failure(what: &str, status: &Status) -> Error {
    let Some(source) = status.source() else {
        let code = status.code();
        return Error::new(kind_of(code), format!("{what}: the gateway answers {}", name(code)));
    };
    // With a source the status was not sent by the gateway but made here.
    let causes = || std::iter::successors(Some(source), |&cause| cause.source());
    if let Some(error) = causes().find_map(|cause| cause.downcast_ref::<WireError>()) {
        return Error::new(ErrorKind::InvalidData, format!("{what}: {error}")).with_source(*error);
    }
    match causes().find_map(tls_error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            let message = format!("{what}: the gateway's certificate is not the one that is pinned");
            Error::new(ErrorKind::PermissionDenied, message)
        }
        Some(error) => Error::new(
            ErrorKind::PermissionDenied,
            format!("{what}: the gateway's or our certificate is not accepted: {error}"),
        ),
        None => Error::new(ErrorKind::Disconnected, format!("{what}: the connection to the gateway is lost"))
            .with_source(last(source).to_string()),
    }
}

/// The errors of single readers in the status of a call to many; `None` if it says nothing of any.
pub(super) fn device_errors(what: &str, status: &Status) -> Option<Vec<Error>> {
    let details = rpc::Status::decode(status.details()).ok()?;
    let named = |detail: &&rpc::Detail| detail.type_url.rsplit('/').next() == Some(MULTI_ERROR);
    let multi = MultiErrorResponse::decode(&*details.details.iter().find(named)?.value).ok()?;
    let of = |code| format!("{what}: the gateway answers {}", name(code));
    let errors = multi.device_errors.iter().map(|error| {
        let code = Code::from_i32(error.code);
        Error::new(kind_of(code), of(code)).with_device(DeviceId::new(error.device_id))
    });
    Some(errors.collect())
}

pub(super) fn too_late(what: &str, deadline: Duration) -> Error {
    Error::new(ErrorKind::TimedOut, format!("{what}: no answer within {} ms", deadline.as_millis()))
}

/// What a code from the gateway advises. The gateway documents none; these are gRPC's own meanings, and what was seen
/// of gateways: a reader that is not connected is `NOT_FOUND`, one that does not answer `UNAVAILABLE`.
const fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled | Code::FailedPrecondition | Code::NotFound | Code::Unavailable => {
            ErrorKind::Disconnected
        }
        // The last two are what a program in Go answers for anything that went wrong, such as a reader's silence.
        Code::Aborted | Code::ResourceExhausted | Code::Internal | Code::Unknown => ErrorKind::Busy,
        // tonic itself says so of an answer that is larger than we allow.
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

/// A certificate that is not accepted, on either side; other troubles of TLS are troubles of the connection.
fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    // An `io::Error` that wraps another error gives that error's source as its own, and not the error.
    let wrapped = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    let error = match wrapped {
        Some(inner) => inner.downcast_ref::<rustls::Error>(),
        None => cause.downcast_ref::<rustls::Error>(),
    }?;
    let refused = match error {
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
    refused.then_some(error)
}

fn last<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    std::iter::successors(Some(error), |&cause| cause.source()).last().unwrap_or(error)
}

const MULTI_ERROR: &str = "gsdk.err.MultiErrorResponse";
