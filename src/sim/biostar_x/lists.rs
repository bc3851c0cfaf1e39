//! Lists of users, devices and doors, which clients only read: `/api/users`, `/api/devices` and `/api/doors`.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::database::Database;
use super::devices::OfficeDevices;
use super::records::{door_name, user_name};
use super::request::ReceivedRequest;
use super::response::{ApiResponse, Refusal, Side};

/// `GET /api/users`: a part of the users, by `limit` (0 for all) and `offset`.
pub(super) fn users(request: &ReceivedRequest, database: &Database) -> Result<ApiResponse, Refusal> {
    let part = Part::of(request)?;
    Ok(collection("UserCollection", part, database.users().map(user)))
}

/// `GET /api/users/{id}`.
pub(super) fn one_user(id: &str, database: &Database) -> Result<ApiResponse, Refusal> {
    let id = percent_decode_str(id).decode_utf8().map_err(|_| Refusal::BAD_PARAMETER)?;
    if !database.has_user(&id) {
        return Err(Refusal::NO_USER);
    }
    Ok(ApiResponse::success(Side::Core, json!({ "User": user(&id) })))
}

/// `GET /api/devices`: the devices that report to the server. Virtual devices have a list of their own.
pub(super) fn devices(
    request: &ReceivedRequest,
    database: &Database,
    devices: &OfficeDevices,
) -> Result<ApiResponse, Refusal> {
    let part = Part::of(request)?;
    let (device_type, model, firmware) = devices.model();
    let rows = database.devices.iter().map(|(id, name)| {
        json!({
            "id": id,
            "name": name,
            "device_type_id": { "id": device_type, "name": model },
            "device_group_id": { "id": 1, "name": "All Devices" },
            "status": 1,
            "version": { "product_name": model, "firmware": firmware },
        })
    });
    Ok(collection("DeviceCollection", part, rows))
}

/// `GET /api/doors`: the door of each device.
pub(super) fn doors(
    request: &ReceivedRequest,
    database: &Database,
    devices: &OfficeDevices,
) -> Result<ApiResponse, Refusal> {
    let part = Part::of(request)?;
    let rows = devices.doors().map(|(door, device)| {
        json!({
            "id": door,
            "name": door_name(door),
            "description": "",
            "door_group_id": { "id": 1, "name": "All Doors" },
            "entry_device_id": { "id": device, "name": database.device_name(device) },
        })
    });
    Ok(collection("DoorCollection", part, rows))
}

fn user(id: &str) -> Value {
    json!({
        "user_id": id,
        "name": user_name(id),
        "gender": 0,
        "photo_exists": false,
        "pin_exists": false,
        "user_group_id": { "id": 1, "name": "All Users" },
        "disabled": false,
        "expired": false,
    })
}

/// The part of a list that a client asks for.
struct Part {
    limit: usize,
    offset: usize,
}

impl Part {
    fn of(request: &ReceivedRequest) -> Result<Self, Refusal> {
        let number = |name| match request.parameter(name) {
            None => Ok(0),
            Some(text) => text.parse().map_err(|_| Refusal::BAD_PARAMETER),
        };
        let limit = number("limit")?;
        Ok(Self { limit: if limit == 0 { usize::MAX } else { limit }, offset: number("offset")? })
    }
}

/// A part of the rows, and the number of all.
fn collection(name: &str, part: Part, rows: impl ExactSizeIterator<Item = Value>) -> ApiResponse {
    let total = rows.len();
    let rows: Vec<_> = rows.skip(part.offset).take(part.limit).collect();
    ApiResponse::success(Side::Core, json!({ name: { "total": total, "rows": rows } }))
}
