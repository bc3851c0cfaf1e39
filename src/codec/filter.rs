//! The filter of the vendor's filtered reads, which nothing in this crate takes.

use core::fmt;

use zerocopy::little_endian::{U16, U32};

use super::record::{Layout, bytes_and_records, record};
use super::{EventCode, Timestamp, UserId};

record! {
    /// The vendor's filter of a log read. Nothing in this crate takes it: filtered reads are slow on devices, and
    /// deprecated since SDK 2.9.6. Read everything, and filter the stored events.
    ///
    /// It is here for programs that call the vendor's library themselves. Fields left at 0 ask for everything.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::filter::EventFilter;
    /// use bs2_events::codec::{EventCode, UserId};
    ///
    /// let filter = EventFilter::default().with_user_id(UserId::new("77")?).with_code(EventCode::VERIFY_SUCCESS);
    /// assert_eq!(filter.as_bytes()[..3], *b"77\0");
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[doc(alias = "BS2EventFilter")]
    pub struct EventFilter("event filter", 44 bytes) {
        [0] user_id: UserId = "`userID`",
        [32] start: U32 = "`start`",
        [36] end: U32 = "`end`",
        [40] code: U16 = "`event`",
        [42] tna_key: u8 = "`tnaKey`",
        [43] padding: u8 = "none; the compiler's padding, kept",
    }
}

impl EventFilter {
    /// Asks for events of one user.
    #[must_use]
    pub const fn with_user_id(mut self, user_id: UserId) -> Self {
        self.user_id = user_id;
        self
    }

    /// Asks for events between two moments; 0 leaves an end open.
    #[must_use]
    pub const fn with_time(mut self, start: Timestamp, end: Timestamp) -> Self {
        self.start = U32::new(start.as_unix_seconds());
        self.end = U32::new(end.as_unix_seconds());
        self
    }

    /// Asks for events with one code.
    #[must_use]
    pub const fn with_code(mut self, code: EventCode) -> Self {
        self.code = U16::new(code.get());
        self
    }

    /// Asks for events with one time-and-attendance key.
    #[must_use]
    pub const fn with_tna_key(mut self, key: u8) -> Self {
        self.tna_key = key;
        self
    }

    /// The user; empty for all.
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The earliest moment; 0 for no limit.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.start.get())
    }

    /// The latest moment; 0 for no limit.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.end.get())
    }

    /// The code; 0 for all.
    #[must_use]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// The time-and-attendance key; 0 for all.
    #[must_use]
    pub const fn tna_key(&self) -> u8 {
        self.tna_key
    }

    /// The byte that the vendor's compiler puts after the key.
    #[cfg(feature = "serde")]
    pub(super) const fn padding(&self) -> u8 {
        self.padding
    }

    #[cfg(feature = "serde")]
    pub(super) const fn with_padding(mut self, padding: u8) -> Self {
        self.padding = padding;
        self
    }
}

impl Default for EventFilter {
    fn default() -> Self {
        zerocopy::FromZeros::new_zeroed()
    }
}

impl fmt::Debug for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventFilter")
            .field("user_id", &self.user_id)
            .field("start", &format_args!("{}", self.start()))
            .field("end", &format_args!("{}", self.end()))
            .field("code", &self.code())
            .field("tna_key", &self.tna_key)
            .finish()
    }
}
