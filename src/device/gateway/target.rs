//! A device that the options name, and how it is connected.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::connections::ConnectionState;
use super::options::TargetAddress;
use super::session::Session;
use crate::codec::DeviceId;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// A device that the options name, and its id as soon as it is known.
pub(super) struct ConfiguredDevice {
    address: TargetAddress,
    known: std::sync::Mutex<Known>,
    /// Locked while the device is being connected, so that it is not connected twice.
    connecting: Mutex<()>,
}

/// The devices that were at an address.
#[derive(Default)]
struct Known {
    /// The one that is there now.
    id: Option<DeviceId>,
    /// Those that were replaced.
    replaced: BTreeSet<DeviceId>,
}

impl ConfiguredDevice {
    pub(super) fn new(address: &TargetAddress) -> Self {
        let known = Known { id: address.id, ..Known::default() };
        Self { address: address.clone(), known: known.into(), connecting: Mutex::default() }
    }

    /// The device's id, if it is known.
    pub(super) fn id(&self) -> Option<DeviceId> {
        lock(&self.known).id
    }

    /// The device that is at the address now, if this one was there before.
    pub(super) fn replacement_of(&self, device: DeviceId) -> Option<DeviceId> {
        let known = lock(&self.known);
        known.id.filter(|_| known.replaced.contains(&device))
    }

    /// The id of the device at this address. If it is unknown, the device is connected to find it.
    pub(super) async fn identify(&self, session: &Session) -> Result<DeviceId> {
        if let Some(id) = self.id_at_address(session) {
            return Ok(id);
        }
        let _connecting = self.connecting.lock().await;
        match self.id_at_address(session) {
            Some(id) => Ok(id),
            None => self.connect_now(session).await,
        }
    }

    /// The known id, unless the gateway has connected this device at another address, or another device here.
    fn id_at_address(&self, session: &Session) -> Option<DeviceId> {
        let id = self.id()?;
        let TargetAddress { host, port, .. } = &self.address;
        // The gateway lists addresses and not names.
        if self.address.id.is_some() || host.parse::<IpAddr>().is_err() {
            return Some(id);
        }
        let is_elsewhere = session.states.state(id) == Some(ConnectionState::Connected)
            && session.states.address(id).is_some_and(|address| address != (host.clone(), *port));
        let is_other = session.states.connected_at(host, *port).is_some_and(|other| other != id);
        Some(id).filter(|_| !is_elsewhere && !is_other)
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
            other => Err(self.replaced(device, other)),
        }
    }

    /// The error of a device that was at the address before another one.
    pub(super) fn replaced(&self, device: DeviceId, by: DeviceId) -> Error {
        let message = format!("the device at {} is {by} now", self.address);
        Error::new(ErrorKind::NotFound, message).with_device(device).with_replacement(by)
    }

    async fn connect_now(&self, session: &Session) -> Result<DeviceId> {
        let TargetAddress { host, port, .. } = &self.address;
        let connected = || session.states.connected_at(host, *port);
        let id = match connected() {
            Some(id) => id,
            None => match session.connections.connect(&self.address).await {
                Ok(id) => {
                    session.states.connected(id, host, *port);
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
        let mut known = lock(&self.known);
        if let Some(before) = known.id.replace(id).filter(|before| *before != id) {
            known.replaced.insert(before);
        }
        known.replaced.remove(&id);
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
