//! The line to one reader: who is connected and listens, and what goes wrong on the way.

use std::time::Duration;

use super::faults::Faults;
use super::generator::STREAMS_A_READER;
use super::rng::SeededRng;
use super::subscriber::Subscriber;
use crate::Error;
use crate::codec::{DeviceId, Event, SdkCode};

/// The state of the line. Its faults draw from a stream of their own and so never change an event.
pub(super) struct Connection {
    device: DeviceId,
    faults: Faults,
    dice: SeededRng,
    /// Raised by every loss of connection: what was connected before is not any more.
    generation: u64,
    /// How many tries to connect will fail.
    refusals: u32,
    stuck: bool,
    listeners: Vec<Listener>,
    next_ticket: u64,
    /// A live event that waits to be overtaken by the next one.
    held: Option<Event>,
}

struct Listener {
    ticket: u64,
    door: u64,
    outlet: Subscriber,
}

/// What will go wrong with a call.
#[derive(Clone, Copy)]
pub(super) enum Trouble {
    None,
    /// The reader answers with this code.
    Code(SdkCode),
    /// The connection is lost before the reader has done what it was asked.
    CutBefore,
    /// The connection is lost after it, and with it the answer.
    CutAfter,
}

impl Connection {
    pub(super) fn new(seed: u64, device: DeviceId, index: u32, faults: Faults) -> Self {
        Self {
            device,
            dice: SeededRng::new(seed, STREAMS_A_READER * u64::from(index) + 1),
            generation: 1,
            refusals: 0,
            stuck: faults.contains(Faults::STUCK) && index == 0,
            faults,
            listeners: Vec::new(),
            next_ticket: 0,
            held: None,
        }
    }

    /// Makes a connection; its generation is what holds until the connection is lost.
    pub(super) fn connect(&mut self) -> Result<u64, Error> {
        match self.refusals.checked_sub(1) {
            Some(left) => {
                self.refusals = left;
                Err(self.error(CANNOT_CONNECT, "cannot connect"))
            }
            None => Ok(self.generation),
        }
    }

    /// Whether a connection of this generation still stands.
    ///
    /// # Errors
    ///
    /// `Disconnected` if it does not.
    pub(super) fn check(&self, generation: u64) -> Result<(), Error> {
        if generation == self.generation { Ok(()) } else { Err(self.lost()) }
    }

    /// Loses every connection, and tells those who listen.
    pub(super) fn disconnect(&mut self) {
        self.generation += 1;
        self.held = None;
        for listener in std::mem::take(&mut self.listeners) {
            listener.outlet.disconnected(self.lost());
        }
    }

    pub(super) fn listen(&mut self, door: u64, outlet: Subscriber) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.listeners.push(Listener { ticket, door, outlet });
        ticket
    }

    pub(super) fn unlisten(&mut self, ticket: u64) {
        self.listeners.retain(|listener| listener.ticket != ticket);
    }

    /// Ends what one door listens to, because it was closed.
    pub(super) fn close(&mut self, door: u64, error: impl Fn() -> Error) {
        for listener in self.listeners.extract_if(.., |listener| listener.door == door) {
            listener.outlet.disconnected(error());
        }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    pub(super) fn set_stuck(&mut self, stuck: bool) {
        self.stuck = stuck;
    }

    /// Reports an event live, with what may happen to it on the way.
    pub(super) fn report(&mut self, event: &Event) {
        if self.stuck || self.listeners.is_empty() {
            return;
        }
        let held = self.held.take();
        if !self.strikes(Faults::DROP, LIVE_DROPPED) {
            if held.is_none() && self.strikes(Faults::REORDER, LIVE_OVERTAKEN) {
                self.held = Some(*event);
            } else {
                self.push(event);
                if self.strikes(Faults::REPEAT, LIVE_TWICE) {
                    self.push(event);
                }
            }
        }
        if let Some(held) = held {
            self.push(&held);
        }
        if self.strikes(Faults::DISCONNECT, CUT) {
            self.cut();
        }
    }

    /// What will go wrong with the next call.
    pub(super) fn trouble(&mut self) -> Trouble {
        if self.strikes(Faults::DISCONNECT, CUT) {
            return self.dice.pick(&[Trouble::CutBefore, Trouble::CutAfter]);
        }
        if self.strikes(Faults::ERROR, CALL_FAILS) {
            return Trouble::Code(self.dice.pick(&[TIMEOUT, DEVICE_BUSY]));
        }
        Trouble::None
    }

    /// How long the next page takes.
    pub(super) fn delay(&mut self) -> Duration {
        if self.strikes(Faults::SLOW, PAGE_IS_SLOW) {
            Duration::from_millis(20 + u64::from(self.dice.below(181)))
        } else {
            Duration::ZERO
        }
    }

    /// Whether the next answer repeats the record at its boundary.
    pub(super) fn repeats(&mut self) -> bool {
        self.strikes(Faults::REPEAT, ANSWER_REPEATS)
    }

    /// Loses the connections by a fault; the reader may stay away for some tries.
    pub(super) fn cut(&mut self) {
        self.refusals = self.dice.below(3);
        self.disconnect();
    }

    pub(super) fn lost(&self) -> Error {
        self.error(NOT_CONNECTED, "no connection")
    }

    pub(super) fn error(&self, code: SdkCode, message: &str) -> Error {
        Error::from_sdk_code(code, message).with_device(self.device)
    }

    fn push(&self, event: &Event) {
        for listener in &self.listeners {
            listener.outlet.push(event);
        }
    }

    fn strikes(&mut self, fault: Faults, per_mille: u32) -> bool {
        self.faults.contains(fault) && self.dice.per_mille(per_mille)
    }
}

pub(super) const CANNOT_CONNECT: SdkCode = SdkCode::new(-102);
pub(super) const NOT_CONNECTED: SdkCode = SdkCode::new(-107);
pub(super) const INVALID_PARAMETER: SdkCode = SdkCode::new(-200);
pub(super) const NOT_SUPPORTED: SdkCode = SdkCode::new(-600);
const TIMEOUT: SdkCode = SdkCode::new(-601);
pub(super) const NO_SUCH_LOG: SdkCode = SdkCode::new(-725);
pub(super) const NO_SUCH_DEVICE: SdkCode = SdkCode::new(-907);
const DEVICE_BUSY: SdkCode = SdkCode::new(-10007);

// How often, in a thousand cases. The numbers stand in the documentation of `Faults`.
const LIVE_DROPPED: u32 = 50;
const LIVE_OVERTAKEN: u32 = 50;
const LIVE_TWICE: u32 = 50;
const ANSWER_REPEATS: u32 = 200;
const PAGE_IS_SLOW: u32 = 500;
const CALL_FAILS: u32 = 20;
const CUT: u32 = 3;
