//! A device that the options name, and how it is connected.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::connections::ConnectionState;
use super::options::TargetAddress;
use super::session::Session;
use crate::codec::DeviceId;
use crate::{Error, ErrorKind, Result};

/// A device that the options name, and its id as soon as it is known.
pub(super) struct ConfiguredDevice {
    address: TargetAddress,
    id: OnceLock<DeviceId>,
    /// Locked while the device is being connected, so that it is not connected twice.
    connecting: Mutex<()>,
}

impl ConfiguredDevice {
    pub(super) fn new(address: &TargetAddress) -> Self {
        let id = address.id.map(OnceLock::from).unwrap_or_default();
        Self { address: address.clone(), id, connecting: Mutex::default() }
    }

    /// The device's id, if it is known.
    pub(super) fn id(&self) -> Option<DeviceId> {
        self.id.get().copied()
    }

    /// The id of the device at this address. If it is unknown, the device is connected to find it.
    pub(super) async fn identify(&self, session: &Session) -> Result<DeviceId> {
        if let Some(&id) = self.id.get() {
            return Ok(id);
        }
        let _connecting = self.connecting.lock().await;
        match self.id.get() {
            Some(&id) => Ok(id),
            None => self.connect_now(session).await,
        }
    }

    /// Makes the gateway connect the device, and waits until it is connected.
    pub(super) async fn connect(&self, session: &Session, device: DeviceId) -> Result<()> {
        let _connecting = self.connecting.lock().await;
        if session.states.state(device) == Some(ConnectionState::Connected) {
            return Ok(());
        }
        if self.address.id.is_some() {
            return self.connect_async(session, device).await;
        }
        match self.connect_now(session).await? {
            id if id == device => Ok(()),
            other => {
                let message = format!("the device at {} is {other} now", self.address);
                Err(Error::new(ErrorKind::NotFound, message).with_device(device))
            }
        }
    }

    async fn connect_now(&self, session: &Session) -> Result<DeviceId> {
        let TargetAddress { host, port, .. } = &self.address;
        let connected = || session.states.connected_at(host, *port);
        let id = match connected() {
            Some(id) => id,
            None => match session.connections.connect(&self.address).await {
                Ok(id) => {
                    session.states.set(id, ConnectionState::Connected);
                    id
                }
                Err(error) => {
                    // Another client may have connected it at the same time. Then it is in the list.
                    session.refresh().await?;
                    connected().ok_or_else(|| {
                        Error::new(error.kind(), format!("device at {}: {error}", self.address))
                    })?
                }
            },
        };
        // If the address had another device before, a call for that device reports it.
        let _ = self.id.set(id);
        Ok(id)
    }

    async fn connect_async(&self, session: &Session, device: DeviceId) -> Result<()> {
        session.states.set(device, ConnectionState::Disconnected); // A refusal before this call does not count.
        if let Err(error) = session.connections.add_async(device, &self.address).await {
            // The connection may exist already. Then the gateway is trying.
            session.refresh().await?;
            if session.states.address(device).is_none() {
                return Err(error.with_device(device));
            }
        }
        let settled = async {
            loop {
                match timeout(REFRESH, session.states.settled(device)).await {
                    Ok(state) => return Ok::<_, Error>(state),
                    Err(_) => session.refresh().await?,
                }
            }
        };
        let state = tokio::select! {
            state = settled => state?,
            () = sleep(session.rpc().deadline()) => ConnectionState::Disconnected,
        };
        match state {
            ConnectionState::Connected => Ok(()),
            ConnectionState::Disconnected | ConnectionState::Refused => {
                let message = format!("the gateway cannot connect the device at {}", self.address);
                Err(Error::new(ErrorKind::Disconnected, message).with_device(device))
            }
        }
    }
}

/// How long to wait for the stream of states while a device is being connected, before the list is read again.
const REFRESH: Duration = Duration::from_secs(2);
