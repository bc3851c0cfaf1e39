//! Any bytes, taken for a page of events: nothing panics, nothing is lost.

#![no_main]

use bs2_events::codec::{DecodeReason, Event, Subject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (events, rest) = Event::slice_from_prefix(bytes);
    let (head, tail) = bytes.split_at(bytes.len() - rest.len());
    assert!(Event::slice_as_bytes(events) == head && rest == tail && rest.len() < Event::SIZE);

    match Event::slice_from_bytes(bytes) {
        Ok(whole) => assert!(rest.is_empty() && whole == events),
        Err(error) => {
            let DecodeReason::Truncated { needed, available } = error.reason else { panic!("{error}") };
            assert_eq!(error.offset + available, bytes.len());
            assert!(available < needed && error.to_string().starts_with("event: field `"));
        }
    }
    match Event::from_bytes(bytes) {
        Ok(event) => assert!(event.as_bytes() == bytes),
        Err(error) => assert_ne!(bytes.len(), Event::SIZE, "{error}"),
    }
    for event in events {
        check(event);
    }
});

fn check(event: &Event) {
    let (code, subject) = (event.code(), event.subject());
    assert!(!format!("{event} {event:#?} {:?} {:?}", code.category(), code.outcome()).is_empty());
    // An empty user id is no user id.
    let has_user = matches!(subject, Subject::User(user) if !user.as_bytes().is_empty());
    assert_eq!(event.user_id().is_some(), has_user);
    if let Subject::User(user) = subject {
        assert_eq!(event.is_of_user(user), has_user);
        assert!(user.as_array().starts_with(user.as_bytes()) && !user.as_bytes().contains(&0));
        assert_eq!(user.as_text(), std::str::from_utf8(user.as_bytes()).ok());
    }

    let builder = Event::builder(event.device_id(), event.id(), code)
        .timestamp(event.timestamp())
        .param(event.param())
        .flags(event.flags());
    assert!(builder.subject(subject).build().subject() == subject);
    let raw = event.as_bytes()[12..44].try_into().unwrap();
    assert!(builder.subject(Subject::Unknown(raw)).build() == *event);
}
