//! What a collector reports while it runs: one notice for each outage, and one when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::codec::DeviceId;
use crate::sync::lock;
use crate::{Error, ErrorKind};

/// What an operator should know while a collector runs. `Display` is one sentence.
///
/// An outage is reported once when it begins ([`Failed`](Self::Failed)) and once when it is over
/// ([`Recovered`](Self::Recovered)), however many devices it concerns and however often the work is tried again.
///
/// # Examples
///
/// ```
/// use bs2_events::collect::{Notice, Party};
/// use bs2_events::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Storage, "store `events.db`: cannot store events: the disk is full");
/// let notice = Notice::Failed { party: Party::Sink, error };
/// assert_eq!(
///     notice.to_string(),
///     "store `events.db`: cannot store events: the disk is full; it is tried again"
/// );
/// assert_eq!(Notice::Recovered { party: Party::Sink }.to_string(), "events are stored again");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Something that the collector needs fails. The work is tried again.
    Failed {
        /// What fails.
        party: Party,
        /// Why.
        error: Error,
    },
    /// What failed works.
    Recovered {
        /// What works.
        party: Party,
    },
    /// A source has no device yet. The collector waits for one.
    NoDevice {
        /// The name of the source.
        source: String,
    },
    /// Devices are reached over two sources. One source is used; the other one takes over when the first one fails.
    Standby {
        /// The devices, ascending.
        devices: Vec<DeviceId>,
        /// The name of the source that is used.
        used: String,
        /// The name of the source that stands by.
        standby: String,
    },
    /// A source that stood by is used now.
    TakenOver {
        /// The device; `None` where all devices of the failed source are concerned.
        device: Option<DeviceId>,
        /// The name of the source that failed.
        from: String,
        /// The name of the source that is used now.
        to: String,
        /// Why the first source failed.
        error: Error,
    },
    /// Another device is at the address of a device. The work on the old one has ended.
    Replaced {
        /// The old device.
        device: DeviceId,
        /// The device that is there now.
        by: DeviceId,
    },
    /// The work on a device has ended early.
    Ended {
        /// The device.
        device: DeviceId,
        /// Why.
        error: Error,
    },
}

/// What can fail while a collector runs, and recover.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Party {
    /// The destination of the events.
    Sink,
    /// A source as a whole, by its name: the gateway of its devices, for example.
    Source(String),
    /// One device.
    Device(DeviceId),
    /// A device whose id is not known yet: what its error calls it, such as an address.
    Unreached(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It concerns all devices, whatever device was the first.
            Self::Failed { party: Party::Sink, error } => {
                write!(f, "{}; it is tried again", without_device(error))
            }
            Self::Failed { error, .. } => write!(f, "{}; it is tried again", error.sentence()),
            Self::Recovered { party: Party::Sink } => f.write_str("events are stored again"),
            Self::Recovered { party: Party::Source(name) } => write!(f, "source `{name}` works now"),
            Self::Recovered { party: Party::Device(device) } => write!(f, "device {device} works again"),
            Self::Recovered { party: Party::Unreached(what) } => write!(f, "{what}: reached now"),
            Self::NoDevice { source } => {
                write!(f, "source `{source}` has no device yet; the collector waits for one")
            }
            Self::Standby { devices, used, standby } => {
                match devices.as_slice() {
                    [device] => write!(f, "device {device} is")?,
                    devices => write!(f, "{} devices are", devices.len())?,
                }
                write!(
                    f,
                    " reached over `{used}` and over `{standby}`: `{used}` is used, `{standby}` stands by"
                )
            }
            Self::TakenOver { device, from, to, error } => {
                if let Some(device) = device {
                    write!(f, "device {device}: ")?;
                }
                write!(f, "`{to}` takes over from `{from}`: {}", without_device(error))
            }
            Self::Replaced { device, by } => write!(
                f,
                "device {device} was replaced: device {by} is at its address, and the account of device {device} ends"
            ),
            Self::Ended { device, error } => {
                write!(f, "the work on device {device} has ended: {}", without_device(error))
            }
        }
    }
}

/// The caller's function for notices.
#[derive(Clone, Default)]
pub(super) struct Observer(Option<Arc<Callback>>);

type Callback = dyn Fn(&Notice) + Send + Sync;

impl Observer {
    pub(super) fn new(call: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }

    fn call(&self, notice: &Notice) {
        if let Some(call) = &self.0 {
            call(notice);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

/// The outages of a running collector, shared by its tasks.
#[derive(Debug)]
pub(super) struct Outages {
    observer: Observer,
    /// The names of the sources, by their numbers.
    sources: Vec<String>,
    /// Without it only the sink is reported: what else fails is in the report of the run, which ends soon.
    live: bool,
    open: Mutex<BTreeMap<Key, Outage>>,
    /// For each source the begin of the last try that was successful. What failed before it is over.
    worked: Mutex<BTreeMap<usize, Instant>>,
}

/// What fails. Sources have numbers: two of them may have one name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Key {
    Sink,
    Source(usize),
    /// A source without devices.
    Empty(usize),
    Device(DeviceId),
    /// A device that is not reached: the source, and what the error calls the device.
    Unreached(usize, String),
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    is_reported: bool,
    /// The devices whose events are not stored, if it is the sink.
    devices: BTreeSet<DeviceId>,
    /// The sources that have taken over, if it is a source.
    taken_over: BTreeSet<usize>,
    /// Whether the way to the source failed, and not only its list of devices.
    is_of_backend: bool,
}

impl Outages {
    pub(super) fn new(observer: Observer, sources: Vec<String>, live: bool) -> Self {
        Self { observer, sources, live, open: Mutex::default(), worked: Mutex::default() }
    }

    /// Notes a failure of the sink at the work on a device.
    pub(super) fn sink_failed(&self, device: DeviceId, error: &Error) {
        let mut open = lock(&self.open);
        let outage = open.entry(Key::Sink).or_insert_with(Outage::new);
        outage.devices.insert(device);
        if outage.is_due(error) {
            outage.is_reported = true;
            self.observer.call(&Notice::Failed { party: Party::Sink, error: error.clone() });
        }
    }

    /// Notes that the sink has stored everything of a device that came before `began`.
    pub(super) fn sink_works(&self, device: DeviceId, began: Instant) {
        let mut open = lock(&self.open);
        let Some(outage) = open.get_mut(&Key::Sink) else { return };
        if outage.since <= began {
            outage.devices.remove(&device);
        }
        if outage.devices.is_empty() {
            self.close(&mut open, &Key::Sink);
        }
    }

    /// Notes a failure of a source at this time, or of a device that is reached over it. Returns whether it is new.
    ///
    /// While a source fails, its devices fail too. They are not reported.
    pub(super) fn failed(&self, key: &Key, source: usize, error: &Error, at: Instant) -> bool {
        let mut open = lock(&self.open);
        let is_over = || lock(&self.worked).get(&source).is_some_and(|worked| *worked > at);
        if matches!(key, Key::Source(_)) && is_over() {
            return false;
        }
        let is_part = key.is_of_device() && open.contains_key(&Key::Source(source));
        let is_new = !open.contains_key(key);
        let outage = open.entry(key.clone()).or_insert_with(Outage::new);
        outage.is_of_backend = error.concerns_backend();
        if is_part {
            outage.since = Instant::now();
        } else if outage.is_due(error) || !outage.is_reported && key.is_reported_at_once() {
            outage.is_reported = true;
            if self.live {
                self.observer.call(&match key {
                    Key::Empty(source) => Notice::NoDevice { source: self.name(*source) },
                    key => Notice::Failed { party: self.party(key), error: error.clone() },
                });
            }
        }
        is_new
    }

    /// Notes that a try which began at this time was successful. An outage that began later goes on.
    pub(super) fn works(&self, key: &Key, began: Instant) {
        let mut open = lock(&self.open);
        if let Key::Source(source) = key {
            let mut worked = lock(&self.worked);
            let latest = worked.entry(*source).or_insert(began);
            *latest = began.max(*latest);
        }
        if open.get(key).is_some_and(|outage| outage.since <= began) {
            self.close(&mut open, key);
        }
    }

    /// Notes that the log of a device was read over a source, beginning at this time.
    pub(super) fn source_works(&self, source: usize, began: Instant) {
        let key = Key::Source(source);
        let is_list = lock(&self.open).get(&key).is_some_and(|outage| !outage.is_of_backend);
        if !is_list {
            self.works(&key, began);
        }
    }

    /// Notes which devices of a source are not reached; the others are.
    pub(super) fn unreached(&self, source: usize, errors: &[Error]) {
        let keys: BTreeMap<_, _> =
            errors.iter().map(|error| (Key::Unreached(source, name_of(error)), error)).collect();
        for (key, error) in &keys {
            self.failed(key, source, error, Instant::now());
        }
        let mut open = lock(&self.open);
        let is_over =
            |key: &&Key| matches!(key, Key::Unreached(of, _) if *of == source) && !keys.contains_key(key);
        for key in open.keys().filter(is_over).cloned().collect::<Vec<_>>() {
            self.close(&mut open, &key);
        }
    }

    /// Whether this failure lasts and was reported.
    pub(super) fn is_reported(&self, key: &Key) -> bool {
        lock(&self.open).get(key).is_some_and(|outage| outage.is_reported)
    }

    /// Ends an outage without a notice.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.open).remove(key);
    }

    /// Reports that a device is reached over another source than before. For the outage of a whole source the other
    /// devices are not reported again.
    pub(super) fn taken_over(&self, device: DeviceId, from: usize, to: usize, error: &Error) {
        let mut open = lock(&self.open);
        let mut device = Some(device);
        if error.concerns_backend()
            && let Some(outage) = open.get_mut(&Key::Source(from))
        {
            device = None;
            if !outage.taken_over.insert(to) {
                return;
            }
        }
        let (from, to) = (self.name(from), self.name(to));
        self.observer.call(&Notice::TakenOver { device, from, to, error: error.clone() });
    }

    pub(super) fn standby(&self, devices: Vec<DeviceId>, used: usize, standby: usize) {
        let (used, standby) = (self.name(used), self.name(standby));
        self.report(&Notice::Standby { devices, used, standby });
    }

    pub(super) fn report(&self, notice: &Notice) {
        let _open = lock(&self.open); // Notices come one after the other.
        self.observer.call(notice);
    }

    fn close(&self, open: &mut BTreeMap<Key, Outage>, key: &Key) {
        let was_reported = open.remove(key).is_some_and(|outage| outage.is_reported);
        if was_reported && (self.live || *key == Key::Sink) {
            self.observer.call(&Notice::Recovered { party: self.party(key) });
        }
    }

    fn party(&self, key: &Key) -> Party {
        match key {
            Key::Sink => Party::Sink,
            Key::Source(source) | Key::Empty(source) => Party::Source(self.name(*source)),
            Key::Device(device) => Party::Device(*device),
            Key::Unreached(_, what) => Party::Unreached(what.clone()),
        }
    }

    fn name(&self, source: usize) -> String {
        let name = self.sources.get(source).filter(|name| !name.is_empty());
        name.cloned().unwrap_or_else(|| format!("source {}", source.saturating_add(1)))
    }
}

impl Key {
    /// Whether the outage of a source would explain this one.
    const fn is_of_device(&self) -> bool {
        matches!(self, Self::Device(_) | Self::Unreached(..))
    }

    /// A source and its list of devices do not fail for a moment only.
    const fn is_reported_at_once(&self) -> bool {
        !matches!(self, Self::Device(_) | Self::Sink)
    }
}

impl Outage {
    fn new() -> Self {
        let (taken_over, devices, is_of_backend, is_reported) = Default::default();
        Self { since: Instant::now(), is_reported, devices, taken_over, is_of_backend }
    }

    /// Whether it is reported now: once, and at once if it does not pass by itself or if a call has waited already.
    fn is_due(&self, error: &Error) -> bool {
        let lasts = !error.is_retryable() || error.kind() == ErrorKind::TimedOut;
        !self.is_reported && (lasts || self.since.elapsed() >= MOMENT)
    }
}

/// The sentence of an error without the device at its beginning.
fn without_device(error: &Error) -> String {
    let mut sentence = error.sentence();
    if let Some(device) = error.device() {
        sentence = sentence.replacen(&format!("device {device}: "), "", 1);
    }
    sentence
}

/// What an error calls a device without an id: the text before its first colon and space, such as
/// `device at 192.0.2.7:51211`.
fn name_of(error: &Error) -> String {
    let text = error.to_string();
    text.split(": ").next().unwrap_or_default().to_owned()
}

/// A failure that passes by itself is reported when it has lasted for so long.
pub(super) const MOMENT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn outages() -> (Outages, Arc<Mutex<Vec<String>>>) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&said);
        let observer = Observer::new(move |notice| lock(&log).push(notice.to_string()));
        (Outages::new(observer, vec!["gateway://a".to_owned(), String::new()], true), said)
    }

    fn error(kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, message)
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_the_sink_is_over_when_every_device_is_stored_again() {
        let (outages, said) = outages();
        let (one, two) = (DeviceId::new(1), DeviceId::new(2));
        let full = error(ErrorKind::Storage, "the disk is full");
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        outages.sink_failed(one, &full);
        outages.sink_failed(two, &full);
        // A batch that was on its way when the outage began proves nothing.
        outages.sink_works(one, before);
        outages.sink_works(two, Instant::now());
        assert_eq!(lock(&said).len(), 1);
        outages.sink_works(one, Instant::now());
        assert_eq!(*lock(&said), ["the disk is full; it is tried again", "events are stored again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_in_a_moment_is_not_reported() {
        let (outages, said) = outages();
        let key = Key::Device(DeviceId::new(1));
        let lost = error(ErrorKind::Disconnected, "the connection is lost");
        outages.failed(&key, 0, &lost, Instant::now());
        outages.works(&key, Instant::now());
        assert!(lock(&said).is_empty());
        outages.failed(&key, 0, &lost, Instant::now());
        tokio::time::advance(MOMENT).await;
        outages.failed(&key, 0, &lost, Instant::now());
        outages.failed(&key, 0, &lost, Instant::now());
        outages.works(&key, Instant::now());
        assert_eq!(*lock(&said), ["the connection is lost; it is tried again", "device 1 works again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_source_fails_its_devices_are_not_reported() {
        let (outages, said) = outages();
        let lost = error(ErrorKind::Disconnected, "no gateway");
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(outages.failed(&Key::Source(0), 0, &lost, Instant::now()));
        for device in 1..=50 {
            let key = Key::Device(DeviceId::new(device));
            outages.failed(&key, 0, &error(ErrorKind::TimedOut, "no answer"), Instant::now());
        }
        outages.works(&Key::Source(0), Instant::now());
        // They have a moment to come back.
        let not_yet = error(ErrorKind::Disconnected, "not yet");
        outages.failed(&Key::Device(DeviceId::new(1)), 0, &not_yet, Instant::now());
        // Somebody who hears late of a failure of before begins no new outage.
        assert!(!outages.failed(&Key::Source(0), 0, &lost, before));
        assert_eq!(*lock(&said), ["no gateway; it is tried again", "source `gateway://a` works now"]);
    }

    #[test]
    fn unreached_devices_are_told_apart_by_their_addresses() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let (outages, said) = outages();
        let unreached = |port: u16, why: &str| {
            error(ErrorKind::Disconnected, &format!("device at 192.0.2.7:{port}: {why}"))
        };
        outages.unreached(1, &[unreached(1, "silent"), unreached(2, "silent")]);
        outages.unreached(1, &[unreached(1, "refused")]);
        assert_eq!(lock(&said).len(), 3);
        assert_eq!(lock(&said).last().unwrap(), "device at 192.0.2.7:2: reached now");
    }
}
