//! Which fields of a blob are valid.

use bitflags::bitflags;

bitflags! {
    /// Which fields of a blob are valid; in a request, which are wanted.
    ///
    /// In a request the mask is also a filter: since SDK 2.6.0 a log is returned when any of the bits applies to it,
    /// before that only when all did (release notes). Unknown bits are kept.
    ///
    /// The values are those of the shipping SDK. An old revision of the log page has another table; see
    /// [`from_old_page`](Self::from_old_page).
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventMask;
    ///
    /// let mask = EventMask::from_bits_retain(0x0109);
    /// assert_eq!(mask, EventMask::INFO | EventMask::DOOR_ID | EventMask::IMAGE);
    /// ```
    #[doc(alias = "BS2_EVENT_MASK")]
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct EventMask: u16 {
        /// Time, device and code.
        const INFO = 0x0001;
        /// The subject is a user.
        const USER_ID = 0x0002;
        /// The subject is a card; recorded for failed authentications only.
        const CARD_ID = 0x0004;
        /// The subject is a door.
        const DOOR_ID = 0x0008;
        /// The subject is a zone.
        const ZONE_ID = 0x0010;
        /// The subject is an input port.
        #[doc(alias = "IODEVICE")]
        const IO_DEVICE = 0x0020;
        /// The time-and-attendance key.
        const TNA_KEY = 0x0040;
        /// The job code.
        const JOB_CODE = 0x0080;
        /// The image.
        const IMAGE = 0x0100;
        /// The temperature, which only the small blob with temperature has a field for.
        const TEMPERATURE = 0x0200;
        /// The data of a QR code; no record has a field for it.
        const QR_DATA = 0x0400;
        /// Bits without a name.
        const _ = !0;
    }
}

impl EventMask {
    /// A mask written by the table of an old revision of the log page.
    ///
    /// That table repeats door and zone at 64 and 128 and so moves what follows: T&A key 256, job code 512, image
    /// 1024. The headers of every SDK since 2019 say otherwise, so it is an error of the page; this conversion is for
    /// data that was written by it. Bits above 1024 stay where they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventMask;
    ///
    /// assert_eq!(EventMask::from_old_page(1 + 2 + 256), EventMask::INFO | EventMask::USER_ID | EventMask::TNA_KEY);
    /// assert_eq!(EventMask::from_old_page(1024), EventMask::IMAGE);
    /// ```
    #[must_use]
    pub fn from_old_page(bits: u16) -> Self {
        let moved = [
            (0x0040, Self::DOOR_ID),
            (0x0080, Self::ZONE_ID),
            (0x0100, Self::TNA_KEY),
            (0x0200, Self::JOB_CODE),
            (0x0400, Self::IMAGE),
        ];
        let same = Self::from_bits_retain(bits & !0x07C0);
        moved.iter().filter(|(old, _)| bits & old != 0).fold(same, |mask, (_, new)| mask | *new)
    }

    /// The bits that say what the subject is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventMask;
    ///
    /// assert!(EventMask::SUBJECT.contains(EventMask::DOOR_ID));
    /// ```
    pub const SUBJECT: Self =
        Self::USER_ID.union(Self::CARD_ID).union(Self::DOOR_ID).union(Self::ZONE_ID).union(Self::IO_DEVICE);
}
