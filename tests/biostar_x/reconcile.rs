//! What a client makes of answers that do not say what became of an import.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bs2_events::ErrorKind;
use bs2_events::biostar_x::import::*;
use bs2_events::biostar_x::*;
use bs2_events::codec::Timestamp;
use serde_json::{Value, json};

use crate::biostar_x_script::log::{collection, imported, search};
use crate::biostar_x_script::{Answer, Script, vector};

fn options() -> ImportOptions {
    crate::biostar_x_script::options().with_chunk(10)
}

/// How a server shows a row in a search.
type Shown = fn(&mut Value);

/// A server that stores imports, and may answer the first otherwise, after having stored a part of it.
struct Site {
    script: Script,
    rows: Arc<Mutex<Vec<Value>>>,
}

impl Site {
    /// `most` rows at once; searches fail as `search_answer` says.
    async fn new(
        kept: usize,
        answer: Answer,
        shown: Shown,
        most: usize,
        mut search_answer: impl FnMut() -> Option<Answer> + Send + 'static,
    ) -> Self {
        let rows: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (log, mut first) = (Arc::clone(&rows), Some(answer));
        let script = Script::with(move |request| {
            let mut rows = log.lock().unwrap();
            match request.line.as_str() {
                "POST /api/login" => Answer::Session(200, "s".to_owned(), vector("login")),
                "POST /api/events/search" => search_answer().unwrap_or_else(|| {
                    let mut found = search(&rows, &request.body, most);
                    found.iter_mut().for_each(shown);
                    Answer::Body(200, collection(&found))
                }),
                _ => {
                    let mut new = imported(&request.body, rows.len() + 1);
                    if first.is_some() {
                        new.truncate(kept);
                    }
                    rows.extend(new);
                    first.take().unwrap_or_else(|| Answer::Body(200, vector("success")))
                }
            }
        })
        .await;
        Self { script, rows }
    }

    async fn plain(kept: usize, answer: Answer, shown: Shown) -> Self {
        Self::new(kept, answer, shown, usize::MAX, || None).await
    }

    fn import(&self, events: Vec<ImportEvent>) -> Import {
        let client = BiostarX::new(self.script.builder().with_patience(Duration::from_secs(60))).unwrap();
        client.import(VirtualDeviceId::MIN, events).unwrap()
    }

    fn stored(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    fn imports(&self) -> usize {
        self.script.received().iter().filter(|request| request.line == "POST /api/events/import").count()
    }
}

fn events(count: u32, a_second: u32) -> Vec<ImportEvent> {
    let time = |number| Timestamp::from_unix_seconds(1_761_837_120 + number / a_second);
    (0..count).map(|number| ImportEvent::granted(format!("u{number}"), time(number))).collect()
}

fn said(status: u16, code: &str) -> Answer {
    Answer::Body(status, json!({"Response": {"code": code}}).to_string())
}

#[tokio::test]
async fn after_any_answer_that_does_not_prove_the_opposite_a_part_may_be_there() {
    let answers = [
        said(400, "66646"),
        said(200, "66645"),
        said(400, "339968"),
        said(400, "1020"),
        said(200, "1017"),
        said(400, "4"),
        said(403, "20"),
        said(400, "30"),
        said(200, "10"),
        Answer::Body(401, "<html>".to_owned()),
        Answer::Body(429, String::new()),
        Answer::Body(200, "{}".to_owned()),
    ];
    for answer in answers {
        let site = Site::plain(4, answer.clone(), |_| {}).await;
        let mut import = site.import(events(10, 1));
        let first = import.step(&options()).await;
        assert_eq!(import.count().unknown, 10, "{answer:?}: {first:?}");
        import.reconcile(&options()).await.unwrap();
        assert!(import.is_complete(), "{answer:?}: {import:?}");
        assert_eq!(site.stored(), 10, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_work_leaves_events_waiting() {
    for answer in [said(403, "331791"), said(401, "10")] {
        let site = Site::plain(0, answer.clone(), |_| {}).await;
        let mut import = site.import(events(10, 1));
        import.step(&options()).await.ok();
        assert_eq!(import.count().unknown, 0, "{answer:?}");
        import.send(&options()).await.unwrap();
        assert_eq!(site.stored(), 10, "{answer:?}");
    }
}

#[tokio::test]
async fn a_search_that_does_not_say_that_it_was_done_shows_nothing() {
    for body in ["", "{}", "null", "<html>"] {
        let answer = move || Some(Answer::Body(200, body.to_owned()));
        let site = Site::new(10, Answer::Cut, |_| {}, usize::MAX, answer).await;
        let mut import = site.import(events(10, 1));
        assert!(import.step(&options()).await.is_err());
        assert_eq!(import.reconcile(&options()).await.unwrap_err().kind(), ErrorKind::InvalidData, "{body}");
        assert_eq!((import.count().unknown, site.imports()), (10, 1), "{body}");
    }
}

#[tokio::test]
async fn rows_that_may_be_events_of_the_import_leave_those_unknown() {
    let shown: [Shown; 5] = [
        |row| drop(row.as_object_mut().unwrap().remove("user_id")),
        |row| row["user_id"]["user_id"] = json!("0"),
        |row| drop(row.as_object_mut().unwrap().remove("event_type_id")),
        |row| row["event_type_id"] = json!("strange"),
        |row| row["user_id"] = json!(""),
    ];
    for (number, shown) in shown.into_iter().enumerate() {
        let site = Site::plain(4, Answer::Cut, shown).await;
        let mut import = site.import(events(10, 1));
        assert!(import.step(&options()).await.is_err());
        let error = import.reconcile(&options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{number}: {error}");
        assert!(error.to_string().contains("without a person"), "{number}: {error}");
        // What no row can be is sent, the rest is not.
        assert_eq!((import.count().unknown, import.count().pending), (4, 6), "{number}");
        import.send(&options()).await.unwrap();
        assert_eq!((import.count().unknown, site.stored()), (4, 10), "{number}");
    }
    let site = Site::plain(4, Answer::Cut, |row| drop(row.as_object_mut().unwrap().remove("datetime"))).await;
    let mut import = site.import(events(10, 1));
    assert!(import.step(&options()).await.is_err());
    assert!(import.reconcile(&options()).await.is_err());
    assert_eq!((import.count().unknown, site.imports()), (10, 1));
}

#[tokio::test]
async fn a_hint_that_several_rows_share_merges_none_of_them() {
    let shown: [Shown; 3] = [
        |row| {
            row["hint"] = json!("176183712000001000010000000000");
            row["index"] = json!("0");
        },
        |row| {
            row["hint"] = json!("h1");
            row["index"] = json!("0");
        },
        |row| row["index"] = json!("0"),
    ];
    for (number, shown) in shown.into_iter().enumerate() {
        let site = Site::plain(10, Answer::Cut, shown).await;
        let mut import = site.import(events(10, 10));
        assert!(import.step(&options()).await.is_err());
        import.reconcile(&options()).await.unwrap();
        assert_eq!((site.stored(), site.imports()), (10, 1), "{number}");
    }
}

#[tokio::test]
async fn a_server_that_gives_few_rows_at_once_is_read_in_full_or_nothing_is_sent() {
    let without_id: Shown = |row| drop(row.as_object_mut().unwrap().remove("id"));
    for a_second in [3, 4, 5, 6, 10] {
        for (shown, is_told) in [(without_id, a_second < 3), (|_| {}, true)] {
            let site = Site::new(10, Answer::Cut, shown, 3, || None).await;
            let mut import = site.import(events(10, a_second));
            assert!(import.step(&options()).await.is_err());
            assert_eq!(import.reconcile(&options()).await.is_ok(), is_told, "{a_second}");
            assert_eq!((site.stored(), site.imports()), (10, 1), "{a_second}");
        }
    }
}

#[tokio::test]
async fn a_look_up_of_which_every_other_page_fails_comes_to_its_end() {
    let mut number = 0;
    let answer = move || {
        number += 1;
        let answers = [Answer::Cut, Answer::Body(500, String::new()), said(401, "10"), said(400, "1020")];
        (number % 2 == 1).then(|| answers[number / 2 % answers.len()].clone())
    };
    let site = Site::new(0, Answer::Cut, |_| {}, 7, answer).await;
    site.rows.lock().unwrap().extend(imported(
        &json!({"events": (0..60).map(|second| json!({
            "dev_id": 100_001, "evt": 4_088, "user_id": "other", "datetime": format!("2025-10-30T15:12:{second:02}Z"),
        })).collect::<Vec<_>>()})
        .to_string(),
        1,
    ));
    let mut import = site.import(events(40, 1)).resumed();
    import.look_up(&options()).await.unwrap();
    assert_eq!(import.count().pending, 40);
}
