//! The service `Connect`: connections to devices.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::broadcast::ReservedStream;
use super::connections::DeviceConnection;
use super::state::GatewayState;
use super::status::{Reply, each, empty_calls, not_connected};
use crate::device::gateway::proto::gsdk::connect::connect_server::Connect;
use crate::device::gateway::proto::gsdk::connect::{self as wire, ConnectionMode};

/// Serves every client.
#[derive(Clone)]
pub(super) struct ConnectService(pub(super) Arc<GatewayState>);

#[tonic::async_trait]
impl Connect for ConnectService {
    type SubscribeStatusStream = BoxStream<'static, Result<wire::StatusChange, Status>>;

    async fn connect(&self, request: Request<wire::ConnectRequest>) -> Reply<wire::ConnectResponse> {
        self.0.begin_call()?;
        let info = request.into_inner().connect_info;
        let info = info.ok_or_else(|| Status::invalid_argument("connectInfo: there is none"))?;
        let position = self.0.connections.find(&info.ip_addr, info.port);
        let position = position.ok_or_else(|| {
            Status::unavailable("cannot handshake the connection: nothing answers at this address")
        })?;
        if self.0.connections.at(position).lock().connects_itself() {
            return Err(Status::unavailable(
                "cannot handshake the connection: the device connects by itself",
            ));
        }
        self.0.connect(position, info.use_ssl, |_| true).await?;
        Ok(Response::new(wire::ConnectResponse { device_id: self.0.device(position) }))
    }

    async fn add_async_connection(
        &self,
        request: Request<wire::AddAsyncConnectionRequest>,
    ) -> Reply<wire::AddAsyncConnectionResponse> {
        self.0.begin_call()?;
        for info in request.into_inner().connect_infos {
            let found = self.0.position(info.device_id);
            match found.filter(|at| self.0.connections.at(*at).is_at(&info.ip_addr, info.port)) {
                Some(position) => self.0.keep_connected(position, info.use_ssl),
                None => {
                    self.0.send_status(info.device_id, wire::Status::TcpCannotConnect);
                    let mut unreachable = self.0.connections.unreachable();
                    unreachable.retain(|known| known.device_id != info.device_id);
                    unreachable.push(info);
                }
            }
        }
        Ok(Response::new(wire::AddAsyncConnectionResponse {}))
    }

    async fn delete_async_connection(
        &self,
        request: Request<wire::DeleteAsyncConnectionRequest>,
    ) -> Reply<wire::DeleteAsyncConnectionResponse> {
        self.0.begin_call()?;
        let mut result = Ok(());
        for device in request.into_inner().device_i_ds {
            let was_unreachable = {
                let mut unreachable = self.0.connections.unreachable();
                let before = unreachable.len();
                unreachable.retain(|known| known.device_id != device);
                unreachable.len() < before
            };
            let was_asynchronous =
                self.0.position(device).is_some_and(|position| self.0.stop_reconnecting(position));
            if !was_unreachable && !was_asynchronous {
                result = Err(not_connected(device));
            }
        }
        result.map(|()| Response::new(wire::DeleteAsyncConnectionResponse {}))
    }

    async fn disconnect(&self, request: Request<wire::DisconnectRequest>) -> Reply<wire::DisconnectResponse> {
        self.0.begin_call()?;
        let mut result = Ok(());
        for device in request.into_inner().device_i_ds {
            if !self.0.position(device).is_some_and(|position| self.0.disconnect(position)) {
                result = Err(not_connected(device));
            }
        }
        result.map(|()| Response::new(wire::DisconnectResponse {}))
    }

    async fn disconnect_all(
        &self,
        _: Request<wire::DisconnectAllRequest>,
    ) -> Reply<wire::DisconnectAllResponse> {
        self.0.begin_call()?;
        for (position, _) in self.0.connections.iter() {
            self.0.disconnect(position);
        }
        Ok(Response::new(wire::DisconnectAllResponse {}))
    }

    async fn get_device_list(
        &self,
        _: Request<wire::GetDeviceListRequest>,
    ) -> Reply<wire::GetDeviceListResponse> {
        self.0.begin_call()?;
        let mut device_infos = Vec::new();
        for (position, connection) in self.0.connections.iter() {
            let state = connection.lock();
            if !state.is_open() && !state.is_asynchronous {
                continue;
            }
            let Some(address) = connection.address().map(|address| address.socket()) else { continue };
            device_infos.push(wire::DeviceInfo {
                device_id: self.0.device(position),
                connection_mode: state.mode.into(),
                ip_addr: address.ip().to_string(),
                port: address.port().into(),
                status: state.status().into(),
                auto_reconnect: state.is_asynchronous,
                use_ssl: state.uses_tls(),
                r#type: self.0.device_type(),
            });
        }
        device_infos.extend(self.0.connections.unreachable().iter().map(|known| wire::DeviceInfo {
            device_id: known.device_id,
            ip_addr: known.ip_addr.clone(),
            port: known.port,
            status: wire::Status::TcpCannotConnect.into(),
            auto_reconnect: true,
            use_ssl: known.use_ssl,
            ..Default::default()
        }));
        Ok(Response::new(wire::GetDeviceListResponse { device_infos }))
    }

    async fn search_device(
        &self,
        _: Request<wire::SearchDeviceRequest>,
    ) -> Reply<wire::SearchDeviceResponse> {
        self.0.begin_call()?;
        let info = |(position, connection): (usize, &DeviceConnection)| {
            let state = connection.lock();
            let address = connection.address()?.socket();
            Some(wire::SearchDeviceInfo {
                device_id: self.0.device(position),
                r#type: self.0.device_type(),
                use_dhcp: true,
                connection_mode: state.mode.into(),
                ip_addr: address.ip().to_string(),
                port: address.port().into(),
                use_ssl: state.wants_tls,
                server_addr: String::new(),
            })
        };
        let device_infos = self.0.connections.iter().filter_map(info).collect();
        Ok(Response::new(wire::SearchDeviceResponse { device_infos }))
    }

    async fn subscribe_status(
        &self,
        mut request: Request<wire::SubscribeStatusRequest>,
    ) -> Reply<Self::SubscribeStatusStream> {
        self.0.begin_call()?;
        let reserved = request.extensions_mut().remove::<ReservedStream<wire::StatusChange>>();
        let options = self.0.stream_options(request.into_inner().queue_size)?;
        let reserved = reserved.unwrap_or_else(|| self.0.statuses.reserve());
        Ok(Response::new(reserved.start(options, |_| true).boxed()))
    }

    async fn get_accept_filter(
        &self,
        _: Request<wire::GetAcceptFilterRequest>,
    ) -> Reply<wire::GetAcceptFilterResponse> {
        self.0.begin_call()?;
        let filter = Some(self.0.connections.filter().clone());
        Ok(Response::new(wire::GetAcceptFilterResponse { filter }))
    }

    async fn set_accept_filter(
        &self,
        request: Request<wire::SetAcceptFilterRequest>,
    ) -> Reply<wire::SetAcceptFilterResponse> {
        self.0.begin_call()?;
        *self.0.connections.filter() = request.into_inner().filter.unwrap_or_default();
        for (position, _) in self.0.connections.iter() {
            self.0.admit(position);
        }
        Ok(Response::new(wire::SetAcceptFilterResponse {}))
    }

    async fn get_pending_list(
        &self,
        _: Request<wire::GetPendingListRequest>,
    ) -> Reply<wire::GetPendingListResponse> {
        self.0.begin_call()?;
        let pending = self.0.connections.iter().filter_map(|(position, connection)| {
            Some(wire::PendingDeviceInfo {
                last_try: connection.lock().refused_at?,
                device_id: self.0.device(position),
                ip_addr: connection.address()?.socket().ip().to_string(),
                r#type: self.0.device_type(),
            })
        });
        Ok(Response::new(wire::GetPendingListResponse { device_infos: pending.collect() }))
    }

    async fn get_slave_device(
        &self,
        _: Request<wire::GetSlaveDeviceRequest>,
    ) -> Reply<wire::GetSlaveDeviceResponse> {
        self.0.begin_call()?;
        Ok(Response::new(wire::GetSlaveDeviceResponse { slave_device_infos: self.slaves() }))
    }

    async fn search_slave_device(
        &self,
        _: Request<wire::SearchSlaveDeviceRequest>,
    ) -> Reply<wire::SearchSlaveDeviceResponse> {
        self.0.begin_call()?;
        Ok(Response::new(wire::SearchSlaveDeviceResponse { slave_device_infos: self.slaves() }))
    }

    async fn set_slave_device(
        &self,
        _: Request<wire::SetSlaveDeviceRequest>,
    ) -> Reply<wire::SetSlaveDeviceResponse> {
        Err(Status::unimplemented("the slaves of simulated devices are a setting of theirs: slaves=N"))
    }

    empty_calls! {
        set_connection_mode(wire::SetConnectionModeRequest) -> wire::SetConnectionModeResponse:
            |service, request| service.set_mode(request.device_id, request.connection_mode);
        set_connection_mode_multi(wire::SetConnectionModeMultiRequest) -> wire::SetConnectionModeMultiResponse:
            |service, request| each(request.device_i_ds,
                async |device| service.set_mode(device, request.connection_mode)).await;
        enable_ssl(wire::EnableSslRequest) -> wire::EnableSslResponse:
            |service, request| service.set_tls(request.device_id, true);
        enable_ssl_multi(wire::EnableSslMultiRequest) -> wire::EnableSslMultiResponse:
            |service, request| each(request.device_i_ds, async |device| service.set_tls(device, true)).await;
        disable_ssl(wire::DisableSslRequest) -> wire::DisableSslResponse:
            |service, request| service.set_tls(request.device_id, false);
        disable_ssl_multi(wire::DisableSslMultiRequest) -> wire::DisableSslMultiResponse:
            |service, request| each(request.device_i_ds, async |device| service.set_tls(device, false)).await;
    }
}

impl ConnectService {
    /// The slaves of each device that the gateway has.
    fn slaves(&self) -> Vec<wire::SlaveDeviceInfo> {
        let is_known = |connection: &DeviceConnection| {
            let state = connection.lock();
            state.is_open() || state.is_asynchronous
        };
        let known = self.0.connections.iter().filter(|(_, connection)| is_known(connection));
        let slaves = known.map(|(position, _)| wire::SlaveDeviceInfo {
            device_id: self.0.device(position),
            rs485_slave_device_i_ds: self.0.slaves(position),
            wiegand_slave_device_i_ds: Vec::new(),
        });
        slaves.filter(|info| !info.rs485_slave_device_i_ds.is_empty()).collect()
    }

    fn set_mode(&self, device: u32, mode: i32) -> Result<(), Status> {
        self.0.begin_call()?;
        let mode = ConnectionMode::try_from(mode)
            .map_err(|_| Status::invalid_argument(format!("connectionMode: there is no {mode}")))?;
        let position = self.0.connected(device)?;
        let before = std::mem::replace(&mut self.0.connections.at(position).lock().mode, mode);
        if before != mode {
            self.0.stop_reconnecting(position);
            self.0.admit(position);
        }
        Ok(())
    }

    /// The setting takes effect with the next connection.
    fn set_tls(&self, device: u32, wants_tls: bool) -> Result<(), Status> {
        self.0.begin_call()?;
        let position = self.0.connected(device)?;
        self.0.connections.at(position).lock().wants_tls = wants_tls;
        Ok(())
    }
}
