//! `POST /api/events/search`.

use serde_json::{Value, json};

use super::app::Site;
use super::fault::Rows;
use super::field::{number, parse};
use super::records::StoredEvent;
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};
use super::row::row;

impl Site {
    pub(super) fn search(&self, request: &Request, shape: &[Rows]) -> Result<Answer, Refusal> {
        let body = parse(request.body(), Refusal::BAD_JSON)?;
        let query = body.get("Query").filter(|query| query.is_object()).ok_or(Refusal::BAD_QUERY)?;
        let query = Query::read(query, self.settings.encrypted)?;
        let zone = self.settings.zone_minutes;
        let found = query.run(&self.store.events, zone);
        let rows = found.into_iter().map(|event| row(event, &self.store, zone)).collect();
        Ok(Answer::ok(Side::Core, collection(rows, shape)))
    }
}

/// `EventCollection`, in the shape that is asked for where rows are few.
fn collection(mut rows: Vec<Value>, shapes: &[Rows]) -> Value {
    for shape in shapes {
        match (shape, rows.len()) {
            (Rows::Text, 0) => return json!({ "EventCollection": { "rows": "" } }),
            (Rows::Missing, 0) => return json!({ "EventCollection": {} }),
            (Rows::NoCollection, 0) => return json!({}),
            (Rows::Lone, 1) => return json!({ "EventCollection": { "rows": rows.remove(0) } }),
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

/// What is compared. Numbers compare with numbers and text with text.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Operand {
    /// A number, or a time in nanoseconds.
    Number(i128),
    Text(String),
}

impl Query {
    fn read(query: &Value, encrypted: bool) -> Result<Self, Refusal> {
        // The documents say both that the limit is needed and that it is not.
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

    /// The events that fulfil all conditions, in order; where two are equal, as they were stored.
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
        let operator = number(&row["operator"]).and_then(Operator::numbered).ok_or(Refusal::BAD_QUERY)?;
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

    /// A value of a condition. Patterns are text whatever the column is.
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

impl Operator {
    fn numbered(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Equal,
            1 => Self::NotEqual,
            2 => Self::Contains,
            3 => Self::Between,
            4 => Self::Like,
            5 => Self::Greater,
            6 => Self::Less,
            _ => return None,
        })
    }
}

/// Only two columns can be sorted by.
fn order(row: &Value) -> Result<(Column, bool), Refusal> {
    let column = match row["column"].as_str() {
        Some("datetime") => Column::Time,
        Some("id") => Column::Id,
        _ => return Err(Refusal::BAD_QUERY),
    };
    let descending = match &row["descending"] {
        Value::Null => false,
        value => super::field::truth(value).ok_or(Refusal::BAD_QUERY)?,
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
