//! Decodes event records from bytes: `cargo run --example decode_bytes`.
//!
//! Needs no feature: this is the codec alone.

use bs2_events::codec::code::Outcome;
use bs2_events::codec::{DecodeError, Event, Subject};

fn main() -> Result<(), DecodeError> {
    // Two records, one after the other, as a log file or a page of the vendor's library holds them.
    let mut bytes = [0; 96];
    bytes[..16].copy_from_slice(b"\x01\0\0\0\x1D\x3C\x7B\x5A\xBB\xAA\x44\x201001");
    bytes[44..48].copy_from_slice(&[0x01, 0x13, 0x03, 0x4A]);
    bytes[48..64].copy_from_slice(b"\x02\0\0\0\x20\x3C\x7B\x5A\xBB\xAA\x44\x20\x07\0\0\0");
    bytes[92..96].copy_from_slice(&[0x00, 0x52, 0x00, 0x48]);

    // No copy: the events are the bytes.
    for event in Event::slice_from_bytes(&bytes)? {
        println!("{event}");
        println!("  code     {:?}", event.code());
        println!("  zone     UTC {:+} minutes", event.flags().utc_offset_minutes());
        match event.subject() {
            // `Display` never shows a person; who needs the id asks for it.
            Subject::User(user) => println!("  user     {:?}", user.as_text()),
            Subject::Door { door_id } => println!("  door     {door_id}"),
            other => println!("  subject  {other}"),
        }
        if event.code().outcome() == Outcome::Granted {
            println!("  let in, with T&A key {:?}", event.tna_key());
        }
    }

    // What is not a record says where it stops being one.
    let error = Event::from_bytes(&bytes[..40]).unwrap_err();
    println!("40 bytes: {error}");
    Ok(())
}
