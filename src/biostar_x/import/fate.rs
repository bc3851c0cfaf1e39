//! What has become of imported events.

use crate::Error;

/// What has become of an event.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::Fate;
///
/// assert!(matches!(Fate::Waiting { at_once: 500 }, Fate::Waiting { .. }));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It is on the server: the server said so, or search found it.
    Certain,
    /// It is not on the server, because the server refused it.
    Refused(Error),
    /// It may be on the server: the answer was lost, or did not say which events it is about.
    Unknown {
        /// Why; none while the request is under way or when its future was dropped.
        error: Option<Error>,
        /// How many events the request had.
        among: usize,
    },
    /// It was not sent.
    Waiting {
        /// With how many others at most it is sent.
        at_once: usize,
    },
}

/// How many events have which fate.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::ImportCount;
///
/// assert_eq!(ImportCount::default().certain, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImportCount {
    /// On the server.
    pub certain: usize,
    /// Refused by the server.
    pub refused: usize,
    /// Perhaps on the server.
    pub unknown: usize,
    /// Not sent yet.
    pub waiting: usize,
}
