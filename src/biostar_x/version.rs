//! Which server this is, and what it is licensed for.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::json::{Done, at, flag, number, text};
use super::transport::Request;
use crate::Result;

/// What a server is licensed for.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// # let client = bs2_events::biostar_x::Client::builder(&server.url())
/// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
/// # for id in [100_001, 100_002] {
/// #     let id = bs2_events::biostar_x::VirtualDeviceId::new(id)?;
/// #     let new = bs2_events::biostar_x::NewVirtualDevice::new(id, format!("Gate {id}"));
/// #     client.create_virtual_device(&new).await?;
/// # }
/// if client.licences().await?.event_log_api() != Some(true) {
///     println!("virtual devices and imports need the Event Log API licence");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Licences(Value);

impl Licences {
    /// Whether virtual devices and imports are licensed; `None` where the server does not say, as BioStar 2.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(bs2_events::biostar_x::Licences::default().event_log_api(), None);
    /// ```
    #[must_use]
    pub fn event_log_api(&self) -> Option<bool> {
        self.feature("evtLogApi")
    }

    /// Whether a feature is licensed, by the server's name of it: `api`, `visitor`, `mobile`, `advancedAcs`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(bs2_events::biostar_x::Licences::default().feature("mobile"), None);
    /// ```
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<bool> {
        flag(at(&self.0, &["feature", name]))
    }

    /// How many of something are licensed, by the server's name of it: `door`, `user`, `operator`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(bs2_events::biostar_x::Licences::default().capacity("door"), None);
    /// ```
    #[must_use]
    pub fn capacity(&self, name: &str) -> Option<i64> {
        number(at(&self.0, &["capacity", name]))
    }
}

impl fmt::Debug for Licences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Licences").field("event_log_api", &self.event_log_api()).finish_non_exhaustive()
    }
}

impl Client {
    /// The server's version, asked for without logging in; `None` where the server does not say.
    ///
    /// # Errors
    ///
    /// Those of every call except the session's.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// println!("{}", client.version().await?.unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn version(&self) -> Result<Option<String>> {
        let request = Request::plain(Method::GET, "GET /js/info.json");
        let reply = self.0.transport.send(&request, None).await?;
        let done = Done::of(request.endpoint(), &reply)?;
        // No document shows the file; these are the names that other answers have for it.
        let places: [&[&str]; 4] =
            [&["version"], &["biostarVersion"], &["version", "biostarVersion"], &["info", "version"]];
        Ok(places.into_iter().find_map(|place| text(at(&done.body, place))))
    }

    /// What the server is licensed for.
    ///
    /// # Errors
    ///
    /// Those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// println!("{:?} doors", client.licences().await?.capacity("door"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn licences(&self) -> Result<Licences> {
        let done = self.call(&Request::plain(Method::GET, "GET /api/setting/biostar")).await?;
        // Beside the settings or inside them.
        let inside = || done.body.as_object()?.values().find_map(|part| part.get("licenses"));
        let found = done.body.get("licenses").or_else(inside);
        Ok(Licences(found.cloned().unwrap_or_default()))
    }
}
