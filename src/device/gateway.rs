//! The vendor's device gateway, over gRPC.

pub(crate) mod proto;
