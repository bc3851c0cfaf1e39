//! User ids, alone and in a filter.

use alloc::string::String;

use super::{FieldError, Hex, Reason, deserialize_from_fields, object, serialize_as_fields};
use crate::codec::{EventCode, EventFilter, Timestamp, UserId};

object! {
    /// One of the two: text, or bytes where it is not UTF-8 or something stands behind its NUL.
    UserFields {
        user_id: String,
        user_id_hex: Hex,
    }
}

serialize_as_fields!(UserId as UserFields);
deserialize_from_fields!(UserId as UserFields);

impl From<&UserId> for UserFields {
    fn from(user: &UserId) -> Self {
        let is_padded = UserId::new(user.as_bytes()).as_ref() == Ok(user);
        match user.as_text() {
            Some(text) if is_padded => Self { user_id: Some(text.into()), user_id_hex: None },
            _ if is_padded => Self { user_id: None, user_id_hex: Some(user.as_bytes().into()) },
            _ => Self { user_id: None, user_id_hex: Some(user.as_array().as_slice().into()) },
        }
    }
}

impl TryFrom<&UserFields> for UserId {
    type Error = FieldError;

    fn try_from(fields: &UserFields) -> Result<Self, FieldError> {
        user_id(&fields.user_id, &fields.user_id_hex)
    }
}

/// The user id that text or bytes make.
pub(super) fn user_id(text: &Option<String>, hex: &Option<Hex>) -> Result<UserId, FieldError> {
    let (field, bytes) = match (text, hex) {
        (Some(text), _) => ("user_id", text.as_bytes()),
        (None, Some(hex)) => ("user_id_hex", hex.0.as_slice()),
        (None, None) => return Err(FieldError::new("user_id", Reason::Missing)),
    };
    UserId::new(bytes).map_err(|_| FieldError::new(field, Reason::TooLong(32)))
}

object! {
    /// What is missing asks for everything.
    FilterFields {
        user_id: String,
        user_id_hex: Hex,
        start: Timestamp,
        end: Timestamp,
        code: EventCode,
        tna_key: u8,
        padding: u8,
    }
}

serialize_as_fields!(EventFilter as FilterFields);
deserialize_from_fields!(EventFilter as FilterFields);

impl From<&EventFilter> for FilterFields {
    fn from(filter: &EventFilter) -> Self {
        let UserFields { user_id, user_id_hex } = filter.user_id().into();
        Self {
            user_id,
            user_id_hex,
            start: Some(filter.start()),
            end: Some(filter.end()),
            code: Some(filter.code()),
            tna_key: Some(filter.tna_key()),
            padding: Some(filter.padding()),
        }
    }
}

impl TryFrom<&FilterFields> for EventFilter {
    type Error = FieldError;

    fn try_from(fields: &FilterFields) -> Result<Self, FieldError> {
        let filter = Self::default()
            .with_time(fields.start.unwrap_or_default(), fields.end.unwrap_or_default())
            .with_code(fields.code.unwrap_or(EventCode::new(0)))
            .with_tna_key(fields.tna_key.unwrap_or_default())
            .with_padding(fields.padding.unwrap_or_default());
        if fields.user_id.is_none() && fields.user_id_hex.is_none() {
            return Ok(filter);
        }
        Ok(filter.with_user_id(user_id(&fields.user_id, &fields.user_id_hex)?))
    }
}
