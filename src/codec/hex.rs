//! Bytes as hexadecimal text, and back.
//!
//! The text may hold people's ids, as the bytes do.

use alloc::string::String;
use alloc::vec::Vec;

use super::DecodeError;

/// The digits of these bytes, in lower case.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// The bytes that these digits stand for, and the error that ends them before the text ends.
///
/// White space, `,`, `:` and `-` separate words. `0x` at the start of a word is skipped.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::hex::{HexError, from_hex};
///
/// for text in ["010203", "01 02 03", "01:02:03", "01-02-03", "0x01, 0x02, 0x03"] {
///     assert_eq!(from_hex(text.as_bytes()), (vec![1, 2, 3], Ok(())));
/// }
/// assert_eq!(from_hex(b"0102 0g"), (vec![1, 2], Err(HexError::Digit { position: 7 })));
/// ```
pub fn from_hex(text: &[u8]) -> (Vec<u8>, Result<(), HexError>) {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    let mut position = 0_usize;
    for word in text.split(|&character| is_separator(character)) {
        let prefix = if word.starts_with(b"0x") || word.starts_with(b"0X") { 2 } else { 0 };
        for (index, &character) in (1..).zip(word).skip(prefix) {
            let digit = match char::from(character).to_digit(16).map(u8::try_from) {
                Some(Ok(digit)) => digit,
                _ => return (bytes, Err(HexError::Digit { position: position.saturating_add(index) })),
            };
            match high.take() {
                None => high = Some(digit << 4),
                Some(high) => bytes.push(high | digit),
            }
        }
        position = position.saturating_add(word.len()).saturating_add(1);
    }
    let end = if high.is_some() { Err(HexError::Half { offset: bytes.len() }) } else { Ok(()) };
    (bytes, end)
}

/// Text that is not the hexadecimal form of a record. It does not show the text, which may be personal.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// A character is not a digit.
    #[error("character {position} is not a hexadecimal digit")]
    Digit {
        /// The character, counted from 1.
        position: usize,
    },
    /// The text ends inside a byte.
    #[error("the byte at offset {offset} has one digit instead of two")]
    Half {
        /// The byte, counted from 0.
        offset: usize,
    },
    /// The bytes are not a record.
    #[error(transparent)]
    Record(#[from] DecodeError),
}

const fn is_separator(character: u8) -> bool {
    character.is_ascii_whitespace() || matches!(character, b',' | b':' | b'-')
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_byte_survives_a_round_trip_in_either_case() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = to_hex(&bytes);
        assert_eq!(&text[..8], "00010203");
        assert_eq!(from_hex(text.as_bytes()), (bytes.clone(), Ok(())));
        assert_eq!(from_hex(text.to_uppercase().as_bytes()), (bytes, Ok(())));
    }

    #[test]
    fn white_space_separators_and_prefixes_are_skipped() {
        assert_eq!(from_hex(b" 0x01 0X02\t0 3\r\n"), (vec![1, 2, 3], Ok(())));
        assert_eq!(from_hex(b"01:02-03,0x04"), (vec![1, 2, 3, 4], Ok(())));
        assert_eq!(from_hex(b""), (vec![], Ok(())));
    }

    #[test]
    fn an_error_says_where_and_keeps_the_bytes_before_it() {
        assert_eq!(from_hex(b"0102 0g"), (vec![1, 2], Err(HexError::Digit { position: 7 })));
        assert_eq!(from_hex(b"0x01x2"), (vec![1], Err(HexError::Digit { position: 5 })));
        assert_eq!(from_hex(b"\xFF"), (vec![], Err(HexError::Digit { position: 1 })));
        assert_eq!(from_hex(b"01020"), (vec![1, 2], Err(HexError::Half { offset: 2 })));
    }
}
