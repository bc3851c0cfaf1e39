//! `POST /api/events/import`.

use serde_json::{Value, json};

use super::app::Site;
use super::database::NewEvent;
use super::field::{number, parse, text};
use super::options::FlagForm;
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Answer, Side};
use crate::codec::Timestamp;

impl Site {
    /// Stores the events together; where it is planned so, some of them.
    pub(super) fn import(&mut self, request: &Request, partial: bool) -> Result<Answer, Refusal> {
        if !self.settings.licence {
            return Err(Refusal::LICENCE);
        }
        let body = parse(request.body(), Refusal::BAD_JSON)?;
        let device = number(&body["packet_device_id"]).ok_or(Refusal::BAD_PARAMETER)?;
        let device = u32::try_from(device).map_err(|_| Refusal::NO_DEVICE)?;
        if !self.settings.flag.takes(&body["is_virtual_device"]) {
            return Err(Refusal::BAD_PARAMETER);
        }
        if !self.store.virtual_devices.contains_key(&device) {
            return Err(Refusal::NO_DEVICE);
        }
        let rows = body["events"].as_array().filter(|rows| !rows.is_empty()).ok_or(Refusal::BAD_PARAMETER)?;
        let most = self.settings.batch as usize;
        if most > 0 && rows.len() > most {
            return Err(Refusal::BAD_PARAMETER);
        }
        let mut refused = 0;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            match self.event(row, device) {
                Ok(event) => events.push(event),
                Err(Refusal::NO_USER) if partial => refused += 1,
                Err(refusal) => return Err(refusal),
            }
        }
        if partial && refused == 0 {
            let before = events.len();
            events.retain(|_| self.fate.keeps());
            if events.len() == before {
                events.pop();
            }
        }
        self.keep(events)?;
        Ok(match partial {
            true => Answer::said(Side::Core, json!({}), "1", "Processed with some errors."),
            false => Answer::ok(Side::Core, json!({})),
        })
    }

    fn keep(&mut self, events: Vec<NewEvent>) -> Result<(), Refusal> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let first = self.store.import(events, now).map_err(|_| Refusal::FAILED)?;
        if self.settings.push {
            self.tell_from(first);
        }
        Ok(())
    }

    fn event(&self, row: &Value, device: u32) -> Result<NewEvent, Refusal> {
        let of_device = number(&row["dev_id"]).is_some_and(|id| id == u64::from(device));
        let code = number(&row["evt"]).filter(|code| [GRANTED, DENIED].contains(code));
        let time = row["datetime"].as_str().and_then(whole_seconds);
        let (true, Some(code), Some(time)) = (of_device, code, time) else {
            return Err(Refusal::BAD_PARAMETER);
        };
        let tna_key = match &row["tna_key"] {
            Value::Null => None,
            Value::String(key) => Some(key.clone()),
            _ => return Err(Refusal::BAD_PARAMETER),
        };
        let user = text(&row["user_id"]).ok_or(Refusal::BAD_PARAMETER)?;
        if !self.store.knows(user) {
            return Err(Refusal::NO_USER);
        }
        let code = if code == GRANTED { GRANTED as u16 } else { DENIED as u16 };
        Ok(NewEvent {
            device_id: device,
            code,
            time: time.as_unix_seconds(),
            user_id: user.to_owned(),
            tna_key,
        })
    }
}

impl FlagForm {
    fn takes(self, value: &Value) -> bool {
        let boolean = *value == Value::Bool(true);
        let text = value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"));
        match self {
            Self::Either => boolean || text,
            Self::Boolean => boolean,
            Self::Text => text,
        }
    }
}

/// A time in UTC without a fraction: the one form that is documented.
fn whole_seconds(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let seconds = u32::try_from(time.as_second()).ok()?;
    let time = Timestamp::from_unix_seconds(seconds);
    (time.to_string() == text).then_some(time)
}

const GRANTED: u64 = 4_088;
const DENIED: u64 = 6_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_utc_in_whole_seconds_and_nothing_else() {
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
