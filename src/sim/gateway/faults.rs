//! What goes wrong at the gateway itself.

use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitflags::bitflags;
use tonic::Status;

use super::queue::Fate;
use crate::sim::rng::SeededRng;
use crate::{Error, ErrorKind, Result};

bitflags! {
    /// What goes wrong at the gateway, beside what its readers do ([`Faults`](crate::sim::Faults)).
    ///
    /// | fault | as text | what happens |
    /// |---|---|---|
    /// | `EXCLUSIVE` | `exclusive` | logs begin behind the start id and not at it |
    /// | `UNORDERED` | `unordered` | every second page of a log is shuffled |
    /// | `SHORT` | `short` | every second page of a log is at most half as long as it was asked for |
    /// | `ERROR` | `error` | one call of 20 fails with `UNAVAILABLE` or `DEADLINE_EXCEEDED` |
    /// | `END` | `end` | streams end after up to 400 events, cleanly or with an error |
    /// | `SILENT` | `silent` | streams fall silent after up to 400 events, and stay open |
    /// | `RESTART` | `restart` | at one call of 500 the gateway restarts: it drops every client and forgets every connection |
    /// | `FRAMES` | `frames` | every event of a stream is a frame of its own |
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::sim::gateway::GatewayFaults;
    ///
    /// let faults: GatewayFaults = "short,end".parse()?;
    /// assert_eq!(faults, GatewayFaults::SHORT | GatewayFaults::END);
    /// assert!("shorts".parse::<GatewayFaults>().unwrap_err().to_string().contains("`shorts`"));
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct GatewayFaults: u8 {
        /// Logs begin behind the start id.
        const EXCLUSIVE = 0x01;
        /// Pages are shuffled.
        const UNORDERED = 0x02;
        /// Pages are short before the end.
        const SHORT = 0x04;
        /// Calls fail.
        const ERROR = 0x08;
        /// Streams end.
        const END = 0x10;
        /// Streams fall silent.
        const SILENT = 0x20;
        /// The gateway restarts.
        const RESTART = 0x40;
        /// One frame an event.
        const FRAMES = 0x80;
    }
}

impl FromStr for GatewayFaults {
    type Err = Error;

    /// Faults by their names, separated by commas.
    fn from_str(text: &str) -> Result<Self> {
        text.split(',').filter(|word| !word.is_empty()).try_fold(Self::empty(), |faults, word| {
            let named = Self::all().iter_names().find(|(name, _)| name.eq_ignore_ascii_case(word));
            named.map(|(_, fault)| faults | fault).ok_or_else(|| {
                let known: Vec<_> =
                    Self::all().iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
                let message =
                    format!("faults of the gateway: `{word}` is not known; there are {}", known.join(", "));
                Error::new(ErrorKind::InvalidInput, message)
            })
        })
    }
}

/// Draws what goes wrong.
pub(super) struct Mischief {
    faults: GatewayFaults,
    dice: Mutex<SeededRng>,
}

impl Mischief {
    pub(super) fn new(faults: GatewayFaults, seed: u64) -> Self {
        Self { faults, dice: Mutex::new(SeededRng::new(seed, STREAM)) }
    }

    pub(super) fn has(&self, fault: GatewayFaults) -> bool {
        self.faults.contains(fault)
    }

    /// Whether a fault strikes that does so in so many cases of a thousand.
    pub(super) fn strikes(&self, fault: GatewayFaults, per_mille: u32) -> bool {
        self.has(fault) && self.dice().per_mille(per_mille)
    }

    /// # Errors
    ///
    /// What the next call fails with, if it does.
    pub(super) fn call(&self) -> Result<(), Status> {
        if !self.strikes(GatewayFaults::ERROR, CALL_FAILS) {
            return Ok(());
        }
        Err(match self.dice().below(2) {
            0 => Status::unavailable("the gateway is not ready"),
            _ => Status::deadline_exceeded("the gateway did not answer in time"),
        })
    }

    /// Does to a page what was asked for.
    pub(super) fn page<T>(&self, page: &mut Vec<T>) {
        if self.strikes(GatewayFaults::SHORT, HALF) {
            page.truncate(page.len().div_ceil(2));
        }
        if self.strikes(GatewayFaults::UNORDERED, HALF) {
            let mut dice = self.dice();
            for last in (1..page.len()).rev() {
                let other = dice.below(u32::try_from(last + 1).unwrap_or(u32::MAX));
                page.swap(last, other as usize);
            }
        }
    }

    /// What becomes of the next stream.
    pub(super) fn fate(&self) -> Fate {
        let after = 1 + self.dice().below(LONGEST_STREAM);
        let (ends, falls) = (self.has(GatewayFaults::END), self.has(GatewayFaults::SILENT));
        match self.dice().below(2) {
            0 if ends && falls => Fate::FallsSilent { after },
            0 if ends => Fate::Ends { after },
            _ if ends => Fate::Fails { after },
            _ if falls => Fate::FallsSilent { after },
            _ => Fate::Good,
        }
    }

    fn dice(&self) -> MutexGuard<'_, SeededRng> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not the number of any reader, nor of the beat of the office.
const STREAM: u64 = u64::MAX - 2;

// How often, in a thousand cases, and how long. The numbers stand in the documentation of `GatewayFaults`.
const CALL_FAILS: u32 = 50;
pub(super) const CALL_RESTARTS: u32 = 2;
const HALF: u32 = 500;
const LONGEST_STREAM: u32 = 400;
