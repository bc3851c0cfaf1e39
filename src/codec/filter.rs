//! What a filtered read asks for.

use core::fmt;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records};
use super::{EventCode, Timestamp, UserId};

/// What a filtered read of a log asks for: 44 bytes. Fields left at 0 ask for everything.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 32 | [`user_id`](Self::user_id) | `userID` |
/// | 32 | 4 | [`start`](Self::start) | `start` |
/// | 36 | 4 | [`end`](Self::end) | `end` |
/// | 40 | 2 | [`code`](Self::code) | `event` |
/// | 42 | 1 | [`tna_key`](Self::tna_key) | `tnaKey` |
/// | 43 | 1 | padding, kept | |
///
/// Filtered reads are slow on readers and deprecated since SDK 2.9.6: read everything, and filter what is stored.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{EventCode, EventFilter, UserId};
///
/// let filter = EventFilter::default().with_user_id(UserId::new("77")?).with_code(EventCode::VERIFY_SUCCESS);
/// assert_eq!(filter.as_bytes()[..3], *b"77\0");
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias = "BS2EventFilter")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct EventFilter {
    user_id: UserId,
    start: U32,
    end: U32,
    code: U16,
    tna_key: u8,
    padding: u8,
}

bytes_and_records!(EventFilter, "EventFilter");

impl EventFilter {
    /// Asks for events of one user.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventFilter, UserId};
    /// let filter = EventFilter::default().with_user_id(UserId::new("7")?);
    /// assert!(!filter.user_id().is_empty());
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn with_user_id(mut self, user_id: UserId) -> Self {
        self.user_id = user_id;
        self
    }

    /// Asks for events between two moments; 0 leaves an end open.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventFilter, Timestamp};
    /// let since = EventFilter::default().with_time(Timestamp::from_unix_seconds(9), Timestamp::default());
    /// assert_eq!(since.start().as_unix_seconds(), 9);
    /// ```
    #[must_use]
    pub const fn with_time(mut self, start: Timestamp, end: Timestamp) -> Self {
        self.start = U32::new(start.as_unix_seconds());
        self.end = U32::new(end.as_unix_seconds());
        self
    }

    /// Asks for events with one code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventCode, EventFilter};
    /// let filter = EventFilter::default().with_code(EventCode::DOOR_OPENED);
    /// assert_eq!(filter.code(), EventCode::DOOR_OPENED);
    /// ```
    #[must_use]
    pub const fn with_code(mut self, code: EventCode) -> Self {
        self.code = U16::new(code.get());
        self
    }

    /// Asks for events with one time-and-attendance key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFilter;
    /// assert_eq!(EventFilter::default().with_tna_key(3).tna_key(), 3);
    /// ```
    #[must_use]
    pub const fn with_tna_key(mut self, key: u8) -> Self {
        self.tna_key = key;
        self
    }

    /// The user; empty for all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFilter;
    /// assert!(EventFilter::default().user_id().is_empty());
    /// ```
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The earliest moment; 0 for no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFilter;
    /// assert_eq!(EventFilter::default().start().as_unix_seconds(), 0);
    /// ```
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.start.get())
    }

    /// The latest moment; 0 for no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFilter;
    /// assert_eq!(EventFilter::default().end().as_unix_seconds(), 0);
    /// ```
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.end.get())
    }

    /// The code; 0 for all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{EventCode, EventFilter};
    /// assert_eq!(EventFilter::default().code(), EventCode::new(0));
    /// ```
    #[must_use]
    pub const fn code(&self) -> EventCode {
        EventCode::new(self.code.get())
    }

    /// The time-and-attendance key; 0 for all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFilter;
    /// assert_eq!(EventFilter::default().tna_key(), 0);
    /// ```
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

    const LAYOUT: Layout = Layout {
        record: "event filter",
        fields: &[("user_id", 0), ("start", 32), ("end", 36), ("code", 40), ("tna_key", 42), ("padding", 43)],
        size: Self::SIZE,
    };
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

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<EventFilter>() == 44 && align_of::<EventFilter>() == 1);
    assert!(offset_of!(EventFilter, start) == 32 && offset_of!(EventFilter, end) == 36);
    assert!(offset_of!(EventFilter, code) == 40 && offset_of!(EventFilter, tna_key) == 42);
};
