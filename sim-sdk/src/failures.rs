//! Calls that fail because a test wants them to.

use std::sync::atomic::{AtomicU64, Ordering};

use bs2_events::codec::SdkCode;
use bs2_events::{Error, ErrorKind, Result};

use crate::ffi::Answer;

/// What `fail` says: every so many calls of a function give a code and do nothing.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<Failure>);

#[derive(Debug)]
struct Failure {
    function: &'static str,
    code: SdkCode,
    every: u64,
    calls: AtomicU64,
}

impl Failures {
    /// `FUNCTION:CODE:EVERY`, separated by commas; the functions may be without their `BS2_`.
    pub(crate) fn parse(value: &str) -> Result<Self> {
        value.split(',').map(failure).collect::<Result<_>>().map(Self)
    }

    /// Counts a call, and fails it if it is its turn.
    pub(crate) fn strike(&self, function: &str) -> Answer {
        for failure in self.0.iter().filter(|failure| failure.function == function) {
            let call = failure.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if call.is_multiple_of(failure.every) {
                return Err(failure.code);
            }
        }
        Ok(())
    }
}

fn failure(text: &str) -> Result<Failure> {
    let wrong = |what: &str| {
        let message = format!("setting `fail`: `{text}` {what}");
        Err(Error::new(ErrorKind::InvalidInput, message))
    };
    let mut parts = text.split(':');
    let (Some(name), Some(code), Some(every), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return wrong("is not FUNCTION:CODE:EVERY");
    };
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let known = |function: &&str| function.strip_prefix(PREFIX) == Some(short);
    let Some(function) = include_str!("functions.txt").lines().find(known) else {
        return wrong("names no function of the library");
    };
    let Some(code) = code.parse().ok().filter(|code| *code < 0) else {
        return wrong("has no negative number as its code");
    };
    let Some(every) = every.parse().ok().filter(|every| *every > 0) else {
        return wrong("does not say every how many calls, 1 or more");
    };
    Ok(Failure { function, code: SdkCode::new(code), every, calls: AtomicU64::new(0) })
}

const PREFIX: &str = "BS2_";
