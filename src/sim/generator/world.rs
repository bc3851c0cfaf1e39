//! What all readers of a simulator share.

use std::sync::Arc;
use std::time::SystemTime;

use super::users::people;
use crate::Result;
use crate::codec::{Timestamp, UserId};
use crate::sim::options::{SimOptions, Start};

/// The part of the settings that decides what happens, and the people to whom it happens.
pub(in crate::sim) struct World {
    pub(in crate::sim) seed: u64,
    pub(in crate::sim) start: Timestamp,
    pub(in crate::sim) capacity: usize,
    pub(in crate::sim) images: bool,
    pub(in crate::sim) people: Box<[UserId]>,
}

impl World {
    pub(in crate::sim) fn new(settings: &SimOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            seed: settings.seed,
            start: opening(settings.start),
            capacity: settings.capacity as usize,
            images: settings.images,
            people: people(settings.seed)?,
        }))
    }
}

/// The time of the first event.
pub(in crate::sim) fn opening(start: Start) -> Timestamp {
    match start {
        Start::Fixed => FIXED_START,
        Start::Now => now(),
        Start::At(time) => time,
    }
}

/// The clock of the machine.
pub(in crate::sim) fn now() -> Timestamp {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    Timestamp::from_unix_seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Monday 2025-03-24T00:00:00Z, some days before the clocks of Europe change.
pub(in crate::sim) const FIXED_START: Timestamp = Timestamp::from_unix_seconds(1_742_774_400);
