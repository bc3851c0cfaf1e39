//! Virtual devices: `/api/v2/virtual_devices`.

use serde_json::{Value, json};

use super::database::Database;
use super::options::BiostarXServerOptions;
use super::records::{StoredVirtualDevice, without_null};
use super::request::{ReceivedRequest, number, text};
use super::response::{ApiResponse, Refusal, Side};

pub(super) fn create(
    request: &ReceivedRequest,
    options: &BiostarXServerOptions,
    database: &mut Database,
) -> Result<ApiResponse, Refusal> {
    licensed(options)?;
    let body = request.json(Refusal::BAD_JSON_WEB)?;
    let given = &body["VirtualDevice"];
    let id = number(&given["id"]).ok_or(Refusal::BAD_ID)?;
    let id = u32::try_from(id).ok().filter(|id| (options.lowest..=HIGHEST).contains(id));
    let id = id.ok_or(Refusal::BAD_ID)?;
    let name = text(&given["name"]).ok_or(Refusal::BAD_PARAMETER)?;
    let device = StoredVirtualDevice {
        id,
        name: name.to_owned(),
        description: description(&given["description"])?.flatten(),
        group: group(&given["device_group_id"])?.ok_or(Refusal::BAD_PARAMETER)?,
    };
    if database.device_name(id).is_some() {
        return Err(Refusal::TAKEN_ID);
    }
    name_is_free(database, name, id)?;
    let row = row(&device, false);
    database.set_virtual_device(device).map_err(|_| Refusal::FAILED)?;
    Ok(ApiResponse::success(Side::Web, json!({ "VirtualDevices": [row] })))
}

pub(super) fn list(options: &BiostarXServerOptions, database: &Database) -> Result<ApiResponse, Refusal> {
    licensed(options)?;
    let rows: Vec<_> = database.virtual_devices.values().map(|device| row(device, true)).collect();
    Ok(ApiResponse::success(Side::Web, json!({ "VirtualDevices": rows })))
}

pub(super) fn update(
    request: &ReceivedRequest,
    id: &str,
    options: &BiostarXServerOptions,
    database: &mut Database,
) -> Result<ApiResponse, Refusal> {
    licensed(options)?;
    let id: u32 = id.parse().map_err(|_| Refusal::BAD_ID)?;
    let body = request.json(Refusal::BAD_JSON_WEB)?;
    let given = body["VirtualDevice"].as_object().ok_or(Refusal::BAD_PARAMETER)?;
    let mut device = database.virtual_devices.get(&id).ok_or(Refusal::NO_DEVICE)?.clone();
    if given.get("id").is_some_and(|given| number(given) != Some(u64::from(id))) {
        return Err(Refusal::BAD_ID);
    }
    if let Some(name) = given.get("name") {
        device.name = text(name).ok_or(Refusal::BAD_PARAMETER)?.to_owned();
        name_is_free(database, &device.name, id)?;
    }
    if let Some(changed) = given.get("description").map(description).transpose()?.flatten() {
        device.description = changed;
    }
    if let Some(changed) = given.get("device_group_id").map(group).transpose()?.flatten() {
        device.group = changed;
    }
    let row = row(&device, false);
    database.set_virtual_device(device).map_err(|_| Refusal::FAILED)?;
    Ok(ApiResponse::with_code(Side::Web, json!({ "VirtualDevices": [row] }), "0", "success"))
}

/// Deletes all of these or none.
pub(super) fn delete(
    request: &ReceivedRequest,
    options: &BiostarXServerOptions,
    database: &mut Database,
) -> Result<ApiResponse, Refusal> {
    licensed(options)?;
    // In a query a `+` means a space. An encoded `+` is not a separator.
    let ids = request.parameter("id").ok_or(Refusal::BAD_PARAMETER)?;
    let ids: Result<Vec<u32>, _> = ids.split(' ').map(str::parse).collect();
    let ids = ids.map_err(|_| Refusal::BAD_ID)?;
    if ids.iter().any(|id| !database.virtual_devices.contains_key(id)) {
        return Err(Refusal::NO_DEVICE);
    }
    database.delete_virtual_devices(ids).map_err(|_| Refusal::FAILED)?;
    Ok(ApiResponse::with_code(Side::Web, json!({}), "0", "Devices deleted successfully"))
}

fn licensed(options: &BiostarXServerOptions) -> Result<(), Refusal> {
    if options.licence { Ok(()) } else { Err(Refusal::LICENCE) }
}

fn name_is_free(database: &Database, name: &str, id: u32) -> Result<(), Refusal> {
    let is_virtual = database.virtual_devices.values().any(|other| other.id != id && other.name == name);
    let is_real = database.devices.values().any(|other| other == name);
    if is_virtual || is_real { Err(Refusal::TAKEN_NAME) } else { Ok(()) }
}

/// A device as the server returns it. Lists also contain the name of the group.
fn row(device: &StoredVirtualDevice, with_group_name: bool) -> Value {
    let group_name = with_group_name.then(|| group_name(device.group));
    let group = without_null(json!({ "id": device.group, "name": group_name }));
    without_null(json!({
        "id": device.id, "name": device.name, "description": device.description, "device_group_id": group,
    }))
}

/// `None` if the field is missing; `Some(None)` if the description is removed.
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
