//! Objects whose fields may all be missing.

use core::fmt;
use core::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};

use super::Value;

/// A struct of optional fields: written without those that are missing; read with errors that name the field and never
/// show what it holds, as serde's own do.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, serde::Serialize)]
        pub(super) struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )*
        }

        impl super::Value for $name {
            const EXPECTED: &'static str = "";

            fn contradiction(&self, truth: &Self, _: &'static str) -> Option<&'static str> {
                $(
                    if let Some(given) = &self.$field {
                        let name = stringify!($field);
                        match &truth.$field {
                            None => return Some(name),
                            Some(truth) => {
                                if let Some(field) = super::Value::contradiction(given, truth, name) {
                                    return Some(field);
                                }
                            }
                        }
                    }
                )*
                None
            }
        }

        impl super::object::Fields for $name {
            fn read<'de, A: serde::de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $(stringify!($field) => super::object::read(&mut self.$field, stringify!($field), map),)*
                    _ => Err(serde::de::Error::custom(format_args!("unknown field `{}`", key.escape_debug()))),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::object::deserialize(deserializer)
            }
        }
    };
}
pub(super) use object;

/// What `object!` makes.
pub(super) trait Fields: Default {
    /// Reads the value of this key.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads the value of one field.
pub(super) fn read<'de, T: Value, A: MapAccess<'de>>(
    field: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *field = Some(map.next_value_seed(Named(name, PhantomData))?);
    Ok(())
}

/// Reads an object.
pub(super) fn deserialize<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    // Whatever it is, the visitor sees it: an error of the deserializer's own would show the value.
    deserializer.deserialize_any(Object(PhantomData))
}

/// The value of a field, with errors that name it.
struct Named<T>(&'static str, PhantomData<T>);

impl<'de, T: Value> DeserializeSeed<'de> for Named<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer).map_err(|error| match T::EXPECTED {
            "" => error,
            expected => D::Error::custom(format_args!("field `{}`: {expected} is expected", self.0)),
        })
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = T::default();
        while let Some(key) = map.next_key::<alloc::string::String>()? {
            fields.read(&key, &mut map)?;
        }
        Ok(fields)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        Err(self.something_else())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Err(self.something_else())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Err(self.something_else())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Err(self.something_else())
    }
}

impl<T> Object<T> {
    fn something_else<E: Error>(self) -> E {
        E::custom("an object of named fields is expected")
    }
}
