//! The library's structures as the crate's types: device information, image filters, blobs.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr;

use super::abi::{EventConfig, FactoryConfig, ImageEventFilter, SimpleDeviceInfo};
use super::memory::{Owned, ReleaseQueue};
use crate::codec::blob::{BlobHead, EventBlob, EventMask, SmallBlob, SmallBlobEx};
use crate::codec::portable::PortableBlob;
use crate::codec::{DecodeError, DeviceId, EventCode, Temperature};
use crate::device::{DeviceInfo, ImageFilter};
use crate::{Error, ErrorKind, Result};

/// Device information. The address that the caller connected to takes precedence over the reported one.
pub(super) fn device_info(
    device: DeviceId,
    info: &SimpleDeviceInfo,
    factory: Option<&FactoryConfig>,
    address: Option<SocketAddr>,
) -> DeviceInfo {
    let mut result = DeviceInfo::new(device);
    let (ipv4, port) = (info.ipv4_address, info.port);
    if let Some(address) = address {
        result = result.with_address(address);
    } else if ipv4 != 0 {
        result = result.with_address(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ipv4.to_le_bytes())), port));
    }
    if let Some(factory) = factory {
        let name = factory.model_name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name: String = String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect();
        let [major, minor, extension, _] = factory.firmware;
        result = result.with_model(name).with_firmware(format!("{major}.{minor}.{extension}"));
    }
    result
}

/// # Errors
///
/// `InvalidData` for more filters than the structure has room for.
pub(super) fn image_filters(config: &EventConfig) -> Result<Vec<ImageFilter>> {
    let count = usize::try_from(config.count).ok();
    let Some(filters) = count.and_then(|count| config.filters.get(..count)) else {
        let message =
            format!("the device reports {} image filters, more than its structure can hold", config.count);
        return Err(Error::new(ErrorKind::InvalidData, message));
    };
    Ok(filters.iter().map(image_filter).collect())
}

/// Replaces the filters of the structure, and leaves its other fields as they are.
pub(super) fn set_image_filters(config: &mut EventConfig, filters: &[ImageFilter]) {
    config.count = 0;
    for (row, filter) in config.filters.iter_mut().zip(filters) {
        let [sub_code, main_code] = filter.code.get().to_le_bytes();
        *row = ImageEventFilter::new(main_code, sub_code, filter.exact, filter.schedule_id);
        config.count = config.count.saturating_add(1);
    }
}

fn image_filter(row: &ImageEventFilter) -> ImageFilter {
    let code = EventCode::new(u16::from_le_bytes([row.sub_code, row.main_code]));
    let filter = ImageFilter::new(code).with_schedule(row.schedule_id);
    if row.sub_code_included == 0 { filter } else { filter.exactly() }
}

/// The blobs of an array that `function` returned, with copies of their images. The images are released.
///
/// # Errors
///
/// `InvalidData` for an image without an address of its own, and for fields that cannot be decoded.
///
/// # Safety
///
/// Nobody else takes the images of the array. Each is an object of its own with as many bytes as its record says, and
/// the array's queue releases it.
pub(super) unsafe fn blobs<R: BlobRecord>(
    function: &str,
    array: &Owned,
    mask: EventMask,
) -> Result<Vec<PortableBlob<'static>>> {
    let records = R::slice(array.as_ref())?;
    let mut images = Images { array: array.as_ref().as_ptr().cast(), owned: BTreeMap::new() };
    // All images first, so that they are released even after an error.
    for record in records {
        // SAFETY: the caller's promise is the same.
        unsafe { images.take(record, array.queue()) };
    }
    records.iter().map(|record| images.blob(function, record, mask)).collect()
}

/// An integer as wide as an address.
#[cfg(target_pointer_width = "64")]
pub(super) type Word = zerocopy::little_endian::U64;
#[cfg(target_pointer_width = "32")]
pub(super) type Word = zerocopy::little_endian::U32;

/// A record layout in which the library returns blobs.
pub(super) trait BlobRecord: Sized {
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError>;
    fn head(&self) -> &BlobHead;
    fn reserved(&self) -> u8;

    fn temperature(&self) -> Option<Temperature> {
        None
    }

    /// The image, if the record contains it.
    fn image(&self) -> Option<&[u8]> {
        None
    }

    /// The address of the image, if it is an object of its own; 0 for none.
    fn image_address(&self) -> u64 {
        0
    }
}

impl BlobRecord for SmallBlobEx<Word> {
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

    fn image_address(&self) -> u64 {
        self.small_blob().image_address()
    }
}

impl BlobRecord for SmallBlob<Word> {
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn head(&self) -> &BlobHead {
        self.head()
    }

    fn reserved(&self) -> u8 {
        self.reserved()
    }

    fn image_address(&self) -> u64 {
        self.image_address()
    }
}

impl BlobRecord for EventBlob {
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

/// The images of one array by their addresses. Each is released once, even if several records point to it.
struct Images {
    array: *const c_void,
    owned: BTreeMap<u64, Owned>,
}

impl Images {
    /// Takes the image of a record, unless it is taken already.
    ///
    /// # Safety
    ///
    /// As [`blobs`].
    unsafe fn take(&mut self, record: &impl BlobRecord, queue: ReleaseQueue) {
        let address = record.image_address();
        let Ok(at) = usize::try_from(address) else { return };
        let object = ptr::with_exposed_provenance_mut::<c_void>(at);
        if object.cast_const() == self.array || self.owned.contains_key(&address) {
            return;
        }
        // SAFETY: the caller owns the image, and this address is taken once.
        let Some(image) = (unsafe { Owned::new(object, queue) }) else { return };
        // SAFETY: the caller promises that an image has as many bytes as its record says.
        let image = unsafe { image.with_len(record.head().image_size().into()) };
        self.owned.insert(address, image);
    }

    /// The fields of a record that are both valid and in the mask.
    fn blob(
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
        let image = self.owned.get(&record.image_address()).and_then(|image| image.as_ref().get(..size));
        image.ok_or_else(|| {
            let id = record.head().id();
            let message = format!("{function}: the image of event {id} has no address of its own");
            Error::new(ErrorKind::InvalidData, message)
        })
    }
}
