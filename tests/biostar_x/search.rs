//! Searching in pages: nothing twice, nothing lost.

use std::collections::BTreeSet;

use bs2_events::biostar_x::BiostarX;
use bs2_events::biostar_x::query::*;
use bs2_events::codec::Timestamp;
use bs2_events::{ErrorKind, Result};
use serde_json::{Value, json};

use crate::biostar_x_script::{Answer, Script, log, vector};
use crate::biostar_x_simulated::{client, start};

#[tokio::test]
async fn pages_give_every_event_of_the_server_once() {
    let server = start("backlog=3000&devices=7").await;
    let mut found = BTreeSet::new();
    let mut events = client(&server).events(EventQuery::new().limit(97));
    let mut previous = Timestamp::default();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert!(event.time.unwrap() >= previous);
        previous = event.time.unwrap();
        assert!(found.insert(event.key().unwrap().to_string()), "an event comes twice");
    }
    let expected: BTreeSet<_> = server.snapshot().events().iter().map(|event| event.hint()).collect();
    assert_eq!(found, expected);
}

/// Answers searches from a list of rows as a server does: by time, and never more than `most`.
async fn server(rows: Vec<Value>, most: usize) -> Script {
    answering(move |body| log::collection(&log::search(&rows, body, most))).await
}

/// Logs everybody in, and answers everything else with what `answer` makes of the body.
async fn answering(mut answer: impl FnMut(&str) -> String + Send + 'static) -> Script {
    Script::with(move |request| match request.line.as_str() {
        "POST /api/login" => Answer::Session(200, "s".to_owned(), vector("login")),
        _ => Answer::Body(200, answer(&request.body)),
    })
    .await
}

fn row(number: u32, time: &str, has_hint: bool) -> Value {
    let mut row = json!({
        // The number begins anew with every month.
        "id": (number % 10).to_string(), "datetime": time,
        "device_id": {"id": "541000001"}, "event_type_id": {"code": "4867"},
        "user_id": {"user_id": number.to_string()},
    });
    if has_hint {
        row["hint"] = json!(format!("{:010}{:010}{:010}", 1_700_000_000, 541_000_001, number));
    }
    row
}

async fn numbers(script: &Script, limit: u32) -> Result<Vec<u32>> {
    let mut events = script.client().events(EventQuery::new().limit(limit));
    let mut found = Vec::new();
    while let Some(event) = events.next().await {
        found.push(event?.user_id.unwrap().parse().unwrap());
    }
    found.sort_unstable();
    Ok(found)
}

#[tokio::test]
async fn a_second_with_more_events_than_a_page_is_read_by_id_in_pages_of_the_same_size() {
    for has_hint in [true, false] {
        for limit in [1, 2, 7, 39, 40, 41, 99, 100, 101] {
            let second = |number: u32| format!("2026-01-31T23:59:{:02}.000Z", 57 + number / 40);
            let rows = (0..100).map(|number| with_id(row(number, &second(number), has_hint), number));
            let script = server(rows.collect(), usize::MAX).await;
            let found = numbers(&script, limit).await.unwrap();
            assert_eq!(found, (0..100).collect::<Vec<_>>(), "hint: {has_hint}, limit: {limit}");
            let asked = format!("\"limit\":{limit},");
            assert!(script.received().iter().all(|request| request.body.contains(&asked)));
        }
    }
}

/// As in the table of one month.
fn with_id(mut row: Value, number: u32) -> Value {
    row["id"] = json!((number + 1).to_string());
    row
}

#[tokio::test]
async fn rows_of_two_months_with_the_same_id_in_one_second_are_two() {
    for limit in [2, 3, 5, 8, 13] {
        let rows = (0..60).map(|number| with_id(row(number, "2026-01-31T23:59:59.000Z", true), number / 2));
        let script = server(rows.collect(), usize::MAX).await;
        assert_eq!(numbers(&script, limit).await.unwrap(), (0..60).collect::<Vec<_>>(), "{limit}");
    }
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_again_with_fewer_events() {
    let time = |number: u32| format!("2026-01-01T00:{:02}:00.000Z", number / 3);
    let rows = (0..90).map(|number| with_id(row(number, &time(number), true), number)).collect();
    let script = server(rows, usize::MAX).await;
    let client = BiostarX::new(script.builder().with_answer_limit(4_000)).unwrap();
    let mut events = client.events(EventQuery::new());
    let mut found = Vec::new();
    while let Some(event) = events.next().await {
        found.push(event.unwrap().user_id.unwrap().parse::<u32>().unwrap());
    }
    assert_eq!(found, (0..90).collect::<Vec<_>>());
    let error = client.search_events(&EventQuery::new().since(Timestamp::default())).await.unwrap_err();
    assert!(error.to_string().contains("larger than the limit"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_nothing_but_rows_takes_the_memory_of_a_few() {
    // Two million rows in eight megabytes: kept, they would take a gigabyte.
    let body = format!(
        r#"{{"EventCollection":{{"rows":[{}{{}}]}},"Response":{{"code":"0"}}}}"#,
        "{},".repeat(2_000_000)
    );
    let script = answering(move |_| body.clone()).await;
    let mut events = script.client().events(EventQuery::new().limit(500));
    let mut rows = 0;
    let error = loop {
        match events.next().await.unwrap() {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
    };
    assert!(rows <= 500, "{rows}");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert_eq!(script.client().search_events(&EventQuery::new()).await.unwrap().len(), 1_000);
    let error = script.client().search_events(&EventQuery::new().limit(1_000_000)).await.unwrap_err();
    assert!(error.to_string().contains("too many events"), "{error}");
}

#[tokio::test]
async fn ids_that_begin_anew_with_the_month_hide_no_event() {
    let time = |number: u32| format!("2026-{:02}-01T00:00:00.000Z", 1 + number / 10);
    let rows = (0..100).map(|number| row(number, &time(number), false)).collect();
    let script = server(rows, usize::MAX).await;
    assert_eq!(numbers(&script, 3).await.unwrap(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_gives_less_than_was_asked_for_is_read_to_the_end() {
    let time = |number: u32| format!("2026-01-01T00:{:02}:00.000Z", number / 3);
    let rows: Vec<_> = (0..100).map(|number| row(number, &time(number), true)).collect();
    let script = server(rows, 10).await;
    assert_eq!(numbers(&script, 1_000).await.unwrap(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_with_more_events_than_the_server_gives_is_read_by_id() {
    for (a_second, most) in [(10, 10), (13, 10), (19, 10), (20, 10), (400, 10), (1, 1), (2, 1)] {
        let time = |number: u32| format!("2026-01-01T00:00:{:02}.000Z", number / a_second);
        let rows =
            (0..4 * a_second).map(|number| with_id(row(number, &time(number), true), number)).collect();
        let script = server(rows, most).await;
        assert_eq!(
            numbers(&script, 1_000).await.unwrap(),
            (0..4 * a_second).collect::<Vec<_>>(),
            "{a_second}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_heed_conditions_or_order_is_told_and_gives_nothing_twice() {
    for reversed in [false, true] {
        let mut rows: Vec<_> =
            (0..5).map(|number| row(number, &format!("2026-01-01T00:00:0{number}.000Z"), true)).collect();
        if reversed {
            rows.reverse();
        }
        let script = answering(move |_| log::collection(&rows)).await;
        let mut events = script.client().events(EventQuery::new());
        for _ in 0..5 {
            events.next().await.unwrap().unwrap();
        }
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_window_that_ends_before_it_begins_is_refused_before_anything_is_sent() {
    let script = server(Vec::new(), 10).await;
    let time = Timestamp::from_unix_seconds;
    let error = script.client().events(EventQuery::new().between(time(2), time(1))).next().await;
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(script.all().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_in_full_is_an_error_and_not_the_end() {
    let rows = (0..30).map(|number| with_id(row(number, "2026-01-01T00:00:00.000Z", true), number));
    let rows: Vec<_> = rows.collect();
    // A server without ids, and one that does not heed a condition on them.
    let without_id = rows.iter().cloned().map(|mut row| {
        row.as_object_mut().unwrap().remove("id");
        row
    });
    let script = server(without_id.collect(), 10).await;
    let error = numbers(&script, 1_000).await.unwrap_err();
    assert!(error.to_string().contains("one second"), "{error}");
    let script = answering(move |body| {
        let mut body: Value = serde_json::from_str(body).unwrap();
        body["Query"]["conditions"].as_array_mut().unwrap().truncate(1);
        log::collection(&log::search(&rows, &body.to_string(), 10))
    })
    .await;
    let error = numbers(&script, 1_000).await.unwrap_err();
    assert!(error.to_string().contains("one second"), "{error}");
}

#[tokio::test]
async fn rows_that_nothing_tells_apart_are_as_many_events() {
    let bare = |second: u32| json!({"datetime": format!("2026-01-01T00:00:0{second}.000Z"), "user_id": {"user_id": "7"}});
    // As many others come first, which shows that the server gives more at once.
    let rows: Vec<_> = (0..10).map(|number| bare(number / 5)).collect();
    let script = server(rows, usize::MAX).await;
    assert_eq!(numbers(&script, 100).await.unwrap(), [7; 10]);
    // Where nothing shows that, it might give no more than these.
    let script = server(vec![bare(0); 5], usize::MAX).await;
    assert!(numbers(&script, 100).await.is_err());
}
