//! A reader's number as an argument.

use bs2_events::codec::DeviceId;
use clap::builder::TypedValueParser;

/// Reads a reader's number.
pub(crate) fn device_id() -> impl TypedValueParser<Value = DeviceId> {
    clap::value_parser!(u32).map(DeviceId::new)
}
