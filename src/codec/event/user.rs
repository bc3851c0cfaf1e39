//! Whose an event is.

use super::Event;
use crate::codec::{SubjectKind, UserId};

impl Event {
    /// The user id, where the code says that the subject is a user. It may be empty: the person is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, Subject, UserId};
    /// let user = UserId::new("1001")?;
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS)
    ///     .subject(Subject::User(&user))
    ///     .build();
    /// assert_eq!(event.user_id().and_then(UserId::as_text), Some("1001"));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[inline]
    #[must_use]
    #[doc(alias = "userID")]
    pub fn user_id(&self) -> Option<&UserId> {
        (SubjectKind::of(self.code()) == SubjectKind::User).then(|| UserId::from_array(&self.subject))
    }

    /// Whether the event is this user's: the answer of `user_id() == Some(user)` in a third of the time, for searching
    /// a log.
    ///
    /// In a log nearly every event is somebody else's. Eight bytes of the id tell, where the code, which is as good as
    /// random from one event to the next, would have to be looked up for each.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{DeviceId, Event, EventCode, Subject, UserId};
    /// let user = UserId::new("1001")?;
    /// let event = Event::builder(DeviceId::new(1), 1, EventCode::VERIFY_SUCCESS).subject(Subject::User(&user)).build();
    /// assert!(event.is_of_user(&user));
    /// assert!(!event.is_of_user(&UserId::new("1002")?));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_of_user(&self, user: &UserId) -> bool {
        self.subject.first_chunk::<8>() == user.as_array().first_chunk() && self.has_user(user)
    }

    // Not inlined, or the compiler asks for the code before the eight bytes.
    #[inline(never)]
    fn has_user(&self, user: &UserId) -> bool {
        self.user_id() == Some(user)
    }
}
