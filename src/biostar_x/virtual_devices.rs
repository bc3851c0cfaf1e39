//! Virtual devices: devices that exist on the server only, for which events can be imported.

use std::fmt;
use std::str::FromStr;

use hyper::Method;
use serde::Serialize;
use serde_json::Value;

use super::client::BiostarX;
use super::lenient::{ApiResponse, at, number, objects, text};
use super::transport::Request;
use crate::codec::DeviceId;
use crate::error::invalid;
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result};

/// A virtual device as the server has it.
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

impl BiostarX {
    /// Makes sure that there is a virtual device with this id: looks for it, and makes it if it is missing. Returns the
    /// device as the server has it, perhaps with another name.
    ///
    /// # Errors
    ///
    /// Those of [`create_virtual_device`](Self::create_virtual_device);
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when another device has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::biostar_x::virtual_devices::NewVirtualDevice;
    /// use bs2_events::biostar_x::{BiostarX, BiostarXOptions, VirtualDeviceId};
    /// use bs2_events::tls::Trust;
    /// use bs2_events::ErrorKind;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> bs2_events::Result<()> {
    /// # let server = bs2_events::sim::biostar_x::BiostarXServer::start("users=10&backlog=0".parse()?).await?;
    /// # let options = BiostarXOptions::new(server.url()).with_credentials("admin", "simulated");
    /// # let client = BiostarX::new(options.with_trust(Trust::pin(server.certificate_pem())))?;
    /// let gate = NewVirtualDevice::new(VirtualDeviceId::new(100_001)?, "Main gate").with_description("punches of the app");
    /// client.ensure_virtual_device(&gate).await?;
    /// assert_eq!(client.ensure_virtual_device(&gate).await?.name, "Main gate");
    ///
    /// // To make it twice is an error.
    /// let error = client.create_virtual_device(&gate).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ensure_virtual_device(&self, device: &NewVirtualDevice) -> Result<VirtualDevice> {
        check_name(Some(&device.name))?;
        let mut retry = Retry::new(self.read_policy());
        let mut is_taken = None;
        loop {
            let there = self.virtual_devices().await?.into_iter().find(|there| there.id == device.id);
            match (there, is_taken) {
                (Some(there), _) => return Ok(there),
                (None, Some(error)) => return Err(error),
                (None, None) => is_taken = None,
            }
            match self.create_virtual_device(device).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => is_taken = Some(error),
                // The next turn looks whether it was made all the same.
                Err(error) if error.kind().is_retryable() => retry.wait(error).await?,
                result => return result,
            }
        }
    }

    /// Makes a virtual device. The server needs the Event Log API licence.
    ///
    /// The error is not [retryable](Error::is_retryable) where the device may have been made:
    /// [`ensure_virtual_device`](Self::ensure_virtual_device) looks first.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an empty name;
    /// [`LicenceMissing`](ErrorKind::LicenceMissing) without the licence;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when id or name are taken; and those of every call.
    pub async fn create_virtual_device(&self, device: &NewVirtualDevice) -> Result<VirtualDevice> {
        check_name(Some(&device.name))?;
        let body = Wrapped {
            virtual_device: Creation {
                // As in the vendor's recorded call: this number is a string, the group's is a number.
                id: device.id.to_string(),
                name: &device.name,
                description: device.description.as_deref(),
                group: Group { id: device.group },
            },
        };
        let request = Request::plain(Method::POST, "POST /api/v2/virtual_devices").with_json(&body)?;
        let echo = self.call(&request).await.and_then(|response| {
            let echo = devices(&response)?.into_iter().next();
            if echo.is_none() {
                response.confirmed("the answer does not confirm that the device was made")?;
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
    /// [`LicenceMissing`](ErrorKind::LicenceMissing) without the licence, and those of every call.
    pub async fn virtual_devices(&self) -> Result<Vec<VirtualDevice>> {
        devices(&self.read(&Request::plain(Method::GET, "GET /api/v2/virtual_devices")).await?)
    }

    /// The virtual device with this name.
    ///
    /// # Errors
    ///
    /// Those of [`virtual_devices`](Self::virtual_devices).
    pub async fn virtual_device_named(&self, name: &str) -> Result<Option<VirtualDevice>> {
        Ok(self.virtual_devices().await?.into_iter().find(|device| device.name == name))
    }

    /// Changes a virtual device, and returns its new state. The id stays.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an empty change and an empty name;
    /// [`NotFound`](ErrorKind::NotFound) where the server has no such device; and those of every call.
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
        let response = self.call(&request).await?;
        if let Some(device) = devices(&response)?.into_iter().next() {
            return Ok(device);
        }
        response.confirmed("the answer does not confirm that the device was changed")?;
        let device = self.virtual_devices().await?.into_iter().find(|device| device.id == id);
        device.ok_or_else(|| response.unreadable("the device was changed, but the server does not list it"))
    }

    /// Deletes virtual devices. Their events stay.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an empty list;
    /// [`PartlyDone`](ErrorKind::PartlyDone) when some of them are still there; and those of every call.
    pub async fn delete_virtual_devices(&self, ids: &[VirtualDeviceId]) -> Result<()> {
        if ids.is_empty() {
            return Err(invalid("there is nothing to delete: give at least one virtual device"));
        }
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        // The separator is a plain plus sign; as `%2B` it would be part of a number.
        let path = format!("/api/v2/virtual_devices?id={}", ids.join("+"));
        let request = Request::new(Method::DELETE, "DELETE /api/v2/virtual_devices?id={ids}", path);
        self.call(&request).await.and_then(|response| {
            response.confirmed("the answer does not confirm that the devices were deleted")
        })
    }
}

/// The number of a virtual device: 100 001 to 999 999, both included.
///
/// The range is that of the interface's description and of the support article. The administrator's guide begins at
/// 100 000, which is refused here, because two of three documents do not allow it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VirtualDeviceId(u32);

impl VirtualDeviceId {
    /// The smallest.
    pub const MIN: Self = Self(100_001);
    /// The greatest.
    pub const MAX: Self = Self(999_999);

    /// The id with this number.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) outside 100 001 to 999 999.
    pub fn new(id: u32) -> Result<Self> {
        if (Self::MIN.0..=Self::MAX.0).contains(&id) {
            return Ok(Self(id));
        }
        let (min, max) = (Self::MIN.0, Self::MAX.0);
        Err(invalid(format!("virtual device id {id} is not from {min} to {max}")))
    }

    /// The id of a device that the server lists as a virtual one, whatever its number.
    const fn of_server(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for VirtualDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VirtualDeviceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map_or_else(|| Err(invalid("a virtual device id is not a number")), Self::new)
    }
}

/// A virtual device has its number among all devices of the server.
impl From<VirtualDeviceId> for DeviceId {
    fn from(id: VirtualDeviceId) -> Self {
        Self::new(id.0)
    }
}

/// A virtual device to be made.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewVirtualDevice {
    id: VirtualDeviceId,
    name: String,
    description: Option<String>,
    group: u32,
}

/// A change of a virtual device. What is not set stays.
#[derive(Clone, Debug, Default, Serialize)]
#[must_use]
pub struct VirtualDeviceChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "device_group_id", skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
}

impl NewVirtualDevice {
    /// A device with this id and name, in the group of all devices.
    pub fn new(id: VirtualDeviceId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), description: None, group: ALL_DEVICES }
    }

    /// Sets what it is for.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the device group, which must exist.
    pub const fn with_group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }
}

impl VirtualDeviceChange {
    /// An empty change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets another name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets another description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets another device group.
    pub const fn group(mut self, group: u32) -> Self {
        self.group = Some(Group { id: group });
        self
    }

    const fn is_empty(&self) -> bool {
        self.name.is_none() && self.description.is_none() && self.group.is_none()
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Group {
    id: u32,
}

/// The group of all devices, which every server has.
const ALL_DEVICES: u32 = 1;

fn check_name(name: Option<&str>) -> Result<()> {
    if name.is_some_and(|name| name.trim().is_empty()) {
        return Err(invalid("field `name` of a virtual device is empty"));
    }
    Ok(())
}

fn devices(response: &ApiResponse) -> Result<Vec<VirtualDevice>> {
    let found = ["VirtualDevices", "VirtualDevice"].into_iter().find_map(|key| response.body.get(key));
    let found = found.unwrap_or(&Value::Null);
    let rows = match found.get("rows") {
        Some(rows) => objects(response, rows)?,
        None => objects(response, found)?,
    };
    rows.iter().map(|row| device(response, row)).collect()
}

fn device(response: &ApiResponse, row: &Value) -> Result<VirtualDevice> {
    let id = number(at(row, &["id"])).map(VirtualDeviceId::of_server);
    let group = at(row, &["device_group_id"]);
    Ok(VirtualDevice {
        id: id.ok_or_else(|| response.unreadable("a virtual device has no id"))?,
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
