//! Answers with blobs: three layouts, and pictures that are objects of their own.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;

use super::abi::{Function, GetBlobs};
use super::context::{Context, check};
use super::memory::{Owned, array};
use super::release_queue::Releases;
use super::worker::Calling;
use crate::codec::{BlobHead, DecodeError, DeviceId, EventBlob, EventMask, PortableBlob, Temperature};
use crate::codec::{SmallBlob, SmallBlobEx};
use crate::{Error, ErrorKind, Result};

/// An integer as wide as an address.
#[cfg(target_pointer_width = "64")]
pub(super) type Word = zerocopy::little_endian::U64;
#[cfg(target_pointer_width = "32")]
pub(super) type Word = zerocopy::little_endian::U32;

/// Blobs of one reader behind one id.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) context: Context,
    pub(super) device: DeviceId,
    pub(super) after: u32,
    pub(super) mask: EventMask,
}

impl Request {
    /// Asks for up to `amount` of them by a function that answers with records of this layout.
    pub(super) fn ask<R: BlobRecord>(
        self,
        get: &Function<GetBlobs>,
        amount: u32,
        releases: Releases,
    ) -> Result<Vec<PortableBlob<'static>>> {
        let (mut object, mut count) = (ptr::null_mut(), 0);
        let calling = Calling::new(get.name);
        // SAFETY: the context is open, and both addresses can be written to.
        let code = unsafe {
            (get.call)(
                self.context.raw(),
                self.device.get(),
                self.mask.bits(),
                self.after,
                amount,
                &raw mut object,
                &raw mut count,
            )
        };
        check(get, code)?;
        drop(calling);
        // SAFETY: the array is ours from here on.
        let Some(owned) = (unsafe { array(get.name, object, count, amount, R::SIZE, releases)? }) else {
            return Ok(Vec::new());
        };
        let records = R::slice(owned.as_ref())?;
        let mut pictures = Pictures { array: object, releases, owned: BTreeMap::new() };
        // All of them first, so that they are given back whatever comes.
        for record in records {
            pictures.own(record);
        }
        records.iter().map(|record| pictures.portable(get.name, record, self.mask)).collect()
    }
}

/// A layout in which the library answers.
pub(super) trait BlobRecord: Sized {
    const SIZE: usize;
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError>;
    fn head(&self) -> &BlobHead;
    fn reserved(&self) -> u8;

    fn temperature(&self) -> Option<Temperature> {
        None
    }

    /// The picture where it is in the record.
    fn image(&self) -> Option<&[u8]> {
        None
    }

    /// The address of the picture where it is not; 0 for none.
    fn address(&self) -> u64 {
        0
    }
}

impl BlobRecord for SmallBlobEx<Word> {
    const SIZE: usize = size_of::<Self>();

    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn head(&self) -> &BlobHead {
        self.small_blob().head()
    }

    fn reserved(&self) -> u8 {
        self.small_blob().reserved()
    }

    fn temperature(&self) -> Option<Temperature> {
        self.temperature()
    }

    fn address(&self) -> u64 {
        self.small_blob().image_address()
    }
}

impl BlobRecord for SmallBlob<Word> {
    const SIZE: usize = size_of::<Self>();

    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn head(&self) -> &BlobHead {
        self.head()
    }

    fn reserved(&self) -> u8 {
        self.reserved()
    }

    fn address(&self) -> u64 {
        self.image_address()
    }
}

impl BlobRecord for EventBlob {
    const SIZE: usize = size_of::<Self>();

    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn head(&self) -> &BlobHead {
        self.head()
    }

    fn reserved(&self) -> u8 {
        self.reserved()
    }

    fn image(&self) -> Option<&[u8]> {
        self.image()
    }
}

/// The pictures of one answer, each given back once, however many records point to it.
struct Pictures {
    array: *mut c_void,
    releases: Releases,
    owned: BTreeMap<u64, Owned>,
}

impl Pictures {
    fn own(&mut self, record: &impl BlobRecord) {
        let address = record.address();
        let Ok(at) = usize::try_from(address) else { return };
        let object = ptr::with_exposed_provenance_mut(at);
        if object == self.array || self.owned.contains_key(&address) {
            return;
        }
        // SAFETY: every picture is an object of its own, which the library leaves to us, and is taken once.
        let Some(picture) = (unsafe { Owned::new(object, self.releases) }) else { return };
        // SAFETY: a picture has as many bytes as its record says.
        let picture = unsafe { picture.with_len(record.head().image_size().into()) };
        self.owned.insert(address, picture);
    }

    /// What is valid of a record and was asked for, with a copy of its picture.
    fn portable(
        &self,
        function: &str,
        record: &impl BlobRecord,
        mask: EventMask,
    ) -> Result<PortableBlob<'static>> {
        let head = record.head().with_mask(record.head().mask() & mask & !EventMask::TEMPERATURE);
        let image = if head.mask().contains(EventMask::IMAGE) { self.image(function, record)? } else { &[] };
        let mut blob = PortableBlob::new(head, image.to_vec())?.with_reserved(record.reserved());
        if let Some(temperature) = record.temperature().filter(|_| mask.contains(EventMask::TEMPERATURE)) {
            blob = blob.with_temperature(temperature);
        }
        Ok(blob)
    }

    fn image<'a>(&'a self, function: &str, record: &'a impl BlobRecord) -> Result<&'a [u8]> {
        if let Some(image) = record.image() {
            return Ok(image);
        }
        let size = usize::from(record.head().image_size());
        if size == 0 {
            return Ok(&[]);
        }
        let image = self.owned.get(&record.address()).and_then(|picture| picture.as_ref().get(..size));
        image.ok_or_else(|| {
            let id = record.head().id();
            let message = format!("{function}: the picture of event {id} has no address of its own");
            Error::new(ErrorKind::InvalidData, message)
        })
    }
}
