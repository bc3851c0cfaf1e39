//! Protobuf's wire format, read in place: one field after the other, without a copy.

use std::fmt;

/// Reads the fields of one message. Every error names the field and the offset in the outermost message.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset of the end of `rest` in the outermost message.
    end: usize,
    /// How many more levels of messages or groups may follow.
    depth: u8,
}

/// The value of a field, by its wire type.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(Reader<'a>),
    Group,
    Fixed32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, end: message.len(), depth: DEPTH }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that are not read yet.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// Passes the rest to a function that reads simple fields without errors and returns the bytes that it did not read.
    #[inline]
    pub(super) fn plain(&mut self, read: impl FnOnce(&'a [u8]) -> &'a [u8]) {
        self.rest = read(self.rest);
    }

    /// The next field, if its number is 1 and it is a short message.
    #[inline]
    pub(super) fn short_message(&mut self) -> Option<Self> {
        let [0x0A, size @ 0..=0x7F, rest @ ..] = self.rest else { return None };
        let (inner, rest) = rest.split_at_checked(usize::from(*size))?;
        let end = self.end.saturating_sub(rest.len());
        self.rest = rest;
        Some(Self { rest: inner, end, depth: self.depth.saturating_sub(1) })
    }

    /// The number and the value of the next field; `None` at the end. The content of a group is not read: see
    /// [`skip`](Self::skip).
    ///
    /// `names` are the names of the fields by number, for errors.
    #[inline]
    pub(super) fn field(&mut self, names: Names) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint(KEY)?;
        let Ok(key) = u32::try_from(key) else { return Err(self.error(KEY, WireFault::Key)) };
        let number = key >> 3;
        let value = match key & 7 {
            _ if number == 0 => return Err(self.error(KEY, WireFault::Key)),
            0 => self.varint(VALUE).map(Value::Varint),
            1 => self.fixed(8).map(|()| Value::Fixed64),
            2 => self.nested(VALUE).map(Value::Bytes),
            3 => Ok(Value::Group),
            5 => self.fixed(4).map(|()| Value::Fixed32),
            _ => return Err(self.error(KEY, WireFault::Key)),
        };
        match value {
            Ok(value) => Ok(Some((number, value))),
            Err(error) => Err(WireError { field: name(names, number), ..error }),
        }
    }

    /// The error of a field with the wrong wire type.
    #[cold]
    pub(super) fn wrong_kind(&self, names: Names, number: u32) -> WireError {
        self.error(name(names, number), WireFault::WireType)
    }

    /// Skips an unknown field. Only the content of a group is left to skip.
    #[inline]
    pub(super) fn skip(&mut self, number: u32, value: Value<'a>) -> Result<(), WireError> {
        match value {
            Value::Group => self.skip_group(number),
            _ => Ok(()),
        }
    }

    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = vec![number];
        while let Some(&group) = open.last() {
            let key = self.varint("group")?;
            let Ok(key) = u32::try_from(key) else { return Err(self.error("group", WireFault::Key)) };
            let number = key >> 3;
            match key & 7 {
                _ if number == 0 => return Err(self.error("group", WireFault::Key)),
                0 => drop(self.varint("group")?),
                1 => self.fixed(8)?,
                2 => drop(self.nested("group")?),
                3 if open.len() >= usize::from(self.depth) => {
                    return Err(self.error("group", WireFault::TooDeep));
                }
                3 => open.push(number),
                4 if number == group => drop(open.pop()),
                5 => self.fixed(4)?,
                _ => return Err(self.error("group", WireFault::Key)),
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64, WireError> {
        match self.rest {
            [low @ 0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*low))
            }
            [low, high @ 0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7F) | u64::from(*high) << 7)
            }
            _ => self.long_varint(field),
        }
    }

    #[inline]
    fn long_varint(&mut self, field: &'static str) -> Result<u64, WireError> {
        if let Some((value, rest)) = number(self.rest) {
            self.rest = rest;
            return Ok(value);
        }
        self.varint_at_the_end(field)
    }

    /// Reads a number near the end of the message, or a very large one, byte by byte.
    fn varint_at_the_end(&mut self, field: &'static str) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, byte) in (0_u32..10).zip(self.rest) {
            value |= u64::from(byte & 0x7F) << (7 * index);
            if *byte < 0x80 {
                if index == 9 && *byte > 1 {
                    break;
                }
                let length = usize::try_from(index).unwrap_or(usize::MAX).saturating_add(1);
                self.rest = self.rest.get(length..).unwrap_or_default();
                return Ok(value);
            }
        }
        let fault = if self.rest.len() < 10 { WireFault::Truncated } else { WireFault::LongNumber };
        Err(self.error(field, fault))
    }

    /// Reads a length and the bytes that follow it.
    #[inline]
    pub(super) fn nested(&mut self, field: &'static str) -> Result<Reader<'a>, WireError> {
        let length = self.varint(field)?;
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((inner, rest)) = split else { return Err(self.error(field, WireFault::Truncated)) };
        let end = self.end.saturating_sub(rest.len());
        self.rest = rest;
        Ok(Self { rest: inner, end, depth: self.depth.saturating_sub(1) })
    }

    fn fixed(&mut self, size: usize) -> Result<(), WireError> {
        match self.rest.get(size..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.error(VALUE, WireFault::Truncated)),
        }
    }

    #[cold]
    pub(super) fn error(&self, field: &'static str, fault: WireFault) -> WireError {
        WireError { field, offset: self.offset(), fault }
    }
}

/// A number and the bytes after it; `None` if it may be incomplete, or is too large to be read at once.
#[inline(always)]
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [low @ 0..=0x7F, rest @ ..] => return Some((u64::from(*low), rest)),
        [low, high @ 0..=0x7F, rest @ ..] => {
            return Some((u64::from(low & 0x7F) | u64::from(*high) << 7, rest));
        }
        _ => {}
    }
    let word = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    // The lowest set bit is the top bit of the last byte of the number.
    let last = !word & 0x8080_8080_8080_8080;
    let size = usize::try_from(last.trailing_zeros() / 8).ok()?.checked_add(1)?;
    let rest = bytes.get(size..).filter(|_| last != 0)?;
    // Takes seven bits of each byte up to the last, and joins them in pairs, fours and eights.
    let bits = word & (last ^ last.wrapping_sub(1)) & 0x7F7F_7F7F_7F7F_7F7F;
    let bits = bits & 0x007F_007F_007F_007F | (bits & 0x7F00_7F00_7F00_7F00) >> 1;
    let bits = bits & 0x0000_3FFF_0000_3FFF | (bits & 0x3FFF_0000_3FFF_0000) >> 2;
    Some((bits & 0x0FFF_FFFF | (bits & 0x0FFF_FFFF_0000_0000) >> 4, rest))
}

/// Why the bytes are not a message, and at which offset.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("field `{field}` at offset {offset}: {fault}")]
pub(super) struct WireError {
    pub(super) field: &'static str,
    pub(super) offset: usize,
    pub(super) fault: WireFault,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WireFault {
    Compressed,
    Key,
    LongNumber,
    Text,
    TooDeep,
    Truncated,
    WireType,
}

impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compressed => "the message is compressed, which the client does not accept",
            Self::Key => "no field begins with these bytes",
            Self::LongNumber => "a number of more than 64 bits",
            Self::Text => "not UTF-8",
            Self::TooDeep => "too many levels of groups",
            Self::Truncated => "the message ends inside it",
            Self::WireType => "the wire type is not that of this field",
        })
    }
}

/// The names of a message's fields, by number.
pub(super) type Names = &'static [&'static str];

#[cold]
fn name(names: Names, number: u32) -> &'static str {
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or(VALUE)
}

const KEY: &str = "key";
const VALUE: &str = "unknown";
/// The same limit as prost's.
const DEPTH: u8 = 100;
