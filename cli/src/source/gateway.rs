//! Readers behind the vendor's device gateway.

use std::sync::Arc;
use std::time::Duration;

use bs2_events::Result;
use bs2_events::device::gateway::Gateway;
use bs2_events::device::{Client, ClientOptions};

/// A client of the gateway that a text such as `gateway://HOST?ca=FILE` names.
pub(super) fn open(text: &str) -> Result<Client> {
    let gateway = Gateway::new(text.parse()?)?;
    Ok(Client::with_options(Arc::new(gateway), ClientOptions::default().with_deadline(DEADLINE)))
}

/// The scheme of gateways.
pub(super) const SCHEME: &str = "gateway";

/// Longer than the gateway's own patience with a reader, of which it then tells.
const DEADLINE: Duration = Duration::from_secs(30);
