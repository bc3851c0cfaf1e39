//! `/api/v2/virtual_devices`.

use serde_json::{Value, json};

use super::app::Site;
use super::field::{number, parse, text};
use super::records::VirtualDevice;
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};

impl Site {
    pub(super) fn create_device(&mut self, request: &Request) -> Result<Answer, Refusal> {
        self.licensed()?;
        let body = parse(request.body(), Refusal::BAD_JSON_WEB)?;
        let given = &body["VirtualDevice"];
        let id = number(&given["id"]).ok_or(Refusal::BAD_ID)?;
        let id = u32::try_from(id).ok().filter(|id| (self.settings.lowest..=HIGHEST).contains(id));
        let id = id.ok_or(Refusal::BAD_ID)?;
        let name = text(&given["name"]).ok_or(Refusal::BAD_PARAMETER)?;
        let device = VirtualDevice {
            id,
            name: name.to_owned(),
            description: description(&given["description"])?.flatten(),
            group: group(&given["device_group_id"])?.ok_or(Refusal::BAD_PARAMETER)?,
        };
        if self.store.device_name(id).is_some() {
            return Err(Refusal::TAKEN_ID);
        }
        self.name_is_free(name, id)?;
        let row = row(&device, false);
        self.store.set_device(device).map_err(|_| Refusal::FAILED)?;
        Ok(Answer::ok(Side::Web, json!({ "VirtualDevices": [row] })))
    }

    pub(super) fn list_devices(&self) -> Result<Answer, Refusal> {
        self.licensed()?;
        let rows: Vec<_> = self.store.virtual_devices.values().map(|device| row(device, true)).collect();
        Ok(Answer::ok(Side::Web, json!({ "VirtualDevices": rows })))
    }

    pub(super) fn update_device(&mut self, request: &Request, id: &str) -> Result<Answer, Refusal> {
        self.licensed()?;
        let id: u32 = id.parse().map_err(|_| Refusal::BAD_ID)?;
        let body = parse(request.body(), Refusal::BAD_JSON_WEB)?;
        let given = body["VirtualDevice"].as_object().ok_or(Refusal::BAD_PARAMETER)?;
        let mut device = self.store.virtual_devices.get(&id).ok_or(Refusal::NO_DEVICE)?.clone();
        if given.get("id").is_some_and(|given| number(given) != Some(u64::from(id))) {
            return Err(Refusal::BAD_ID);
        }
        if let Some(name) = given.get("name") {
            device.name = text(name).ok_or(Refusal::BAD_PARAMETER)?.to_owned();
            self.name_is_free(&device.name, id)?;
        }
        if let Some(changed) = given.get("description").map(description).transpose()?.flatten() {
            device.description = changed;
        }
        if let Some(changed) = given.get("device_group_id").map(group).transpose()?.flatten() {
            device.group = changed;
        }
        let row = row(&device, false);
        self.store.set_device(device).map_err(|_| Refusal::FAILED)?;
        Ok(Answer::said(Side::Web, json!({ "VirtualDevices": [row] }), "0", "success"))
    }

    /// Deletes all of these or none.
    pub(super) fn delete_devices(&mut self, request: &Request) -> Result<Answer, Refusal> {
        self.licensed()?;
        // A `+` stands for a space in a query; one that was encoded is no separator.
        let ids = request.parameter("id").ok_or(Refusal::BAD_PARAMETER)?;
        let ids: Result<Vec<u32>, _> = ids.split(' ').map(str::parse).collect();
        let ids = ids.map_err(|_| Refusal::BAD_ID)?;
        if ids.iter().any(|id| !self.store.virtual_devices.contains_key(id)) {
            return Err(Refusal::NO_DEVICE);
        }
        self.store.delete_devices(ids).map_err(|_| Refusal::FAILED)?;
        Ok(Answer::said(Side::Web, json!({}), "0", "Devices deleted successfully"))
    }

    fn licensed(&self) -> Result<(), Refusal> {
        if self.settings.licence { Ok(()) } else { Err(Refusal::LICENCE) }
    }

    fn name_is_free(&self, name: &str, id: u32) -> Result<(), Refusal> {
        let virtual_one =
            self.store.virtual_devices.values().any(|other| other.id != id && other.name == name);
        let reader = self.store.readers.values().any(|other| other == name);
        if virtual_one || reader { Err(Refusal::TAKEN_NAME) } else { Ok(()) }
    }
}

/// As the server tells it: lists have the group's name too.
fn row(device: &VirtualDevice, with_group_name: bool) -> Value {
    let mut row = json!({ "id": device.id, "name": device.name });
    if let Some(description) = &device.description {
        row["description"] = description.as_str().into();
    }
    row["device_group_id"] = json!({ "id": device.group });
    if with_group_name {
        row["device_group_id"]["name"] = group_name(device.group).into();
    }
    row
}

/// `None` where it is not given; inside, `None` where it is taken away.
fn description(value: &Value) -> Result<Option<Option<String>>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some((!text.is_empty()).then(|| text.clone()))),
        _ => Err(Refusal::BAD_PARAMETER),
    }
}

fn group(value: &Value) -> Result<Option<u32>, Refusal> {
    if value.is_null() {
        return Ok(None);
    }
    let id = number(&value["id"]).ok_or(Refusal::BAD_PARAMETER)?;
    let id = u32::try_from(id).ok().filter(|id| GROUPS.iter().any(|(known, _)| known == id));
    id.map(Some).ok_or(Refusal::NO_GROUP)
}

fn group_name(id: u32) -> &'static str {
    GROUPS.iter().find_map(|(known, name)| (*known == id).then_some(*name)).unwrap_or_default()
}

const HIGHEST: u32 = 999_999;
const GROUPS: [(u32, &str); 3] = [(1, "All Devices"), (2, "Gates"), (3, "Offices")];
