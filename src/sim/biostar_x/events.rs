//! Import and search of events: `POST /api/events/import` and `POST /api/events/search`.

use serde_json::{Value, json};

use super::database::Database;
use super::fault::{FaultPlan, RowShape};
use super::options::{BiostarXServerOptions, FlagForm};
use super::records::StoredEvent;
use super::request::{ReceivedRequest, boolean, number, text};
use super::response::{ApiResponse, Refusal, Side};
use crate::codec::Timestamp;
use crate::sim::options::utc;

/// `POST /api/events/import`. Stores the events together; with `partial` only some of them.
pub(super) fn import(
    request: &ReceivedRequest,
    options: &BiostarXServerOptions,
    database: &mut Database,
    faults: &mut FaultPlan,
    now: Timestamp,
    partial: bool,
) -> Result<ApiResponse, Refusal> {
    if !options.licence {
        return Err(Refusal::LICENCE);
    }
    let body = request.json(Refusal::BAD_JSON)?;
    let device = number(&body["packet_device_id"]).ok_or(Refusal::BAD_PARAMETER)?;
    let device = u32::try_from(device).map_err(|_| Refusal::NO_DEVICE)?;
    if !options.flag.accepts(&body["is_virtual_device"]) {
        return Err(Refusal::BAD_PARAMETER);
    }
    if !database.virtual_devices.contains_key(&device) {
        return Err(Refusal::NO_DEVICE);
    }
    let rows = body["events"].as_array().filter(|rows| !rows.is_empty()).ok_or(Refusal::BAD_PARAMETER)?;
    let max = options.batch as usize;
    if max > 0 && rows.len() > max {
        return Err(Refusal::BAD_PARAMETER);
    }
    let mut refused = 0;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        match new_event(row, device, database) {
            Ok(event) => events.push(event),
            Err(Refusal::NO_USER) if partial => refused += 1,
            Err(refusal) => return Err(refusal),
        }
    }
    if partial && refused == 0 {
        let before = events.len();
        events.retain(|_| faults.keeps_event());
        if events.len() == before {
            events.pop();
        }
    }
    if !events.is_empty() {
        database.import(events, now).map_err(|_| Refusal::FAILED)?;
    }
    Ok(match partial {
        true => ApiResponse::with_code(Side::Core, json!({}), "1", "Processed with some errors."),
        false => ApiResponse::success(Side::Core, json!({})),
    })
}

/// An event as it is imported. The database sets its row, its index and the time at which it is stored.
fn new_event(row: &Value, device_id: u32, database: &Database) -> Result<StoredEvent, Refusal> {
    let is_of_device = number(&row["dev_id"]).is_some_and(|id| id == u64::from(device_id));
    let code = number(&row["evt"]).filter(|code| [GRANTED, DENIED].contains(code));
    let time = row["datetime"].as_str().and_then(whole_seconds);
    let (true, Some(code), Some(time)) = (is_of_device, code, time) else {
        return Err(Refusal::BAD_PARAMETER);
    };
    let tna_key = match &row["tna_key"] {
        Value::Null => None,
        Value::String(key) => Some(key.clone()),
        _ => return Err(Refusal::BAD_PARAMETER),
    };
    let user = text(&row["user_id"]).ok_or(Refusal::BAD_PARAMETER)?;
    if !database.has_user(user) {
        return Err(Refusal::NO_USER);
    }
    let code = if code == GRANTED { GRANTED as u16 } else { DENIED as u16 };
    Ok(StoredEvent {
        id: 0,
        index: 0,
        device_id,
        code,
        time: time.as_unix_seconds(),
        stored: 0,
        user_id: Some(user.to_owned()),
        tna_key,
        door_id: None,
        utc_offset_minutes: None,
        daylight_saving: false,
        image: false,
        imported: true,
    })
}

impl FlagForm {
    fn accepts(self, value: &Value) -> bool {
        let boolean = *value == Value::Bool(true);
        let text = value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"));
        match self {
            Self::Either => boolean || text,
            Self::Boolean => boolean,
            Self::Text => text,
        }
    }
}

/// Parses a time in UTC without a fraction: the only documented form.
fn whole_seconds(text: &str) -> Option<Timestamp> {
    utc(text).filter(|time| time.to_string() == text)
}

/// `POST /api/events/search`.
pub(super) fn search(
    request: &ReceivedRequest,
    options: &BiostarXServerOptions,
    database: &Database,
    shapes: &[RowShape],
) -> Result<ApiResponse, Refusal> {
    let body = request.json(Refusal::BAD_JSON)?;
    let query = body.get("Query").filter(|query| query.is_object()).ok_or(Refusal::BAD_QUERY)?;
    let mut query = Query::read(query, options.encrypted)?;
    if options.rows > 0 {
        query.limit = query.limit.min(options.rows as usize);
    }
    let zone = options.zone_minutes;
    let found = query.run(&database.events, zone);
    let rows = found.into_iter().map(|event| event.row(database.device_name(event.device_id), zone));
    Ok(ApiResponse::success(Side::Core, collection(rows.collect(), shapes)))
}

/// `EventCollection`. With no row or one row it has the first of these shapes that applies.
fn collection(mut rows: Vec<Value>, shapes: &[RowShape]) -> Value {
    for shape in shapes {
        match (shape, rows.len()) {
            (RowShape::Text, 0) => return json!({ "EventCollection": { "rows": "" } }),
            (RowShape::Missing, 0) => return json!({ "EventCollection": {} }),
            (RowShape::NoCollection, 0) => return json!({}),
            (RowShape::Lone, 1) => return json!({ "EventCollection": { "rows": rows.remove(0) } }),
            _ => {}
        }
    }
    json!({ "EventCollection": { "rows": rows } })
}

struct Query {
    limit: usize,
    conditions: Vec<Condition>,
    /// Columns, and whether descending.
    orders: Vec<(Column, bool)>,
}

struct Condition {
    column: Column,
    operator: Operator,
    values: Vec<Operand>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Column {
    Time,
    Stored,
    Device,
    Door,
    EventType,
    UserGroup,
    User,
    Id,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    Between,
    Like,
    Greater,
    Less,
}

/// A value to compare. Numbers compare with numbers and text with text.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Operand {
    /// A number, or a time in nanoseconds.
    Number(i128),
    Text(String),
}

impl Query {
    fn read(query: &Value, encrypted: bool) -> Result<Self, Refusal> {
        // One document requires the limit, another does not.
        let limit = match &query["limit"] {
            Value::Null => u64::MAX,
            limit => number(limit).ok_or(Refusal::BAD_QUERY)?,
        };
        let conditions = list(&query["conditions"])?.iter().map(|row| Condition::read(row, encrypted));
        let orders = list(&query["orders"])?.iter().map(order);
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            conditions: conditions.collect::<Result<_, _>>()?,
            orders: orders.collect::<Result<_, _>>()?,
        })
    }

    /// The events that fulfil all conditions, in order. Equal events keep the order in which they were stored.
    fn run<'a>(&self, events: &'a [StoredEvent], zone_minutes: i16) -> Vec<&'a StoredEvent> {
        let fulfils = |event: &&StoredEvent| self.conditions.iter().all(|one| one.holds(event, zone_minutes));
        let mut found: Vec<_> = events.iter().filter(fulfils).collect();
        found.sort_by(|a, b| {
            let compared = self.orders.iter().map(|(column, descending)| {
                let key = |event| column.value(event, zone_minutes);
                let order = key(a).cmp(&key(b));
                if *descending { order.reverse() } else { order }
            });
            compared.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        found.truncate(self.limit);
        found
    }
}

impl Condition {
    fn read(row: &Value, encrypted: bool) -> Result<Self, Refusal> {
        let column = row["column"].as_str().and_then(Column::named).ok_or(Refusal::BAD_QUERY)?;
        let operator =
            number(&row["operator"]).and_then(|number| OPERATORS.get(usize::try_from(number).ok()?));
        let operator = *operator.ok_or(Refusal::BAD_QUERY)?;
        let plain = matches!(operator, Operator::Equal | Operator::NotEqual | Operator::Contains);
        if encrypted && column == Column::User && !plain {
            return Err(Refusal::BAD_QUERY);
        }
        let values =
            row["values"].as_array().filter(|values| !values.is_empty()).ok_or(Refusal::BAD_QUERY)?;
        let like = operator == Operator::Like;
        let values = values.iter().map(|value| column.operand(value, like).ok_or(Refusal::BAD_QUERY));
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        let right = match (operator, values.as_slice()) {
            (Operator::Contains, _) => true,
            (Operator::Between, [from, to]) => to > from,
            (Operator::Between, _) => false,
            (_, values) => values.len() == 1,
        };
        if right { Ok(Self { column, operator, values }) } else { Err(Refusal::BAD_QUERY) }
    }

    fn holds(&self, event: &StoredEvent, zone_minutes: i16) -> bool {
        let Some(value) = self.column.value(event, zone_minutes) else {
            return self.operator == Operator::NotEqual;
        };
        match (self.operator, self.values.as_slice()) {
            (Operator::Equal, [other]) => value == *other,
            (Operator::NotEqual, [other]) => value != *other,
            (Operator::Contains, others) => others.contains(&value),
            (Operator::Between, [from, to]) => *from <= value && value <= *to,
            (Operator::Like, [Operand::Text(part)]) => match value {
                Operand::Number(number) => number.to_string().contains(part),
                Operand::Text(text) => text.contains(part),
            },
            (Operator::Greater, [other]) => value > *other,
            (Operator::Less, [other]) => value < *other,
            _ => false,
        }
    }
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "datetime" => Self::Time,
            "server_datetime" => Self::Stored,
            "device_id" | "device_id.id" => Self::Device,
            "door_id" | "door_id.id" => Self::Door,
            "event_type_id" | "event_type_id.code" => Self::EventType,
            "user_group_id" | "user_group_id.id" => Self::UserGroup,
            "user_id" | "user_id.user_id" => Self::User,
            "id" => Self::Id,
            _ => return None,
        })
    }

    /// A value of a condition. A pattern is text in every column.
    fn operand(self, value: &Value, like: bool) -> Option<Operand> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if like {
            let part = text.trim_matches('%').to_owned();
            return Some(Operand::Text(part));
        }
        match self {
            Self::User => Some(Operand::Text(text)),
            Self::Time | Self::Stored => {
                let time: jiff::Timestamp = text.parse().ok()?;
                Some(Operand::Number(time.as_nanosecond()))
            }
            _ => text.parse().ok().map(Operand::Number),
        }
    }

    fn value(self, event: &StoredEvent, zone_minutes: i16) -> Option<Operand> {
        let seconds = |seconds: i64| Some(Operand::Number(i128::from(seconds) * 1_000_000_000));
        let number = |number: u32| Some(Operand::Number(number.into()));
        match self {
            Self::Time => seconds(event.time.into()),
            Self::Stored => seconds(i64::from(event.stored) + i64::from(zone_minutes) * 60),
            Self::Device => number(event.device_id),
            Self::Door => event.door_id.and_then(number),
            Self::EventType => number(event.code.into()),
            Self::UserGroup => event.user_id.as_ref().and_then(|_| number(1)),
            Self::User => event.user_id.clone().map(Operand::Text),
            Self::Id => number(event.id),
        }
    }
}

/// Results can be sorted by two columns only.
fn order(row: &Value) -> Result<(Column, bool), Refusal> {
    let column = match row["column"].as_str() {
        Some("datetime") => Column::Time,
        Some("id") => Column::Id,
        _ => return Err(Refusal::BAD_QUERY),
    };
    let descending = match &row["descending"] {
        Value::Null => false,
        value => boolean(value).ok_or(Refusal::BAD_QUERY)?,
    };
    Ok((column, descending))
}

fn list(value: &Value) -> Result<&[Value], Refusal> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(Refusal::BAD_QUERY),
    }
}

/// By their numbers, from 0 on.
const OPERATORS: [Operator; 7] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Contains,
    Operator::Between,
    Operator::Like,
    Operator::Greater,
    Operator::Less,
];
const GRANTED: u64 = 4_088;
const DENIED: u64 = 6_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_utc_in_whole_seconds_and_nothing_else() {
        assert_eq!(whole_seconds("2025-10-30T15:12:00Z").unwrap().as_unix_seconds(), 1_761_837_120);
        for text in [
            "",
            "2025-10-30T15:12:00",
            "2025-10-30T15:12:00.00Z",
            "2025-10-30T15:12:00+00:00",
            "2025-10-30T15:12:00z",
            "2025-10-30 15:12:00Z",
            "2025-02-29T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2106-02-07T06:28:16Z",
        ] {
            assert!(whole_seconds(text).is_none(), "{text}");
        }
    }
}
