//! Objects whose fields may all be missing.

use core::fmt;
use core::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::{Field, Value};

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
            const EXPECTED: &'static str = "an object of named fields";

            fn read<'de, D: serde::Deserializer<'de>>(
                deserializer: D,
                field: super::Field,
            ) -> Result<Self, D::Error> {
                super::object::deserialize(deserializer, field)
            }

            fn contradiction(&self, truth: &Self, field: super::Field) -> Option<super::Field> {
                $(
                    if let Some(given) = &self.$field {
                        let inner = field.inside(stringify!($field));
                        match &truth.$field {
                            None => return Some(inner),
                            Some(truth) => {
                                if let Some(field) = super::Value::contradiction(given, truth, inner) {
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
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                object: super::Field,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $(stringify!($field) => {
                        super::object::read(&mut self.$field, object.inside(stringify!($field)), map)
                    })*
                    _ => Err(super::object::unknown(object, key)),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::object::deserialize(deserializer, super::Field::default())
            }
        }
    };
}
pub(super) use object;

/// What `object!` makes.
pub(super) trait Fields: Default {
    /// Reads the value of this key of an object.
    fn read<'de, A: MapAccess<'de>>(&mut self, object: Field, key: &str, map: &mut A)
    -> Result<(), A::Error>;
}

/// Reads the value of one field.
pub(super) fn read<'de, T: Value, A: MapAccess<'de>>(
    value: &mut Option<T>,
    field: Field,
    map: &mut A,
) -> Result<(), A::Error> {
    if value.is_some() {
        return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
    }
    *value = Some(map.next_value_seed(Named(field, PhantomData))?);
    Ok(())
}

/// What to say of a key that no field has: as much of it as a line has room for.
pub(super) fn unknown<E: Error>(object: Field, key: &str) -> E {
    let (dot, shown) = (if object.is_nameless() { "" } else { "." }, key.chars().take(SHOWN));
    let shown: alloc::string::String = shown.flat_map(char::escape_debug).collect();
    let rest = if key.chars().nth(SHOWN).is_some() { "…" } else { "" };
    E::custom(format_args!("unknown field `{object}{dot}{shown}{rest}`"))
}

/// Reads the object that is this field; one that is none has no name.
pub(super) fn deserialize<'de, T: Fields, D: Deserializer<'de>>(
    deserializer: D,
    field: Field,
) -> Result<T, D::Error> {
    // Whatever it is, the visitor sees it: an error of the deserializer's own would show the value.
    deserializer.deserialize_any(Object(field, PhantomData))
}

/// The value of a field, with errors that name it.
struct Named<T>(Field, PhantomData<T>);

impl<'de, T: Value> DeserializeSeed<'de> for Named<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer, self.0)
    }
}

struct Object<T>(Field, PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = T::default();
        while let Some(key) = map.next_key::<alloc::string::String>()? {
            fields.read(self.0, &key, &mut map)?;
        }
        Ok(fields)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Err(self.something_else())
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Err(self.something_else())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(self.something_else())
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
        match self.0 {
            field if field.is_nameless() => E::custom("an object of named fields is expected"),
            field => E::custom(format_args!("field `{field}`: an object of named fields is expected")),
        }
    }
}

/// Characters of an unknown key that an error shows.
const SHOWN: usize = 40;
