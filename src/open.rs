//! Clients from URLs: above the devices and the simulator, which know nothing of each other.

use crate::Result;
use crate::device::Client;
use crate::error::invalid;
use crate::settings::Url;

impl Client {
    /// A client of the devices that a URL names.
    ///
    /// | URL | devices | feature |
    /// |---|---|---|
    /// | `gateway://HOST:PORT?settings` | behind the vendor's device gateway: `device::gateway` | `gateway` |
    /// | `sdk:FILE?settings` | behind the vendor's C library: `device::native` | `native` |
    /// | `sim:settings` | simulated: `sim` | `sim` |
    ///
    /// The client has the deadline that suits its backend.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a scheme or a setting that is not known, and for files that
    /// cannot be read; [`Unsupported`](crate::ErrorKind::Unsupported), with the name of the feature, for a URL whose
    /// feature is off.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "sim", doc = "```")]
    #[cfg_attr(not(feature = "sim"), doc = "```ignore")]
    /// use bs2_events::device::Client;
    ///
    /// # async fn example() -> bs2_events::Result<()> {
    /// let client = Client::open("sim:devices=3&backlog=100")?;
    /// assert_eq!(client.devices().await?.len(), 3);
    /// assert!(Client::open("ftp://192.0.2.1").is_err());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub fn open(url: &str) -> Result<Self> {
        let client = Self::of_url(url)?;
        // The settings of a simulator hold nothing secret, and tell two simulators apart.
        let name = if url.starts_with("sim:") { url } else { url.split('?').next().unwrap_or_default() };
        Ok(client.with_name(name))
    }

    fn of_url(url: &str) -> Result<Self> {
        match Url::parse(url)?.scheme() {
            #[cfg(feature = "gateway")]
            "gateway" => gateway(url),
            #[cfg(feature = "native")]
            "sdk" => native(url),
            #[cfg(feature = "sim")]
            "sim" => simulated(url),
            #[cfg(not(feature = "gateway"))]
            "gateway" => Err(missing("gateway")),
            #[cfg(not(feature = "native"))]
            "sdk" => Err(missing("native")),
            #[cfg(not(feature = "sim"))]
            "sim" => Err(missing("sim")),
            other => {
                Err(invalid(format!("scheme `{other}` is not known; known are `gateway`, `sdk` and `sim`")))
            }
        }
    }
}

#[cfg(feature = "gateway")]
fn gateway(url: &str) -> Result<Client> {
    use crate::device::ClientOptions;

    /// Longer than the gateway waits for a device, so that its own error arrives.
    const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);
    let gateway = crate::device::gateway::Gateway::new(url.parse()?)?;
    Ok(Client::with_options(std::sync::Arc::new(gateway), ClientOptions::default().with_deadline(DEADLINE)))
}

#[cfg(feature = "native")]
fn native(url: &str) -> Result<Client> {
    use crate::device::ClientOptions;
    use crate::device::native::{NativeBackend, NativeOptions};

    let options: NativeOptions = url.parse()?;
    let client_options = ClientOptions::default().with_deadline(options.client_deadline());
    Ok(Client::with_options(std::sync::Arc::new(NativeBackend::open(options)?), client_options))
}

#[cfg(feature = "sim")]
fn simulated(url: &str) -> Result<Client> {
    let settings = url.strip_prefix("sim:").unwrap_or(url);
    let settings = settings.strip_prefix('?').unwrap_or(settings);
    Ok(Client::new(crate::sim::Simulator::new(settings)?.backend()))
}

#[cfg(not(all(feature = "gateway", feature = "native", feature = "sim")))]
fn missing(feature: &str) -> crate::Error {
    let message = format!("this URL needs the feature `{feature}` of bs2-events, which is off");
    crate::Error::new(crate::ErrorKind::Unsupported, message)
}
