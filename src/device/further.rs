//! What stands beside an event.

use std::fmt;

use crate::codec::{Subject, SubjectKind};

/// Something that an event concerns beside its [subject](crate::codec::Event::subject).
///
/// A record has room for one subject, and its code says of which kind. A device gateway can tell more: the card of an
/// authentication, the door of one. That travels beside the event: in
/// [`EventPage::further`](super::EventPage::further), and live as [`Live::Further`](super::Live::Further).
///
/// `Debug` shows what [`Subject`]'s does: the ids of things, and nothing of people and cards.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{Subject, SubjectKind};
/// use bs2_events::device::FurtherSubject;
///
/// let door = Subject::Door { door_id: 5 }.to_bytes();
/// let further = FurtherSubject::new(7, SubjectKind::Door, door);
/// assert_eq!(further.subject(), Subject::Door { door_id: 5 });
/// assert_eq!(format!("{further:?}"), "FurtherSubject { event_id: 7, subject: door 5 }");
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FurtherSubject {
    event_id: u32,
    kind: SubjectKind,
    bytes: [u8; 32],
}

impl FurtherSubject {
    /// What stands beside the event with this id; the bytes are those of the record's union.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::SubjectKind, device::FurtherSubject};
    /// let card = FurtherSubject::new(7, SubjectKind::Card, [9; 32]);
    /// assert_eq!(format!("{card:?}"), "FurtherSubject { event_id: 7, subject: card }");
    /// ```
    #[must_use]
    pub const fn new(event_id: u32, kind: SubjectKind, bytes: [u8; 32]) -> Self {
        Self { event_id, kind, bytes }
    }

    /// The id of the event beside which it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::SubjectKind, device::FurtherSubject};
    /// assert_eq!(FurtherSubject::new(7, SubjectKind::Card, [9; 32]).event_id(), 7);
    /// ```
    #[must_use]
    pub const fn event_id(&self) -> u32 {
        self.event_id
    }

    /// What it is; [`Unknown`](SubjectKind::Unknown) where no source says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::SubjectKind, device::FurtherSubject};
    /// assert_eq!(FurtherSubject::new(7, SubjectKind::Card, [9; 32]).kind(), SubjectKind::Card);
    /// ```
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// The subject, read as its kind.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::{Subject, SubjectKind}, device::FurtherSubject};
    /// let further = FurtherSubject::new(7, SubjectKind::Card, [9; 32]);
    /// assert!(matches!(further.subject(), Subject::Card(card) if card.as_bytes() == &[9; 32]));
    /// ```
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject::read_as(self.kind, &self.bytes)
    }
}

impl fmt::Debug for FurtherSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FurtherSubject")
            .field("event_id", &self.event_id)
            .field("subject", &self.subject())
            .finish()
    }
}
