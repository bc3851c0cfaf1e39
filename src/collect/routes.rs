//! The ways to one device: the source that is used, and those that stand by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

use super::notice::{Key, MOMENT, Notice, Outages};
use crate::codec::DeviceId;
use crate::device::{Device, Interruption};
use crate::{Error, ErrorKind};

/// Where devices come from: one client.
#[derive(Debug)]
pub(super) struct Source {
    /// Its place in the list of sources.
    pub(super) number: usize,
    /// Asks for a look at the devices of the source now; `None` where nobody looks for devices.
    pub(super) look: Option<Notify>,
}

/// A device over one source.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) device: Device,
    pub(super) source: Arc<Source>,
}

/// The routes to one device. There is always one that is used.
pub(super) struct Routes {
    used: Route,
    standby: Vec<Route>,
    arrivals: mpsc::UnboundedReceiver<Route>,
    outages: Arc<Outages>,
    /// Why the connection of the live stream is lost at present.
    interruption: Option<watch::Receiver<Option<Interruption>>>,
    /// When the present try began.
    began: Instant,
    /// When the connection was lost that [`lost`](Self::lost) has reported.
    lost_at: Option<Instant>,
    /// Whether the device reports no live events at present: its log can be read, and the failure goes on.
    is_deaf: bool,
    /// How many routes in a row have failed, counted from the last success.
    failed: usize,
    /// The last of these failures that concerns the device and not a whole source.
    of_device: Option<Error>,
    /// The source that was used at the last success, and why it failed then.
    before: Option<(usize, Error)>,
    /// The number of the source that is used, for others to read.
    used_number: Arc<AtomicUsize>,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Another route is used now.
    Now,
    /// Every route has failed: try again after a wait.
    Later,
    /// Another device is at the address, and there is no other route. It is reported.
    Replaced,
    /// The client of the last route is closed.
    Closed,
}

impl Source {
    /// Has the source looked at, if somebody looks for its devices.
    pub(super) fn look(&self) {
        if let Some(look) = &self.look {
            look.notify_one();
        }
    }
}

impl Routes {
    /// The routes to a device that is reached over `first`; others arrive later.
    pub(super) fn new(first: Route, arrivals: mpsc::UnboundedReceiver<Route>, outages: Arc<Outages>) -> Self {
        let (standby, interruption, lost_at, is_deaf, failed, of_device, before) = Default::default();
        let used_number = Arc::new(AtomicUsize::new(first.source.number));
        let (used, began) = (first, Instant::now());
        Self {
            used,
            standby,
            arrivals,
            outages,
            interruption,
            began,
            lost_at,
            is_deaf,
            failed,
            of_device,
            before,
            used_number,
        }
    }

    /// The number of the source that is used, which changes.
    pub(super) fn used_number(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.used_number)
    }

    /// Takes no further routes, and returns those that arrived and were not used.
    pub(super) fn close(&mut self) -> Vec<Route> {
        self.arrivals.close();
        std::iter::from_fn(|| self.arrivals.try_recv().ok()).collect()
    }

    /// The device, over the route that is used.
    pub(super) fn device(&self) -> Device {
        self.used.device.clone()
    }

    /// Notes that a try begins.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.lost_at = None;
    }

    /// Notes whether the device reports live events, and from where [`lost`](Self::lost) learns that it does no more.
    pub(super) fn watch(&mut self, interruption: Option<watch::Receiver<Option<Interruption>>>) {
        self.is_deaf = interruption.is_none();
        self.interruption = interruption;
    }

    /// Forgets the live stream.
    pub(super) fn unwatch(&mut self) {
        self.interruption = None;
        self.is_deaf = false;
    }

    /// Notes when the connection of the live stream is lost. Returns if it does not come back in a moment and another
    /// source stands by; otherwise the subscription connects again by itself, and there is nothing better to do.
    pub(super) async fn lost(&mut self) -> Error {
        while let Some(mut interruption) = self.interruption.clone() {
            let lost = interruption.wait_for(Option::is_some).await.ok().and_then(|lost| lost.clone());
            let Some(Interruption { since, error }) = lost else { break };
            let number = self.used.source.number;
            if error.concerns_backend() && self.outages.failed(&Key::Source(number), number, &error, since) {
                self.used.source.look();
            }
            match timeout(MOMENT, interruption.wait_for(Option::is_none)).await {
                Ok(Ok(_)) => continue,
                Ok(Err(_)) => break, // The subscription has ended, and says so itself.
                Err(_) => self.take_arrivals(),
            }
            if self.has_standby() {
                self.lost_at = Some(since);
                return error;
            }
            if !error.concerns_backend() {
                self.outages.failed(&Key::Device(self.id()), number, &error, Instant::now());
            }
        }
        std::future::pending().await
    }

    /// Notes that the log was read to its end, beginning at this time.
    pub(super) fn read(&mut self, began: Instant) {
        let number = self.used.source.number;
        self.failed = 0;
        self.of_device = None;
        if !self.is_deaf {
            self.outages.works(&Key::Device(self.id()), began);
        }
        self.stored(began);
        self.outages.source_works(number, began);
        if let Some((from, error)) = self.before.take().filter(|(from, _)| *from != number) {
            self.outages.taken_over(self.id(), from, number, &error);
        }
    }

    /// Notes that everything which came before `began` is stored.
    pub(super) fn stored(&self, began: Instant) {
        self.outages.sink_works(self.id(), began);
    }

    /// Notes that the sink has failed.
    pub(super) fn unstored(&self, error: &Error) {
        self.outages.sink_failed(self.id(), error);
    }

    /// Notes that the route has failed, and goes over to the next one.
    pub(super) fn failed(&mut self, error: &Error) -> Next {
        let number = self.used.source.number;
        // Not the time at which it is noticed: the source may work again since.
        let at = self.lost_at.take().unwrap_or(self.began);
        self.take_arrivals();
        if error.kind() == ErrorKind::Closed {
            return if self.give_up() { Next::Now } else { Next::Closed };
        }
        if let Some(by) = error.replacement() {
            self.used.source.look();
            if self.give_up() {
                return Next::Now;
            }
            let device = self.id();
            self.outages.forget(&Key::Device(device));
            self.outages.report(&Notice::Replaced { device, by });
            return Next::Replaced;
        }
        self.before.get_or_insert_with(|| (number, error.clone()));
        if !error.concerns_backend() {
            self.of_device = Some(error.clone());
        } else if self.outages.failed(&Key::Source(number), number, error, at) {
            self.used.source.look();
        }
        self.failed += 1;
        if let Some(failed) = self.replace_used() {
            self.standby.push(failed);
        }
        if self.failed <= self.standby.len() {
            return Next::Now;
        }
        self.failed = 0;
        if let Some(error) = self.of_device.take() {
            self.outages.failed(&Key::Device(self.id()), number, &error, Instant::now());
        }
        Next::Later
    }

    pub(super) fn has_standby(&self) -> bool {
        !self.standby.is_empty()
    }

    /// Whether the failure of the device or of the source that is used lasts and was reported.
    pub(super) fn is_failure_reported(&self) -> bool {
        let keys = [Key::Device(self.id()), Key::Source(self.used.source.number)];
        keys.iter().any(|key| self.outages.is_reported(key))
    }

    /// Waits for a further route.
    pub(super) async fn arrival(&mut self) {
        match self.arrivals.recv().await {
            Some(route) => self.add(route),
            None => std::future::pending().await,
        }
    }

    fn id(&self) -> DeviceId {
        self.used.device.id()
    }

    /// Gives up the route that is used; `false` if there is no other one.
    fn give_up(&mut self) -> bool {
        self.replace_used().is_some()
    }

    /// Goes over to the first route that stands by, and returns the one that was used; `None` if no route stands by.
    fn replace_used(&mut self) -> Option<Route> {
        if self.standby.is_empty() {
            return None;
        }
        let next = self.standby.remove(0);
        self.used_number.store(next.source.number, Ordering::Relaxed);
        Some(std::mem::replace(&mut self.used, next))
    }

    fn take_arrivals(&mut self) {
        while let Ok(route) = self.arrivals.try_recv() {
            self.add(route);
        }
    }

    /// A source that reaches the device again replaces its own route of before.
    fn add(&mut self, route: Route) {
        let mut routes = std::iter::once(&mut self.used).chain(&mut self.standby);
        match routes.find(|known| known.source.number == route.source.number) {
            Some(known) => *known = route,
            None => self.standby.push(route),
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;
    use crate::collect::notice::Observer;

    fn route(number: usize) -> Route {
        let client = crate::device::Client::new(crate::sim::Simulator::new("").unwrap().backend());
        let source = Arc::new(Source { number, look: None });
        Route { device: client.device(DeviceId::new(7)), source }
    }

    #[tokio::test(start_paused = true)]
    async fn every_route_is_tried_before_the_collector_waits() {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let outages = Arc::new(Outages::new(Observer::default(), Vec::new(), true));
        let mut routes = Routes::new(route(0), arrivals, outages);
        let error = Error::new(ErrorKind::TimedOut, "no answer");
        assert_eq!(routes.failed(&error), Next::Later, "there is no other route");
        for number in [1, 2, 1] {
            sender.send(route(number)).unwrap();
        }
        let tries: Vec<_> = (0..6).map(|_| (routes.failed(&error), routes.used.source.number)).collect();
        let cycle = [(Next::Now, 1), (Next::Now, 2), (Next::Later, 0)];
        assert_eq!(tries, [cycle, cycle].concat());
        let closed = Error::new(ErrorKind::Closed, "closed");
        let ends: Vec<_> = (0..3).map(|_| routes.failed(&closed)).collect();
        assert_eq!(ends, [Next::Now, Next::Now, Next::Closed]);
    }
}
