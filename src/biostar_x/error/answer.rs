//! What a server answered when it did not do what it was asked.

use std::fmt;

use super::ErrorKind;

/// The part of an answer that an error keeps.
#[derive(Clone)]
pub(in crate::biostar_x) struct Answer {
    pub(in crate::biostar_x) status: u16,
    pub(in crate::biostar_x) code: Option<String>,
    pub(in crate::biostar_x) message: Option<String>,
    pub(in crate::biostar_x) by: Option<String>,
    pub(in crate::biostar_x) body: String,
}

impl Answer {
    pub(in crate::biostar_x) fn new(status: u16, body: &[u8]) -> Self {
        let start = body.get(..BODY_LIMIT).unwrap_or(body);
        Self {
            status,
            code: None,
            message: None,
            by: None,
            body: String::from_utf8_lossy(start).into_owned(),
        }
    }

    /// Whether this answer is given before the request is looked at, so that nothing was done.
    pub(in crate::biostar_x) fn refuses_first(&self, kind: ErrorKind) -> bool {
        match self.status {
            401 => matches!(self.code.as_deref(), Some("10" | "11")),
            403 => kind == ErrorKind::LicenceMissing,
            _ => false,
        }
    }
}

/// Status and code; a code only where it looks like one, because a server may put anything there.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match &self.code {
            Some(code) if is_code(code) => write!(f, " with code {code}"),
            Some(_) => f.write_str(" with a code that is none"),
            None => Ok(()),
        }
    }
}

/// A number of up to seven digits, perhaps behind one letter: `331791`, `u1001`.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text);
    (1..=7).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

const BODY_LIMIT: usize = 4_096;
