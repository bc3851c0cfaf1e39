//! The kinds of event that the server knows.

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::json::{at, flag, number, rows, text};
use super::transport::Request;
use crate::Result;
use crate::codec::EventCode;

/// A kind of event of the server.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> bs2_events::Result<()> {
/// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
/// # let client = bs2_events::biostar_x::Client::builder(&server.url())
/// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
/// let types = client.event_types().await?;
/// let granted = types.iter().find(|kind| kind.code.is_some_and(|code| code.get() == 4_088));
/// assert_eq!(granted.and_then(|kind| kind.name.as_deref()), Some("ACCESS_GRANTED"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct EventType {
    /// Its code; missing where it is 0. Below 0x1000 are those that the server makes itself.
    pub code: Option<EventCode>,
    /// Its name, such as `VERIFY_SUCCESS`.
    pub name: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// Whether the server could raise an alert for it.
    pub alertable: Option<bool>,
    /// Whether it does.
    pub enable_alert: Option<bool>,
}

impl Client {
    /// All kinds of event that the server knows.
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
    /// println!("{} kinds of event", client.event_types().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn event_types(&self) -> Result<Vec<EventType>> {
        let request = Request::plain(Method::GET, "GET /api/event_types?setting_all=true");
        let done = self.call(&request).await?;
        Ok(rows(&done, "EventTypeCollection")?.iter().map(EventType::read).collect())
    }
}

impl EventType {
    fn read(row: &Value) -> Self {
        Self {
            code: number(at(row, &["code"])).map(EventCode::new),
            name: text(at(row, &["name"])),
            description: text(at(row, &["description"])),
            alertable: flag(at(row, &["alertable"])),
            enable_alert: flag(at(row, &["enable_alert"])),
        }
    }
}
