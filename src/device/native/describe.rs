//! What a reader says of itself, from the library's structures.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::abi::{FactoryConfig, SimpleDeviceInfo};
use crate::codec::DeviceId;
use crate::device::DeviceInfo;

pub(super) fn describe(
    device: DeviceId,
    info: &SimpleDeviceInfo,
    factory: Option<&FactoryConfig>,
    address: Option<SocketAddr>,
) -> DeviceInfo {
    let mut told = DeviceInfo::new(device);
    let (ipv4, port) = (info.ipv4_address, info.port);
    if let Some(address) = address {
        told = told.with_address(address);
    } else if ipv4 != 0 {
        told = told.with_address(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ipv4.to_le_bytes())), port));
    }
    if let Some(factory) = factory {
        let name = factory.model_name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name: String = String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect();
        let [major, minor, extension, _] = factory.firmware;
        told = told.with_model(name).with_firmware(format!("{major}.{minor}.{extension}"));
    }
    told
}
