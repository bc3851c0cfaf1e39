#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "device", test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod codec;
#[cfg(feature = "collect")]
pub mod collect;
#[cfg(feature = "device")]
pub mod device;
#[cfg(feature = "device")]
mod error;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "collect")]
pub mod sink;

#[cfg(feature = "device")]
pub use error::{Error, ErrorKind, Result};
