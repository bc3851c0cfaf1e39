//! The service `Connect`.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::state::Desk;
use super::status::{each, not_connected};
use crate::device::gateway::proto::gsdk::connect::connect_server::Connect;
use crate::device::gateway::proto::gsdk::connect::{self as wire, ConnectionMode};
use crate::device::gateway::proto::gsdk::device::Type;

/// The service, for every client.
#[derive(Clone)]
pub(super) struct ConnectService(pub(super) Arc<Desk>);

#[tonic::async_trait]
impl Connect for ConnectService {
    type SubscribeStatusStream = BoxStream<'static, Result<wire::StatusChange, Status>>;

    async fn connect(
        &self,
        request: Request<wire::ConnectRequest>,
    ) -> Result<Response<wire::ConnectResponse>, Status> {
        self.0.called()?;
        let info = request.into_inner().connect_info;
        let info = info.ok_or_else(|| Status::invalid_argument("connectInfo: there is none"))?;
        let position = self.0.links.find(&info.ip_addr, info.port);
        let position = position.ok_or_else(|| {
            Status::unavailable("cannot handshake the connection: nothing answers at this address")
        })?;
        if self.0.links.at(position).lock().mode == ConnectionMode::DeviceToServer {
            return Err(Status::unavailable(
                "cannot handshake the connection: the device connects by itself",
            ));
        }
        self.0.dial(position, info.use_ssl, |_| true).await?;
        let device_id = self.0.shared.readers[position].device().get();
        Ok(Response::new(wire::ConnectResponse { device_id }))
    }

    async fn add_async_connection(
        &self,
        request: Request<wire::AddAsyncConnectionRequest>,
    ) -> Result<Response<wire::AddAsyncConnectionResponse>, Status> {
        self.0.called()?;
        for info in request.into_inner().connect_infos {
            let found = self.0.position(info.device_id);
            match found.filter(|at| self.0.links.at(*at).address.is(&info.ip_addr, info.port)) {
                Some(position) => self.0.keep_connected(position, info.use_ssl),
                None => {
                    self.0.tell_status_of(info.device_id, wire::Status::TcpCannotConnect);
                    let mut strangers = self.0.links.strangers();
                    strangers.retain(|stranger| stranger.device_id != info.device_id);
                    strangers.push(info);
                }
            }
        }
        Ok(Response::new(wire::AddAsyncConnectionResponse {}))
    }

    async fn delete_async_connection(
        &self,
        request: Request<wire::DeleteAsyncConnectionRequest>,
    ) -> Result<Response<wire::DeleteAsyncConnectionResponse>, Status> {
        self.0.called()?;
        let mut answer = Ok(());
        for device in request.into_inner().device_i_ds {
            let was_stranger = {
                let mut strangers = self.0.links.strangers();
                let before = strangers.len();
                strangers.retain(|stranger| stranger.device_id != device);
                strangers.len() < before
            };
            let was_kept = self.0.position(device).is_some_and(|position| self.0.let_go(position));
            if !was_stranger && !was_kept {
                answer = Err(not_connected(device));
            }
        }
        answer.map(|()| Response::new(wire::DeleteAsyncConnectionResponse {}))
    }

    async fn disconnect(
        &self,
        request: Request<wire::DisconnectRequest>,
    ) -> Result<Response<wire::DisconnectResponse>, Status> {
        self.0.called()?;
        let mut answer = Ok(());
        for device in request.into_inner().device_i_ds {
            if !self.0.position(device).is_some_and(|position| self.0.disconnect(position)) {
                answer = Err(not_connected(device));
            }
        }
        answer.map(|()| Response::new(wire::DisconnectResponse {}))
    }

    async fn disconnect_all(
        &self,
        _: Request<wire::DisconnectAllRequest>,
    ) -> Result<Response<wire::DisconnectAllResponse>, Status> {
        self.0.called()?;
        for (position, _) in self.0.links.iter() {
            self.0.disconnect(position);
        }
        Ok(Response::new(wire::DisconnectAllResponse {}))
    }

    async fn get_device_list(
        &self,
        _: Request<wire::GetDeviceListRequest>,
    ) -> Result<Response<wire::GetDeviceListResponse>, Status> {
        self.0.called()?;
        let mut device_infos = Vec::new();
        for (position, link) in self.0.links.iter() {
            let state = link.lock();
            if !state.is_connected() && !state.is_asynchronous {
                continue;
            }
            let address = link.address.socket();
            device_infos.push(wire::DeviceInfo {
                device_id: self.0.shared.readers[position].device().get(),
                connection_mode: state.mode.into(),
                ip_addr: address.ip().to_string(),
                port: address.port().into(),
                status: state.status().into(),
                auto_reconnect: state.is_asynchronous,
                use_ssl: state.uses_tls(),
                r#type: TYPE.into(),
            });
        }
        device_infos.extend(self.0.links.strangers().iter().map(|stranger| wire::DeviceInfo {
            device_id: stranger.device_id,
            ip_addr: stranger.ip_addr.clone(),
            port: stranger.port,
            status: wire::Status::TcpCannotConnect.into(),
            auto_reconnect: true,
            use_ssl: stranger.use_ssl,
            ..Default::default()
        }));
        Ok(Response::new(wire::GetDeviceListResponse { device_infos }))
    }

    async fn search_device(
        &self,
        _: Request<wire::SearchDeviceRequest>,
    ) -> Result<Response<wire::SearchDeviceResponse>, Status> {
        self.0.called()?;
        let info = |(position, link): (usize, &super::connections::Link)| {
            let state = link.lock();
            let address = link.address.socket();
            wire::SearchDeviceInfo {
                device_id: self.0.shared.readers[position].device().get(),
                r#type: TYPE.into(),
                use_dhcp: true,
                connection_mode: state.mode.into(),
                ip_addr: address.ip().to_string(),
                port: address.port().into(),
                use_ssl: state.wants_tls,
                server_addr: String::new(),
            }
        };
        let device_infos = self.0.links.iter().map(info).collect();
        Ok(Response::new(wire::SearchDeviceResponse { device_infos }))
    }

    async fn subscribe_status(
        &self,
        request: Request<wire::SubscribeStatusRequest>,
    ) -> Result<Response<Self::SubscribeStatusStream>, Status> {
        self.0.called()?;
        let manner = self.0.manner(request.into_inner().queue_size)?;
        Ok(Response::new(self.0.statuses.subscribe(manner, |_| true).boxed()))
    }

    async fn get_accept_filter(
        &self,
        _: Request<wire::GetAcceptFilterRequest>,
    ) -> Result<Response<wire::GetAcceptFilterResponse>, Status> {
        self.0.called()?;
        let filter = Some(self.0.links.filter().clone());
        Ok(Response::new(wire::GetAcceptFilterResponse { filter }))
    }

    async fn set_accept_filter(
        &self,
        request: Request<wire::SetAcceptFilterRequest>,
    ) -> Result<Response<wire::SetAcceptFilterResponse>, Status> {
        self.0.called()?;
        *self.0.links.filter() = request.into_inner().filter.unwrap_or_default();
        for (position, _) in self.0.links.iter() {
            self.0.admit(position);
        }
        Ok(Response::new(wire::SetAcceptFilterResponse {}))
    }

    async fn get_pending_list(
        &self,
        _: Request<wire::GetPendingListRequest>,
    ) -> Result<Response<wire::GetPendingListResponse>, Status> {
        self.0.called()?;
        let pending = self.0.links.iter().filter_map(|(position, link)| {
            Some(wire::PendingDeviceInfo {
                last_try: link.lock().turned_away?,
                device_id: self.0.shared.readers[position].device().get(),
                ip_addr: link.address.socket().ip().to_string(),
                r#type: TYPE.into(),
            })
        });
        Ok(Response::new(wire::GetPendingListResponse { device_infos: pending.collect() }))
    }

    async fn get_slave_device(
        &self,
        _: Request<wire::GetSlaveDeviceRequest>,
    ) -> Result<Response<wire::GetSlaveDeviceResponse>, Status> {
        self.0.called()?;
        Ok(Response::new(wire::GetSlaveDeviceResponse::default()))
    }

    async fn set_slave_device(
        &self,
        _: Request<wire::SetSlaveDeviceRequest>,
    ) -> Result<Response<wire::SetSlaveDeviceResponse>, Status> {
        Err(Status::unimplemented("the simulated readers have no slaves"))
    }

    async fn set_connection_mode(
        &self,
        request: Request<wire::SetConnectionModeRequest>,
    ) -> Result<Response<wire::SetConnectionModeResponse>, Status> {
        let request = request.into_inner();
        self.0.set_mode(request.device_id, request.connection_mode)?;
        Ok(Response::new(wire::SetConnectionModeResponse {}))
    }

    async fn set_connection_mode_multi(
        &self,
        request: Request<wire::SetConnectionModeMultiRequest>,
    ) -> Result<Response<wire::SetConnectionModeMultiResponse>, Status> {
        let request = request.into_inner();
        each(request.device_i_ds, async |device| self.0.set_mode(device, request.connection_mode)).await?;
        Ok(Response::new(wire::SetConnectionModeMultiResponse::default()))
    }

    async fn enable_ssl(
        &self,
        request: Request<wire::EnableSslRequest>,
    ) -> Result<Response<wire::EnableSslResponse>, Status> {
        self.0.set_tls(request.into_inner().device_id, true)?;
        Ok(Response::new(wire::EnableSslResponse {}))
    }

    async fn enable_ssl_multi(
        &self,
        request: Request<wire::EnableSslMultiRequest>,
    ) -> Result<Response<wire::EnableSslMultiResponse>, Status> {
        each(request.into_inner().device_i_ds, async |device| self.0.set_tls(device, true)).await?;
        Ok(Response::new(wire::EnableSslMultiResponse::default()))
    }

    async fn disable_ssl(
        &self,
        request: Request<wire::DisableSslRequest>,
    ) -> Result<Response<wire::DisableSslResponse>, Status> {
        self.0.set_tls(request.into_inner().device_id, false)?;
        Ok(Response::new(wire::DisableSslResponse {}))
    }

    async fn disable_ssl_multi(
        &self,
        request: Request<wire::DisableSslMultiRequest>,
    ) -> Result<Response<wire::DisableSslMultiResponse>, Status> {
        each(request.into_inner().device_i_ds, async |device| self.0.set_tls(device, false)).await?;
        Ok(Response::new(wire::DisableSslMultiResponse::default()))
    }
}

impl Desk {
    /// Disconnects a reader as a client asks for it; an asynchronous one is connected again.
    fn disconnect(self: &Arc<Self>, position: usize) -> bool {
        let (tls, is_asynchronous) = {
            let link = self.links.at(position).lock();
            (link.uses_tls(), link.is_asynchronous)
        };
        let was_connected = self.hang_up(position);
        if was_connected && is_asynchronous {
            self.keep_connected(position, tls);
        }
        was_connected
    }

    fn set_mode(self: &Arc<Self>, device: u32, mode: i32) -> Result<(), Status> {
        self.called()?;
        let mode = ConnectionMode::try_from(mode)
            .map_err(|_| Status::invalid_argument(format!("connectionMode: there is no {mode}")))?;
        let position = self.connected(device)?;
        let before = std::mem::replace(&mut self.links.at(position).lock().mode, mode);
        if before != mode {
            self.let_go(position);
            self.admit(position);
        }
        Ok(())
    }

    /// What is set counts from the next connection on.
    fn set_tls(self: &Arc<Self>, device: u32, wants_tls: bool) -> Result<(), Status> {
        self.called()?;
        let position = self.connected(device)?;
        self.links.at(position).lock().wants_tls = wants_tls;
        Ok(())
    }
}

/// What the simulated readers say they are.
pub(super) const TYPE: Type = Type::Biostation3;
