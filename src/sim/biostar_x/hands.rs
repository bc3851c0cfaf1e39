//! The hands of a test on the server.

use std::time::Duration;

use super::{Fault, Server, StoredEvent, devices};
use crate::Result;
use crate::codec::Event;

impl Server {
    /// Plans what happens to the next request whose path begins so; plans for the same path wait for each other.
    ///
    /// # Examples
    ///
    /// See [`Fault`].
    pub fn plan(&self, path: impl Into<String>, fault: Fault) {
        self.lock().fate.plan(path.into(), fault);
    }

    /// How many plans still wait for their request.
    ///
    /// # Examples
    ///
    /// See [`Fault`].
    #[must_use]
    pub fn planned(&self) -> usize {
        self.lock().fate.planned()
    }

    /// Forgets all plans.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Fault, Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// server.plan("/api/login", Fault::Error);
    /// server.forget_plans();
    /// assert_eq!(server.planned(), 0);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn forget_plans(&self) {
        self.lock().fate.forget();
    }

    /// Ends every session; the next request of each is refused with HTTP 401 and code 10.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// server.end_sessions();
    /// assert_eq!(server.sessions(), 0);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn end_sessions(&self) {
        self.lock().sessions.end_all();
    }

    /// Unlocks the accounts that were locked by wrong passwords.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default().with_lock_after(3)).await?;
    /// server.unlock_accounts();
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn unlock_accounts(&self) {
        self.lock().sessions.unlock();
    }

    /// Grants or takes away the licence of the Event Log API.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// server.set_licence(false);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn set_licence(&self, licence: bool) {
        self.lock().settings.licence = licence;
    }

    /// Moves the server's clock forward, in whole seconds: sessions run out, and months change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// server.advance(Duration::from_secs(3_600));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn advance(&self, by: Duration) {
        self.lock().clock.advance(by);
    }

    /// Makes a user known.
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) when the state file cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// server.add_user("anna.novak")?;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn add_user(&self, user_id: &str) -> Result<()> {
        self.lock().store.add_user(user_id)
    }

    /// Lets a reader of the office report its next event: it is stored, and told on the sockets.
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) when the state file cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// assert_eq!(server.make_event()?.index, 1);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn make_event(&self) -> Result<StoredEvent> {
        self.lock().live()
    }

    /// Lets any reader report this event: it is stored, and told on the sockets.
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) when the state file cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode};
    /// # use bs2_events::sim::biostar_x::{Server, ServerSettings};
    /// # async fn example() -> bs2_events::Result<()> {
    /// let server = Server::start(ServerSettings::default()).await?;
    /// let event = Event::builder(DeviceId::new(7), 1, EventCode::ACCESS_DENIED).build();
    /// assert_eq!(server.report(&event)?.device_id, 7);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn report(&self, event: &Event) -> Result<StoredEvent> {
        self.lock().report(devices::stored(event))
    }
}
