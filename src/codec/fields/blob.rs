//! Blobs of every kind: the head's fields, and what the kind adds.

use alloc::vec::Vec;

use super::ext::InfoFields;
use super::subject::SubjectFields;
use super::{
    Base64, FieldError, Reason, Wide, deserialize_from_fields, object, required, serialize_as_fields,
};
use crate::codec::{
    Address, BlobHead, EventBlob, EventMask, ExtInfo, JobCode, SmallBlob, SmallBlobEx, Temperature,
};

object! {
    /// The fields of all kinds. A field that a kind has not is refused in the end, since it does not come out again.
    BlobFields {
        event_mask: EventMask,
        event_id: u32,
        info: InfoFields,
        subject: SubjectFields,
        tna_key: u8,
        job_code: JobCode,
        image_size: u16,
        image: Base64,
        image_rest: Base64,
        image_address: Wide,
        reserved: u8,
        temperature: Temperature,
    }
}

serialize_as_fields!(BlobHead as BlobFields);
deserialize_from_fields!(BlobHead as BlobFields);
serialize_as_fields!(EventBlob as BlobFields);
deserialize_from_fields!(EventBlob as BlobFields);
serialize_as_fields!(SmallBlob<A> as BlobFields, A: Address);
deserialize_from_fields!(SmallBlob<A> as BlobFields, A: Address);
serialize_as_fields!(SmallBlobEx<A> as BlobFields, A: Address);
deserialize_from_fields!(SmallBlobEx<A> as BlobFields, A: Address);

/// The fields as they are, whatever the mask says, so that every byte is there.
impl From<&BlobHead> for BlobFields {
    fn from(head: &BlobHead) -> Self {
        let (tna_key, job_code) = head.key_fields();
        let subject = SubjectFields {
            raw: Some(head.subject_field().as_slice().into()),
            ..SubjectFields::from(&head.subject())
        };
        Self {
            event_mask: Some(head.mask()),
            event_id: Some(head.id()),
            info: Some(head.info_field().into()),
            subject: Some(subject),
            tna_key: Some(tna_key),
            job_code: Some(job_code),
            image_size: Some(head.image_size()),
            ..Self::default()
        }
    }
}

impl TryFrom<&BlobFields> for BlobHead {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let mask = required(&fields.event_mask, "event_mask")?;
        // Whether so long an image has room, and whether there is one, the kind of the blob says.
        let len = fields.image.as_ref().map_or(0, |image| u16::try_from(image.0.len()).unwrap_or(u16::MAX));
        let image_size = fields.image_size.unwrap_or(len);
        let info = fields.info.as_ref().map_or(Ok(ExtInfo::default()), ExtInfo::try_from);
        let subject = fields.subject.as_ref().map_or(Ok([0; 32]), SubjectFields::to_bytes);
        Ok(Self::new(required(&fields.event_id, "event_id")?)
            .with_info(info.map_err(|error| error.inside("info"))?)
            .with_subject_field(subject.map_err(|error| error.inside("subject"))?)
            .with_tna_key(fields.tna_key.unwrap_or_default())
            .with_job_code(fields.job_code.unwrap_or_default())
            .with_image_size(image_size)
            .with_mask(mask))
    }
}

/// `image` is as much of the field as the size says, and `image_rest` what comes after it up to the zeros at the end.
impl From<&EventBlob> for BlobFields {
    fn from(blob: &EventBlob) -> Self {
        let size = usize::from(blob.head().image_size());
        let field = blob.image_field().as_slice();
        let (image, rest) = field.split_at_checked(size).unwrap_or((field, &[]));
        let rest_len = rest.iter().rposition(|&byte| byte != 0).map(|last| last.saturating_add(1));
        let rest = rest_len.and_then(|len| rest.get(..len));
        Self {
            image: Some(Base64(image.into())),
            image_rest: rest.map(|rest| Base64(rest.into())),
            reserved: Some(blob.reserved()),
            ..Self::from(blob.head())
        }
    }
}

impl TryFrom<&BlobFields> for EventBlob {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let head = BlobHead::try_from(fields)?;
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(head.as_bytes());
        for (part, name) in [(&fields.image, "image"), (&fields.image_rest, "image_rest")] {
            bytes.extend_from_slice(part.as_ref().map_or(&[], |part| &part.0));
            if bytes.len() >= Self::SIZE {
                return Err(FieldError::new(name, Reason::TooLong(IMAGE_SIZE)));
            }
        }
        bytes.resize(Self::SIZE.saturating_sub(1), 0);
        bytes.push(fields.reserved.unwrap_or_default());
        Self::from_bytes(&bytes).copied().map_err(|_| FieldError::new("image", Reason::Size(IMAGE_SIZE)))
    }
}

impl<A: Address> From<&SmallBlob<A>> for BlobFields {
    fn from(blob: &SmallBlob<A>) -> Self {
        let image_address = Some(Wide(blob.image_address()));
        Self { image_address, reserved: Some(blob.reserved()), ..Self::from(blob.head()) }
    }
}

impl<A: Address> TryFrom<&BlobFields> for SmallBlob<A> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let address = fields.image_address.map_or(0, |address| address.0);
        Ok(Self::new(fields.try_into()?, address).with_reserved(fields.reserved.unwrap_or_default()))
    }
}

impl<A: Address> From<&SmallBlobEx<A>> for BlobFields {
    fn from(blob: &SmallBlobEx<A>) -> Self {
        Self { temperature: Some(blob.temperature_field()), ..Self::from(blob.small_blob()) }
    }
}

impl<A: Address> TryFrom<&BlobFields> for SmallBlobEx<A> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        Ok(Self::from_fields(fields.try_into()?, fields.temperature.unwrap_or_default()))
    }
}

const IMAGE_SIZE: usize = 16_384;
