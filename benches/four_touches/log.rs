//! A log of an office, made anew and alike on every run.

use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Subject, Timestamp, UserId};

/// The log's bytes: people at two of three events, then doors, then the rest.
pub fn bytes(count: u32) -> Vec<u8> {
    let mut random = 0x2545_F491_4F6C_DD1D;
    let events: Vec<Event> = (1..=count).map(|id| event(id, xorshift(&mut random))).collect();
    Event::slice_as_bytes(&events).to_vec()
}

/// A user who is in the log.
pub fn user() -> UserId {
    UserId::new("1001").unwrap()
}

/// The next number of a row that is random enough here.
pub fn xorshift(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn event(id: u32, random: u64) -> Event {
    let user = UserId::new((1_000 + random % 5_000).to_string()).unwrap();
    let door_id = (random >> 16) as u32 % 40;
    let (code, subject) = match random >> 40 & 0xFF {
        0..110 => (0x1301, Subject::User(&user)),
        110..150 => (0x1006, Subject::User(&user)),
        150..170 => (0x1901, Subject::User(&user)),
        170..200 => (0x5300, Subject::Door { door_id }),
        200..230 => (0x5400, Subject::Door { door_id }),
        230..245 => (0x3C00, Subject::None),
        _ => (0x6002, Subject::Zone { zone_id: door_id }),
    };
    let flags = EventFlags::from_bits_retain((random >> 32) as u8 & 0x03 | 0x48);
    Event::builder(DeviceId::new(540_000_001), id, EventCode::new(code))
        .timestamp(Timestamp::from_unix_seconds(1_518_025_757 + id))
        .subject(subject)
        .flags(flags)
        .build()
}
