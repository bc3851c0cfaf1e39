//! Routes each request to the function that answers it, and holds what these functions share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::database::Database;
use super::devices::OfficeDevices;
use super::fault::{FaultPlan, PlannedFault, RowShape};
use super::options::{BiostarXServerOptions, Dialect};
use super::records::StoredEvent;
use super::request::{ReceivedRequest, RequestLog};
use super::response::{ApiResponse, Refusal, Side};
use super::session::Sessions;
use super::{events, info, lists, virtual_devices};
use crate::Result;
use crate::codec::Timestamp;
use crate::sim::Start;
use crate::sync::{lock, now};

/// The state of the server, behind one lock.
pub(super) struct App {
    pub(super) options: BiostarXServerOptions,
    pub(super) clock: Clock,
    pub(super) database: Database,
    pub(super) sessions: Sessions,
    pub(super) faults: FaultPlan,
    pub(super) requests: RequestLog,
    devices: OfficeDevices,
    /// The number of sockets so far.
    pub(super) sockets: u64,
    /// Closed when the server is dropped.
    pub(super) end: watch::Receiver<()>,
}

impl App {
    /// Fails with the errors of the state file.
    pub(super) fn new(options: BiostarXServerOptions, end: watch::Receiver<()>) -> Result<Self> {
        let mut devices = OfficeDevices::new(&options, options.start)?;
        let database = Database::open(&options, devices.names(), |is_now| {
            // A state file of an earlier version has no backlog: then it is that of the fixed time.
            let start = match options.start {
                Start::Now if !is_now => Start::Fixed,
                start => start,
            };
            let (made, backlog) = OfficeDevices::made_backlog(&options, start)?;
            if is_now == options.start.is_now() {
                devices = made;
            }
            Ok(backlog)
        })?;
        devices.skip_stored(&database)?;
        Ok(Self {
            clock: Clock::new(options.start),
            sessions: Sessions::new(options.seed.wrapping_add(database.starts)),
            faults: FaultPlan::new(options.faults, options.seed),
            requests: RequestLog::default(),
            database,
            devices,
            sockets: 0,
            end,
            options,
        })
    }

    /// Answers a request. Of the faults, those apply that change the response.
    pub(super) fn respond(&mut self, request: &ReceivedRequest, faults: &[PlannedFault]) -> ApiResponse {
        let side = if request.path().starts_with("/api/v2/") { Side::Web } else { Side::Core };
        let wrap = faults.contains(&PlannedFault::Wrapped);
        self.route(request, faults).unwrap_or_else(|refusal| refusal.response(side, wrap))
    }

    fn route(&mut self, request: &ReceivedRequest, faults: &[PlannedFault]) -> Result<ApiResponse, Refusal> {
        let path = request.path();
        let Some((endpoint, methods)) = Endpoint::at(path) else {
            let is_api = path == "/api" || path.starts_with("/api/");
            return Err(if is_api { Refusal::UNKNOWN_REQUEST } else { Refusal::NOT_FOUND });
        };
        if !methods.contains(&request.method()) {
            return Err(Refusal::METHOD);
        }
        match endpoint {
            Endpoint::Login => return self.sessions.login(request, &self.options, self.clock.now()),
            Endpoint::Version => return Ok(info::version()),
            _ => {}
        }
        if faults.contains(&PlannedFault::EndSession) {
            self.sessions.end(request.session().unwrap_or_default());
        }
        let (options, database) = (&self.options, &mut self.database);
        let session = self.sessions.of_request(request.session(), options.session, self.clock.now())?;
        if session.is_powerless && !matches!(endpoint, Endpoint::Logout) {
            return Err(Refusal::NO_PERMISSION);
        }
        match endpoint {
            Endpoint::Login | Endpoint::Version => Err(Refusal::UNKNOWN_REQUEST),
            Endpoint::Logout => {
                self.sessions.end(request.session().unwrap_or_default());
                Ok(ApiResponse::success(Side::Core, json!({})))
            }
            Endpoint::Installation => Ok(info::installation(options)),
            Endpoint::Import => {
                let partial = faults.contains(&PlannedFault::Partial);
                let (now, first) = (self.clock.now(), database.events.len());
                let response = events::import(request, options, database, &mut self.faults, now, partial)?;
                if options.push {
                    self.publish_from(first);
                }
                Ok(response)
            }
            Endpoint::Search => {
                let shape =
                    |fault: &_| if let PlannedFault::Rows(shape) = fault { Some(*shape) } else { None };
                let shapes: Vec<RowShape> = faults.iter().filter_map(shape).collect();
                events::search(request, options, database, &shapes)
            }
            Endpoint::Start => self.sessions.start_events(request, options.unbound),
            Endpoint::EventTypes => Ok(info::event_types(request)),
            Endpoint::Image(name) => info::image(name, database, &self.devices),
            Endpoint::VirtualDevices => match request.method() {
                "POST" => virtual_devices::create(request, options, database),
                "DELETE" => virtual_devices::delete(request, options, database),
                _ => virtual_devices::list(options, database),
            },
            Endpoint::VirtualDevice(id) => virtual_devices::update(request, id, options, database),
            Endpoint::Users => lists::users(request, database),
            Endpoint::User(id) => lists::one_user(id, database),
            Endpoint::Devices => lists::devices(request, database, &self.devices),
            Endpoint::Doors => lists::doors(request, database, &self.devices),
        }
    }

    /// Stores the next event of the office and sends it to the sockets.
    pub(super) fn make_event(&mut self) -> Result<StoredEvent> {
        let event = self.devices.next_event()?;
        self.report(event)
    }

    /// Stores a device's event and sends it to the sockets.
    pub(super) fn report(&mut self, mut event: StoredEvent) -> Result<StoredEvent> {
        if self.options.start.is_now() {
            event.stored = self.clock.now().as_unix_seconds();
        }
        let first = self.database.events.len();
        let event = self.database.report(event)?;
        self.publish_from(first);
        Ok(event)
    }

    /// Sends every event from this position of the log on to the sockets.
    fn publish_from(&self, first: usize) {
        if !self.sessions.has_started_socket() {
            return;
        }
        for event in self.database.events.iter().skip(first) {
            let name = self.database.device_name(event.device_id);
            let frame = event.frame(name, self.options.zone_minutes);
            let bytes = ApiResponse::without_envelope(Side::Core, frame).to_bytes(Dialect::Documented, false);
            self.sessions.send(&String::from_utf8_lossy(&bytes));
        }
    }
}

/// Makes this number of events a second, until the task is aborted.
pub(super) async fn make_events(app: Arc<Mutex<App>>, rate: u32) {
    if rate == 0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if lock(&app).make_event().is_err() {
            tracing::error!("the event of a simulated device cannot be stored");
            return;
        }
    }
}

/// The server's clock. It runs with the clock of the machine, or stands still until a test moves it.
pub(super) struct Clock {
    /// The time at which it stands still.
    fixed: Option<Timestamp>,
    /// In seconds.
    moved: u64,
}

impl Clock {
    fn new(start: Start) -> Self {
        let fixed = (start != Start::Now).then(|| start.time());
        Self { fixed, moved: 0 }
    }

    /// Moves the clock forward, in whole seconds.
    pub(super) fn advance(&mut self, by: Duration) {
        self.moved = self.moved.saturating_add(by.as_secs());
    }

    pub(super) fn now(&self) -> Timestamp {
        let start = self.fixed.unwrap_or_else(now).as_unix_seconds();
        let seconds = u64::from(start).saturating_add(self.moved);
        Timestamp::from_unix_seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// The paths of the server. A slash at the end makes a path another path.
enum Endpoint<'a> {
    Login,
    Logout,
    Version,
    Installation,
    Import,
    Search,
    Start,
    EventTypes,
    Image(&'a str),
    VirtualDevices,
    VirtualDevice(&'a str),
    Users,
    User(&'a str),
    Devices,
    Doors,
}

impl<'a> Endpoint<'a> {
    /// The endpoint at a path, and its methods.
    fn at(path: &'a str) -> Option<(Self, &'static [&'static str])> {
        let one = |rest: &'a str| (!rest.is_empty() && !rest.contains('/')).then_some(rest);
        Some(match path {
            "/api/login" => (Self::Login, &["POST"]),
            "/api/logout" => (Self::Logout, &["POST"]),
            "/js/info.json" => (Self::Version, &["GET"]),
            "/api/setting/biostar" => (Self::Installation, &["GET"]),
            "/api/events/import" => (Self::Import, &["POST"]),
            "/api/events/search" => (Self::Search, &["POST"]),
            "/api/events/start" => (Self::Start, &["POST"]),
            "/api/event_types" => (Self::EventTypes, &["GET"]),
            "/api/users" => (Self::Users, &["GET"]),
            "/api/devices" => (Self::Devices, &["GET"]),
            "/api/doors" => (Self::Doors, &["GET"]),
            "/api/v2/virtual_devices" => (Self::VirtualDevices, &["DELETE", "GET", "POST"]),
            _ => {
                let below = |folder| path.strip_prefix(folder).and_then(one);
                if let Some(name) = below("/api/events/images/") {
                    (Self::Image(name), &["GET"])
                } else if let Some(id) = below("/api/users/") {
                    (Self::User(id), &["GET"])
                } else {
                    (Self::VirtualDevice(below("/api/v2/virtual_devices/")?), &["PUT"])
                }
            }
        })
    }
}
