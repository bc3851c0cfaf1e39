//! The gateway's messages and services, generated from `proto/`; its README says how.
//!
//! The feature `sim-servers` adds the server side.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::future_not_send,
    rustdoc::all,
    reason = "generated: the crate does not use all of the interface"
)]

/// Messages that gRPC itself defines.
pub(crate) mod google {
    pub(crate) mod rpc {
        include!("proto/generated/google.rpc.rs");
    }
}

/// Messages and services of the gateway: a module for each of its packages.
pub(crate) mod gsdk {
    pub(crate) mod admin {
        include!("proto/generated/gsdk.admin.rs");
    }
    pub(crate) mod connect {
        include!("proto/generated/gsdk.connect.rs");
    }
    pub(crate) mod connect_master {
        include!("proto/generated/gsdk.connect_master.rs");
    }
    pub(crate) mod device {
        include!("proto/generated/gsdk.device.rs");
    }
    pub(crate) mod err {
        include!("proto/generated/gsdk.err.rs");
    }
    pub(crate) mod event {
        include!("proto/generated/gsdk.event.rs");
    }
    pub(crate) mod login {
        include!("proto/generated/gsdk.login.rs");
    }
    pub(crate) mod time {
        include!("proto/generated/gsdk.time.rs");
    }
    pub(crate) mod tna {
        include!("proto/generated/gsdk.tna.rs");
    }
}
