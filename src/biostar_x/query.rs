//! What to search for.

use std::fmt;

use serde::Serialize;

use crate::codec::{DeviceId, EventCode, Timestamp};

/// A search among the server's events: conditions that must all be true, an order, and how many events at once.
///
/// # Examples
///
/// ```
/// use bs2_events::biostar_x::EventQuery;
/// use bs2_events::biostar_x::query::{Column, Operator, Order};
/// use bs2_events::codec::{DeviceId, Timestamp};
///
/// let query = EventQuery::new()
///     .since(Timestamp::from_unix_seconds(1_767_225_600))
///     .devices([DeviceId::new(543)])
///     .condition(Column::Door, Operator::NotEqual, ["7"])
///     .order(Order::by_time().descending())
///     .limit(500);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EventQuery {
    pub(super) window: Option<(Timestamp, Timestamp)>,
    conditions: Vec<Condition>,
    pub(super) orders: Vec<Order>,
    pub(super) limit: u32,
}

/// What a condition compares.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// The device's number.
    Device,
    /// A door's number.
    Door,
    /// The event's code.
    EventCode,
    /// The row's number in the server's table of the month.
    Id,
    /// When the server stored it. No document says in which zone.
    ServerTime,
    /// When it happened, UTC.
    Time,
    /// The person's id. With an encrypted database only `Equal`, `NotEqual` and `Contains` work.
    User,
    /// The person's group.
    UserGroup,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operator {
    /// Is this value.
    Equal = 0,
    /// Is not this value.
    NotEqual = 1,
    /// Is one of these values.
    Contains = 2,
    /// Lies between two values, both included; the second is greater.
    Between = 3,
    /// Holds this text.
    Like = 4,
    /// Is greater.
    Greater = 5,
    /// Is less.
    Less = 6,
}

/// The order of the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Order {
    column: &'static str,
    descending: bool,
}

#[derive(Clone)]
struct Condition {
    column: Column,
    operator: Operator,
    values: Vec<String>,
}

/// Without the values, because one may be a person.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {} values", self.column.as_str(), self.operator, self.values.len())
    }
}

impl EventQuery {
    /// A query for all events, up to 1 000 at once.
    pub const fn new() -> Self {
        Self { window: None, conditions: Vec::new(), orders: Vec::new(), limit: 1_000 }
    }

    /// Events that happened from one second to another, both included.
    pub const fn between(mut self, from: Timestamp, to: Timestamp) -> Self {
        self.window = Some((from, to));
        self
    }

    /// Events that happened at this second or later.
    pub const fn since(self, from: Timestamp) -> Self {
        self.between(from, latest_after(from))
    }

    /// Adds a condition. The values have the server's form, times `2022-03-01T15:00:00.000Z`.
    pub fn condition(
        mut self,
        column: Column,
        operator: Operator,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.conditions.push(Condition { column, operator, values });
        self
    }

    /// Events of these devices.
    pub fn devices(self, devices: impl IntoIterator<Item = DeviceId>) -> Self {
        self.one_of(Column::Device, devices.into_iter().map(|device| device.to_string()))
    }

    /// Events with these codes. Devices report "granted" with other codes than the 4088 of imports: see
    /// [`EventCode::outcome`].
    pub fn codes(self, codes: impl IntoIterator<Item = EventCode>) -> Self {
        self.one_of(Column::EventCode, codes.into_iter().map(|code| code.get().to_string()))
    }

    /// Events of a person.
    pub fn user(self, id: impl Into<String>) -> Self {
        self.condition(Column::User, Operator::Equal, [id])
    }

    /// Adds an order; the first one has the highest rank. [`BiostarX::events`](super::BiostarX::events) has its own.
    pub fn order(mut self, order: Order) -> Self {
        self.orders.push(order);
        self
    }

    /// Sets how many events the server returns at once; 1 000 by default, at least 1.
    /// [`BiostarX::events`](super::BiostarX::events) asks for 10 000 at most.
    pub const fn limit(mut self, events: u32) -> Self {
        self.limit = if events == 0 { 1 } else { events };
        self
    }

    fn one_of(self, column: Column, values: impl Iterator<Item = String>) -> Self {
        let values: Vec<_> = values.collect();
        let operator = if values.len() == 1 { Operator::Equal } else { Operator::Contains };
        self.condition(column, operator, values)
    }

    /// The body of the request.
    pub(super) fn body(&self) -> impl Serialize {
        let window = self.window.map(|(from, to)| ConditionBody {
            column: Column::Time.as_str(),
            operator: Operator::Between as u8,
            values: vec![written(from, "000"), written(to, if from < to { "000" } else { "999" })],
        });
        let others = self.conditions.iter().map(|condition| ConditionBody {
            column: condition.column.as_str(),
            operator: condition.operator as u8,
            values: condition.values.clone(),
        });
        let conditions = window.into_iter().chain(others).collect();
        Body { query: QueryBody { limit: self.limit, conditions, orders: self.orders.clone() } }
    }
}

impl Default for EventQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl Column {
    /// The server's name of the column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device_id.id",
            Self::Door => "door_id.id",
            Self::EventCode => "event_type_id.code",
            Self::Id => "id",
            Self::ServerTime => "server_datetime",
            Self::Time => "datetime",
            Self::User => "user_id.user_id",
            Self::UserGroup => "user_group_id.id",
        }
    }
}

impl Order {
    /// Oldest first.
    #[must_use]
    pub const fn by_time() -> Self {
        Self { column: Column::Time.as_str(), descending: false }
    }

    /// By the row's number, which starts again every month.
    #[must_use]
    pub const fn by_id() -> Self {
        Self { column: Column::Id.as_str(), descending: false }
    }

    /// The reverse order.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.descending = true;
        self
    }
}

/// The end of a search that has none: the last second of 2037, because a server may count seconds with a sign; or the last
/// possible second, where the search begins later.
pub(super) const fn latest_after(from: Timestamp) -> Timestamp {
    let seconds = if from.as_unix_seconds() > SIGNED { u32::MAX } else { SIGNED };
    Timestamp::from_unix_seconds(seconds)
}

const SIGNED: u32 = 2_145_916_799;

/// A second as the documents write it in conditions.
fn written(time: Timestamp, fraction: &str) -> String {
    time.to_string().replace('Z', &format!(".{fraction}Z"))
}

#[derive(Serialize)]
struct Body {
    #[serde(rename = "Query")]
    query: QueryBody,
}

#[derive(Serialize)]
struct QueryBody {
    limit: u32,
    conditions: Vec<ConditionBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Order>,
}

#[derive(Serialize)]
struct ConditionBody {
    column: &'static str,
    operator: u8,
    values: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_query_is_written_byte_for_byte() {
        let query = EventQuery::new()
            .between(Timestamp::from_unix_seconds(1_646_146_800), Timestamp::from_unix_seconds(1_709_398_799))
            .condition(Column::Id, Operator::NotEqual, ["60491"])
            .user("2")
            .order(Order::by_time().descending())
            .limit(20);
        let expected = concat!(
            r#"{"Query":{"limit":20,"conditions":[{"column":"datetime","operator":3,"values":"#,
            r#"["2022-03-01T15:00:00.000Z","2024-03-02T16:59:59.000Z"]},"#,
            r#"{"column":"id","operator":1,"values":["60491"]},"#,
            r#"{"column":"user_id.user_id","operator":0,"values":["2"]}],"#,
            r#""orders":[{"column":"datetime","descending":true}]}}"#,
        );
        assert_eq!(serde_json::to_string(&query.body()).unwrap(), expected);
    }

    #[test]
    fn the_end_of_a_window_is_later_than_its_start() {
        let time = Timestamp::from_unix_seconds(0);
        let body = serde_json::to_string(&EventQuery::new().between(time, time).body()).unwrap();
        assert!(body.contains(r#"["1970-01-01T00:00:00.000Z","1970-01-01T00:00:00.999Z"]"#), "{body}");
    }
}
