//! Faults of the gateway itself.

use std::sync::{Mutex, MutexGuard};

use bitflags::bitflags;
use tonic::Status;

use super::broadcast::StreamEnd;
use crate::sim::rng::SeededRng;
use crate::sim::setting::fault_text;
use crate::sync::lock;

bitflags! {
    /// Faults of the gateway itself. Its devices have their own ([`Faults`](crate::sim::Faults)).
    ///
    /// | fault | as text | what happens |
    /// |---|---|---|
    /// | `EXCLUSIVE` | `exclusive` | logs begin after the start id and not at it |
    /// | `UNORDERED` | `unordered` | every second page of a log is shuffled |
    /// | `SHORT` | `short` | every second page of a log has at most half of the events that the client asked for |
    /// | `ERROR` | `error` | one call of 20 fails with `UNAVAILABLE` or `DEADLINE_EXCEEDED` |
    /// | `END` | `end` | streams end after up to 400 events, cleanly or with an error |
    /// | `SILENT` | `silent` | streams send nothing more after up to 400 events, and stay open |
    /// | `RESTART` | `restart` | at one call of 500 the gateway restarts: it drops every client and every connection |
    /// | `FRAMES` | `frames` | every event of a stream is a frame of its own |
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct GatewayFaults: u8 {
        /// Logs begin after the start id.
        const EXCLUSIVE = 0x01;
        /// Pages are shuffled.
        const UNORDERED = 0x02;
        /// Pages are short although the log goes on.
        const SHORT = 0x04;
        /// Calls fail.
        const ERROR = 0x08;
        /// Streams end.
        const END = 0x10;
        /// Streams stay open and send nothing.
        const SILENT = 0x20;
        /// The gateway restarts.
        const RESTART = 0x40;
        /// Each event is a frame of its own.
        const FRAMES = 0x80;
    }
}

fault_text!(GatewayFaults);

/// Decides at random, from the seed, when the chosen faults occur.
pub(super) struct GatewayFaultInjector {
    faults: GatewayFaults,
    rng: Mutex<SeededRng>,
}

impl GatewayFaultInjector {
    pub(super) fn new(faults: GatewayFaults, seed: u64) -> Self {
        Self { faults, rng: Mutex::new(SeededRng::new(seed, STREAM)) }
    }

    pub(super) fn has(&self, fault: GatewayFaults) -> bool {
        self.faults.contains(fault)
    }

    /// Whether the gateway restarts at this call.
    pub(super) fn restarts(&self) -> bool {
        self.occurs(GatewayFaults::RESTART, CALL_RESTARTS)
    }

    /// Fails, if this call does, with the status that the client gets instead of a response.
    pub(super) fn fail_call(&self) -> Result<(), Status> {
        if !self.occurs(GatewayFaults::ERROR, CALL_FAILS) {
            return Ok(());
        }
        Err(match self.rng().below(2) {
            0 => Status::unavailable("the gateway is not ready"),
            _ => Status::deadline_exceeded("the gateway did not answer in time"),
        })
    }

    /// Shortens and shuffles a page, as the faults say.
    pub(super) fn spoil_page<T>(&self, page: &mut Vec<T>) {
        if self.occurs(GatewayFaults::SHORT, HALF) {
            page.truncate(page.len().div_ceil(2));
        }
        if self.occurs(GatewayFaults::UNORDERED, HALF) {
            let mut rng = self.rng();
            for last in (1..page.len()).rev() {
                let other = rng.below(u32::try_from(last + 1).unwrap_or(u32::MAX));
                page.swap(last, other as usize);
            }
        }
    }

    /// Decides how the next stream ends, and after how many items.
    pub(super) fn stream_end(&self) -> (StreamEnd, u32) {
        let after = 1 + self.rng().below(LONGEST_STREAM);
        let (ends, falls_silent) = (self.has(GatewayFaults::END), self.has(GatewayFaults::SILENT));
        let end = match self.rng().below(2) {
            0 if ends && falls_silent => StreamEnd::Silent,
            0 if ends => StreamEnd::Clean,
            _ if ends => StreamEnd::Error,
            _ if falls_silent => StreamEnd::Silent,
            _ => StreamEnd::Never,
        };
        (end, after)
    }

    /// Whether a fault is chosen and occurs now, with this probability.
    fn occurs(&self, fault: GatewayFaults, per_mille: u32) -> bool {
        self.has(fault) && self.rng().per_mille(per_mille)
    }

    fn rng(&self) -> MutexGuard<'_, SeededRng> {
        lock(&self.rng)
    }
}

/// The random stream of this seed: neither that of a device nor that of the ticker.
const STREAM: u64 = u64::MAX - 2;

// Probabilities in 1/1000, and a length. The documentation of `GatewayFaults` states them.
const CALL_FAILS: u32 = 50;
const CALL_RESTARTS: u32 = 2;
const HALF: u32 = 500;
const LONGEST_STREAM: u32 = 400;
