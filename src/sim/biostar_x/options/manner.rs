//! Settings in code: how the server behaves.

use std::time::Duration;

use super::{Dialect, FlagForm, Frames, ServerSettings, Unbound};
use crate::sim::biostar_x::Faults;

impl ServerSettings {
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
}
