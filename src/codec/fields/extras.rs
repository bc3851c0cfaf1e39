//! Extras of an event, with their subjects.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::subject::SubjectFields;
use super::{FieldError, Reason, Value, deserialize_from_fields, object, present, serialize_as_fields};
use crate::codec::{ExtraSubject, Extras, JobCode, SubjectKind, Temperature};

object! {
    /// Those that there are.
    ExtrasFields {
        job_code: JobCode,
        temperature: Temperature,
        subjects: Vec<ExtraSubject>,
    }
}

impl Value for Vec<ExtraSubject> {
    const EXPECTED: &'static str = "an array of subjects";
}

serialize_as_fields!(Extras as ExtrasFields);
deserialize_from_fields!(Extras as ExtrasFields);
deserialize_from_fields!(ExtraSubject as SubjectFields);

impl From<&Extras> for ExtrasFields {
    fn from(extras: &Extras) -> Self {
        let subjects = Some(extras.subjects.clone()).filter(|subjects| !subjects.is_empty());
        Self { job_code: extras.job_code, temperature: extras.temperature, subjects }
    }
}

impl TryFrom<&ExtrasFields> for Extras {
    type Error = FieldError;

    fn try_from(fields: &ExtrasFields) -> Result<Self, FieldError> {
        let subjects = fields.subjects.clone().unwrap_or_default();
        Ok(Self { job_code: fields.job_code, temperature: fields.temperature, subjects })
    }
}

/// `raw` is written only if the other fields do not give all 32 bytes.
impl serde::Serialize for ExtraSubject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = SubjectFields::from(self);
        if SubjectFields::from(&self.subject()).to_bytes().as_ref() == Ok(self.as_bytes()) {
            fields.raw = None;
        }
        fields.serialize(serializer)
    }
}

impl From<&ExtraSubject> for SubjectFields {
    fn from(subject: &ExtraSubject) -> Self {
        Self { raw: Some(subject.as_bytes().as_slice().into()), ..Self::from(&subject.subject()) }
    }
}

impl TryFrom<&SubjectFields> for ExtraSubject {
    type Error = FieldError;

    fn try_from(fields: &SubjectFields) -> Result<Self, FieldError> {
        let word = present(&fields.kind, "kind")?;
        let kind = SubjectKind::ALL.into_iter().find(|kind| kind.to_string() == *word);
        let kind = kind.ok_or(FieldError::new("kind", Reason::Kind))?;
        Ok(Self::new(kind, fields.to_bytes()?))
    }
}
