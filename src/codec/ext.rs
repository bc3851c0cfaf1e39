//! The two records that stand inside blobs.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records};
use super::{DeviceId, EventCode, PortValue, Timestamp};

/// Time, device and code of a blob: 12 bytes.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 4 | [`timestamp`](Self::timestamp) | `dateTime` |
/// | 4 | 4 | [`device_id`](Self::device_id) | `deviceID` |
/// | 8 | 2 | [`code`](Self::code) | `code` = `subCode`, `mainCode` |
/// | 10 | 2 | [`reserved`](Self::reserved) | `reserved` |
///
/// A comment of the SDK's header says 8 bytes where it means these; a compiler says 12.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, EventCode, ExtInfo, Timestamp};
///
/// let info = ExtInfo::new(Timestamp::from_unix_seconds(7), DeviceId::new(540_000_001), EventCode::DOOR_OPENED);
/// assert_eq!(info.as_bytes()[8..10], [0x00, 0x52]);
/// ```
#[doc(alias = "BS2EventExtInfo")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct ExtInfo {
    date_time: U32,
    device_id: U32,
    code: U16,
    reserved: [u8; 2],
}

bytes_and_records!(ExtInfo, "ExtInfo");

impl ExtInfo {
    /// A record of these values; the reserved bytes are 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, EventCode, ExtInfo, Timestamp};
    /// let info = ExtInfo::new(Timestamp::default(), DeviceId::new(1), EventCode::DOOR_OPENED);
    /// assert_eq!(info.code(), EventCode::DOOR_OPENED);
    /// ```
    #[must_use]
    pub const fn new(time: Timestamp, device: DeviceId, code: EventCode) -> Self {
        Self {
            date_time: U32::new(time.as_unix_seconds()),
            device_id: U32::new(device.get()),
            code: U16::new(code.get()),
            reserved: [0; 2],
        }
    }

    /// Sets the reserved bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::ExtInfo;
    /// assert_eq!(ExtInfo::default().with_reserved([1, 2]).reserved(), [1, 2]);
    /// ```
    #[must_use]
    pub const fn with_reserved(mut self, reserved: [u8; 2]) -> Self {
        self.reserved = reserved;
        self
    }

    /// When it happened, by the reader's clock.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::ExtInfo;
    /// assert_eq!(ExtInfo::default().timestamp().as_unix_seconds(), 0);
    /// ```
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.date_time.get())
    }

    /// The reader that wrote it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, ExtInfo};
    /// assert_eq!(ExtInfo::default().device_id(), DeviceId::new(0));
    /// ```
    #[must_use]
    pub const fn device_id(&self) -> DeviceId {
        DeviceId::new(self.device_id.get())
    }

    /// What happened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventCode, ExtInfo};
    /// assert_eq!(ExtInfo::default().code(), EventCode::new(0));
    /// ```
    #[must_use]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// The two bytes that no source gives a meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::ExtInfo;
    /// assert_eq!(ExtInfo::default().reserved(), [0, 0]);
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> [u8; 2] {
        self.reserved
    }

    const LAYOUT: Layout = Layout {
        record: "ext info",
        fields: &[("date_time", 0), ("device_id", 4), ("code", 8), ("reserved", 10)],
        size: Self::SIZE,
    };
}

impl Default for ExtInfo {
    fn default() -> Self {
        Self::new(Timestamp::default(), DeviceId::default(), EventCode::new(0))
    }
}

impl fmt::Debug for ExtInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtInfo")
            .field("timestamp", &format_args!("{}", self.timestamp()))
            .field("device_id", &self.device_id().get())
            .field("code", &self.code())
            .finish()
    }
}

/// An input port and its state, as blobs hold it: 8 bytes.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 4 | [`io_device_id`](Self::io_device_id) | `ioDeviceID` |
/// | 4 | 2 | [`port`](Self::port) | `port` |
/// | 6 | 1 | [`value`](Self::value) | `value`, signed |
/// | 7 | 1 | [`reserved`](Self::reserved) | `reserved` |
///
/// An old page declares `value` unsigned and closes the type under another name; the shipping SDK's is signed.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{ExtIoDevice, PortValue};
///
/// let input = ExtIoDevice::new(283_013_377, 515, PortValue::UNKNOWN);
/// assert_eq!(input.as_bytes()[4..7], [0x03, 0x02, 0xFF]);
/// ```
#[doc(alias = "BS2EventExtIoDevice")]
#[derive(
    Clone, Copy, Debug, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned,
)]
#[repr(C)]
pub struct ExtIoDevice {
    io_device_id: U32,
    port: U16,
    value: i8,
    reserved: u8,
}

bytes_and_records!(ExtIoDevice, "ExtIoDevice");

impl ExtIoDevice {
    /// A record of these values; the reserved byte is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).reserved(), 0);
    /// ```
    #[must_use]
    pub const fn new(io_device_id: u32, port: u16, value: PortValue) -> Self {
        Self { io_device_id: U32::new(io_device_id), port: U16::new(port), value: value.get(), reserved: 0 }
    }

    /// Sets the reserved byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).with_reserved(9).reserved(), 9);
    /// ```
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// The device that has the port, 0 for none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).io_device_id(), 1);
    /// ```
    #[must_use]
    pub const fn io_device_id(&self) -> u32 {
        self.io_device_id.get()
    }

    /// The port on that device.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).port(), 2);
    /// ```
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// The state that was seen.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).value(), PortValue::OPEN);
    /// ```
    #[must_use]
    pub const fn value(&self) -> PortValue {
        PortValue::new(self.value)
    }

    /// The byte that no source gives a meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{ExtIoDevice, PortValue};
    /// assert_eq!(ExtIoDevice::new(1, 2, PortValue::OPEN).reserved(), 0);
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    const LAYOUT: Layout = Layout {
        record: "ext io device",
        fields: &[("io_device_id", 0), ("port", 4), ("value", 6), ("reserved", 7)],
        size: Self::SIZE,
    };
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<ExtInfo>() == 12 && align_of::<ExtInfo>() == 1);
    assert!(offset_of!(ExtInfo, device_id) == 4 && offset_of!(ExtInfo, code) == 8);
    assert!(offset_of!(ExtInfo, reserved) == 10);
    assert!(size_of::<ExtIoDevice>() == 8 && align_of::<ExtIoDevice>() == 1);
    assert!(offset_of!(ExtIoDevice, port) == 4 && offset_of!(ExtIoDevice, value) == 6);
};
