//! The gateway's connections to its readers.
//!
//! Locks are taken in this order: a reader's, its link's, the one of a hub.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tonic::Status;

use super::desk::{Desk, Told};
use super::settings::DeviceAddress;
use crate::Error;
use crate::codec::{Event, Temperature};
use crate::device::Backend;
use crate::device::gateway::proto::gsdk::connect::{
    AcceptFilter, AsyncConnectInfo, ConnectionMode, Status as State, StatusChange,
};
use crate::device::gateway::proto::gsdk::time::TimeConfig;
use crate::sim::generator::world::now;
use crate::sim::subscriber::{Listener, Subscriber};

/// All connections.
pub(super) struct Links {
    links: Box<[Link]>,
    /// Asynchronous connections to what is not there.
    strangers: Mutex<Vec<AsyncConnectInfo>>,
    /// Which readers may connect by themselves.
    filter: Mutex<AcceptFilter>,
}

/// The connection to one reader.
pub(super) struct Link {
    pub(super) address: DeviceAddress,
    state: Mutex<LinkState>,
}

#[derive(Default)]
pub(super) struct LinkState {
    connection: Option<Connection>,
    /// The try to connect that goes on until it succeeds, of an asynchronous connection.
    attempt: Option<AbortHandle>,
    pub(super) is_asynchronous: bool,
    pub(super) mode: ConnectionMode,
    /// Whether the reader wants TLS.
    pub(super) wants_tls: bool,
    /// When the reader last tried to connect by itself and was not let in.
    pub(super) turned_away: Option<u32>,
    pub(super) time_config: TimeConfig,
}

struct Connection {
    tls: bool,
    /// What ends the listening.
    ticket: u64,
    is_monitored: bool,
}

impl Links {
    pub(super) fn new(readers: usize, addresses: &[DeviceAddress]) -> Self {
        let address = |position| addresses.get(position).copied();
        let link = |position| Link {
            address: address(position).unwrap_or_else(|| DeviceAddress::nth(position)),
            state: Mutex::default(),
        };
        Self {
            links: (0..readers).map(link).collect(),
            strangers: Mutex::default(),
            filter: Mutex::default(),
        }
    }

    pub(super) fn at(&self, position: usize) -> &Link {
        &self.links[position]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Link)> {
        self.links.iter().enumerate()
    }

    /// The reader at this address.
    pub(super) fn find(&self, ip: &str, port: i32) -> Option<usize> {
        self.links.iter().position(|link| link.address.is(ip, port))
    }

    pub(super) fn strangers(&self) -> MutexGuard<'_, Vec<AsyncConnectInfo>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn filter(&self) -> MutexGuard<'_, AcceptFilter> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkState {
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn status(&self) -> State {
        match &self.connection {
            Some(connection) if connection.tls => State::TlsConnected,
            Some(_) => State::TcpConnected,
            None => State::Disconnected,
        }
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.connection.as_ref().map_or(self.wants_tls, |connection| connection.tls)
    }

    /// Whether a lost connection is made again without being asked for.
    fn comes_back(&self) -> bool {
        self.is_asynchronous || self.mode == ConnectionMode::DeviceToServer
    }

    fn stop_trying(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
    }
}

impl Desk {
    /// Connects a reader, if that is `wanted` still when it could be; one that is connected stays so.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` when the reader does not let itself be connected.
    pub(super) async fn dial(
        self: &Arc<Self>,
        position: usize,
        tls: bool,
        wanted: impl Fn(&LinkState) -> bool + Send,
    ) -> Result<(), Status> {
        let cannot = |why: &str| Status::unavailable(format!("cannot handshake the connection: {why}"));
        {
            let link = self.links.at(position).lock();
            if link.is_connected() {
                return Ok(());
            }
            if link.wants_tls && !tls {
                return Err(cannot("the device wants TLS"));
            }
        }
        let reader = &self.shared.readers[position];
        let connected = timeout(HANDSHAKE, self.door.connect(reader.device())).await;
        connected.map_err(|_| cannot("i/o timeout"))?.map_err(|error| cannot(&error.to_string()))?;
        let feed = Feed { desk: Arc::downgrade(self), position };
        let outlet = Subscriber::new(Arc::new(feed), &self.shared.settings)
            .map_err(|error| cannot(&error.to_string()))?;

        let mut state = reader.lock();
        let mut link = self.links.at(position).lock();
        if link.is_connected() {
            return Ok(()); // Another call was faster.
        }
        if !wanted(&link) {
            return Err(cannot("it is not wanted any more"));
        }
        self.door.check(position, &state).map_err(|error| cannot(&error.to_string()))?;
        let ticket = state.line.listen(self.door.number(), outlet);
        link.connection = Some(Connection { tls, ticket, is_monitored: false });
        link.turned_away = None;
        self.tell_status(position, link.status());
        Ok(())
    }

    /// Ends the connection to a reader; `false` where there was none.
    pub(super) fn hang_up(&self, position: usize) -> bool {
        let mut state = self.shared.readers[position].lock();
        let mut link = self.links.at(position).lock();
        let Some(connection) = link.connection.take() else { return false };
        state.line.unlisten(connection.ticket);
        self.door.forget(position);
        self.tell_status(position, State::Disconnected);
        true
    }

    /// Connects a reader in the background, and again whenever the connection is lost.
    pub(super) fn keep_connected(self: &Arc<Self>, position: usize, tls: bool) {
        let mut link = self.links.at(position).lock();
        link.is_asynchronous = true;
        self.try_until_connected(position, tls, &mut link);
    }

    /// Ends what [`keep_connected`](Self::keep_connected) began; `false` where there was nothing to end.
    pub(super) fn let_go(&self, position: usize) -> bool {
        let was_kept = {
            let mut link = self.links.at(position).lock();
            link.stop_trying();
            std::mem::take(&mut link.is_asynchronous)
        };
        self.hang_up(position);
        was_kept
    }

    /// Forgets every connection, without a word to clients: there are none left.
    pub(super) fn forget_connections(&self) {
        for (position, _) in self.links.iter() {
            self.let_go(position);
        }
        self.links.strangers().clear();
        *self.links.filter() = AcceptFilter::default();
    }

    /// Lets a reader in that connects by itself, or turns it away.
    pub(super) fn admit(self: &Arc<Self>, position: usize) {
        let device = self.shared.readers[position].device().get();
        let may = {
            let filter = self.links.filter();
            filter.allow_all || filter.device_i_ds.contains(&device)
        };
        let mut link = self.links.at(position).lock();
        if link.mode != ConnectionMode::DeviceToServer || link.is_connected() {
            return;
        }
        if may {
            let tls = link.wants_tls;
            self.try_until_connected(position, tls, &mut link);
        } else {
            link.turned_away = Some(now().as_unix_seconds());
        }
    }

    /// # Errors
    ///
    /// `NOT_FOUND` for a reader that is not connected.
    pub(super) fn monitor(self: &Arc<Self>, device: u32, is_monitored: bool) -> Result<(), Status> {
        self.called()?;
        let position = self.connected(device)?;
        if let Some(connection) = &mut self.links.at(position).lock().connection {
            connection.is_monitored = is_monitored;
        }
        Ok(())
    }

    fn try_until_connected(self: &Arc<Self>, position: usize, tls: bool, link: &mut LinkState) {
        link.stop_trying();
        let desk = Arc::downgrade(self);
        let attempt = self.runtime.spawn(async move {
            while let Some(desk) = desk.upgrade() {
                if desk.dial(position, tls, LinkState::comes_back).await.is_ok() {
                    return;
                }
                let status = if tls { State::TlsCannotConnect } else { State::TcpCannotConnect };
                desk.tell_status(position, status);
                let pause = desk.reconnect;
                drop(desk);
                tokio::time::sleep(pause).await;
            }
        });
        link.attempt = Some(attempt.abort_handle());
    }

    fn tell_status(&self, position: usize, status: State) {
        let device_id = self.shared.readers[position].device().get();
        self.tell_status_of(device_id, status);
    }

    pub(super) fn tell_status_of(&self, device_id: u32, status: State) {
        let timestamp = now().as_unix_seconds();
        self.statuses.tell(&StatusChange { device_id, status: status.into(), timestamp });
    }
}

/// What a connected reader reports, on its way to the clients.
struct Feed {
    desk: Weak<Desk>,
    position: usize,
}

impl Listener for Feed {
    fn event(&self, event: &Event, temperature: Option<Temperature>) {
        let Some(desk) = self.desk.upgrade() else { return };
        let is_monitored = {
            let link = desk.links.at(self.position).lock();
            link.connection.as_ref().is_some_and(|connection| connection.is_monitored)
        };
        if is_monitored {
            desk.events.tell(&Told { event: *event, temperature });
        }
    }

    /// Monitoring does not outlive the connection, and only an asynchronous one is made again.
    fn disconnected(&self, _: Error) {
        let Some(desk) = self.desk.upgrade() else { return };
        let mut link = desk.links.at(self.position).lock();
        let Some(connection) = link.connection.take() else { return };
        desk.tell_status(self.position, State::Disconnected);
        if link.comes_back() {
            desk.try_until_connected(self.position, connection.tls, &mut link);
        }
    }
}

/// How long a reader may take to let itself be connected.
const HANDSHAKE: Duration = Duration::from_secs(10);
