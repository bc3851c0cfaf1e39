//! The records whose image stands elsewhere: an address in the memory of the vendor's library.

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{Layout, bytes_and_records};
use super::{BlobHead, Event, EventMask, Extras, Temperature};

/// An event with job code and the address of its image, as the vendor's library lays it out.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 57 | [`head`](Self::head) | `eventMask` … `imageSize` |
/// | 57 | 8, or 4 on a 32-bit target | [`image_address`](Self::image_address) | `imageObj` |
/// | 65, or 61 | 1 | [`reserved`](Self::reserved) | `reserved` |
///
/// The address is misaligned, and differently so in each record of an array. Here it is a number and nothing else:
/// following it, and releasing what it points to, is the business of whoever called the library.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobHead, SmallBlob64};
///
/// assert_eq!(SmallBlob64::SIZE, 66);
/// let blob = SmallBlob64::new(BlobHead::new(7).with_image_size(3), 0x1000);
/// assert_eq!(blob.image_address(), 0x1000);
/// ```
#[doc(alias = "BS2EventSmallBlob")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct SmallBlob<A: Address> {
    head: BlobHead,
    image_address: A,
    reserved: u8,
}

/// The small blob of 64-bit targets: 66 bytes.
///
/// # Examples
///
/// ```
/// # use bs2_events::codec::SmallBlob64;
/// assert_eq!(SmallBlob64::from_bytes(&[0; 66])?.image_address(), 0);
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
pub type SmallBlob64 = SmallBlob<U64>;
/// The small blob of 32-bit targets: 62 bytes.
///
/// # Examples
///
/// ```
/// # use bs2_events::codec::SmallBlob32;
/// assert_eq!(SmallBlob32::from_bytes(&[0; 62])?.image_address(), 0);
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
pub type SmallBlob32 = SmallBlob<U32>;

bytes_and_records!(SmallBlob<A: Address>, "SmallBlob64");

impl<A: Address> SmallBlob<A> {
    /// A blob of these values; the reserved byte is 0. An address is cut to the target's width.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob32};
    /// assert_eq!(SmallBlob32::new(BlobHead::new(7), 1 << 40 | 9).image_address(), 9);
    /// ```
    #[must_use]
    pub fn new(head: BlobHead, image_address: u64) -> Self {
        Self { head, image_address: A::from_u64(image_address), reserved: 0 }
    }

    /// Sets the reserved byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob64};
    /// assert_eq!(SmallBlob64::new(BlobHead::new(7), 0).with_reserved(9).reserved(), 9);
    /// ```
    #[must_use]
    pub const fn with_reserved(mut self, reserved: u8) -> Self {
        self.reserved = reserved;
        self
    }

    /// Everything but the image.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob64};
    /// assert_eq!(SmallBlob64::new(BlobHead::new(7), 0).head().id(), 7);
    /// ```
    #[must_use]
    pub const fn head(&self) -> &BlobHead {
        &self.head
    }

    /// Where the image stands in the memory of the vendor's library; 0 for none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob64};
    /// assert_eq!(SmallBlob64::new(BlobHead::new(7), 0).image_address(), 0);
    /// ```
    #[must_use]
    #[doc(alias = "imageObj")]
    pub fn image_address(&self) -> u64 {
        self.image_address.to_u64()
    }

    /// The byte that no source gives a meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob64};
    /// assert_eq!(SmallBlob64::new(BlobHead::new(7), 0).reserved(), 0);
    /// ```
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// What this blob holds beyond an event, apart from the image.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), ..Extras::default() }
    }

    const LAYOUT: Layout = Layout { record: "small blob", fields: A::FIELDS, size: Self::SIZE };
}

impl<A: Address> fmt::Debug for SmallBlob<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallBlob").field("head", &self.head).finish_non_exhaustive()
    }
}

/// A small blob with a temperature after it.
///
/// | offset | size | field | vendor's name |
/// |---:|---:|---|---|
/// | 0 | 66, or 62 on a 32-bit target | [`small_blob`](Self::small_blob) | `eventMask` … `reserved` |
/// | 66, or 62 | 4 | [`temperature`](Self::temperature) | `temperature`, hundredths of a degree Celsius |
///
/// The temperature is filled only by readers with a thermal camera that are set to record it.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{BlobHead, SmallBlob64, SmallBlobEx64, Temperature};
///
/// assert_eq!(SmallBlobEx64::SIZE, 70);
/// let blob = SmallBlobEx64::new(SmallBlob64::new(BlobHead::new(7), 0), Temperature::from_hundredths(3_655));
/// assert_eq!(blob.temperature(), Some(Temperature::from_hundredths(3_655)));
/// ```
#[doc(alias = "BS2EventSmallBlobEx")]
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(C)]
pub struct SmallBlobEx<A: Address> {
    small_blob: SmallBlob<A>,
    temperature: U32,
}

/// The small blob with temperature of 64-bit targets: 70 bytes.
///
/// # Examples
///
/// ```
/// # use bs2_events::codec::SmallBlobEx64;
/// assert_eq!(SmallBlobEx64::from_bytes(&[0; 70])?.temperature_field().hundredths(), 0);
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
pub type SmallBlobEx64 = SmallBlobEx<U64>;
/// The small blob with temperature of 32-bit targets: 66 bytes.
///
/// # Examples
///
/// ```
/// # use bs2_events::codec::SmallBlobEx32;
/// assert_eq!(SmallBlobEx32::from_bytes(&[0; 66])?.temperature_field().hundredths(), 0);
/// # Ok::<(), bs2_events::codec::DecodeError>(())
/// ```
pub type SmallBlobEx32 = SmallBlobEx<U32>;

bytes_and_records!(SmallBlobEx<A: Address>, "SmallBlobEx64");

impl<A: Address> SmallBlobEx<A> {
    /// A blob of these values; it sets the mask's bit of the temperature.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventMask, SmallBlob32, SmallBlobEx32, Temperature};
    /// let blob = SmallBlobEx32::new(SmallBlob32::new(BlobHead::new(7), 0), Temperature::default());
    /// assert_eq!(blob.small_blob().head().mask(), EventMask::TEMPERATURE);
    /// ```
    #[must_use]
    pub fn new(mut small_blob: SmallBlob<A>, temperature: Temperature) -> Self {
        small_blob.head = small_blob.head.with_mask(small_blob.head.mask() | EventMask::TEMPERATURE);
        Self::from_fields(small_blob, temperature)
    }

    /// A blob of these values, mask as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, SmallBlob64, SmallBlobEx64, Temperature};
    /// let blob = SmallBlobEx64::from_fields(SmallBlob64::new(BlobHead::new(7), 0), Temperature::from_hundredths(1));
    /// assert_eq!(blob.temperature(), None);
    /// ```
    #[must_use]
    pub const fn from_fields(small_blob: SmallBlob<A>, temperature: Temperature) -> Self {
        Self { small_blob, temperature: U32::new(temperature.hundredths()) }
    }

    /// Everything but the temperature.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::SmallBlobEx64;
    /// assert_eq!(SmallBlobEx64::from_bytes(&[7; 70])?.small_blob().as_bytes(), [7; 66]);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn small_blob(&self) -> &SmallBlob<A> {
        &self.small_blob
    }

    /// The temperature, if the mask says that it is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::SmallBlobEx64;
    /// assert_eq!(SmallBlobEx64::from_bytes(&[0; 70])?.temperature(), None);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn temperature(&self) -> Option<Temperature> {
        let valid = self.small_blob.head.mask().contains(EventMask::TEMPERATURE);
        valid.then(|| self.temperature_field())
    }

    /// The field of the temperature, whatever the mask says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::SmallBlobEx64;
    /// assert_eq!(SmallBlobEx64::from_bytes(&[0; 70])?.temperature_field().hundredths(), 0);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn temperature_field(&self) -> Temperature {
        Temperature::from_hundredths(self.temperature.get())
    }

    /// This blob as an event; see [`BlobHead::to_event`].
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.small_blob.to_event()
    }

    /// What this blob holds beyond an event, apart from the image.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { temperature: self.temperature(), ..self.small_blob.extras() }
    }

    const LAYOUT: Layout = Layout { record: "small blob ex", fields: A::FIELDS_EX, size: Self::SIZE };
}

impl<A: Address> fmt::Debug for SmallBlobEx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallBlobEx")
            .field("head", &self.small_blob.head)
            .field("temperature", &self.temperature())
            .finish_non_exhaustive()
    }
}

/// The width of an address on the target of the vendor's library: [`U64`] or [`U32`].
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{SmallBlob32, SmallBlob64};
///
/// assert_eq!(SmallBlob64::SIZE - SmallBlob32::SIZE, 4);
/// ```
pub trait Address:
    Copy + Eq + core::hash::Hash + FromBytes + Immutable + IntoBytes + KnownLayout + Unaligned + private::Fields
{
    /// An address of this width; the bits above it are cut.
    fn from_u64(address: u64) -> Self;

    /// The address as a number.
    fn to_u64(self) -> u64;
}

impl Address for U64 {
    fn from_u64(address: u64) -> Self {
        Self::new(address)
    }

    fn to_u64(self) -> u64 {
        self.get()
    }
}

impl Address for U32 {
    fn from_u64(address: u64) -> Self {
        let [a, b, c, d, ..] = address.to_le_bytes();
        Self::new(u32::from_le_bytes([a, b, c, d]))
    }

    fn to_u64(self) -> u64 {
        self.get().into()
    }
}

mod private {
    use super::{U32, U64};

    type List = &'static [(&'static str, usize)];

    /// Where the fields begin; and nobody else's type is an address.
    pub trait Fields {
        const FIELDS: List;
        const FIELDS_EX: List;
    }

    macro_rules! fields {
        ($address:ident, $reserved:literal, $temperature:literal) => {
            impl Fields for $address {
                const FIELDS: List = fields!(@list "image_address", 57, "reserved", $reserved);
                const FIELDS_EX: List =
                    fields!(@list "image_address", 57, "reserved", $reserved, "temperature", $temperature);
            }
        };
        (@list $($name:literal, $offset:literal),*) => {
            &[
                ("event_mask", 0),
                ("event_id", 2),
                ("info", 6),
                ("subject", 18),
                ("tna_key", 50),
                ("job_code", 51),
                ("image_size", 55),
                $(($name, $offset)),*
            ]
        };
    }
    fields!(U64, 65, 66);
    fields!(U32, 61, 62);
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<SmallBlob64>() == 66 && align_of::<SmallBlob64>() == 1);
    assert!(size_of::<SmallBlob32>() == 62 && align_of::<SmallBlob32>() == 1);
    assert!(size_of::<SmallBlobEx64>() == 70 && align_of::<SmallBlobEx64>() == 1);
    assert!(size_of::<SmallBlobEx32>() == 66 && align_of::<SmallBlobEx32>() == 1);
    assert!(offset_of!(SmallBlob64, image_address) == 57 && offset_of!(SmallBlob64, reserved) == 65);
    assert!(offset_of!(SmallBlob32, image_address) == 57 && offset_of!(SmallBlob32, reserved) == 61);
    assert!(offset_of!(SmallBlobEx64, temperature) == 66 && offset_of!(SmallBlobEx32, temperature) == 62);
};
