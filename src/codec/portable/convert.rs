//! Portable blobs from the vendor's records, and back.

use std::borrow::Cow;

use super::{PortableBlob, layout};
use crate::codec::{
    Address, DecodeError, Event, EventBlob, EventMask, Extras, SmallBlob, SmallBlobEx, Temperature,
};

impl<'a> PortableBlob<'a> {
    /// The blob of a vendor's small blob and the image that its address stands for. That record has no field for the
    /// temperature: where its mask says that one is valid, the bit is cleared and none is made up.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob, SmallBlob64};
    /// let small = SmallBlob64::new(BlobHead::new(7).with_image_size(3), 0xDEAD_BEEF).with_reserved(9);
    /// let blob = PortableBlob::from_small_blob(&small, &[1, 2, 3])?;
    /// assert_eq!(blob.to_small_blob(0xDEAD_BEEF), small);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub fn from_small_blob<A: Address>(
        blob: &SmallBlob<A>,
        image: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, DecodeError> {
        Ok(Self::new(*blob.head(), image)?.with_reserved(blob.reserved()))
    }

    /// The blob of a vendor's small blob with temperature and the image that its address stands for.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob, SmallBlob64, SmallBlobEx64, Temperature};
    /// let warm = Temperature::from_hundredths(3_655);
    /// let small = SmallBlobEx64::new(SmallBlob64::new(BlobHead::new(7), 0), warm);
    /// assert_eq!(PortableBlob::from_small_blob_ex(&small, &[])?.temperature(), Some(warm));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub fn from_small_blob_ex<A: Address>(
        blob: &SmallBlobEx<A>,
        image: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, DecodeError> {
        let portable = Self::from_small_blob(blob.small_blob(), image)?;
        Ok(match blob.temperature() {
            Some(temperature) => portable.with_temperature(temperature),
            None => portable,
        })
    }

    /// Writes this blob as the vendor's record with an image into a caller's buffer, which has to be
    /// [`EventBlob::SIZE`] long. That record has no field for the temperature.
    ///
    /// # Errors
    ///
    /// As [`EventBlob::fill`]: an image of more than 16 384 bytes, or a buffer of another size.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, EventBlob, PortableBlob};
    /// let blob = PortableBlob::new(BlobHead::new(7), &[0xFF, 0xD8])?;
    /// let mut buffer = vec![0xA5; EventBlob::SIZE];
    /// assert_eq!(PortableBlob::from(&*blob.fill_event_blob(&mut buffer)?), blob);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    pub fn fill_event_blob<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b mut EventBlob, DecodeError> {
        let blob = EventBlob::write(buffer, self.head, &self.image)?;
        blob.set_reserved(self.reserved);
        Ok(blob)
    }

    /// The vendor's small blob whose image stands at this address. It has no field for the temperature.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob, SmallBlob32};
    /// let small: SmallBlob32 = PortableBlob::new(BlobHead::new(7), &[1, 2])?.to_small_blob(0xF00);
    /// assert_eq!((small.head().image_size(), small.image_address()), (2, 0xF00));
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn to_small_blob<A: Address>(&self, image_address: u64) -> SmallBlob<A> {
        SmallBlob::new(self.head, image_address).with_reserved(self.reserved)
    }

    /// The vendor's small blob with temperature whose image stands at this address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::{BlobHead, PortableBlob, SmallBlobEx64, Temperature};
    /// let warm = Temperature::from_hundredths(3_655);
    /// let blob = PortableBlob::new(BlobHead::new(7), &[])?.with_temperature(warm);
    /// let small: SmallBlobEx64 = blob.to_small_blob_ex(0);
    /// assert_eq!(PortableBlob::from_small_blob_ex(&small, &[])?, blob);
    /// # Ok::<(), bs2_events::codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn to_small_blob_ex<A: Address>(&self, image_address: u64) -> SmallBlobEx<A> {
        SmallBlobEx::from_fields(self.to_small_blob(image_address), self.temperature)
    }

    /// This blob as an event; see [`BlobHead::to_event`](crate::codec::BlobHead::to_event). A subject for which the mask
    /// has no bit, such as that of a lift or a relay, has no place in a portable blob: the event's is empty.
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        self.head.to_event()
    }

    /// What this blob holds beyond an event, apart from the [image](Self::image).
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras { job_code: self.head.job_code(), temperature: self.temperature(), ..Extras::default() }
    }

    /// This blob with an image of its own, so that it may outlive the bytes that it was read from.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::codec::PortableBlob;
    /// fn first(bytes: Vec<u8>) -> Option<PortableBlob<'static>> {
    ///     PortableBlob::decode_prefix(&bytes).ok().map(|(blob, _)| blob.into_owned())
    /// }
    /// assert_eq!(first(vec![0; 7]).unwrap().head().id(), 0);
    /// ```
    #[must_use]
    pub fn into_owned(self) -> PortableBlob<'static> {
        PortableBlob { image: Cow::Owned(self.image.into_owned()), ..self }
    }
}

/// The image is what [`EventBlob::image`] gives, so a size that is too large becomes 16 384. That record has no field for
/// the temperature: where its mask says that one is valid, the bit is cleared and none is made up.
impl<'a> From<&'a EventBlob> for PortableBlob<'a> {
    fn from(blob: &'a EventBlob) -> Self {
        let image = blob.image().unwrap_or_default();
        // The field has 16 384 bytes, so this changes nothing.
        let size = u16::try_from(image.len()).unwrap_or(u16::MAX);
        let head = blob.head().with_mask(blob.head().mask().difference(EventMask::TEMPERATURE));
        let head = layout::valid_fields(&head, size);
        Self { head, reserved: blob.reserved(), temperature: Temperature::default(), image: image.into() }
    }
}
