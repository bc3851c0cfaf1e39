//! No answer makes the client panic, whatever it is.

use bs2_events::biostar_x::EventRow;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::biostar_x_script::every_call::everything;
use crate::biostar_x_script::{Answer, Script, vector};

/// JSON of any shape, with the names that answers have.
fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9]{0,31}".prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("2026-07-24T17:53:02.00Z")),
        Just(json!("-9999-12-31T23:59:60Z")),
    ];
    let names = prop_oneof![
        "EventCollection|rows|Response|code|message|by|VirtualDevices|VirtualDevice|id|name|device_group_id",
        "EventTypeCollection|licenses|feature|evtLogApi|ImageLog|data|datetime|server_datetime|hint|index",
        "device_id|user_id|door_id|event_type_id|timezone|hour|half|negative|tna_key|image_id|image_data|version",
        "\\PC{0,6}",
    ];
    scalar.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_answer_makes_the_client_panic(
        body in prop_oneof![any_json().prop_map(|json| json.to_string()), "\\PC{0,40}"],
        status in prop_oneof![Just(200_u16), 200..=599_u16],
        logs_in in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // These have no body, and HTTP says so.
            let status = if matches!(status, 204 | 304) { 200 } else { status };
            let script = Script::with(move |request| match request.line.as_str() {
                "POST /api/login" if logs_in => Answer::Session(200, "s".to_owned(), vector("login")),
                _ => Answer::Session(status, "s".to_owned(), body.clone()),
            })
            .await;
            // What would be asked for again is asked for once: it is the first answer that matters here.
            everything(&script.client()).await;
        });
    }

    #[test]
    fn any_row_can_be_read(row in any_json()) {
        let row = EventRow::from_json(&row);
        let _ = (row.key(), row.to_string(), format!("{row:?}"));
    }
}
