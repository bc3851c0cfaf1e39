//! What stands beside an event.

use super::{Base64, FieldError, deserialize_from_fields, object, serialize_as_fields};
use crate::codec::{Extras, ExtrasBuf, JobCode, Temperature};

object! {
    /// Those that there are.
    ExtrasFields {
        job_code: JobCode,
        image: Base64,
        temperature: Temperature,
    }
}

serialize_as_fields!(Extras<'_> as ExtrasFields);
serialize_as_fields!(ExtrasBuf as ExtrasFields);
deserialize_from_fields!(ExtrasBuf as ExtrasFields);

impl From<&Extras<'_>> for ExtrasFields {
    fn from(&Extras { job_code, image, temperature }: &Extras<'_>) -> Self {
        Self { job_code, image: image.map(|image| Base64(image.into())), temperature }
    }
}

impl From<&ExtrasBuf> for ExtrasFields {
    fn from(extras: &ExtrasBuf) -> Self {
        Self::from(&extras.as_extras())
    }
}

impl TryFrom<&ExtrasFields> for ExtrasBuf {
    type Error = FieldError;

    fn try_from(fields: &ExtrasFields) -> Result<Self, FieldError> {
        let ExtrasFields { job_code, image, temperature } = fields;
        let image = image.as_ref().map(|image| image.0.as_slice());
        Ok(Extras { job_code: *job_code, image, temperature: *temperature }.into())
    }
}
