//! The gRPC status of each failure.
//!
//! No public document lists the codes of a gateway. The table of the module `gateway` has those that were seen; the
//! others follow the meaning of gRPC's codes.

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use tonic::{Code, Response, Status};

use crate::device::gateway::proto::google::rpc;
use crate::device::gateway::proto::gsdk::err::{ErrorResponse, MultiErrorResponse};
use crate::{Error, ErrorKind};

/// What a call of a client returns.
pub(super) type Reply<T> = Result<Response<T>, Status>;

/// Calls of a service whose response has no field: what `async_trait` makes of an `async fn` that returns the default.
macro_rules! empty_calls {
    ($($call:ident($Request:ty) -> $Response:ty: |$service:ident, $request:ident| $work:expr;)*) => {$(
        fn $call<'a, 'b>(&'a self, request: Request<$Request>) -> BoxFuture<'b, Reply<$Response>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async move {
                let ($service, $request) = (self, request.into_inner());
                $work?;
                Ok(Response::new(<$Response>::default()))
            })
        }
    )*};
}

pub(super) use empty_calls;

/// The status of a device's error.
pub(super) fn status(error: &Error) -> Status {
    let code = match error.kind() {
        ErrorKind::Busy | ErrorKind::Disconnected => Code::Unavailable,
        ErrorKind::InvalidInput => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::TimedOut => Code::DeadlineExceeded,
        ErrorKind::Unsupported => Code::Unimplemented,
        _ => Code::Internal,
    };
    Status::new(code, error.to_string())
}

pub(super) fn not_connected(device: u32) -> Status {
    Status::not_found(format!("cannot find the connection to the device {device}"))
}

pub(super) fn timed_out(device: u32) -> Status {
    Status::deadline_exceeded(format!("the device {device} did not answer in time"))
}

/// Makes a call to each of several devices at the same time. If one fails, the whole call fails, and the one detail of
/// its status lists the devices that failed.
pub(super) async fn each<F: Future<Output = Result<(), Status>>>(
    devices: Vec<u32>,
    call: impl Fn(u32) -> F,
) -> Result<(), Status> {
    let results = join_all(devices.iter().map(|device| call(*device))).await;
    let failed =
        devices.into_iter().zip(results).filter_map(|(device, result)| Some((device, result.err()?)));
    multi(failed.collect())
}

/// The status of a call to several devices; its code is that of the first failure.
fn multi(failed: Vec<(u32, Status)>) -> Result<(), Status> {
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let code = first.code();
    let message = format!("{} of the devices failed", failed.len());
    let device_errors = failed
        .into_iter()
        .map(|(device_id, status)| ErrorResponse {
            device_id,
            code: status.code().into(),
            msg: status.message().to_owned(),
        })
        .collect();
    let detail = rpc::Detail {
        type_url: MULTI_TYPE.to_owned(),
        value: MultiErrorResponse { device_errors }.encode_to_vec().into(),
    };
    let status = rpc::Status { code: code.into(), message: message.clone(), details: vec![detail] };
    Err(Status::with_details(code, message, Bytes::from(status.encode_to_vec())))
}

const MULTI_TYPE: &str = "type.googleapis.com/gsdk.err.MultiErrorResponse";
