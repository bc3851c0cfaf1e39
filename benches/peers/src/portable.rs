//! Portable blobs one after the other, read by everybody.

use bs2_events::codec::blob::{BlobHead, BlobSubject, EventMask};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{Event, JobCode, Subject, Temperature};

use crate::four_touches::log;

pub mod with_deku;
pub mod with_nom;
pub mod with_prost;

/// What everybody must find.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Found {
    pub ids: u64,
    /// The first bytes of the subjects.
    pub subjects: u64,
    pub job_codes: u64,
    pub hundredths: u64,
    pub image_bytes: u64,
    /// The last bytes of the images.
    pub image_ends: u64,
}

/// What somebody has read of one blob: id, subject, job code, temperature, image.
type Fields<'a> = (u32, Option<&'a [u8]>, Option<u32>, Option<u32>, Option<&'a [u8]>);

impl Found {
    #[inline(always)]
    fn add(&mut self, (id, subject, job_code, temperature, image): Fields<'_>) {
        self.ids += u64::from(id);
        self.subjects += u64::from(subject.map_or(0, |bytes| bytes[0]));
        self.job_codes += u64::from(job_code.unwrap_or_default());
        self.hundredths += u64::from(temperature.unwrap_or_default());
        let image = image.unwrap_or_default();
        self.image_bytes += image.len() as u64;
        self.image_ends += u64::from(image.last().copied().unwrap_or_default());
    }
}

/// With this crate.
pub fn read(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    for blob in PortableBlob::decode_all(bytes) {
        let Ok(blob) = blob else { break };
        let head = blob.head();
        let subject = head.mask().intersects(EventMask::SUBJECT).then(|| &head.subject_field()[..]);
        let temperature = blob.temperature().map(Temperature::hundredths);
        found.add((head.id(), subject, head.job_code().map(|code| code.0), temperature, blob.image()));
    }
    found
}

/// The blobs of an office's log: people with job code and temperature, and a picture of 4 KiB with every 20th.
pub fn blobs(count: u32) -> Vec<PortableBlob<'static>> {
    let bytes = log::bytes(count);
    let (events, _) = Event::slice_from_prefix(&bytes);
    let blob = |event: &Event| {
        let head = BlobHead::from_event(event);
        let Subject::User(user) = event.subject() else {
            return PortableBlob::new(head, Vec::new()).unwrap();
        };
        let head = head.with_subject(BlobSubject::User(user)).with_job_code(JobCode(event.id() % 10));
        let image = if event.id().is_multiple_of(20) { vec![event.id() as u8; 4_096] } else { Vec::new() };
        let blob = PortableBlob::new(head, image).unwrap();
        blob.with_temperature(Temperature::from_hundredths(3_610 + event.id() % 128))
    };
    events.iter().map(blob).collect()
}
