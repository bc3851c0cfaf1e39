//! The installation behind the server: what it knows, and which path does what.

use serde_json::json;
use tokio::sync::watch;

use super::clock::Clock;
use super::database::Store;
use super::devices::Office;
use super::fault::{Fate, Fault, Rows};
use super::options::{Dialect, ServerSettings};
use super::refusal::Refusal;
use super::request::{Record, Request};
use super::response::{Answer, Side};
use super::row::frame;
use super::session::Sessions;
use crate::Result;

/// Everything that requests share, behind one lock.
pub(super) struct Site {
    pub(super) settings: ServerSettings,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) sessions: Sessions,
    pub(super) fate: Fate,
    pub(super) record: Record,
    pub(super) office: Office,
    pub(super) sockets: u64,
    /// Closed when the server ends.
    pub(super) end: watch::Receiver<()>,
}

impl Site {
    /// # Errors
    ///
    /// Those of the state file.
    pub(super) fn new(settings: ServerSettings, end: watch::Receiver<()>) -> Result<Self> {
        let mut office = Office::new(&settings)?;
        let readers = office.readers();
        let store = Store::open(&settings, readers, office.backlog(settings.backlog)?)?;
        office.skip(&store)?;
        Ok(Self {
            clock: Clock::new(settings.start),
            sessions: Sessions::new(settings.seed.wrapping_add(store.starts)),
            fate: Fate::new(settings.faults, settings.seed),
            record: Record::default(),
            store,
            office,
            sockets: 0,
            end,
            settings,
        })
    }

    /// Does what is asked; what goes wrong within an answer is in `faults`.
    pub(super) fn answer(&mut self, request: &Request, faults: &[Fault]) -> Answer {
        let side = if request.path().starts_with("/api/v2/") { Side::Web } else { Side::Core };
        let wrap = faults.contains(&Fault::Wrapped);
        self.route(request, faults).unwrap_or_else(|refusal| refusal.answer(side, wrap))
    }

    fn route(&mut self, request: &Request, faults: &[Fault]) -> Result<Answer, Refusal> {
        let path = request.path();
        let Some(endpoint) = Endpoint::at(path) else {
            let api = path == "/api" || path.starts_with("/api/");
            return Err(if api { Refusal::UNKNOWN_REQUEST } else { Refusal::NOT_THERE });
        };
        if !endpoint.methods().contains(&request.method()) {
            return Err(Refusal::METHOD);
        }
        match endpoint {
            Endpoint::Login => return self.login(request),
            Endpoint::Info => return Ok(Self::info()),
            _ => {}
        }
        if faults.contains(&Fault::EndSession) {
            self.sessions.end(request.session().unwrap_or_default());
        }
        let session = self.sessions.used(request.session(), self.settings.session, self.clock.now())?;
        if session.powerless && !matches!(endpoint, Endpoint::Logout) {
            return Err(Refusal::NO_PERMISSION);
        }
        let rows: Vec<Rows> = faults.iter().filter_map(Fault::rows).collect();
        match endpoint {
            Endpoint::Login | Endpoint::Info => Err(Refusal::UNKNOWN_REQUEST),
            Endpoint::Logout => {
                self.sessions.end(request.session().unwrap_or_default());
                Ok(Answer::ok(Side::Core, json!({})))
            }
            Endpoint::Settings => Ok(self.installation()),
            Endpoint::Import => self.import(request, faults.contains(&Fault::Partial)),
            Endpoint::Search => self.search(request, &rows),
            Endpoint::Start => self.start_events(request),
            Endpoint::EventTypes => Ok(Self::event_types(request)),
            Endpoint::Image(name) => self.image(name),
            Endpoint::VirtualDevices => match request.method() {
                "POST" => self.create_device(request),
                "DELETE" => self.delete_devices(request),
                _ => self.list_devices(),
            },
            Endpoint::VirtualDevice(id) => self.update_device(request, id),
        }
    }

    /// Tells the sockets of every event from this position of the log on.
    pub(super) fn tell_from(&self, first: usize) {
        if !self.sessions.listen() {
            return;
        }
        let zone = self.settings.zone_minutes;
        for event in self.store.events.iter().skip(first) {
            let frame = Answer::bare(Side::Core, frame(event, &self.store, zone));
            let bytes = frame.to_bytes(Dialect::Documented, false);
            self.sessions.tell(&String::from_utf8_lossy(&bytes));
        }
    }
}

impl Fault {
    fn rows(&self) -> Option<Rows> {
        match self {
            Self::Rows(rows) => Some(*rows),
            _ => None,
        }
    }
}

/// What there is; a slash at the end of a path makes it another one.
enum Endpoint<'a> {
    Login,
    Logout,
    Info,
    Settings,
    Import,
    Search,
    Start,
    EventTypes,
    Image(&'a str),
    VirtualDevices,
    VirtualDevice(&'a str),
}

impl<'a> Endpoint<'a> {
    fn at(path: &'a str) -> Option<Self> {
        let one = |rest: &'a str| (!rest.is_empty() && !rest.contains('/')).then_some(rest);
        Some(match path {
            "/api/login" => Self::Login,
            "/api/logout" => Self::Logout,
            "/js/info.json" => Self::Info,
            "/api/setting/biostar" => Self::Settings,
            "/api/events/import" => Self::Import,
            "/api/events/search" => Self::Search,
            "/api/events/start" => Self::Start,
            "/api/event_types" => Self::EventTypes,
            "/api/v2/virtual_devices" => Self::VirtualDevices,
            _ => {
                let image = path.strip_prefix("/api/events/images/").and_then(one).map(Self::Image);
                let device = || path.strip_prefix("/api/v2/virtual_devices/").and_then(one);
                return image.or_else(|| device().map(Self::VirtualDevice));
            }
        })
    }

    fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Login | Self::Logout | Self::Import | Self::Search | Self::Start => &["POST"],
            Self::Info | Self::Settings | Self::EventTypes | Self::Image(_) => &["GET"],
            Self::VirtualDevices => &["DELETE", "GET", "POST"],
            Self::VirtualDevice(_) => &["PUT"],
        }
    }
}
