//! Settings in code: what is there.

use super::ServerSettings;
use crate::sim::Start;

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
}
