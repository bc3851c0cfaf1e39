//! The backend with a library that misbehaves: every fault is an error, without a crash, a leak or a silent loss.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::hostile_library::{DEVICE, Hostile, options, path, without};
use async_trait::async_trait;
use bs2_events::codec::blob::EventMask;
use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};
use bs2_events::device::native::{NativeBackend, NativeOptions};
use bs2_events::device::{
    Client, ClientOptions, ConnectionState, Live, StateChange, Subscription, backend::Backend,
};
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use tokio_stream::StreamExt;

#[tokio::test]
async fn the_backend_keeps_the_contract_with_a_library_without_faults() {
    let stage = Stub::new().await;
    check_backend(&stage).await.unwrap();
    stage.hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn it_keeps_the_contract_with_pages_that_repeat_are_unordered_or_begin_too_early() {
    for wrong in [
        &["inclusive"][..],
        &["reverse"],
        &["swap"],
        &["repeat"],
        &["inclusive", "swap", "repeat"],
        &["object_if_empty"],
    ] {
        let stage = Stub::new().await;
        wrong.iter().for_each(|name| stage.hostile.set(name, 1));
        check_backend(&stage).await.unwrap_or_else(|violation| panic!("{wrong:?}: {violation}"));
        stage.hostile.assert_nothing_is_held();
    }
}

#[tokio::test]
async fn short_pages_that_begin_too_early_do_not_end_the_log() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 3);
    hostile.set("inclusive", 1);
    hostile.set("most", 1);
    let client = Client::new(hostile.open());
    for after in 0..4 {
        let page = client.device(DEVICE).logs(after, 10).await.unwrap();
        assert_eq!(page.first().map(Event::id), (after < 3).then_some(after + 1));
    }
    client.close().await.unwrap();
}

#[tokio::test]
async fn full_pages_without_a_new_event_do_not_end_the_log() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 10);
    let client = Client::new(hostile.open());
    hostile.set("flood", 7);
    let error = client.device(DEVICE).logs(7, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("none is after event 7"), "{error}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn the_client_keeps_the_contract_with_such_pages() {
    for wrong in [&["inclusive"][..], &["reverse"], &["swap"], &["repeat", "inclusive"]] {
        let stage = Stub::new().await;
        wrong.iter().for_each(|name| stage.hostile.set(name, 1));
        check_client(&stage).await.unwrap_or_else(|violation| panic!("{wrong:?}: {violation}"));
        stage.backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_page_owns_memory_of_the_library_until_its_last_clone_is_dropped() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 1_000);
    let backend = hostile.open();
    backend.connect(DEVICE).await.unwrap();
    let page = backend.logs(DEVICE, 0, 1_000).await.unwrap();
    assert_eq!((page.len(), hostile.call("stub_objects")), (1_000, 1));
    let (clone, tail) = (page.clone(), page.as_bytes().slice(48 * 999..));
    drop(page);
    backend.close().await.unwrap();
    drop(backend);
    assert_eq!((clone.last().map(Event::id), hostile.call("stub_objects")), (Some(1_000), 1));
    drop(clone);
    // Closing waits for the release of dropped objects.
    hostile.open().close().await.unwrap();
    assert_eq!((tail[0], hostile.call("stub_objects")), (232, 1));
    drop(tail);
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn null_arrays_and_impossible_counts_are_errors_that_name_the_function() {
    for (wrong, value) in [
        ("null_with_count", 3),
        ("null_with_count", 0xFFFF_FFFF),
        ("count", 0xFFFF_FFFF),
        ("count", 2_000_000),
    ] {
        let hostile = Hostile::take().await;
        hostile.make_events(DEVICE, 10);
        let backend = hostile.open();
        backend.connect(DEVICE).await.unwrap();
        hostile.set(wrong, value);
        let mask = EventMask::INFO;
        for (error, function) in [
            (backend.logs(DEVICE, 0, 10).await.unwrap_err(), "BS2_GetLog"),
            (backend.blobs(DEVICE, 0, 10, mask).await.unwrap_err(), "BS2_GetLogSmallBlobEx"),
        ] {
            assert_eq!((error.kind(), error.device()), (ErrorKind::InvalidData, Some(DEVICE)), "{error}");
            assert!(error.to_string().starts_with(&format!("device 1000: {function} returned")), "{error}");
        }
        if wrong == "count" {
            let error = backend.image_log(DEVICE, 3).await.unwrap_err();
            let message = format!(
                "device 1000: BS2_GetImageLog returned {value} bytes where at most 1048576 are possible"
            );
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidData, message));
        }
        hostile.set("filters", 33);
        let error = backend.image_filters(DEVICE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        hostile.assert_nothing_is_held();
    }
}

#[tokio::test]
async fn more_records_than_requested_are_an_error_and_are_not_read() {
    for (wrong, value, count) in [("all", 1, 10), ("count", 5, 5), ("count", 3_000_000, 3_000_000)] {
        let hostile = Hostile::take().await;
        hostile.make_events(DEVICE, 10);
        let backend = hostile.open();
        backend.connect(DEVICE).await.unwrap();
        hostile.set(wrong, value);
        let error = backend.logs(DEVICE, 0, 4).await.unwrap_err();
        let sentence = format!("returned {count} records where at most 4 are possible");
        assert_eq!(error.to_string(), format!("device 1000: BS2_GetLog {sentence}"));
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        if wrong == "count" {
            let error = backend.blobs(DEVICE, 0, 4, EventMask::INFO).await.unwrap_err();
            assert_eq!(error.to_string(), format!("device 1000: BS2_GetLogSmallBlobEx {sentence}"));
        }
        hostile.assert_nothing_is_held();
    }
}

#[tokio::test]
async fn different_events_under_one_id_are_an_error_that_names_it() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 10);
    let client = Client::new(hostile.open());
    hostile.set("same_id", 7);
    let device = client.device(DEVICE);
    let error = device.logs(0, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "device 1000: different events have the id 7");
    let error = device.blobs(0, 100, EventMask::INFO).await.unwrap_err();
    assert_eq!(error.to_string(), "device 1000: different blobs have the id 7");
    client.close().await.unwrap();
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn the_library_is_never_asked_for_everything() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 10);
    let backend = hostile.open();
    backend.connect(DEVICE).await.unwrap();
    for max in [0, u32::MAX] {
        backend.logs(DEVICE, 0, max).await.unwrap();
        let amount = hostile.call("stub_last_amount");
        assert!((1..=4_000_000).contains(&amount), "{amount}");
    }
}

#[tokio::test]
async fn each_image_is_released_once_even_if_it_is_shared_or_missing() {
    let mask = EventMask::INFO | EventMask::IMAGE | EventMask::JOB_CODE | EventMask::TEMPERATURE;
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 30);
    let backend = hostile.open();
    backend.connect(DEVICE).await.unwrap();
    let blobs = backend.blobs(DEVICE, 0, 30, mask).await.unwrap();
    assert_eq!(blobs.len(), 30);
    for blob in &blobs {
        let id = blob.head().id();
        let image = (id % 3 == 0).then(|| vec![id as u8; 100 + id as usize % 50]);
        assert_eq!(blob.image(), image.as_deref());
        assert_eq!(blob.head().job_code().map(|code| code.0), Some(id * 2));
        assert_eq!(blob.temperature().map(|t| t.hundredths()), Some(3_600 + id));
    }
    hostile.assert_nothing_is_held();
    // Images that were not requested are returned too, and released.
    assert_eq!(backend.blobs(DEVICE, 0, 30, EventMask::INFO).await.unwrap().len(), 30);
    hostile.assert_nothing_is_held();

    hostile.set("image_shared", 1);
    hostile.set("image_size", 90);
    assert_eq!(backend.blobs(DEVICE, 0, 30, mask).await.unwrap().len(), 30);
    hostile.assert_nothing_is_held();
    hostile.set("image_null", 1);
    let error = backend.blobs(DEVICE, 0, 30, mask).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert_eq!(backend.image_log(DEVICE, 3).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(backend.image_log(DEVICE, 4).await.unwrap_err().kind(), ErrorKind::NotFound);
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn an_older_function_replaces_one_that_the_library_lacks() {
    let hostile = Hostile::take().await;
    let mask = EventMask::INFO | EventMask::IMAGE;
    let newer =
        ["BS2_GetLogSmallBlobEx", "BS2_GetLogSmallBlob", "BS2_StartMonitoringLogEx", "BS2_IsConnected"];
    for absent in [&newer[..1], &newer[..2], &newer] {
        let backend = NativeBackend::open(options(without(absent))).unwrap();
        backend.connect(DEVICE).await.unwrap();
        assert!(backend.blobs(DEVICE, 0, 5, mask).await.unwrap().is_empty());
        backend.close().await.unwrap();
    }
    let client = Client::new(Arc::new(NativeBackend::open(options(without(&newer))).unwrap()));
    let device = client.device(DEVICE);
    drop(device.subscribe().await.unwrap());
    client.close().await.unwrap();
    drop(hostile);
}

#[tokio::test]
async fn an_older_function_replaces_one_that_the_device_does_not_support() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 9);
    let client = Client::new(hostile.open());
    let device = client.device(DEVICE);
    let mask = EventMask::INFO | EventMask::IMAGE | EventMask::TEMPERATURE;
    for too_new in 0..3 {
        hostile.set("too_new", too_new);
        let blobs = device.blobs(0, 5, mask).await.unwrap();
        let pictures = blobs.iter().filter(|blob| blob.image().is_some()).count();
        assert_eq!((blobs.len(), pictures), (5, 1), "{too_new}");
        assert_eq!(blobs[0].temperature().is_some(), too_new == 0, "{too_new}");
        drop(device.subscribe().await.unwrap());
    }
    hostile.set("too_new", 3);
    let error = device.blobs(0, 5, mask).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().starts_with("device 1000: BS2_GetLogBlob: "), "{error}");
    client.close().await.unwrap();
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn a_missing_function_is_named_when_it_is_needed_with_the_version_of_the_library() {
    let hostile = Hostile::take().await;
    for absent in ["BS2_AllocateContext", "BS2_Initialize"] {
        let error = NativeBackend::open(options(without(&[absent]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let message = error.to_string();
        assert!(
            message.ends_with(&format!(r"version 9.9.9\nhostile, has no function {absent}")),
            "{message}"
        );
    }
    for absent in [
        "BS2_GetLog",
        "BS2_GetLogBlob",
        "BS2_GetImageLog",
        "BS2_ClearLog",
        "BS2_GetDeviceInfo",
        "BS2_GetDeviceCapabilities",
        "BS2_GetDeviceTime",
        "BS2_GetEventConfig",
        "BS2_SetEventConfig",
        "BS2_StartMonitoringLog",
        "BS2_ReleaseObject",
        "BS2_ConnectDeviceViaIP",
    ] {
        let library =
            without(&[absent, "BS2_StartMonitoringLogEx", "BS2_GetLogSmallBlobEx", "BS2_GetLogSmallBlob"]);
        let client = Client::new(Arc::new(NativeBackend::open(options(library)).unwrap()));
        let device = client.device(DEVICE);
        let errors: Vec<Error> = [
            device.logs(0, 1).await.err(),
            device.blobs(0, 1, EventMask::IMAGE).await.err(),
            device.image_log(3).await.err(),
            device.clear_log().await.err(),
            device.info().await.err(),
            device.capabilities().await.err(),
            device.time().await.err(),
            device.image_filters().await.err(),
            device.set_image_filters(&[]).await.err(),
            device.subscribe().await.err(),
        ]
        .into_iter()
        .flatten()
        .filter(|error| error.kind() == ErrorKind::Unsupported)
        .collect();
        assert!(!errors.is_empty(), "{absent}");
        for error in errors {
            assert!(error.to_string().ends_with(&format!("has no function {absent}")), "{error}");
        }
        client.close().await.unwrap();
    }
    let library = without(&["BS2_Version", "BS2_GetLog"]);
    let client = Client::new(Arc::new(NativeBackend::open(options(library)).unwrap()));
    let message = client.device(DEVICE).logs(0, 1).await.unwrap_err().to_string();
    assert!(message.ends_with("of unknown version, has no function BS2_GetLog"), "{message}");
    client.close().await.unwrap();
    drop(hostile);
}

#[tokio::test]
async fn codes_at_random_are_errors_and_lose_nothing() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 3_000);
    let policy = RetryPolicy::default().with_first(Duration::from_millis(1));
    let options = ClientOptions::default().with_retry(policy);
    let client = Client::with_options(hostile.open(), options);
    let device = client.device(DEVICE);
    device.time().await.unwrap();
    hostile.set("random_codes", 3);
    let (mut ids, mut pages, mut failures) = (Vec::new(), 0, 0);
    while ids.last() != Some(&3_000) {
        match device.logs(ids.last().copied().unwrap_or_default(), 50).await {
            Ok(page) => {
                ids.extend(page.iter().map(Event::id));
                pages += 1;
            }
            Err(error) => {
                assert!(error.sdk_code().is_some(), "{error:?}");
                assert_eq!(error.device(), Some(DEVICE));
                failures += 1;
            }
        }
    }
    // Most pages are asked for again by themselves, and smaller.
    assert!(ids.into_iter().eq(1..=3_000) && failures < pages, "{failures} failures, {pages} pages");
    hostile.set("random_codes", 0);
    client.close().await.unwrap();
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn a_call_that_never_returns_is_an_error_at_the_deadline_and_blocks_only_its_device() {
    let hostile = Hostile::take().await;
    let other = DeviceId::new(1_001);
    let backend = hostile.open_with(|options| {
        options.with_device("127.0.0.1:51212".parse().unwrap()).with_deadline(Duration::from_millis(300))
    });
    assert_eq!(backend.devices().await.unwrap().devices, [DEVICE, other]);
    hostile.make_events(DEVICE, 5);
    hostile.hang(Some("BS2_GetLog"));
    let error = backend.logs(DEVICE, 0, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "device 1000: BS2_GetLog: no answer within 300 ms");
    let error = backend.time(DEVICE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("BS2_GetLog has not returned"), "{error}");
    assert!(backend.time(other).await.is_ok());

    let error = backend.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains("BS2_GetLog has not returned"), "{error}");
    assert_eq!(backend.logs(DEVICE, 0, 1).await.unwrap_err().kind(), ErrorKind::Closed);
    let short = options(path()).with_deadline(Duration::from_millis(10));
    assert_eq!(NativeBackend::open(short).unwrap_err().kind(), ErrorKind::Busy);
    // When it returns, its array and the context are released, and another context can be opened.
    hostile.hang(None);
    backend.close().await.unwrap();
    hostile.assert_nothing_is_held();
    hostile.open().close().await.unwrap();
}

#[tokio::test]
async fn a_release_that_never_returns_blocks_neither_calls_nor_closing() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 30);
    let backend = hostile.open_with(|options| options.with_deadline(Duration::from_millis(300)));
    backend.connect(DEVICE).await.unwrap();
    let page = backend.logs(DEVICE, 0, 30).await.unwrap();
    hostile.hang(Some("BS2_ReleaseObject"));
    // On another thread, so that this test fails if the drop waits.
    let (dropped, has_dropped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(page);
        dropped.send(()).unwrap();
    });
    has_dropped.recv_timeout(Duration::from_secs(10)).unwrap();
    // Pages, images, and the images of blobs, which the device's thread drops.
    assert_eq!(backend.logs(DEVICE, 0, 30).await.unwrap().len(), 30);
    assert!(!backend.image_log(DEVICE, 3).await.unwrap().is_empty());
    let mask = EventMask::INFO | EventMask::IMAGE;
    assert_eq!(backend.blobs(DEVICE, 0, 30, mask).await.unwrap().len(), 30);

    let error = backend.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let message = "BS2_ReleaseObject has not returned, so the library's context stays open";
    assert_eq!(error.to_string(), message);
    let short = options(path()).with_deadline(Duration::from_millis(10));
    assert_eq!(NativeBackend::open(short).unwrap_err().kind(), ErrorKind::Busy);
    // When it returns, all other objects are released, and then the context.
    hostile.hang(None);
    backend.close().await.unwrap();
    assert_eq!(hostile.call("stub_objects"), 0);
    hostile.assert_nothing_is_held();
    hostile.open().close().await.unwrap();
}

#[tokio::test]
async fn a_start_that_never_returns_is_an_error_at_the_deadline() {
    for function in ["BS2_Initialize", "BS2_ConnectDeviceViaIP"] {
        let hostile = Hostile::take().await;
        hostile.hang(Some(function));
        let opened = NativeBackend::open(options(path()).with_deadline(Duration::from_millis(200)));
        let error = match opened {
            Ok(backend) => backend.devices().await.unwrap().failures.remove(0),
            Err(error) => error,
        };
        assert_eq!(error.to_string(), format!("{function}: no answer within 200 ms"));
        hostile.hang(None);
        hostile.open().close().await.unwrap();
        hostile.assert_nothing_is_held();
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_its_buffers_to_the_library() {
    let hostile = Hostile::take().await;
    hostile.make_events(DEVICE, 5);
    let backend = hostile.open();
    backend.connect(DEVICE).await.unwrap();
    hostile.hang(Some("BS2_GetLog"));
    let call = tokio::time::timeout(Duration::from_millis(50), backend.logs(DEVICE, 0, 5));
    assert!(call.await.is_err());
    // Its caller stops waiting before it begins: it is skipped.
    assert!(tokio::time::timeout(Duration::from_millis(50), backend.clear_log(DEVICE)).await.is_err());
    hostile.hang(None);
    assert_eq!(backend.logs(DEVICE, 0, 5).await.unwrap().len(), 5);
    hostile.assert_nothing_is_held();
    backend.close().await.unwrap();
}

#[tokio::test]
async fn only_one_context_is_open_at_a_time() {
    let hostile = Hostile::take().await;
    let backend = hostile.open();
    let error = NativeBackend::open(options(path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("already open in this process"), "{error}");
    drop(backend);
    hostile.open().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_from_eight_threads_at_once_are_all_delivered_or_counted() {
    for capacity in [16, 100_000] {
        let hostile = Hostile::take().await;
        let options = ClientOptions::default().with_queue_capacity(capacity);
        let client = Client::with_options(hostile.open(), options);
        let mut live = client.subscribe(&[DEVICE]).await.unwrap();
        let storm = tokio::task::spawn_blocking(move || {
            hostile.storm(DEVICE, 8, 10_000, false);
            hostile
        });
        let (mut seen, mut missed) = (BTreeSet::new(), 0);
        while seen.len() as u64 + missed < 80_000 {
            match live.next().await.unwrap() {
                Live::Event { event, extras, .. } => {
                    assert!(seen.insert(event.id()) && event.device_id() == DEVICE);
                    let temperature = extras.and_then(|extras| extras.temperature);
                    assert_eq!(temperature.map(|t| t.hundredths()), Some(3_650));
                }
                Live::Lagged { missed: more, .. } => missed += more,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen.len() as u64 + missed, 80_000);
        assert_eq!(missed > 0, capacity == 16);
        drop(live);
        client.close().await.unwrap();
        drop(storm.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_after_stop_disconnection_and_release_do_nothing() {
    let hostile = Hostile::take().await;
    let client = Client::new(hostile.open());
    let mut live = client.subscribe(&[DEVICE]).await.unwrap();
    hostile.make_events(DEVICE, 1);
    assert!(matches!(live.next().await, Some(Live::Event { .. })));
    drop(live);
    hostile.storm(DEVICE, 8, 1_000, true);
    hostile.call("stub_report_unknown");
    client.close().await.unwrap();
    hostile.storm(DEVICE, 8, 1_000, true);
    drop(client);
    hostile.storm(DEVICE, 8, 1_000, true);
    hostile.call("stub_report_unknown");
    // And while subscriptions start and end.
    let client = Client::new(hostile.open());
    let storm = tokio::task::spawn_blocking(move || {
        hostile.storm(DEVICE, 8, 20_000, true);
        hostile
    });
    while !storm.is_finished() {
        drop(client.subscribe(&[DEVICE]).await.unwrap());
    }
    client.close().await.unwrap();
    drop(storm.await.unwrap());
}

#[tokio::test]
async fn a_callback_with_a_null_event_is_reported_as_lost() {
    let hostile = Hostile::take().await;
    let client = Client::new(hostile.open());
    let mut live = client.subscribe(&[DEVICE]).await.unwrap();
    hostile.of("stub_report_nothing", DEVICE);
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 1 }));
    client.close().await.unwrap();
}

#[tokio::test]
async fn null_events_and_events_of_unknown_devices_are_logged_once() {
    let hostile = Hostile::take().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = tracing_subscriber::fmt().with_writer(Arc::new(file.reopen().unwrap())).with_ansi(false);
    // The library calls back on this thread.
    let recording = tracing::subscriber::set_default(log.finish());
    let client = Client::new(hostile.open());
    let live = client.subscribe(&[DEVICE]).await.unwrap();
    for _ in 0..3 {
        hostile.of("stub_report_nothing", DEVICE);
        hostile.call("stub_report_unknown");
    }
    drop(live);
    client.close().await.unwrap();
    drop(client);
    // The next context counts from 0 again.
    hostile.call("stub_report_unknown");
    hostile.open().close().await.unwrap();
    drop(recording);
    let log = std::fs::read_to_string(file.path()).unwrap();
    let count = |sentence: &str| log.matches(sentence).count();
    assert_eq!(count("calls back without an event; each such call counts as one lost event"), 1, "{log}");
    assert_eq!(count(r#"device=1000 callback="OnLogReceivedEx""#), 1, "{log}");
    assert_eq!(count("a live event is of an unknown device"), 1, "{log}");
}

#[tokio::test]
async fn an_event_of_a_slave_is_its_masters_whichever_of_the_two_the_callback_names() {
    let hostile = Hostile::take().await;
    let client = Client::new(hostile.open());
    let mut live = client.subscribe(&[DEVICE]).await.unwrap();
    let slave = DeviceId::new(541_000_900);
    // Nobody knows this number yet: the log is read, and shows whose slave it is.
    hostile.of("stub_make_event_named_after_slave", DEVICE);
    assert_eq!(live.next().await, Some(Live::Lagged { device: DEVICE, missed: 1 }));
    let log = client.device(DEVICE).logs(0, 10).await.unwrap();
    assert_eq!(log.iter().map(Event::device_id).collect::<Vec<_>>(), [slave]);
    for function in ["stub_make_event_of_slave", "stub_make_event_named_after_slave"] {
        hostile.of(function, DEVICE);
        let Some(Live::Event { device, event, .. }) = live.next().await else { panic!("{function}") };
        assert_eq!((device, event.device_id()), (DEVICE, slave), "{function}");
    }
    assert!(client.device(DEVICE).has_clock());
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_users_callback_does_not_stop_later_events() {
    let hostile = Hostile::take().await;
    let client = Client::new(hostile.open());
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    let listener = client
        .on_log_received(&[DEVICE], move |_, event| {
            heard.send(event.id()).unwrap();
            assert!(event.id() % 2 == 0, "the user's callback panics");
        })
        .await
        .unwrap();
    hostile.make_events(DEVICE, 10);
    for id in 1..=10 {
        assert_eq!(hearing.recv().await, Some(id));
    }
    drop(listener);
    client.close().await.unwrap();
}

#[tokio::test]
async fn monitoring_resumes_after_a_lost_connection_and_the_stream_reports_it() {
    for reported in [1, 0] {
        let hostile = Hostile::take().await;
        hostile.set("report_disconnect", reported);
        let (client, mut live) = listening(&hostile).await;
        hostile.of("stub_disconnect", DEVICE);
        if reported == 0 {
            // If the library does not report the loss, the next call finds it.
            client.device(DEVICE).time().await.unwrap();
        }
        assert_eq!(live.next().await, Some(Live::Resumed { device: DEVICE }));
        hostile.make_events(DEVICE, 1);
        assert!(matches!(live.next().await, Some(Live::Event { .. })));
        client.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_unreported_loss_of_a_connection_is_noticed_without_a_call() {
    let hostile = Hostile::take().await;
    hostile.set("report_disconnect", 0);
    let (client, mut live) = listening(&hostile).await;
    hostile.of("stub_disconnect", DEVICE);
    assert_eq!(live.next().await, Some(Live::Resumed { device: DEVICE }));
    client.close().await.unwrap();
}

#[tokio::test]
async fn monitoring_resumes_after_a_false_disconnection() {
    let hostile = Hostile::take().await;
    let (client, mut live) = listening(&hostile).await;
    hostile.set("code", -107);
    assert_eq!(client.device(DEVICE).time().await.unwrap_err().kind(), ErrorKind::Disconnected);
    hostile.set("code", 0);
    // The library still monitors and refuses a second start, so monitoring is stopped first.
    assert_eq!(live.next().await, Some(Live::Resumed { device: DEVICE }));
    hostile.make_events(DEVICE, 1);
    assert!(matches!(live.next().await, Some(Live::Event { .. })));
    client.close().await.unwrap();
}

#[tokio::test]
async fn devices_are_found_by_search_and_accepted_when_they_connect() {
    let hostile = Hostile::take().await;
    let bare = || NativeOptions::default().with_library(path());
    let backend = NativeBackend::open(bare().with_search()).unwrap();
    assert_eq!(backend.devices().await.unwrap().devices, [1_000, 1_001, 1_003].map(DeviceId::new));
    backend.connect(DeviceId::new(1_003)).await.unwrap();
    assert!(backend.time(DeviceId::new(1_003)).await.is_ok());
    backend.close().await.unwrap();

    let options = bare().with_accepted(2).with_server_port(52_000).with_deadline(Duration::from_millis(100));
    let backend = NativeBackend::open(options).unwrap();
    let mut states = backend.states();
    hostile.of("stub_accept", DeviceId::new(1_004));
    let list = backend.devices().await.unwrap();
    assert_eq!(list.devices, [DeviceId::new(1_004)]);
    assert_eq!(list.failures[0].to_string(), "1 of 2 devices have connected in time");
    hostile.of("stub_accept", DeviceId::new(1_002));
    assert_eq!(backend.devices().await.unwrap().devices, [1_002, 1_004].map(DeviceId::new));
    backend.connect(DeviceId::new(1_004)).await.unwrap();
    let states: Vec<_> = [states.next().await, states.next().await, states.next().await].into();
    let change = |device, state| Some(StateChange::Changed { device: DeviceId::new(device), state });
    use ConnectionState::{Connected, Connecting};
    assert_eq!(states, [change(1_004, Connecting), change(1_002, Connecting), change(1_004, Connected)]);
    backend.close().await.unwrap();
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn connecting_without_an_id_and_to_another_device_are_errors() {
    let hostile = Hostile::take().await;
    let backend = hostile.open();
    hostile.set("no_id", 1);
    let error = backend.devices().await.unwrap().failures.remove(0);
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "BS2_ConnectDeviceViaIP to 127.0.0.1:51211 returned no device id");
    hostile.set("no_id", 0);
    backend.connect(DEVICE).await.unwrap();
    hostile.set("other_id", 1_005);
    hostile.of("stub_disconnect", DEVICE);
    let error = backend.connect(DEVICE).await.unwrap_err();
    let other = DeviceId::new(1_005);
    assert_eq!(error.to_string(), "device 1000: another device, 1005, is at its address");
    assert_eq!(error.replacement(), Some(other));

    // The other one is a device like any other, until the first one is back.
    let error = backend.connect(DEVICE).await.unwrap_err();
    assert_eq!((error.kind(), error.replacement()), (ErrorKind::NotFound, Some(other)));
    assert_eq!(backend.devices().await.unwrap().devices, [other]);
    backend.connect(other).await.unwrap();
    assert!(backend.time(other).await.is_ok());
    hostile.set("other_id", 0);
    hostile.of("stub_disconnect", other);
    assert_eq!(backend.connect(other).await.unwrap_err().replacement(), Some(DEVICE));
    assert_eq!(backend.devices().await.unwrap().devices, [DEVICE]);
    backend.connect(DEVICE).await.unwrap();
    assert!(backend.time(DEVICE).await.is_ok());
    backend.close().await.unwrap();
    hostile.assert_nothing_is_held();
}

#[tokio::test]
async fn two_addresses_of_one_device_are_an_error_that_names_both() {
    let hostile = Hostile::take().await;
    let backend = hostile.open_with(|options| options.with_device("127.0.0.1:51212".parse().unwrap()));
    hostile.set("other_id", 1_000);
    let error = backend.devices().await.unwrap().failures.remove(0);
    assert_eq!((error.kind(), error.device()), (ErrorKind::InvalidInput, Some(DEVICE)));
    let message = error.to_string();
    assert!(message.starts_with("device 1000: the same device is connected at 127.0.0.1:5121"), "{message}");
    assert!(message.contains(":51211") && message.contains(":51212"), "{message}");
    backend.close().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_at_once_is_not_open() {
    let hostile = Hostile::take().await;
    let backend = hostile.open();
    hostile.set("gone_at_once", 1);
    let error = backend.devices().await.unwrap().failures.remove(0);
    assert_eq!((error.kind(), error.device()), (ErrorKind::Disconnected, Some(DEVICE)));
    backend.connect(DEVICE).await.unwrap();
    assert!(backend.time(DEVICE).await.is_ok());
    backend.close().await.unwrap();
}

#[tokio::test]
async fn device_information_is_what_the_device_reports() {
    let hostile = Hostile::take().await;
    let backend = hostile.open();
    backend.connect(DEVICE).await.unwrap();
    let info = backend.info(DEVICE).await.unwrap();
    assert_eq!((info.model.as_str(), info.firmware.as_str()), ("HostileReader", "2.11.1"));
    assert_eq!(info.address, Some("127.0.0.1:51211".parse().unwrap()));
    let capabilities = backend.capabilities(DEVICE).await.unwrap();
    assert_eq!((capabilities.max_event_logs, capabilities.max_image_logs), (50_000, 100));
    assert_eq!(backend.time(DEVICE).await.unwrap().as_unix_seconds(), 1_700_000_000);
    backend.close().await.unwrap();
}

async fn listening(hostile: &Hostile) -> (Client, Subscription) {
    let policy = RetryPolicy::default().with_first(Duration::from_millis(1));
    let client = Client::with_options(hostile.open(), ClientOptions::default().with_retry(policy));
    let live = client.subscribe(&[DEVICE]).await.unwrap();
    (client, live)
}

struct Stub {
    hostile: Hostile,
    backend: Arc<NativeBackend>,
}

impl Stub {
    async fn new() -> Self {
        let hostile = Hostile::take().await;
        let backend = hostile.open();
        backend.devices().await.unwrap();
        Self { hostile, backend }
    }
}

#[async_trait]
impl BackendStage for Stub {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as _
    }

    fn device(&self) -> DeviceId {
        DEVICE
    }

    async fn make_events(&self, count: u32) -> Result<()> {
        self.hostile.make_events(DEVICE, count);
        Ok(())
    }

    async fn make_slave_event(&self) -> Result<Option<DeviceId>> {
        Ok(None)
    }

    async fn disconnect(&self) -> Result<()> {
        self.hostile.of("stub_disconnect", DEVICE);
        Ok(())
    }
}
