//! Bytes ⇄ events: the fixed layouts of the vendor's log structures, and the tables that give their codes names.
//!
//! `no_std`, no I/O, no `unsafe`; `alloc` only where a value owns its bytes. The feature `capture` adds the writer of
//! capture files, which needs std. The records are views of bytes: alignment 1, no padding, little-endian fields, so a
//! page of a million events becomes a `&[Event]` in constant time.
//!
//! | to … | use |
//! |---|---|
//! | read and make events | [`Event`] |
//! | name and describe a code | [`EventCode`], [`code`] |
//! | read hexadecimal text | [`Event::from_hex`], [`hex`] |
//! | read job codes, temperatures and images | [`portable`], [`blob`] |
//! | read and write capture files | [`capture`] |
//! | name a result of the vendor's library | [`sdk_code`] |
//!
//! # Contract
//!
//! Every record keeps these promises, and `tests/codec` checks them:
//!
//! * bytes → record → bytes is the identity for all bytes: unknown codes, bits and reserved bytes survive;
//! * bytes of the wrong length return a [`DecodeError`] that names the record, the field and the offset;
//! * nothing panics, for any bytes;
//! * `Debug` and `Display` show no user id and no card data. To get them, call the methods that return them
//!   ([`UserId::as_bytes`], [`CardData::as_bytes`]).
//!
//! # Where the facts come from
//!
//! Sizes and offsets were measured with C compilers (64-bit and 32-bit). Meanings are those of the vendor's
//! published manual pages and release notes up to SDK 2.9.12. Where these contradict each other, the item's
//! documentation says which one this crate follows, and why.
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
mod logged;
pub mod portable;
mod record;
pub mod sdk_code;
pub mod subject;
mod time;

#[doc(inline)]
pub use code::EventCode;
pub use error::{DecodeError, DecodeReason};
pub use event::{DeviceId, Event, EventBuilder, EventFlags};
pub use extras::{ExtraSubject, Extras, JobCode, Temperature};
pub use logged::LoggedEvent;
#[doc(inline)]
pub use subject::{CardData, Subject, SubjectKind, UserId};
pub use time::Timestamp;
