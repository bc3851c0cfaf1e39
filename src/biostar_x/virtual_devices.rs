//! Virtual devices: placeholders on the server that events can be imported for.

mod id;
mod order;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

pub use id::VirtualDeviceId;
use order::Group;
pub use order::{NewVirtualDevice, VirtualDeviceChange};

use super::client::Client;
use super::json::{Done, at, number, objects, text};
use super::transport::Request;
use crate::biostar_x::codes::invalid;
use crate::{Error, Result};

/// A virtual device as the server has it.
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
/// for device in client.virtual_devices().await? {
///     println!("{} {}", device.id, device.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VirtualDevice {
    /// Its number, unique among all devices of the server.
    pub id: VirtualDeviceId,
    /// Its name, unique among all devices of the server.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The device group that it belongs to; 1 is the group of all devices.
    pub group: Option<u32>,
    /// That group's name, in lists.
    pub group_name: Option<String>,
}

impl Client {
    /// Makes a virtual device. The server needs the Event Log API licence.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an empty name;
    /// [`LicenceMissing`](crate::ErrorKind::LicenceMissing) without the licence;
    /// [`Refused`](crate::ErrorKind::Refused) when id or name are taken; and those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, NewVirtualDevice, Result, VirtualDeviceId};
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=2000&backlog=50".parse()?).await?;
    /// # let client = bs2_events::biostar_x::Client::builder(&server.url())
    /// #     .with_credentials("admin", "simulated").with_pinned_certificate(server.certificate_pem()).build()?;
    /// let new = NewVirtualDevice::new(VirtualDeviceId::new(100_001)?, "Main gate");
    /// let device = client.create_virtual_device(&new).await?;
    /// assert_eq!(device.id.get(), 100_001);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_virtual_device(&self, device: &NewVirtualDevice) -> Result<VirtualDevice> {
        check_name(Some(&device.name))?;
        let body = Wrapped {
            virtual_device: Creation {
                // As the vendor's recorded call has it: this number is a string, the group's is none.
                id: device.id.to_string(),
                name: &device.name,
                description: device.description.as_deref(),
                group: Group { id: device.group },
            },
        };
        let request = Request::plain(Method::POST, "POST /api/v2/virtual_devices").with_json(&body)?;
        let echo = self.call(&request).await.and_then(|done| {
            let echo = devices(&done)?.into_iter().next();
            if echo.is_none() {
                done.said("the answer does not say that the device was made")?;
            }
            Ok(echo)
        });
        Ok(echo.map_err(Error::of_creation)?.unwrap_or_else(|| VirtualDevice {
            id: device.id,
            name: device.name.clone(),
            description: device.description.clone(),
            group: Some(device.group),
            group_name: None,
        }))
    }

    /// All virtual devices that the account may see.
    ///
    /// # Errors
    ///
    /// [`LicenceMissing`](crate::ErrorKind::LicenceMissing) without the licence, and those of every call.
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
    /// println!("{} virtual devices", client.virtual_devices().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn virtual_devices(&self) -> Result<Vec<VirtualDevice>> {
        devices(&self.call(&Request::plain(Method::GET, "GET /api/v2/virtual_devices")).await?)
    }

    /// The virtual device with this name.
    ///
    /// # Errors
    ///
    /// Those of [`virtual_devices`](Self::virtual_devices).
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
    /// let gate = client.virtual_device_named("Main gate").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn virtual_device_named(&self, name: &str) -> Result<Option<VirtualDevice>> {
        Ok(self.virtual_devices().await?.into_iter().find(|device| device.name == name))
    }

    /// Changes a virtual device, and gives back how it is afterwards. Its id stays.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a change of nothing and for an empty name;
    /// [`NotFound`](crate::ErrorKind::NotFound) where the server has no such device; and those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, Result, VirtualDeviceChange, VirtualDeviceId};
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
    /// let id = VirtualDeviceId::new(100_001)?;
    /// client.update_virtual_device(id, &VirtualDeviceChange::new().name("Side gate")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_virtual_device(
        &self,
        id: VirtualDeviceId,
        change: &VirtualDeviceChange,
    ) -> Result<VirtualDevice> {
        check_name(change.name.as_deref())?;
        if change.is_empty() {
            return Err(invalid("there is nothing to change: give a name, a description or a group"));
        }
        let path = format!("/api/v2/virtual_devices/{id}");
        let request = Request::new(Method::PUT, "PUT /api/v2/virtual_devices/{id}", path)
            .with_json(&Wrapped { virtual_device: change })?;
        let done = self.call(&request).await?;
        if let Some(device) = devices(&done)?.into_iter().next() {
            return Ok(device);
        }
        done.said("the answer does not say that the device was changed")?;
        let device = self.virtual_devices().await?.into_iter().find(|device| device.id == id);
        device.ok_or_else(|| done.unreadable("the device was changed, and the server does not show it"))
    }

    /// Deletes virtual devices. Their events stay.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for no device at all;
    /// [`PartlyDone`](crate::ErrorKind::PartlyDone) when some of them are still there; and those of every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{Client, Result, VirtualDeviceId};
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
    /// client.delete_virtual_devices(&[VirtualDeviceId::new(100_001)?, VirtualDeviceId::new(100_002)?]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_virtual_devices(&self, ids: &[VirtualDeviceId]) -> Result<()> {
        if ids.is_empty() {
            return Err(invalid("there is nothing to delete: give at least one virtual device"));
        }
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        // The separator is a plus sign as it is: as `%2B` it would belong to a number.
        let path = format!("/api/v2/virtual_devices?id={}", ids.join("+"));
        let request = Request::new(Method::DELETE, "DELETE /api/v2/virtual_devices?id={ids}", path);
        self.call(&request)
            .await
            .and_then(|done| done.said("the answer does not say that the devices were deleted"))
    }
}

fn check_name(name: Option<&str>) -> Result<()> {
    if name.is_some_and(|name| name.trim().is_empty()) {
        return Err(invalid("field `name` of a virtual device is empty"));
    }
    Ok(())
}

fn devices(done: &Done) -> Result<Vec<VirtualDevice>> {
    let found = ["VirtualDevices", "VirtualDevice"].into_iter().find_map(|key| done.body.get(key));
    let found = found.unwrap_or(&Value::Null);
    let rows = match found.get("rows") {
        Some(rows) => objects(done, rows)?,
        None => objects(done, found)?,
    };
    rows.iter().map(|row| device(done, row)).collect()
}

fn device(done: &Done, row: &Value) -> Result<VirtualDevice> {
    let id = number(at(row, &["id"])).map(VirtualDeviceId::of_server);
    let group = at(row, &["device_group_id"]);
    Ok(VirtualDevice {
        id: id.ok_or_else(|| done.unreadable("a virtual device has no id"))?,
        name: text(at(row, &["name"])).unwrap_or_default(),
        description: text(at(row, &["description"])),
        group: number(at(group, &["id"])).or_else(|| number(group)),
        group_name: text(at(group, &["name"])),
    })
}

#[derive(Serialize)]
struct Wrapped<T> {
    #[serde(rename = "VirtualDevice")]
    virtual_device: T,
}

#[derive(Serialize)]
struct Creation<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(rename = "device_group_id")]
    group: Group,
}
