//! Checking one epoch while its rows pass by in the order of their ids.

use super::{EpochReport, Fault};
use crate::codec::DeviceId;
use crate::sink::Gap;

/// Takes first the watermark, then the gaps, then the events, each ascending.
#[derive(Default)]
pub(super) struct Checker {
    span: Option<(u32, u32)>,
    gaps: Vec<Gap>,
    /// Where the gap that reaches furthest ends.
    gaps_end: Option<u32>,
    /// How many of the gaps begin at or below the last event.
    passed: usize,
    /// Where the one among these that reaches furthest ends.
    passed_end: Option<u32>,
    /// The lowest id of which nothing is known yet; one more than an id can be at the end.
    next: u64,
    events: u64,
    ends: Option<(u32, u32)>,
    above: u64,
    faults: Vec<Fault>,
    fault_count: u64,
}

impl Checker {
    pub(super) fn watermark(&mut self, first: u32, watermark: u32) {
        self.span = Some((first, watermark));
        self.next = u64::from(first);
        if watermark.saturating_add(1) < first {
            self.fault(Fault::WatermarkBelowFirst);
        }
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        if gap.from > gap.to {
            return self.fault(Fault::GapBackwards { from: gap.from, to: gap.to });
        }
        if let Some(end) = self.gaps_end.filter(|end| *end >= gap.from) {
            self.fault(Fault::GapsOverlap { from: gap.from, to: end.min(gap.to) });
        }
        self.gaps_end = self.gaps_end.max(Some(gap.to));
        self.gaps.push(gap);
    }

    pub(super) fn event(&mut self, id: u32) {
        self.pass_gaps(id);
        if self.passed_end.is_some_and(|end| end >= id) {
            self.fault(Fault::EventInGap { id });
        }
        self.cover(id, id);
        self.events += 1;
        self.ends = Some((self.ends.map_or(id, |(first, _)| first), id));
        if let Some((first, watermark)) = self.span {
            if id < first {
                self.fault(Fault::BelowFirst { id });
            }
            self.above += u64::from(id > watermark);
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault);
        }
    }

    pub(super) fn finish(mut self, device: u32, epoch: u32) -> EpochReport {
        self.pass_gaps(u32::MAX);
        match self.span {
            Some((_, watermark)) => self.hole_below(u64::from(watermark) + 1),
            None => self.fault(Fault::NoWatermark),
        }
        EpochReport {
            device: DeviceId::new(device),
            epoch,
            first: self.span.map(|(first, _)| first),
            watermark: self.span.map(|(_, watermark)| watermark),
            events: self.events,
            first_event: self.ends.map(|(first, _)| first),
            last_event: self.ends.map(|(_, last)| last),
            above: self.above,
            gaps: self.gaps,
            faults: self.faults,
            fault_count: self.fault_count,
        }
    }

    /// Covers with the gaps that begin at or below `id`.
    fn pass_gaps(&mut self, id: u32) {
        while let Some(gap) = self.gaps.get(self.passed).copied().filter(|gap| gap.from <= id) {
            self.passed += 1;
            self.passed_end = self.passed_end.max(Some(gap.to));
            self.cover(gap.from, gap.to);
        }
    }

    fn cover(&mut self, from: u32, to: u32) {
        self.hole_below(u64::from(from));
        self.next = self.next.max(u64::from(to) + 1);
    }

    /// Tells of a hole between what is covered and `id`, as far as the watermark reaches.
    fn hole_below(&mut self, id: u64) {
        let Some((_, watermark)) = self.span else { return };
        let end = id.min(u64::from(watermark) + 1);
        if let (Ok(from), Ok(to)) = (u32::try_from(self.next), u32::try_from(end.saturating_sub(1)))
            && self.next < end
        {
            self.fault(Fault::Hole { from, to });
        }
    }
}

const FAULTS_KEPT: usize = 100;
