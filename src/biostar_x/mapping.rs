//! From an event of a reader to one that can be imported.

use std::fmt;

use super::import::{ImportEvent, Verdict};
use crate::codec::{Event, Outcome, Subject};

/// Why an event of a reader cannot be imported.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{ImportEvent, Unmapped};
/// use bs2_events::codec::{DeviceId, Event, EventCode};
///
/// let event = Event::builder(DeviceId::new(7), 1, EventCode::DOOR_OPENED).build();
/// assert_eq!(ImportEvent::try_from(&event), Err(Unmapped::NoAuthentication));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// The event is not about whether somebody was let in.
    #[error("the event is no authentication")]
    NoAuthentication,
    /// The event is about an authentication, and its code does not say how it ended.
    #[error("the event's code says neither granted nor denied")]
    NoOutcome,
    /// The event names nobody: a card or a finger that the reader does not know.
    #[error("the event names nobody")]
    NoUser,
    /// The person's id is no text that a server could know.
    #[error("the person's id is no text")]
    UserIsNoText,
}

impl Unmapped {
    /// Every reason.
    #[cfg(feature = "collect")]
    pub(crate) const ALL: [Self; 4] =
        [Self::NoAuthentication, Self::NoOutcome, Self::NoUser, Self::UserIsNoText];
}

/// The import of a reader's event: granted or denied as its code says, the person, the second, and the time and
/// attendance key if one was pressed. Nothing is guessed.
impl TryFrom<&Event> for ImportEvent {
    type Error = Unmapped;

    fn try_from(event: &Event) -> Result<Self, Unmapped> {
        if !event.code().is_authentication() {
            return Err(Unmapped::NoAuthentication);
        }
        let verdict = match event.code().outcome() {
            Outcome::Granted => Verdict::Granted,
            Outcome::Denied => Verdict::Denied,
            Outcome::Neither => return Err(Unmapped::NoOutcome),
        };
        let Subject::User(user) = event.subject() else { return Err(Unmapped::NoUser) };
        if user.is_empty() {
            return Err(Unmapped::NoUser);
        }
        let text =
            user.as_text().filter(|text| !text.trim().is_empty() && !text.chars().any(char::is_control));
        let imported = Self::new(verdict, text.ok_or(Unmapped::UserIsNoText)?, event.timestamp());
        Ok(event.tna_key().map_or(imported.clone(), |key| imported.tna_key(key)))
    }
}

/// How many events could not be imported, by reason.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{Unmapped, UnmappedCount};
///
/// let mut count = UnmappedCount::default();
/// count.add(Unmapped::NoUser);
/// assert_eq!(count.to_string(), "1: the event names nobody");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnmappedCount(std::collections::BTreeMap<Unmapped, u64>);

impl UnmappedCount {
    /// Counts one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Unmapped, UnmappedCount};
    /// let mut count = UnmappedCount::default();
    /// count.add(Unmapped::NoOutcome);
    /// assert_eq!(count.total(), 1);
    /// ```
    pub fn add(&mut self, reason: Unmapped) {
        self.add_many(reason, 1);
    }

    pub(crate) fn add_many(&mut self, reason: Unmapped, more: u64) {
        let count = self.0.entry(reason).or_default();
        *count = count.saturating_add(more);
    }

    /// How many there are.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::UnmappedCount;
    /// assert_eq!(UnmappedCount::default().total(), 0);
    /// ```
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many there are for each reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Unmapped, UnmappedCount};
    /// let mut count = UnmappedCount::default();
    /// count.add(Unmapped::NoUser);
    /// assert_eq!(count.iter().collect::<Vec<_>>(), [(Unmapped::NoUser, 1)]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Unmapped, u64)> {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

impl fmt::Display for UnmappedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (reason, count)) in self.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{count}: {reason}")?;
        }
        Ok(())
    }
}
