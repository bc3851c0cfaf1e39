//! What is secret or personal shows in no error, no Debug output and no trace; and no answer makes the client panic.
#![cfg(all(feature = "biostar-x", feature = "cli"))]

mod biostar_x_script;

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

use bs2_events::biostar_x::*;
use bs2_events::codec::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use biostar_x_script::{Answer, Script, vector};

/// Whatever is traced, at every level, from every crate.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<u8>>>);

impl io::Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Traces {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn shown(value: &(impl Debug + ?Sized)) -> String {
    format!("{value:?} {value:#?}")
}

fn told<T: Debug>(result: Result<T>) -> String {
    let Err(error) = result else { return shown(&result) };
    let mut text = format!("{error} {}", shown(&error));
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// Every call of the client, and what can be seen of it.
async fn everything(client: &Client) -> String {
    let id = VirtualDeviceId::MIN;
    let time = Timestamp::from_unix_seconds(1_761_837_120);
    let mut seen = shown(client);
    seen += &told(client.login().await);
    seen += &told(client.virtual_devices().await);
    seen += &told(client.create_virtual_device(&NewVirtualDevice::new(id, "gate")).await);
    seen += &told(client.update_virtual_device(id, &VirtualDeviceChange::new().group(1)).await);
    seen += &told(client.delete_virtual_devices(&[id]).await);
    seen += &told(client.event_types().await);
    seen += &told(client.licences().await);
    seen += &told(client.version().await.map(drop));
    seen += &told(client.image("1_2_3").await.map(drop));
    let query = EventQuery::new().user("user-canary");
    seen += &shown(&query);
    seen += &told(client.search_events(&query).await);
    let mut events = client.events(query);
    // Some answers have new rows for ever.
    for _ in 0..3 {
        match events.next().await {
            Some(event) => seen += &told(event),
            None => break,
        }
    }
    let event = ImportEvent::granted("user-canary", time);
    let mut import = client.import(id, vec![event.clone(), event]).unwrap();
    seen += &told(import.send().await);
    seen += &told(import.look_up().await);
    seen += &shown(&import);
    seen += &shown(import.fates());
    seen += &told(client.logout().await);
    seen
}

#[tokio::test]
async fn no_secret_and_no_person_is_shown() {
    let traces = Traces::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(traces.clone()).with_max_level(tracing::Level::TRACE).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let personal = json!({
        "code": "name-canary", "message": "user-canary is not known", "by": "name-canary",
        "EventCollection": {"rows": [{"user_id": {"user_id": "user-canary", "name": "name-canary"}, "id": "1"}]},
    });
    let error =
        json!({"Response": {"code": "201", "message": "user-canary is not known", "by": "name-canary"}});
    let good = json!({
        "Response": {"code": "0", "message": "user-canary"},
        "EventCollection": {"rows": [{"user_id": {"user_id": "user-canary", "name": "name-canary"},
            "user_email": "name-canary", "datetime": "user-canary", "id": "1"}]},
    });
    let mut seen = String::new();
    for (status, body) in [
        (200, good.to_string()),
        (200, personal.to_string()),
        (400, error.to_string()),
        (500, "user-canary".to_owned()),
        (200, "\"user-canary".to_owned()),
        (401, vector("session_expired")),
        (302, String::new()),
    ] {
        let script = Script::with(move |request| match request.line.as_str() {
            "POST /api/login" => Answer::Session(200, "session-canary".to_owned(), vector("login")),
            _ => Answer::Body(status, body.clone()),
        })
        .await;
        seen += &shown(&script.builder());
        seen += &everything(&script.client()).await;
    }
    let refused = Script::with(|_| Answer::Body(400, vector("login_failed"))).await;
    seen += &everything(&refused.client()).await;
    let cut = Script::with(|_| Answer::Cut).await;
    seen += &everything(&cut.client()).await;
    let traced = String::from_utf8(traces.0.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("POST /api/events/import"), "nothing was traced");
    for (what, text) in [("shown", &seen), ("traced", &traced)] {
        for canary in ["password-canary", "operator-canary", "session-canary", "user-canary", "name-canary"] {
            let place = text
                .find(canary)
                .map(|at| text[at.saturating_sub(300)..].chars().take(600).collect::<String>());
            assert_eq!(place, None, "{canary} is {what}");
        }
    }
}

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
            everything(&script.client()).await;
        });
    }

    #[test]
    fn any_row_can_be_read(row in any_json()) {
        let row = EventRow::from_json(&row);
        let _ = (row.key(), row.to_string(), format!("{row:?}"));
    }
}
