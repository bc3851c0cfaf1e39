//! Pictures of events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;

use super::client::Client;
use super::json::{at, text};
use super::transport::Request;
use crate::Result;
use crate::biostar_x::codes::invalid;

impl Client {
    /// The picture of an event, mostly a JPEG, by the key in [`EventRow::image`](super::EventRow::image).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a key that is none;
    /// [`InvalidData`](crate::ErrorKind::InvalidData) where the answer holds no picture; and those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, EventRow, Result};
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// # let rows = client.search_events(&bs2_events::biostar_x::EventQuery::new()).await?;
    /// # let event = rows.into_iter().find(|row| row.image.is_some()).unwrap_or_default();
    /// if let Some(key) = &event.image {
    ///     println!("{} bytes", client.image(key).await?.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn image(&self, key: &str) -> Result<Bytes> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if key.is_empty() || !key.bytes().all(is_plain) {
            return Err(invalid("the key of an image holds letters, digits, `_` and `-` alone"));
        }
        let path = format!("/api/events/images/{key}");
        let request = Request::new(Method::GET, "GET /api/events/images/{image_data}", path);
        let done = self.call(&request).await?;
        let data = text(at(&done.body, &["ImageLog", "data"]))
            .ok_or_else(|| done.unreadable("the answer holds no picture"))?;
        // Some put a line break after every 76 characters.
        let data: String = data.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let picture = STANDARD.decode(data).map_err(|_| done.unreadable("the picture is no base64"))?;
        Ok(picture.into())
    }
}
