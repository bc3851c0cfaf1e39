//! No request whatever brings the simulated BioStar X server down.

use crate::wire::Wire;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PATHS: [&str; 13] = [
    "/api/login",
    "/api/logout",
    "/api/events/import",
    "/api/events/search",
    "/api/events/start",
    "/api/events/images/1_2_3",
    "/api/event_types",
    "/api/setting/biostar",
    "/api/v2/virtual_devices",
    "/api/v2/virtual_devices/100001",
    "/js/info.json",
    "/wsapi",
    "/sim/faults",
];

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(&PATHS[..]).prop_map(str::to_owned),
        1 => "(/[a-z0-9_.~%-]{0,12}){0,5}".prop_map(|path| format!("/{path}")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9]{0,25}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "datetime",
            "id",
            "2025-10-30T15:12:00Z",
            "true",
            "100001",
            "2",
            "user_id"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let keys = prop::sample::select(vec![
            "User",
            "login_id",
            "password",
            "VirtualDevice",
            "id",
            "name",
            "description",
            "device_group_id",
            "packet_device_id",
            "is_virtual_device",
            "events",
            "dev_id",
            "evt",
            "datetime",
            "user_id",
            "tna_key",
            "Query",
            "limit",
            "conditions",
            "column",
            "operator",
            "values",
            "orders",
            "descending",
            "path",
            "fault",
            "advance",
            "count",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Something that is nearly right: one value of it is replaced.
fn nearly() -> impl Strategy<Value = Value> {
    let right = vec![
        json!({ "Query": { "limit": 5, "conditions": [{ "column": "datetime", "operator": 3,
            "values": ["2022-03-01T15:00:00Z", "2024-03-02T16:59:59Z"] }],
            "orders": [{ "column": "id", "descending": true }] } }),
        json!({ "packet_device_id": 100_001, "is_virtual_device": true, "events": [{ "dev_id": 100_001, "evt": 4088,
            "datetime": "2025-10-30T15:12:00Z", "user_id": "2", "tna_key": "1" }] }),
        json!({ "VirtualDevice": { "id": 100_002, "name": "A", "device_group_id": { "id": 1 } } }),
    ];
    (prop::sample::select(right), any::<prop::sample::Index>(), value()).prop_map(|(mut right, at, new)| {
        let mut pointers = Vec::new();
        collect(&right, String::new(), &mut pointers);
        let pointer = at.get(&pointers);
        *right.pointer_mut(pointer).unwrap() = new;
        right
    })
}

fn collect(value: &Value, here: String, pointers: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{here}/{index}"), pointers);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                collect(item, format!("{here}/{key}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(here);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_request_is_answered_and_errors_explain_themselves(
        requests in prop::collection::vec(
            (
                prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
                path(),
                "(\\?[a-z_]{0,8}=[a-z0-9+%]{0,12}(&[a-z]{0,4})?)?",
                prop_oneof![nearly().prop_map(|v| v.to_string()), value().prop_map(|v| v.to_string()), ".{0,40}"],
            ),
            8,
        ),
    ) {
        thread_local! {
            static WIRE: (Runtime, Wire) = {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let wire = runtime.block_on(async {
                    let wire = Wire::new("backlog=20&control=1").await;
                    wire.device(100_001).await;
                    wire
                });
                (runtime, wire)
            };
        }
        WIRE.with(|(runtime, wire)| runtime.block_on(async {
            for (method, path, query, body) in requests {
                let target = format!("{path}{query}");
                if (method, path.as_str()) == ("POST", "/api/logout") || path.starts_with("/sim/") && body.contains("fault\"") {
                    continue; // Both would be right to change what the next request meets.
                }
                let reply = wire.try_call(method, &target, &body).await;
                let reply = reply.unwrap_or_else(|error| panic!("{method} {target} {body}: {error:?}"));
                prop_assert!(reply.status < 500, "{method} {target} {body}: {}", reply.text);
                if reply.status >= 300 && !path.starts_with("/sim/") {
                    prop_assert!(reply.code() != "0" && reply.status != 401, "{method} {target} {body}: {}", reply.text);
                }
            }
            Ok(())
        }))?;
    }
}
