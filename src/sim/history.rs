//! What happened to a device, and its text in a state file.

use std::fmt;

use bytes::Bytes;

use crate::codec::hex::{from_hex, to_hex};
use crate::codec::{Event, EventCode, ExtraSubject, Extras, JobCode, SubjectKind, Temperature, Timestamp};
use crate::device::ImageFilter;

/// What happened to a device.
#[derive(Clone, Default)]
pub(super) struct History {
    /// The number of events that the device made by itself.
    pub(super) made: u64,
    /// Everything else that decided the log: after how many of these events, and what.
    pub(super) entries: Vec<(u64, HistoryEntry)>,
}

/// What makes the same generator leave another log.
#[derive(Clone)]
pub(super) enum HistoryEntry {
    Command(Command),
    Filters(Vec<ImageFilter>),
    /// The machine's clock, from the next event on.
    Now(Timestamp),
    /// The clock was set, and the device wrote no event.
    SetTime(Timestamp),
}

/// What a person or a program does to a device, and the device writes into its log.
#[derive(Clone)]
pub(super) enum Command {
    ClearLog,
    ClientConnected,
    ClientDisconnected,
    FactoryReset {
        restart_ids: bool,
    },
    /// Boxed, since a history of years has many smaller entries.
    Push(Box<PushedEvent>),
    SetClock(Timestamp),
}

/// An event that a test wants. The device gives it the next id.
#[derive(Clone)]
pub(super) struct PushedEvent {
    pub(super) event: Event,
    pub(super) extras: Extras,
    pub(super) picture: Option<Bytes>,
}

impl HistoryEntry {
    /// Reads what `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let entry = match parts.next()? {
            "clear" => Self::Command(Command::ClearLog),
            "connect" => Self::Command(Command::ClientConnected),
            "disconnect" => Self::Command(Command::ClientDisconnected),
            "reset" => Self::Command(Command::FactoryReset { restart_ids: parts.next()? == "1" }),
            "clock" => Self::Command(Command::SetClock(time(parts.next()?)?)),
            "filters" => Self::Filters(parts.by_ref().map(parse_filter).collect::<Option<_>>()?),
            "now" => Self::Now(time(parts.next()?)?),
            "push" => Self::Command(Command::Push(Box::new(parse_pushed(&mut parts)?))),
            "time" => Self::SetTime(time(parts.next()?)?),
            _ => return None,
        };
        parts.next().is_none().then_some(entry)
    }
}

/// Writes the entry as the state file holds it.
impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(Command::ClearLog) => f.write_str("clear"),
            Self::Command(Command::ClientConnected) => f.write_str("connect"),
            Self::Command(Command::ClientDisconnected) => f.write_str("disconnect"),
            Self::Command(Command::FactoryReset { restart_ids }) => {
                write!(f, "reset {}", u8::from(*restart_ids))
            }
            Self::Command(Command::Push(pushed)) => {
                let PushedEvent { event, extras, picture } = &**pushed;
                write!(f, "push {}", event.to_hex())?;
                if let Some(JobCode(code)) = extras.job_code {
                    write!(f, " job={code}")?;
                }
                if let Some(temperature) = extras.temperature {
                    write!(f, " temperature={}", temperature.hundredths())?;
                }
                for subject in &extras.subjects {
                    write!(f, " {}={}", subject.kind(), to_hex(subject.as_bytes()))?;
                }
                picture.as_ref().map_or(Ok(()), |picture| write!(f, " picture={}", to_hex(picture)))
            }
            Self::Command(Command::SetClock(time)) => write!(f, "clock {}", time.as_unix_seconds()),
            Self::Filters(filters) => {
                f.write_str("filters")?;
                filters.iter().try_for_each(|filter| {
                    write!(f, " {}/{}/{}", filter.code.get(), u8::from(filter.exact), filter.schedule_id)
                })
            }
            Self::Now(time) => write!(f, "now {}", time.as_unix_seconds()),
            Self::SetTime(time) => write!(f, "time {}", time.as_unix_seconds()),
        }
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_unix_seconds)
}

fn parse_filter(text: &str) -> Option<ImageFilter> {
    let (code, rest) = text.split_once('/')?;
    let (exact, schedule) = rest.split_once('/')?;
    let filter = ImageFilter::new(EventCode::new(code.parse().ok()?)).with_schedule(schedule.parse().ok()?);
    Some(if exact == "1" { filter.exactly() } else { filter })
}

fn parse_pushed<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<PushedEvent> {
    let event = Event::from_hex(parts.next()?).ok()?;
    let mut pushed = PushedEvent { event, extras: Extras::default(), picture: None };
    for part in parts {
        let (name, value) = part.split_once('=')?;
        match name {
            "job" => pushed.extras.job_code = Some(JobCode(value.parse().ok()?)),
            "temperature" => {
                pushed.extras.temperature = Some(Temperature::from_hundredths(value.parse().ok()?));
            }
            "picture" => pushed.picture = Some(bytes(value)?.into()),
            kind => {
                let kind = SubjectKind::ALL.into_iter().find(|known| known.to_string() == kind)?;
                let bytes = bytes(value)?.try_into().ok()?;
                pushed.extras.subjects.push(ExtraSubject::new(kind, bytes));
            }
        }
    }
    Some(pushed)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let (bytes, end) = from_hex(text.as_bytes());
    end.ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{DeviceId, Subject};

    #[test]
    fn every_history_entry_survives_its_text() {
        let filters = vec![
            ImageFilter::new(EventCode::ACCESS_DENIED),
            ImageFilter::new(EventCode::new(0x1301)).exactly(),
        ];
        let event = Event::builder(DeviceId::new(9), 0, EventCode::ACCESS_DENIED).build();
        let door = ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id: 3 }.to_bytes());
        let extras = Extras::default()
            .with_job_code(JobCode(7))
            .with_temperature(Temperature::from_hundredths(3_655))
            .with_subject(door);
        let alone = PushedEvent { event, extras: Extras::default(), picture: None };
        let whole = PushedEvent { event, extras, picture: Some(Bytes::from_static(b"jpeg")) };
        let empty = PushedEvent { picture: Some(Bytes::new()), ..alone.clone() };
        let hex = event.to_hex();
        let door = to_hex(door.as_bytes());
        for (entry, text) in [
            (HistoryEntry::Command(Command::ClearLog), "clear"),
            (HistoryEntry::Command(Command::ClientConnected), "connect"),
            (HistoryEntry::Command(Command::ClientDisconnected), "disconnect"),
            (HistoryEntry::Command(Command::FactoryReset { restart_ids: true }), "reset 1"),
            (HistoryEntry::Command(Command::FactoryReset { restart_ids: false }), "reset 0"),
            (HistoryEntry::Command(Command::SetClock(Timestamp::from_unix_seconds(7))), "clock 7"),
            (HistoryEntry::Filters(Vec::new()), "filters"),
            (HistoryEntry::Filters(filters), "filters 6400/0/1 4865/1/1"),
            (HistoryEntry::Now(Timestamp::from_unix_seconds(8)), "now 8"),
            (HistoryEntry::SetTime(Timestamp::from_unix_seconds(9)), "time 9"),
            (HistoryEntry::Command(Command::Push(alone.into())), &format!("push {hex}")),
            (HistoryEntry::Command(Command::Push(empty.into())), &format!("push {hex} picture=")),
            (
                HistoryEntry::Command(Command::Push(whole.into())),
                &format!("push {hex} job=7 temperature=3655 door={door} picture=6a706567"),
            ),
        ] {
            assert_eq!(entry.to_string(), text);
            assert_eq!(HistoryEntry::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "fly", "clear 1", "clock", "clock x", "filters 1/1", "now", "push", "push 00", "time"]
        {
            assert!(HistoryEntry::parse(text).is_none(), "{text}");
        }
        for part in ["door", "door=00", "house=00", "job=x", "picture=0"] {
            assert!(HistoryEntry::parse(&format!("push {hex} {part}")).is_none(), "{part}");
        }
    }
}
