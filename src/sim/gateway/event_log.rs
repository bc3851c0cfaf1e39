//! Events as the gateway words them.

use super::state::Told;
use crate::codec::{Event, EventCode, Subject};
use crate::device::gateway::proto::gsdk::event as wire;
use crate::device::gateway::proto::gsdk::event::event_filter::Param;
use crate::device::gateway::proto::gsdk::tna::{JobCodeLog, TnaLog};

/// The event with its temperature. What the interface has no field for stays behind: the reader's time zone, and
/// what no source says of the subject.
pub(super) fn event_log(told: &Told) -> wire::EventLog {
    let event = &told.event;
    let (event_code, sub_code) = codes(event.code());
    let mut log = wire::EventLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        event_code,
        sub_code,
        tna_key: event.tna_key().unwrap_or_default().into(),
        has_image: event.flags().has_image(),
        changed_on_device: event.changed_on_device().unwrap_or_default(),
        temperature: told.temperature.map_or(0, |temperature| temperature.hundredths()),
        ..Default::default()
    };
    match event.subject() {
        Subject::User(_) => log.user_id = user_id(event),
        Subject::Card(card) => log.card_data = card.as_bytes().to_vec().into(),
        Subject::Door { door_id: id } | Subject::Lift { lift_id: id } | Subject::Zone { zone_id: id } => {
            log.entity_id = id;
        }
        Subject::Relay { relay_port, input_port } => {
            log.entity_id = u32::from(relay_port) | u32::from(input_port) << 16;
        }
        Subject::Input { io_device_id, port, value } => {
            log.input_info =
                Some(wire::DetectInputInfo { io_device_id, port: port.into(), value: value.get().into() });
        }
        Subject::AlarmZone { zone_id, door_id, io_device_id, port } => {
            log.alarm_zone_info =
                Some(wire::AlarmZoneInfo { zone_id, door_id, io_device_id, port: port.into() });
        }
        Subject::Interlock { zone_id, door_ids } => {
            let door_i_ds = door_ids.into_iter().filter(|door| *door != 0).collect();
            log.interlock_zone_info = Some(wire::InterlockZoneInfo { zone_id, door_i_ds });
        }
        _ => {}
    }
    log
}

/// The picture of an event.
pub(super) fn image_log(event: &Event, jpeg: bytes::Bytes) -> wire::ImageLog {
    let (event_code, sub_code) = codes(event.code());
    wire::ImageLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        user_id: user_id(event),
        event_code,
        sub_code,
        jpg_image: jpeg,
    }
}

/// An event for which somebody pressed a key.
pub(super) fn tna_log(event: &Event) -> Option<TnaLog> {
    let key = event.tna_key().filter(|key| *key > 0)?;
    let (event_code, sub_code) = codes(event.code());
    Some(TnaLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        user_id: user_id(event),
        event_code,
        sub_code,
        tna_key: key.into(),
    })
}

/// An event with which somebody began this work.
pub(super) fn job_code_log(event: &Event, job_code: u32) -> JobCodeLog {
    let (event_code, sub_code) = codes(event.code());
    JobCodeLog {
        id: event.id(),
        timestamp: event.timestamp().as_unix_seconds(),
        device_id: event.device_id().get(),
        user_id: user_id(event),
        event_code,
        sub_code,
        job_code,
    }
}

/// Whether an event passes one of these filters; every event does where there are none.
pub(super) fn passes(filters: &[wire::EventFilter], event: &Event) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches(filter, event))
}

/// Whether every condition of a filter holds. What the parameter of an event means depends on its code; the
/// filter compares the byte.
fn matches(filter: &wire::EventFilter, event: &Event) -> bool {
    let time = event.timestamp().as_unix_seconds();
    let parameter = match filter.param {
        None => true,
        Some(Param::TnaKey(key)) => event.tna_key().is_some_and(|own| i32::from(own) == key),
        Some(Param::OnDevice(value)) => event.changed_on_device().is_some_and(|own| u32::from(own) == value),
        Some(Param::FloorIndex(value) | Param::AlarmFlag(value) | Param::LicenseType(value)) => {
            u32::from(event.param()) == value
        }
    };
    parameter
        && (filter.user_id.is_empty() || user_id(event) == filter.user_id)
        && (filter.start_time == 0 || time >= filter.start_time)
        && (filter.end_time == 0 || time <= filter.end_time)
        && (filter.event_code == 0 || codes(event.code()).0 == filter.event_code)
}

/// The two numbers of a code: most low bytes are a sub code, some belong to the code.
pub(super) fn codes(code: EventCode) -> (u32, u32) {
    match code.get() {
        whole @ (0x3050 | 0x3201 | 0x3202 | 0x3601 | 0x3B10 | 0x3C10 | 0x4501..=0x4504 | 0x4A01) => {
            (whole.into(), 0)
        }
        _ => (code.main().get().into(), code.sub().into()),
    }
}

/// The id of the person as text. What is no UTF-8 cannot stand in the interface's strings.
fn user_id(event: &Event) -> String {
    event.user_id().map_or_else(String::new, |user| String::from_utf8_lossy(user.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_byte_is_a_sub_code_unless_it_names_another_event() {
        assert_eq!(codes(EventCode::new(0x1301)), (0x1300, 1));
        assert_eq!(codes(EventCode::new(0x3200)), (0x3200, 0));
        assert_eq!(codes(EventCode::new(0x3201)), (0x3201, 0));
        assert_eq!(codes(EventCode::new(0x4505)), (0x4500, 5));
    }
}
