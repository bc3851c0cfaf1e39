//! Any text, taken for an event code: refused, or read as a code that reads back.

#![no_main]

use bs2_events::codec::EventCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(code) = text.parse::<EventCode>() else { return };
    assert_eq!(format!("0x{:04X}", code.get()).parse(), Ok(code));
    assert_eq!(text.to_ascii_uppercase().parse(), Ok(code));

    let shown: EventCode = code.to_string().parse().unwrap();
    // The vendor's message catalogue gives one name to two codes.
    assert!(shown == code || shown.name().is_some() && shown.name() == code.name());
    assert!(format!("{code:?}").starts_with("0x"));
});
