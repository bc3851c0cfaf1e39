//! Bytes: the fixed layouts of the vendor's log structures, and the tables that give their codes names.
//!
//! `no_std`, no I/O, no allocation, no `unsafe`. Three features take more: `serde` needs `alloc`, the portable blob and the
//! writer of captures need std. The records here are views of bytes: alignment 1, no padding, little-endian fields, so a
//! page of a million events becomes a `&[Event]` in constant time.
//!
//! # Contract
//!
//! Every record keeps these promises, and `tests/` holds it to them:
//!
//! * bytes → record → bytes is the identity, whatever the bytes are: unknown codes, bits and reserved bytes survive;
//! * bytes of the wrong length give a [`DecodeError`] that names the record, the field and the offset;
//! * nothing panics, whatever the bytes are;
//! * `Debug` and `Display` show no user id and no card data. Who needs those asks for them by name
//!   ([`UserId::as_bytes`], [`CardData::as_bytes`]).
//!
//! # Where the facts come from
//!
//! Sizes and offsets were measured with C compilers (64-bit and 32-bit). Meanings are those of the vendor's
//! published manual pages and release notes up to SDK 2.9.12; where these contradict each other, the item's
//! documentation says which one was followed and why.
#![cfg_attr(feature = "serde", doc = "")]
#![cfg_attr(feature = "serde", doc = include_str!("fields.md"))]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

pub mod blob;
pub mod capture;
pub mod code;
mod error;
mod event;
mod extras;
#[cfg(feature = "serde")]
mod fields;
pub mod filter;
pub mod hex;
pub mod portable;
mod record;
pub mod sdk_code;
pub mod subject;
mod time;

pub use blob::{
    Address, BlobHead, BlobSubject, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob, SmallBlob32,
    SmallBlob64, SmallBlobEx, SmallBlobEx32, SmallBlobEx64,
};
pub use code::{Category, CodeName, EventCode, NameStatus, Outcome, ParseCodeError, Severity};
pub use error::{DecodeError, DecodeReason};
pub use event::{DeviceId, Event, EventBuilder, EventFlags};
pub use extras::{ExtraSubject, Extras, JobCode, Temperature};
pub use filter::EventFilter;
pub use portable::{Needed, PortableBlob, PortableBlobs};
pub use sdk_code::{SdkCode, SdkCodeName};
pub use subject::{CardData, Confidence, PortValue, Subject, SubjectKind, UserId};
pub use time::Timestamp;
