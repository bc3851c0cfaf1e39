//! Settings in code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::{Account, Dialect, FlagForm, Frames, Identity, ServerSettings, Unbound};
use crate::sim::Start;
use crate::sim::biostar_x::Faults;

impl ServerSettings {
    /// Sets the seed; 1 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "seed=7".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_seed(7)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many users the server knows, `1` to this number; 1 000 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "users=5".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_users(5)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_users(mut self, users: u32) -> Self {
        self.users = users;
        self
    }

    /// Sets how many readers report to the server; 2 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "devices=3".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_devices(3)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_devices(mut self, devices: u32) -> Self {
        self.devices = devices;
        self
    }

    /// Sets how many events of these readers the server has at the start; none unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "backlog=9".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_backlog(9)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_backlog(mut self, events: u32) -> Self {
        self.backlog = events;
        self
    }

    /// Sets how many live events a second these readers report; none unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "rate=5".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_rate(5)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_rate(mut self, events_a_second: u32) -> Self {
        self.rate = events_a_second;
        self
    }

    /// Sets the server's clock; it stands still at a fixed time unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// # use bs2_events::sim::Start;
    /// let settings: ServerSettings = "start=now".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_start(Start::Now)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets the server's time zone in minutes ahead of UTC; 540 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "zone=-180".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_zone_minutes(-180)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_zone_minutes(mut self, minutes: i16) -> Self {
        self.zone_minutes = minutes;
        self
    }

    /// Sets how answers are written; as documented unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Dialect, ServerSettings};
    /// let settings: ServerSettings = "dialect=v2".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_dialect(Dialect::V2)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets whether the Event Log API is licensed; it is unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "licence=0".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_licence(false)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_licence(mut self, licence: bool) -> Self {
        self.licence = licence;
        self
    }

    /// Sets after which time without a request a session ends, in whole seconds; an hour unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// # use std::time::Duration;
    /// let settings: ServerSettings = "session=60".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_session(Duration::from_secs(60))));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_session(mut self, idle: Duration) -> Self {
        self.session = idle;
        self
    }

    /// Sets whether an account may have several sessions; it may unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "simultaneous=0".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_simultaneous(false)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_simultaneous(mut self, simultaneous: bool) -> Self {
        self.simultaneous = simultaneous;
        self
    }

    /// Sets after how many wrong passwords an account is locked; 0, never, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "lock=3".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_lock_after(3)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_lock_after(mut self, failures: u32) -> Self {
        self.lock_after = failures;
        self
    }

    /// Sets the lowest id of a virtual device; 100 001 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "lowest=100000".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_lowest(100_000)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_lowest(mut self, id: u32) -> Self {
        self.lowest = id;
        self
    }

    /// Sets what is taken for `is_virtual_device`; either form unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{FlagForm, ServerSettings};
    /// let settings: ServerSettings = "flag=text".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_flag(FlagForm::Text)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_flag(mut self, form: FlagForm) -> Self {
        self.flag = form;
        self
    }

    /// Sets the most events of one import; 0, no limit, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "batch=100".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_batch(100)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_batch(mut self, events: u32) -> Self {
        self.batch = events;
        self
    }

    /// Sets whether the database is encrypted; it is not unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "encrypted=1".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_encrypted(true)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_encrypted(mut self, encrypted: bool) -> Self {
        self.encrypted = encrypted;
        self
    }

    /// Sets how the frames of the socket come; as text unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Frames, ServerSettings};
    /// let settings: ServerSettings = "frames=binary".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_frames(Frames::Binary)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_frames(mut self, frames: Frames) -> Self {
        self.frames = frames;
        self
    }

    /// Sets what a start of events gets without a bound socket; silence unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{ServerSettings, Unbound};
    /// let settings: ServerSettings = "unbound=error".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_unbound(Unbound::Error)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_unbound(mut self, unbound: Unbound) -> Self {
        self.unbound = unbound;
        self
    }

    /// Sets whether imported events are told on the socket; they are unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "push=0".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_push(false)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_push(mut self, push: bool) -> Self {
        self.push = push;
        self
    }

    /// Sets whether HTTP/2 is offered; it is not unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "http2=1".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_http2(true)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_http2(mut self, http2: bool) -> Self {
        self.http2 = http2;
        self
    }

    /// Sets whether `/sim/…` is there for tests in other languages; it is not unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings: ServerSettings = "control=1".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_control(true)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_control(mut self, control: bool) -> Self {
        self.control = control;
        self
    }

    /// Sets what goes wrong; nothing unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Faults, ServerSettings};
    /// let settings: ServerSettings = "faults=cut".parse()?;
    /// assert_eq!(format!("{settings:?}"), format!("{:?}", ServerSettings::default().with_faults(Faults::CUT)));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets who may log in; `admin` with the password `simulated` unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Account, ServerSettings};
    /// let settings = ServerSettings::default().with_accounts([Account::new("api", "secret")]);
    /// assert!(!format!("{settings:?}").contains("secret"));
    /// ```
    #[must_use]
    pub fn with_accounts(mut self, accounts: impl IntoIterator<Item = Account>) -> Self {
        self.accounts = accounts.into_iter().collect();
        self
    }

    /// Sets where to listen; any free port of 127.0.0.1 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_address(([127, 0, 0, 1], 8443).into());
    /// assert!(format!("{settings:?}").contains("127.0.0.1:8443"));
    /// ```
    #[must_use]
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets the names in the certificate that the server makes; `localhost`, `127.0.0.1` and `::1` unless set.
    ///
    /// With other names it is as at a real server, whose certificate does not hold its address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_names(["biostar.example"]);
    /// assert!(format!("{settings:?}").contains("biostar.example"));
    /// ```
    #[must_use]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a certificate chain and its key, both as PEM; the server makes its own unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// # let (certificates, key) = ("", "");
    /// let settings = ServerSettings::default().with_certificate(certificates, key);
    /// # assert!(format!("{settings:?}").contains("own_certificate: true"));
    /// ```
    #[must_use]
    pub fn with_certificate(mut self, certificates: impl Into<String>, key: impl Into<String>) -> Self {
        let key = SecretString::from(key.into());
        self.certificate = Some(Identity { certificates: certificates.into(), key });
        self
    }

    /// Sets the file in which the state is kept; it is kept in memory unless set.
    ///
    /// A server that is started on the same file with the same settings goes on where the last one ended, also
    /// where that one was killed; sessions are over then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_state("server.jsonl");
    /// assert!(format!("{settings:?}").contains("server.jsonl"));
    /// ```
    #[must_use]
    pub fn with_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }
}
