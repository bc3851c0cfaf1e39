//! The portable blob: what its mask has, and nothing else.

use super::blob::BlobFields;
use super::{Base64, FieldError, Reason, deserialize_from_fields, serialize_as_fields};
use crate::codec::{BlobHead, EventMask, PortableBlob, Temperature};

serialize_as_fields!(PortableBlob<'_> as BlobFields);
deserialize_from_fields!(PortableBlob<'_> as BlobFields);

impl From<&PortableBlob<'_>> for BlobFields {
    fn from(blob: &PortableBlob<'_>) -> Self {
        let fields = Self::from(blob.head());
        let has = |bits| blob.head().mask().intersects(bits);
        Self {
            info: fields.info.filter(|_| has(EventMask::INFO)),
            subject: fields.subject.filter(|_| has(EventMask::SUBJECT)),
            tna_key: fields.tna_key.filter(|_| has(EventMask::TNA_KEY)),
            job_code: fields.job_code.filter(|_| has(EventMask::JOB_CODE)),
            image_size: fields.image_size.filter(|_| has(EventMask::IMAGE)),
            image: blob.image().map(|image| Base64(image.into())),
            reserved: Some(blob.reserved()),
            temperature: blob.temperature(),
            ..fields
        }
    }
}

impl TryFrom<&BlobFields> for PortableBlob<'_> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let image = fields.image.clone().unwrap_or_default().0;
        let too_long = FieldError::new("image", Reason::TooLong(u16::MAX.into()));
        let blob = Self::new(BlobHead::try_from(fields)?, image).map_err(|_| too_long)?;
        let blob = blob.with_reserved(fields.reserved.unwrap_or_default());
        // As every field that is left out, a temperature is 0 where the mask has it.
        let has_temperature = fields.event_mask.unwrap_or_default().contains(EventMask::TEMPERATURE);
        let temperature = fields.temperature.or(has_temperature.then(Temperature::default));
        Ok(match temperature {
            Some(temperature) => blob.with_temperature(temperature),
            None => blob,
        })
    }
}
