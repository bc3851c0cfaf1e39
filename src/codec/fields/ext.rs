//! The two records inside blobs.

use super::{FieldError, deserialize_from_fields, object, required, serialize_as_fields};
use crate::codec::{DeviceId, EventCode, ExtInfo, ExtIoDevice, PortValue, Timestamp};

object! {
    /// As they stand in the record.
    InfoFields {
        time: Timestamp,
        device_id: DeviceId,
        code: EventCode,
        reserved: [u8; 2],
    }
}

serialize_as_fields!(ExtInfo as InfoFields);
deserialize_from_fields!(ExtInfo as InfoFields);

impl From<&ExtInfo> for InfoFields {
    fn from(info: &ExtInfo) -> Self {
        Self {
            time: Some(info.timestamp()),
            device_id: Some(info.device_id()),
            code: Some(info.code()),
            reserved: Some(info.reserved()),
        }
    }
}

impl TryFrom<&InfoFields> for ExtInfo {
    type Error = FieldError;

    fn try_from(fields: &InfoFields) -> Result<Self, FieldError> {
        let time = required(&fields.time, "time")?;
        let device = required(&fields.device_id, "device_id")?;
        let info = Self::new(time, device, required(&fields.code, "code")?);
        Ok(info.with_reserved(fields.reserved.unwrap_or_default()))
    }
}

object! {
    /// As they stand in the record.
    IoDeviceFields {
        io_device_id: u32,
        port: u16,
        value: PortValue,
        reserved: u8,
    }
}

serialize_as_fields!(ExtIoDevice as IoDeviceFields);
deserialize_from_fields!(ExtIoDevice as IoDeviceFields);

impl From<&ExtIoDevice> for IoDeviceFields {
    fn from(input: &ExtIoDevice) -> Self {
        Self {
            io_device_id: Some(input.io_device_id()),
            port: Some(input.port()),
            value: Some(input.value()),
            reserved: Some(input.reserved()),
        }
    }
}

impl TryFrom<&IoDeviceFields> for ExtIoDevice {
    type Error = FieldError;

    fn try_from(fields: &IoDeviceFields) -> Result<Self, FieldError> {
        let id = required(&fields.io_device_id, "io_device_id")?;
        let input = Self::new(id, required(&fields.port, "port")?, required(&fields.value, "value")?);
        Ok(input.with_reserved(fields.reserved.unwrap_or_default()))
    }
}
