//! Options structs in which each setting is stated once: its field, setter, default, name and range.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use bitflags::Flags;

use crate::settings::{Settings, SettingsText};
use crate::{Error, ErrorKind, Result};

/// Makes an options struct with its setters, its `Default` and its [`SettingsTable`]. An entry is
///
/// ```text
/// /// The documentation of the setter.
/// fn setter(argument) => field: Type = default, "name": kind;
/// ```
///
/// where `kind` is a [`SettingKind`]. A field whose setter is written by hand has no `fn`; a field that is not a setting
/// has no name.
macro_rules! options_struct {
    (
        $(#[$meta:meta])*
        pub struct $Options:ident {
            $(
                $($(#[$doc:meta])* fn $with:ident($argument:ident) =>)?
                $field:ident: $Type:ty = $default:expr $(, $name:literal: $kind:expr)?;
            )*
        }
    ) => {
        $(#[$meta])*
        pub struct $Options {
            $(pub(super) $field: $Type,)*
        }

        impl $Options {
            $($(
                $(#[$doc])*
                #[must_use]
                pub fn $with(mut self, $argument: $Type) -> Self {
                    self.$field = $argument;
                    self
                }
            )?)*
        }

        impl Default for $Options {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::sim::setting::SettingsTable for $Options {
            const NAMES: &'static [&'static str] = &[$($($name,)?)*];

            fn read(settings: &$crate::settings::Settings) -> $crate::Result<Self> {
                let mut options = Self::default();
                $($(
                    if let Some(value) = $kind.read(settings, $name)? {
                        options.$field = value;
                    }
                )?)*
                Ok(options)
            }

            fn changes(&self) -> $crate::settings::SettingsText {
                let (text, default) = ($crate::settings::SettingsText::without_address(), Self::default());
                $($(
                    let text = match self.$field == default.$field {
                        true => text,
                        false => $kind.write(text, $name, &self.$field),
                    };
                )?)*
                text
            }

            fn check_ranges(&self) -> $crate::Result<()> {
                $($($kind.check($name, &self.$field)?;)?)*
                Ok(())
            }
        }
    };
}

pub(super) use options_struct;

/// The settings of an options struct.
pub(super) trait SettingsTable: Sized {
    /// The names of the settings, in the order of the struct.
    const NAMES: &'static [&'static str];

    /// The default with these settings.
    /// Fails with [`ErrorKind::InvalidInput`] for the first bad value.
    fn read(settings: &Settings) -> Result<Self>;

    /// The settings that differ from the default.
    fn changes(&self) -> SettingsText;

    /// Fails with [`ErrorKind::InvalidInput`] for the first value out of its range.
    fn check_ranges(&self) -> Result<()>;
}

type Read<T> = dyn Fn(&Settings, &str) -> Result<Option<T>>;
type Texts<T> = dyn Fn(&T) -> Vec<String>;
type IsNot<T> = dyn Fn(&T) -> Option<String>;

/// How the text of a setting is read and written, and which values are in range.
pub(super) struct SettingKind<T> {
    read: Box<Read<T>>,
    /// The text of each occurrence.
    texts: Box<Texts<T>>,
    /// What the value is not, for an error; `None` for a value in range.
    is_not: Box<IsNot<T>>,
}

impl<T: 'static> SettingKind<T> {
    pub(super) fn new(
        read: impl Fn(&Settings, &str) -> Result<Option<T>> + 'static,
        texts: impl Fn(&T) -> Vec<String> + 'static,
    ) -> Self {
        Self { read: Box::new(read), texts: Box::new(texts), is_not: Box::new(|_| None) }
    }

    /// A value in a range; `what` is its name in an error.
    fn within(self, range: RangeInclusive<T>, what: &'static str, text: fn(&T) -> String) -> Self
    where
        T: PartialOrd,
    {
        let (least, most) = (text(range.start()), text(range.end()));
        let is_not = move |value: &T| {
            let is_outside = !range.contains(value);
            is_outside.then(|| format!("`{}` is not a {what} from {least} to {most}", text(value)))
        };
        Self { is_not: Box::new(is_not), ..self }
    }

    /// A value that is `None` unless the setting is given.
    pub(super) fn optional(self) -> SettingKind<Option<T>> {
        let Self { read, texts, is_not } = self;
        SettingKind {
            read: Box::new(move |settings, name| Ok(read(settings, name)?.map(Some))),
            texts: Box::new(move |value| value.as_ref().map(&texts).unwrap_or_default()),
            is_not: Box::new(move |value| is_not(value.as_ref()?)),
        }
    }

    pub(super) fn read(&self, settings: &Settings, name: &str) -> Result<Option<T>> {
        (self.read)(settings, name)
    }

    pub(super) fn write(&self, text: SettingsText, name: &str, value: &T) -> SettingsText {
        (self.texts)(value).into_iter().fold(text, |text, value| text.with(name, value))
    }

    pub(super) fn check(&self, name: &str, value: &T) -> Result<()> {
        (self.is_not)(value).map_or(Ok(()), |is_not| {
            Err(Error::new(ErrorKind::InvalidInput, format!("setting `{name}`: {is_not}")))
        })
    }
}

/// A value that `Display` writes.
pub(super) fn shown<T: fmt::Display + 'static>(
    read: impl Fn(&Settings, &str) -> Result<Option<T>> + 'static,
) -> SettingKind<T> {
    SettingKind::new(read, |value| vec![value.to_string()])
}

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> SettingKind<T>
where
    T: Clone + FromStr + PartialOrd + fmt::Display + 'static,
{
    let of_range = range.clone();
    shown(move |settings, name| settings.number(name, of_range.clone())).within(range, "number", T::to_string)
}

/// `true` or `false`.
pub(super) fn switch() -> SettingKind<bool> {
    shown(Settings::switch)
}

/// A value that `read` understands; `expected` completes the sentence of the error.
pub(super) fn parsed<T: fmt::Display + 'static>(
    expected: &'static str,
    read: fn(&str) -> Option<T>,
) -> SettingKind<T> {
    shown(move |settings, name| settings.parsed(name, expected, read))
}

/// The text of faults: their names in lower case, separated by commas.
macro_rules! fault_text {
    ($Faults:ty) => {
        /// Reads the names of faults, separated by commas.
        impl std::str::FromStr for $Faults {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                crate::sim::setting::parse_faults(text)
            }
        }

        /// Writes the names of the faults, separated by commas.
        impl std::fmt::Display for $Faults {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::sim::setting::fault_names(*self).join(","))
            }
        }
    };
}

pub(super) use fault_text;

pub(super) fn parse_faults<T: Flags>(text: &str) -> Result<T> {
    text.split(',').filter(|word| !word.is_empty()).try_fold(T::empty(), |faults, word| {
        let named = T::all().iter_names().find(|(name, _)| name.eq_ignore_ascii_case(word));
        named.map(|(_, fault)| faults.union(fault)).ok_or_else(|| {
            let known = fault_names(T::all()).join(", ");
            Error::new(ErrorKind::InvalidInput, format!("fault `{word}` is not known; known are {known}"))
        })
    })
}

pub(super) fn fault_names<T: Flags>(faults: T) -> Vec<String> {
    faults.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// Names of faults.
pub(super) fn faults<T: FromStr<Err = Error> + fmt::Display + 'static>() -> SettingKind<T> {
    shown(|settings, name| {
        let named = |error| Error::new(ErrorKind::InvalidInput, format!("setting `{name}`: {error}"));
        settings.value(name).map(|value| value.parse().map_err(named)).transpose()
    })
}

#[cfg(feature = "sim-servers")]
pub(super) use servers::{duration, file, word};

/// The kinds that only the servers have.
#[cfg(feature = "sim-servers")]
mod servers {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::settings::DurationText;

    /// One of these words.
    pub(in crate::sim) fn word<T: Copy + PartialEq>(words: &'static [(&str, T)]) -> SettingKind<T> {
        let read = |settings: &Settings, name: &str| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            settings.parsed(name, &known.join(" or "), |value| {
                words.iter().find(|(word, _)| *word == value).map(|(_, value)| *value)
            })
        };
        SettingKind::new(read, |value| {
            words.iter().filter(|(_, known)| known == value).map(|(word, _)| (*word).to_owned()).collect()
        })
    }

    /// A duration in a range.
    pub(in crate::sim) fn duration(range: RangeInclusive<Duration>) -> SettingKind<Duration> {
        let text = |value: &Duration| DurationText(*value).to_string();
        let of_range = range.clone();
        SettingKind::new(
            move |settings, name| settings.duration(name, of_range.clone()),
            move |value| vec![text(value)],
        )
        .within(range, "duration", text)
    }

    /// The name of a file.
    pub(in crate::sim) fn file() -> SettingKind<PathBuf> {
        SettingKind::new(Settings::file, |path| vec![path.display().to_string()])
    }
}
