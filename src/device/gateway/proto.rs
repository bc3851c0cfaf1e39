//! The gateway's messages and services, made from `proto/` (its README says how).
//!
//! The serving side is there with the feature `sim-servers`.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::future_not_send,
    rustdoc::all,
    reason = "generated: what is made of the interface is not all used"
)]

/// What gRPC itself defines.
pub(crate) mod google {
    pub(crate) mod rpc {
        include!("proto/generated/google.rpc.rs");
    }
}

/// What the gateway defines; one module for each of its packages, as in their names.
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
