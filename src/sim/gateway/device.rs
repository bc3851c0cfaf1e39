//! The services `Device` and `Admin`: what readers and gateway say of themselves.

use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};

use super::connect::TYPE;
use super::desk::Desk;
use super::settings::Api;
use crate::codec::DeviceId;
use crate::device::backend::Backend;
use crate::device::gateway::proto::gsdk::admin;
use crate::device::gateway::proto::gsdk::admin::admin_server::Admin;
use crate::device::gateway::proto::gsdk::device as wire;
use crate::device::gateway::proto::gsdk::device::device_server::Device;

/// The services, for every client.
#[derive(Clone)]
pub(super) struct DeviceService(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Device for DeviceService {
    async fn get_info(
        &self,
        request: Request<wire::GetInfoRequest>,
    ) -> Result<Response<wire::GetInfoResponse>, Status> {
        let device = request.into_inner().device_id;
        let info = self.0.reader(device, self.0.door.info(DeviceId::new(device))).await?;
        let [_, a, b, c] = device.to_be_bytes();
        let info = wire::FactoryInfo {
            mac_addr: format!("02:00:00:{a:02x}:{b:02x}:{c:02x}"),
            model_name: info.model,
            firmware_version: info.firmware,
            ..Default::default()
        };
        Ok(Response::new(wire::GetInfoResponse { info: Some(info) }))
    }

    async fn get_capability_info(
        &self,
        request: Request<wire::GetCapabilityInfoRequest>,
    ) -> Result<Response<wire::GetCapabilityInfoResponse>, Status> {
        let device = request.into_inner().device_id;
        let capabilities = self.0.reader(device, self.0.door.capabilities(DeviceId::new(device))).await?;
        let takes_pictures = capabilities.max_image_logs > 0;
        let cap_info = match self.0.api {
            Api::UpTo17 => wire::CapabilityInfoUpTo17 {
                r#type: TYPE.into(),
                max_num_of_user: MOST_USERS,
                pin_supported: true,
                card_supported: true,
                user_name_supported: true,
                alphanumeric_id_supported: true,
                image_log_supported: takes_pictures,
                tna_supported: true,
                job_code_supported: true,
                dst_supported: true,
                ..Default::default()
            }
            .encode_to_vec(),
            Api::From18 => wire::CapabilityInfoFrom18 {
                r#type: TYPE.into(),
                max_num_of_user: MOST_USERS,
                pin_supported: true,
                card_supported: true,
                user_name_supported: true,
                alphanumeric_id_supported: true,
                image_log_supported: takes_pictures,
                tna_supported: true,
                job_code_supported: true,
                dst_supported: true,
                ..Default::default()
            }
            .encode_to_vec(),
        };
        Ok(Response::new(wire::GetCapabilityInfoResponse { cap_info: cap_info.into() }))
    }

    async fn get_capability(
        &self,
        request: Request<wire::GetCapabilityRequest>,
    ) -> Result<Response<wire::GetCapabilityResponse>, Status> {
        let device = request.into_inner().device_id;
        let capabilities = self.0.reader(device, self.0.door.capabilities(DeviceId::new(device))).await?;
        let capability = wire::DeviceCapability {
            max_users: MOST_USERS,
            max_event_logs: capabilities.max_event_logs,
            max_image_logs: capabilities.max_image_logs,
            camera_supported: capabilities.max_image_logs > 0,
            thermal_supported: true,
            face_ex_supported: true,
        };
        Ok(Response::new(wire::GetCapabilityResponse { device_capability: Some(capability) }))
    }
}

#[tonic::async_trait]
impl Admin for DeviceService {
    async fn get_info(
        &self,
        _: Request<admin::GetInfoRequest>,
    ) -> Result<Response<admin::GetInfoResponse>, Status> {
        self.0.called()?;
        let version = self.0.api.version().to_owned();
        Ok(Response::new(admin::GetInfoResponse { version, build_date: BUILD_DATE.to_owned() }))
    }
}

const MOST_USERS: u32 = 100_000;
const BUILD_DATE: &str = "2025-01-01";
