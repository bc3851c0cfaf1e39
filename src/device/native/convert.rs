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

/// Errors: `InvalidData` for more filters than the structure has room for.
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
/// Errors: `InvalidData` for an image without an address of its own, and for fields that cannot be decoded.
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

    fn parts(&self) -> Parts<'_>;
}

/// What a record holds.
pub(super) struct Parts<'a> {
    head: &'a BlobHead,
    reserved: u8,
    temperature: Option<Temperature>,
    image: Image<'a>,
}

/// Where the image of a record is.
enum Image<'a> {
    Inside(&'a [u8]),
    /// An object of its own; 0 for none.
    At(u64),
}

impl BlobRecord for SmallBlobEx<Word> {
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn parts(&self) -> Parts<'_> {
        Parts { temperature: self.temperature(), ..self.small_blob().parts() }
    }
}

impl BlobRecord for SmallBlob<Word> {
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn parts(&self) -> Parts<'_> {
        let image = Image::At(self.image_address());
        Parts { head: self.head(), reserved: self.reserved(), temperature: None, image }
    }
}

impl BlobRecord for EventBlob {
    fn slice(bytes: &[u8]) -> Result<&[Self], DecodeError> {
        Self::slice_from_bytes(bytes)
    }

    fn parts(&self) -> Parts<'_> {
        let image = self.image().map_or(Image::At(0), Image::Inside);
        Parts { head: self.head(), reserved: self.reserved(), temperature: None, image }
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
        let Parts { head, image: Image::At(address), .. } = record.parts() else { return };
        let Ok(at) = usize::try_from(address) else { return };
        let object = ptr::with_exposed_provenance_mut::<c_void>(at);
        if object.cast_const() == self.array || self.owned.contains_key(&address) {
            return;
        }
        // SAFETY: the caller owns the image, and this address is taken once.
        let Some(image) = (unsafe { Owned::new(object, queue) }) else { return };
        // SAFETY: the caller promises that an image has as many bytes as its record says.
        let image = unsafe { image.with_len(head.image_size().into()) };
        self.owned.insert(address, image);
    }

    /// The fields of a record that are both valid and in the mask.
    fn blob(
        &self,
        function: &str,
        record: &impl BlobRecord,
        mask: EventMask,
    ) -> Result<PortableBlob<'static>> {
        let Parts { head, reserved, temperature, image } = record.parts();
        let kept = head.with_mask(head.mask() & mask & !EventMask::TEMPERATURE);
        let size = usize::from(head.image_size());
        let image = match image {
            _ if !kept.mask().contains(EventMask::IMAGE) => &[],
            Image::Inside(image) => image,
            Image::At(_) if size == 0 => &[],
            Image::At(address) => {
                let image = self.owned.get(&address).and_then(|image| image.as_ref().get(..size));
                image.ok_or_else(|| {
                    let message =
                        format!("{function}: the image of event {} has no address of its own", head.id());
                    Error::new(ErrorKind::InvalidData, message)
                })?
            }
        };
        let blob = PortableBlob::new(kept, image.to_vec())?.with_reserved(reserved);
        Ok(blob.with_some_temperature(temperature.filter(|_| mask.contains(EventMask::TEMPERATURE))))
    }
}
