//! A reader that the settings name, and how it is connected.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::options::DeviceAddress;
use super::readers::State;
use super::session::Session;
use crate::codec::DeviceId;
use crate::{Error, ErrorKind, Result};

/// A reader that the settings name, and its number as soon as it is known.
pub(super) struct Place {
    address: DeviceAddress,
    id: OnceLock<DeviceId>,
    /// Held while it is connected, so that it is not connected twice.
    connecting: Mutex<()>,
}

impl Place {
    pub(super) fn new(address: &DeviceAddress) -> Self {
        let id = address.id.map(OnceLock::from).unwrap_or_default();
        Self { address: address.clone(), id, connecting: Mutex::default() }
    }

    /// The reader's number, if it is known.
    pub(super) fn id(&self) -> Option<DeviceId> {
        self.id.get().copied()
    }

    /// The number of the reader that is here; if nobody knows it, by connecting it.
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

    /// Lets the gateway connect the reader, and waits until it has.
    pub(super) async fn connect(&self, session: &Session, device: DeviceId) -> Result<()> {
        let _connecting = self.connecting.lock().await;
        if session.readers.state(device) == Some(State::Connected) {
            return Ok(());
        }
        if self.address.id.is_some() {
            return self.connect_async(session, device).await;
        }
        match self.connect_now(session).await? {
            id if id == device => Ok(()),
            other => {
                let message = format!("at {} there is device {other} now", self.address);
                Err(Error::new(ErrorKind::NotFound, message).with_device(device))
            }
        }
    }

    async fn connect_now(&self, session: &Session) -> Result<DeviceId> {
        let DeviceAddress { host, port, .. } = &self.address;
        let there = || session.readers.connected_at(host, *port);
        let id = match there() {
            Some(id) => id,
            None => match session.connections.connect(&self.address).await {
                Ok(id) => {
                    session.readers.set(id, State::Connected);
                    id
                }
                Err(error) => {
                    // Another client may have connected it in the same moment; then it is in the list.
                    session.refresh().await?;
                    there().ok_or_else(|| {
                        Error::new(error.kind(), format!("the reader at {}: {error}", self.address))
                    })?
                }
            },
        };
        // Another reader may stand there now; whoever knows the first will be told.
        let _ = self.id.set(id);
        Ok(id)
    }

    async fn connect_async(&self, session: &Session, device: DeviceId) -> Result<()> {
        session.readers.set(device, State::Disconnected); // A refusal of earlier does not count.
        if let Err(error) = session.connections.add_async(device, &self.address).await {
            // It may be there already; then the gateway is trying.
            session.refresh().await?;
            if session.readers.address(device).is_none() {
                return Err(error.with_device(device));
            }
        }
        let settled = async {
            loop {
                match timeout(LOOK_AGAIN, session.readers.settled(device)).await {
                    Ok(state) => return Ok::<_, Error>(state),
                    Err(_) => session.refresh().await?,
                }
            }
        };
        let state = tokio::select! {
            state = settled => state?,
            () = sleep(session.link().deadline()) => State::Disconnected,
        };
        match state {
            State::Connected => Ok(()),
            State::Disconnected | State::Refused => {
                let message = format!("the gateway cannot connect the reader at {}", self.address);
                Err(Error::new(ErrorKind::Disconnected, message).with_device(device))
            }
        }
    }
}

/// How long the stream of states may be silent on a reader that is being connected before the list is asked.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
