//! What is asked of the server: a device to be made, or to be changed.

use serde::Serialize;

use super::VirtualDeviceId;

/// A virtual device to be made.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::{NewVirtualDevice, VirtualDeviceId};
///
/// # fn main() -> bs2_events::Result<()> {
/// let device = NewVirtualDevice::new(VirtualDeviceId::new(100_001)?, "Main gate").with_description("bridge");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewVirtualDevice {
    pub(super) id: VirtualDeviceId,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) group: u32,
}

/// What is to be changed in a virtual device; what is not named stays.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::VirtualDeviceChange;
///
/// let change = VirtualDeviceChange::new().name("Side gate").group(3);
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[must_use]
pub struct VirtualDeviceChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(rename = "device_group_id", skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Group>,
}

impl NewVirtualDevice {
    /// A device in the group of all devices.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{NewVirtualDevice, VirtualDeviceId};
    /// # let id = VirtualDeviceId::new(100_001)?;
    /// let device = NewVirtualDevice::new(id, "Main gate");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn new(id: VirtualDeviceId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), description: None, group: ALL_DEVICES }
    }

    /// Says what it is for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{NewVirtualDevice, VirtualDeviceId};
    /// # let id = VirtualDeviceId::new(100_001)?;
    /// let device = NewVirtualDevice::new(id, "Main gate").with_description("punches of the mobile app");
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Puts it into another device group, which has to exist.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::{NewVirtualDevice, VirtualDeviceId};
    /// # let id = VirtualDeviceId::new(100_001)?;
    /// let device = NewVirtualDevice::new(id, "Main gate").with_group(3);
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub const fn with_group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }
}

impl VirtualDeviceChange {
    /// Nothing to be changed yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceChange;
    /// let change = VirtualDeviceChange::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it another name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceChange;
    /// let change = VirtualDeviceChange::new().name("Side gate");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Gives it another description.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceChange;
    /// let change = VirtualDeviceChange::new().description("");
    /// ```
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Puts it into another device group.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::biostar_x::VirtualDeviceChange;
    /// let change = VirtualDeviceChange::new().group(1);
    /// ```
    pub const fn group(mut self, group: u32) -> Self {
        self.group = Some(Group { id: group });
        self
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.name.is_none() && self.description.is_none() && self.group.is_none()
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Group {
    pub(super) id: u32,
}

/// The group that every server has.
const ALL_DEVICES: u32 = 1;
