//! The last byte of an event: image, daylight saving, and the reader's offset from UTC.

use bitflags::bitflags;

bitflags! {
    /// The byte at offset 47 of an event.
    ///
    /// | bits | meaning |
    /// |---|---|
    /// | `0x01` | an image log belongs to the event |
    /// | `0x02` | daylight saving was in force on the reader |
    /// | `0x04` | half an hour of the UTC offset |
    /// | `0x78` | whole hours of the UTC offset, 0 … 15 |
    /// | `0x80` | the UTC offset is negative |
    ///
    /// Old manual pages call the hour bits "daylight saving time, 1 to 12 o'clock". The vendor's own example
    /// contradicts them: on a reader in Seoul the byte is 74 with daylight saving and 72 without, which is nine
    /// hours in both and differs in bit `0x02` alone (vendor article 24000041654). So the hours are the time zone
    /// and not the amount of daylight saving, which the byte does not hold. Every one of the 256 values is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventFlags;
    ///
    /// let flags = EventFlags::from_bits_retain(74);
    /// assert!(flags.daylight_saving());
    /// assert!(!flags.has_image());
    /// assert_eq!(flags.utc_offset_minutes(), 9 * 60);
    /// ```
    #[doc(alias = "BS2EventImageBitPos")]
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct EventFlags: u8 {
        /// An image log belongs to the event.
        const IMAGE = 0x01;
        /// Daylight saving was in force on the reader.
        #[doc(alias = "isDST")]
        const DAYLIGHT_SAVING = 0x02;
        /// Half an hour of the UTC offset.
        const HALF_HOUR = 0x04;
        /// The whole hours of the UTC offset, shifted left by three.
        const HOURS = 0x78;
        /// The UTC offset is negative: west of Greenwich.
        const NEGATIVE = 0x80;
    }
}

impl EventFlags {
    /// These flags with the reader's UTC offset set, in half hours from −31 to 31; `None` outside that range.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::codec::EventFlags;
    ///
    /// let india = EventFlags::IMAGE.with_utc_offset_half_hours(11).unwrap();
    /// assert_eq!(india.bits(), 0x2D);
    /// assert_eq!(EventFlags::empty().with_utc_offset_half_hours(32), None);
    /// ```
    #[must_use]
    pub const fn with_utc_offset_half_hours(self, half_hours: i8) -> Option<Self> {
        let magnitude = half_hours.unsigned_abs();
        if magnitude > 31 {
            return None;
        }
        // Half hours are one bit and hours the four above it, so the magnitude goes in as it is.
        let sign = if half_hours < 0 { Self::NEGATIVE.bits() } else { 0 };
        let kept = self.bits() & (Self::IMAGE.bits() | Self::DAYLIGHT_SAVING.bits());
        Some(Self::from_bits_retain(kept | (magnitude << 2) | sign))
    }

    /// Whether an image log belongs to the event; only then is it worth asking the reader for one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFlags;
    /// assert!(EventFlags::from_bits_retain(0x49).has_image());
    /// ```
    #[must_use]
    pub const fn has_image(self) -> bool {
        self.contains(Self::IMAGE)
    }

    /// Whether daylight saving was in force on the reader.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFlags;
    /// assert!(!EventFlags::from_bits_retain(72).daylight_saving());
    /// ```
    #[must_use]
    pub const fn daylight_saving(self) -> bool {
        self.contains(Self::DAYLIGHT_SAVING)
    }

    /// The reader's time zone as an offset from UTC in minutes, −930 to 930 in steps of 30, without daylight saving.
    ///
    /// Zones of 45 minutes cannot be expressed, and 0 also stands for "not set".
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::EventFlags;
    /// assert_eq!(EventFlags::from_bits_retain(0xAD).utc_offset_minutes(), -(5 * 60 + 30));
    /// ```
    #[inline]
    #[must_use]
    pub fn utc_offset_minutes(self) -> i16 {
        MINUTES.get(usize::from(self.bits() >> 2)).copied().unwrap_or(0)
    }
}

/// Minutes for each value of the upper six bits, which are sign, hours and half hour: a look takes a quarter of the
/// instructions that the sum would.
// A mistake here would not compile.
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]
const MINUTES: [i16; 64] = {
    let mut minutes = [0; 64];
    let mut half_hours = 0;
    while half_hours < 32 {
        minutes[half_hours] = half_hours as i16 * 30;
        minutes[half_hours + 32] = half_hours as i16 * -30;
        half_hours += 1;
    }
    minutes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_survives_a_round_trip() {
        for half_hours in -31..=31 {
            let flags = EventFlags::DAYLIGHT_SAVING.with_utc_offset_half_hours(half_hours).unwrap();
            assert_eq!(flags.utc_offset_minutes(), i16::from(half_hours) * 30);
            assert!(flags.daylight_saving());
        }
    }

    #[test]
    fn refuses_an_offset_that_the_byte_cannot_hold() {
        assert_eq!(EventFlags::empty().with_utc_offset_half_hours(32), None);
        assert_eq!(EventFlags::empty().with_utc_offset_half_hours(-32), None);
        assert_eq!(EventFlags::empty().with_utc_offset_half_hours(i8::MIN), None);
    }
}
