//! A log that is searched as a server does: by the window and the id, in the order that is asked for, at most so many at
//! once.

use serde_json::{Value, json};

/// What a search with this body finds.
pub(crate) fn search(rows: &[Value], body: &str, most: usize) -> Vec<Value> {
    let query: Value = serde_json::from_str(body).unwrap();
    let query = &query["Query"];
    let values = &query["conditions"][0]["values"];
    // All times here have the same form, so that text compares like time.
    let (from, to) = (values[0].as_str().unwrap(), values[1].as_str().unwrap());
    let time = |row: &Value| row["datetime"].as_str().unwrap_or(from).to_owned();
    let id = |row: &Value| row["id"].as_str().and_then(|id| id.parse::<u32>().ok()).unwrap_or_default();
    // "Greater", where the client continues behind an id.
    let above = query["conditions"].as_array().unwrap().iter().find(|one| one["column"] == json!("id"));
    let above = above.map(|one| {
        assert_eq!(one["operator"], json!(5));
        one["values"][0].as_str().unwrap().parse::<u32>().unwrap()
    });
    let mut found: Vec<_> = rows
        .iter()
        .filter(|row| (from..=to).contains(&time(row).as_str()) && above.is_none_or(|above| id(row) > above))
        .cloned()
        .collect();
    let order = &query["orders"][0];
    match order["column"].as_str() {
        Some("id") => found.sort_by_key(id),
        _ => found.sort_by_key(time),
    }
    if order["descending"] == json!(true) {
        found.reverse();
        // Rows of the same second stay as they were stored: their order says nothing.
        if order["column"] != json!("id") {
            found.reverse();
            found.sort_by_key(|row| std::cmp::Reverse(time(row)));
        }
    }
    found.truncate(most.min(usize::try_from(query["limit"].as_u64().unwrap()).unwrap()));
    found
}

/// The answer that holds these rows.
pub(crate) fn collection(rows: &[Value]) -> String {
    json!({"EventCollection": {"rows": rows}, "Response": {"code": "0"}}).to_string()
}

/// The rows that an import with this body makes.
pub(crate) fn imported(body: &str, first_id: usize) -> Vec<Value> {
    let body: Value = serde_json::from_str(body).unwrap();
    let events = body["events"].as_array().unwrap();
    let row = |(number, event): (usize, &Value)| {
        json!({
            "id": (first_id + number).to_string(),
            "datetime": event["datetime"].as_str().unwrap().replace('Z', ".000Z"),
            "device_id": {"id": event["dev_id"]}, "event_type_id": {"code": event["evt"]},
            "user_id": {"user_id": event["user_id"]},
        })
    };
    events.iter().enumerate().map(row).collect()
}
