//! What a record of 48 bytes cannot hold.

use alloc::vec::Vec;
use core::fmt;

use super::{Subject, SubjectKind};

/// What a backend or a blob reports of an event beyond its 48 bytes.
///
/// Most events have no extras, and empty extras take no memory on the heap. An image is not among them: it is large,
/// and a blob lends it ([`EventBlob::image`](super::blob::EventBlob::image)).
///
/// `Debug` shows no temperature, no user id and no card data.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{ExtraSubject, Extras, Subject, SubjectKind, Temperature};
///
/// let door = ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id: 5 }.to_bytes());
/// let extras = Extras::default().with_temperature(Temperature::from_hundredths(3_655)).with_subject(door);
/// assert_eq!(extras.subjects, [door]);
/// assert_eq!(
///     format!("{extras:?}"),
///     "Extras { job_code: None, temperature: Some(Temperature(..)), subjects: [door 5] }"
/// );
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Extras {
    /// The job code, if the person chose one.
    pub job_code: Option<JobCode>,
    /// The temperature, if the device has a thermal camera.
    pub temperature: Option<Temperature>,
    /// What the event concerns beyond its own subject.
    pub subjects: Vec<ExtraSubject>,
}

impl Extras {
    /// Sets the job code.
    #[must_use]
    pub fn with_job_code(mut self, job_code: JobCode) -> Self {
        self.job_code = Some(job_code);
        self
    }

    /// Sets the temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: Temperature) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Adds a subject.
    #[must_use]
    pub fn with_subject(mut self, subject: ExtraSubject) -> Self {
        self.subjects.push(subject);
        self
    }

    /// Whether there is nothing beyond the 48 bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.job_code.is_none() && self.temperature.is_none() && self.subjects.is_empty()
    }
}

/// A subject that an event concerns beyond its [own](super::Event::subject).
///
/// A record has room for one subject, and its code determines the kind. A device gateway can report more: the card of
/// an authentication, the door of one.
///
/// `Debug` shows what that of [`Subject`] shows: the ids of things, and nothing of people and cards.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{ExtraSubject, Subject, SubjectKind};
///
/// let door = ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id: 5 }.to_bytes());
/// assert_eq!(door.subject(), Subject::Door { door_id: 5 });
/// assert_eq!(format!("{:?}", ExtraSubject::new(SubjectKind::Card, [9; 32])), "card");
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExtraSubject {
    kind: SubjectKind,
    bytes: [u8; 32],
}

impl ExtraSubject {
    /// A subject of this kind. The bytes are those of an event's union.
    #[must_use]
    pub const fn new(kind: SubjectKind, bytes: [u8; 32]) -> Self {
        Self { kind, bytes }
    }

    /// The kind; [`Unknown`](SubjectKind::Unknown) if no source names it.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// The 32 bytes, including those that the subject does not use.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The subject, read as its kind.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject::read_as(self.kind, &self.bytes)
    }
}

impl fmt::Debug for ExtraSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject().fmt(f)
    }
}

/// A job code: the number of the task that a person began. The site assigns the numbers.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobCode(pub u32);

/// A person's temperature, in hundredths of a degree Celsius. `Debug` does not show it.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Temperature(u32);

impl Temperature {
    /// A temperature in hundredths of a degree Celsius.
    #[must_use]
    pub const fn from_hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// Hundredths of a degree Celsius; 0 if the device did not measure.
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Temperature(..)")
    }
}
