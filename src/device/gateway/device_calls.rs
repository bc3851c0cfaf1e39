//! What readers and the gateway say of themselves.

use std::net::SocketAddr;

use prost::Message;

use super::proto::gsdk::admin;
use super::proto::gsdk::device::{
    CapabilityInfoFrom18, CapabilityInfoUpTo17, GetCapabilityInfoRequest, GetCapabilityInfoResponse,
    GetCapabilityRequest, GetCapabilityResponse, GetInfoRequest, GetInfoResponse,
};
use super::proto::gsdk::time;
use super::session::Session;
use super::wire::Reader;
use crate::codec::{DeviceId, Timestamp};
use crate::device::{Capabilities, DeviceInfo};
use crate::{Error, ErrorKind, Result};

impl Session {
    pub(super) async fn info(&self, device: DeviceId) -> Result<DeviceInfo> {
        let request = GetInfoRequest { device_id: device.get() };
        let answer: GetInfoResponse = self.link().call("device info", GET_INFO, request).await?;
        let factory = answer.info.unwrap_or_default();
        let info =
            DeviceInfo::new(device).with_model(factory.model_name).with_firmware(factory.firmware_version);
        let address = self.readers.address(device);
        let address = address.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
        Ok(match address {
            Some(address) => info.with_address(address),
            None => info,
        })
    }

    /// What a reader can do, by the call whose numbers never moved, and by the older one where there is no other.
    pub(super) async fn capabilities(&self, device: DeviceId) -> Result<Capabilities> {
        let request = GetCapabilityRequest { device_id: device.get() };
        let answer = self.link().call("capabilities", GET_CAPABILITY, request).await;
        let answer: GetCapabilityResponse = match answer {
            Err(error) if error.kind() == ErrorKind::Unsupported => GetCapabilityResponse::default(),
            answer => answer?,
        };
        if let Some(found) = answer.device_capability {
            return Ok(Capabilities::new(found.max_event_logs).with_image_logs(found.max_image_logs));
        }
        // The older call says whether there are pictures and not how many.
        let images = self.has_image_logs(device).await?;
        Ok(Capabilities::new(0).with_image_logs(images.into()))
    }

    pub(super) async fn time(&self, device: DeviceId) -> Result<Timestamp> {
        let request = time::GetRequest { device_id: device.get() };
        let answer: time::GetResponse = self.link().call("device time", GET_TIME, request).await?;
        let seconds = u32::try_from(answer.gmt_time).map_err(|_| {
            Error::new(ErrorKind::InvalidData, "device time: field `GMTTime` is after the year 2106")
        })?;
        Ok(Timestamp::from_unix_seconds(seconds))
    }

    /// The gateway's version, as it writes it.
    pub(super) async fn version(&self) -> Result<String> {
        let request = admin::GetInfoRequest {};
        let answer: admin::GetInfoResponse =
            self.link().call("gateway version", GET_VERSION, request).await?;
        Ok(answer.version)
    }

    async fn has_image_logs(&self, device: DeviceId) -> Result<bool> {
        let request = GetCapabilityInfoRequest { device_id: device.get() };
        let answer: GetCapabilityInfoResponse =
            self.link().call("capabilities", GET_CAPABILITY_INFO, request).await?;
        let version = match self.version().await {
            Ok(version) => version,
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => String::new(),
        };
        image_log_supported(&answer.cap_info, &version).ok_or_else(|| {
            Error::new(ErrorKind::InvalidData, "capabilities: field `capInfo` is no capability info")
        })
    }
}

/// Reads `imageLogSupported` in the numbering of the gateway's version, or, where its text says nothing, in the one
/// that the message's own numbers show.
fn image_log_supported(info: &[u8], version: &str) -> Option<bool> {
    let up_to_17 = match numbers(version) {
        Some(version) => version < (1, 8),
        None => has_field_past(info, LAST_OF_18)?,
    };
    if up_to_17 {
        CapabilityInfoUpTo17::decode(info).ok().map(|info| info.image_log_supported)
    } else {
        CapabilityInfoFrom18::decode(info).ok().map(|info| info.image_log_supported)
    }
}

/// The first two numbers of a version such as `v1.8.0`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let first = version.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = version.get(first..)?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn has_field_past(message: &[u8], last: u32) -> Option<bool> {
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field(&[]).ok()? {
        if number > last {
            return Some(true);
        }
        reader.skip(number, value).ok()?;
    }
    Some(false)
}

/// The last field of `CapabilityInfo` since it was renumbered; the older numbering goes on to 60.
const LAST_OF_18: u32 = 26;
const GET_INFO: &str = "/gsdk.device.Device/GetInfo";
const GET_CAPABILITY: &str = "/gsdk.device.Device/GetCapability";
const GET_CAPABILITY_INFO: &str = "/gsdk.device.Device/GetCapabilityInfo";
const GET_TIME: &str = "/gsdk.time.Time/Get";
const GET_VERSION: &str = "/gsdk.admin.Admin/GetInfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_21_is_pictures_before_version_1_8_and_daylight_saving_since() {
        let old = CapabilityInfoUpTo17 { image_log_supported: true, ..Default::default() }.encode_to_vec();
        assert_eq!(image_log_supported(&old, "V1.7.2"), Some(true));
        let new = CapabilityInfoFrom18 { dst_supported: true, ..Default::default() }.encode_to_vec();
        assert_eq!(old, new);
        assert_eq!(image_log_supported(&new, "1.8.0"), Some(false));
        assert_eq!(image_log_supported(&new, "G-SDK 1.10.0"), Some(false));
    }

    #[test]
    fn a_version_of_which_nothing_is_known_is_told_by_its_numbers() {
        let info =
            CapabilityInfoUpTo17 { image_log_supported: true, tna_supported: true, ..Default::default() };
        assert_eq!(image_log_supported(&info.encode_to_vec(), ""), Some(true));
        let info =
            CapabilityInfoFrom18 { image_log_supported: true, tna_supported: true, ..Default::default() };
        assert_eq!(image_log_supported(&info.encode_to_vec(), "unknown"), Some(true));
        assert_eq!(image_log_supported(&[0xFF], ""), None);
    }
}
