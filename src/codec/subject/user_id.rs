//! The two members that are personal data: user ids and cards.

use core::fmt;

use ascii::AsciiStr;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::codec::{DecodeError, DecodeReason};

/// A user id: up to 32 bytes, padded with NUL.
///
/// Ids are text in all that was seen, but nothing enforces it: an id may use all 32 bytes and then has no NUL, and
/// it may be no UTF-8. [`as_bytes`](Self::as_bytes) gives it as it is. An empty id stands for an unknown person.
///
/// `Debug` shows neither the id nor its length.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::UserId;
///
/// let user = UserId::new("1001")?;
/// assert_eq!(user.as_text(), Some("1001"));
/// assert_eq!(format!("{user:?}"), "UserId(..)");
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias("BS2_USER_ID", "userID"))]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct UserId([u8; 32]);

impl UserId {
    /// The id with these bytes, padded with NUL.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for more than 32 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert!(UserId::new("x".repeat(32)).is_ok());
    /// let error = UserId::new("x".repeat(33)).unwrap_err();
    /// assert_eq!(error.to_string(), "event: field `user_id` at offset 12: 33 bytes in a field of 32");
    /// ```
    pub fn new(id: impl AsRef<[u8]>) -> Result<Self, DecodeError> {
        padded(id.as_ref(), "user_id").map(Self)
    }

    /// The id in these 32 bytes, without copying them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert!(UserId::from_array(&[0; 32]).is_empty());
    /// ```
    #[inline]
    #[must_use]
    pub fn from_array(bytes: &[u8; 32]) -> &Self {
        zerocopy::transmute_ref!(bytes)
    }

    /// All 32 bytes, padding included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert_eq!(UserId::new("7")?.as_array()[..2], *b"7\0");
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn as_array(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id's bytes, up to the first NUL.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert_eq!(UserId::new(b"\xFF\x01")?.as_bytes(), b"\xFF\x01");
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get(..before_nul(&self.0)).unwrap_or(&self.0)
    }

    /// The id as text; `None` where it is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert_eq!(UserId::new("Zoë")?.as_text(), Some("Zoë"));
    /// assert_eq!(UserId::new(b"\xFF")?.as_text(), None);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let id = self.as_bytes();
        match AsciiStr::from_ascii(id) {
            // Nearly every id, in half the time that checking for UTF-8 takes.
            Ok(ascii) => Some(ascii.as_str()),
            Err(_) => core::str::from_utf8(id).ok(),
        }
    }

    /// Whether there is no id: the person is unknown, or the event concerns nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::UserId;
    /// assert!(!UserId::new("0")?.is_empty());
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let [first, ..] = self.0;
        first == 0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

/// The data of a card that a reader did not know: 32 bytes, whose layout depends on the card.
///
/// The SDK's samples read them as text; they are not. `Debug` does not show them.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::CardData;
///
/// let card = CardData::new([0xCA, 0xFE])?;
/// assert_eq!(card.as_bytes()[..3], [0xCA, 0xFE, 0]);
/// assert_eq!(format!("{card:?}"), "CardData(..)");
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
#[doc(alias = "cardID")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct CardData([u8; 32]);

impl CardData {
    /// A card with these bytes, padded with zeros.
    ///
    /// # Errors
    ///
    /// [`DecodeReason::TooLong`] for more than 32 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::CardData;
    /// assert!(CardData::new([1; 33]).is_err());
    /// ```
    pub fn new(data: impl AsRef<[u8]>) -> Result<Self, DecodeError> {
        padded(data.as_ref(), "card_data").map(Self)
    }

    /// All 32 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::CardData;
    /// assert_eq!(CardData::new([9; 32])?.as_bytes(), &[9; 32]);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CardData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardData(..)")
    }
}

/// Bytes before the first NUL, sought eight at a time: ids are short, so the first word nearly always ends it.
#[inline]
fn before_nul(bytes: &[u8; 32]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut len = 0_u32;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is left is the top bit of the first zero byte; no bit makes 64, eight bytes.
        let first =
            (word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080).trailing_zeros() / 8;
        len = len.saturating_add(first);
        if first < 8 {
            break;
        }
    }
    usize::try_from(len).unwrap_or(bytes.len())
}

fn padded(bytes: &[u8], field: &'static str) -> Result<[u8; 32], DecodeError> {
    let mut array = [0; 32];
    let target = array.get_mut(..bytes.len()).ok_or(DecodeError {
        record: "event",
        field,
        offset: 12,
        reason: DecodeReason::TooLong { limit: 32, actual: bytes.len() },
    })?;
    target.copy_from_slice(bytes);
    Ok(array)
}
