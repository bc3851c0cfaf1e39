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
/// The text may have any of the usual forms:
///
/// * digits, with white space, `,`, `:` or `-` between bytes, as .NET and packet analysers write them;
/// * an array of a programming language: `{ 0x01, 0x02 }`, also with a declaration before the brace;
/// * text with escapes, `\x01\x02`, or with one at its start, as PostgreSQL writes bytes: `\x0102`;
/// * a literal of SQL, `X'0102'`.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::hex::{HexError, from_hex};
///
/// for text in [
///     "010203", "01 02 03", "01:02:03", "01-02-03", "0x01, 0x02, 0x03", r"\x010203", r"\x01\x02\x03", "X'010203'",
///     "unsigned char id[3] = { 0x1, 0x2, 0x3 };",
/// ] {
///     assert_eq!(from_hex(text.as_bytes()), (vec![1, 2, 3], Ok(())), "{text}");
/// }
/// assert_eq!(from_hex(b"0102 0g"), (vec![1, 2], Err(HexError::Digit { position: 7 })));
/// ```
pub fn from_hex(text: &[u8]) -> (Vec<u8>, Result<(), HexError>) {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    // What is before a brace declares the array.
    let mut position =
        text.iter().position(|&character| character == b'{').map_or(0, |brace| brace.saturating_add(1));
    let body = text.get(position..).unwrap_or_default();
    let mut before = None;
    for word in body.split_inclusive(|&character| is_separator(character)) {
        let (word, after) = match word.split_last() {
            Some((&last, start)) if is_separator(last) => (start, Some(last)),
            _ => (word, None),
        };
        let prefix: usize = match word {
            [b'0', b'x' | b'X', ..] => 2,
            [b'x' | b'X', ..] if before == Some(b'\\') => 1,
            // The letter of a literal, such as that of `X'0102'`.
            [b'X' | b'x' | b'E' | b'b', ..] if word.len() == 1 && is_quote(after) => 1,
            _ => 0,
        };
        let is_byte = prefix > 0 && word.len() == prefix.saturating_add(1) && high.is_none();
        for (index, &character) in (1..).zip(word).skip(prefix) {
            let digit = match char::from(character).to_digit(16).map(u8::try_from) {
                Some(Ok(digit)) => digit,
                _ => return (bytes, Err(HexError::Digit { position: position.saturating_add(index) })),
            };
            match high.take() {
                // `0x1` alone is a byte.
                None if is_byte => bytes.push(digit),
                None => high = Some(digit << 4),
                Some(high) => bytes.push(high | digit),
            }
        }
        position = position.saturating_add(word.len()).saturating_add(1);
        before = after;
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
    character.is_ascii_whitespace()
        || matches!(
            character,
            b',' | b':' | b'-' | b';' | b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'\'' | b'"' | b'\\'
        )
}

const fn is_quote(character: Option<u8>) -> bool {
    matches!(character, Some(b'\'' | b'"'))
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
    fn arrays_escapes_and_literals_are_read() {
        for text in [
            "{0x01,0x02,0xA3}",
            "const uint8_t e[] = {\n    0x01, 0x02,\n    0xA3,\n};",
            "new byte[] { 0x1, 0x2, 0xa3 }",
            "[0x01, 0x02, 0xA3]",
            "\\x0102A3",
            "'\\x0102a3'",
            "E'\\\\x0102a3'",
            "\\x01\\x02\\xA3",
            "\"\\x01\\x02\\xA3\"",
            "b'\\x01\\x02\\xa3'",
            "X'0102A3'",
            "x'0102a3';",
        ] {
            assert_eq!(from_hex(text.as_bytes()), (vec![1, 2, 0xA3], Ok(())), "{text}");
        }
        assert_eq!(from_hex(b"{ 0x1, g }"), (vec![1], Err(HexError::Digit { position: 8 })));
        assert_eq!(from_hex(b"X'01', X'02"), (vec![1, 2], Ok(())));
        assert_eq!(from_hex(b"X 01"), (vec![], Err(HexError::Digit { position: 1 })));
        assert_eq!(from_hex(b"x01"), (vec![], Err(HexError::Digit { position: 1 })));
    }

    #[test]
    fn an_error_says_where_and_keeps_the_bytes_before_it() {
        assert_eq!(from_hex(b"0102 0g"), (vec![1, 2], Err(HexError::Digit { position: 7 })));
        assert_eq!(from_hex(b"0x01x2"), (vec![1], Err(HexError::Digit { position: 5 })));
        assert_eq!(from_hex(b"\xFF"), (vec![], Err(HexError::Digit { position: 1 })));
        assert_eq!(from_hex(b"01020"), (vec![1, 2], Err(HexError::Half { offset: 2 })));
    }
}
