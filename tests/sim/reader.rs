//! One simulated reader: its ring, its counter, what may be done to it, and what it answers.

use std::sync::Arc;

#[cfg(feature = "capture")]
use bs2_events::codec::blob::{BlobHead, EventMask};
#[cfg(feature = "capture")]
use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter, ConnectionStateRecord};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::sdk_code::SdkCode;
use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags, Timestamp};
use bs2_events::codec::{JobCode, Temperature};
use bs2_events::device::{Client, EventPage, ImageFilter, backend::Backend};
use bs2_events::sim::{Reader, SimOptions, Simulator};
use bs2_events::{ErrorKind, Result};
use futures_util::{FutureExt, StreamExt};

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_interleaving() {
    let together = Simulator::new("devices=3&backlog=50&seed=9").unwrap();
    let apart = Simulator::new("devices=3&backlog=10&seed=9&faults=drop,repeat,reorder").unwrap();
    let [a, b, c] = together.device_ids().try_into().unwrap();
    for _ in 0..40 {
        for device in [b, c, a] {
            apart.make_event(device).unwrap();
        }
    }
    apart.reader(c).unwrap().make(50).unwrap();
    together.reader(c).unwrap().make(50).unwrap();
    for device in [a, b, c] {
        let (one, other) = (events(&together, device), events(&apart, device));
        assert!(one.len() >= 50);
        assert!(one == other);
    }
}

#[test]
fn seeds_and_readers_differ() {
    let simulator =
        |seed: u64| Simulator::with_options(SimOptions::default().with_devices(2).with_seed(seed)).unwrap();
    let subjects = |simulator: &Simulator, index: usize| -> Vec<[u8; 32]> {
        events(simulator, simulator.device_ids()[index])
            .iter()
            .map(|event| event.subject().to_bytes())
            .collect()
    };
    let one = simulator(1);
    assert_ne!(subjects(&one, 0), subjects(&simulator(2), 0));
    assert_ne!(subjects(&one, 0), subjects(&one, 1));
}

#[test]
fn the_bytes_of_a_seed_do_not_change_with_versions_or_machines() {
    // A failure here means that stores of old seeds cannot be completed any more: say so in the changelog.
    let simulator = Simulator::new("devices=2&backlog=5000&seed=42").unwrap();
    let mut sum = 0xCBF2_9CE4_8422_2325_u64;
    for device in simulator.device_ids() {
        for byte in events(&simulator, device).iter().flat_map(|event| event.as_bytes().to_vec()) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
    assert_eq!(sum, GOLDEN_SUM, "0x{sum:016X}");
}

#[test]
fn a_full_ring_overwrites_its_oldest_events() {
    let (simulator, reader) = one("backlog=100&capacity=30");
    assert_eq!((reader.oldest_id(), reader.newest_id(), reader.len()), (Some(71), Some(100), 30));
    reader.make(5).unwrap();
    let ids: Vec<_> = events(&simulator, reader.id()).iter().map(Event::id).collect();
    assert_eq!(ids, (76..=105).collect::<Vec<_>>());
}

#[test]
fn a_cleared_log_goes_on_with_its_ids() {
    let (simulator, reader) = one("backlog=100");
    let cleared = reader.clear_log();
    assert_eq!((cleared.id(), cleared.code()), (101, EventCode::DEVICE_EVENT_LOG_CLEARED));
    reader.make(1).unwrap();
    let ids: Vec<_> = events(&simulator, reader.id()).iter().map(Event::id).collect();
    assert_eq!((ids, reader.epoch()), (vec![101, 102], 0));
}

#[test]
fn a_factory_reset_keeps_or_restarts_the_ids() {
    let (_, reader) = one("backlog=10");
    let kept = reader.factory_reset(false);
    assert_eq!((kept.id(), kept.code(), reader.epoch()), (11, EventCode::DEVICE_FACTORY_RESET, 0));
    let restarted = reader.factory_reset(true);
    assert_eq!((restarted.id(), reader.epoch()), (1, 1));
    assert_eq!((restarted.code(), reader.len()), (EventCode::DEVICE_FACTORY_RESET, 1));
    assert_eq!(reader.make(1).unwrap()[0].id(), 2);
    assert!(!reader.is_empty());
}

#[test]
fn the_office_goes_on_after_what_was_done_to_the_reader() {
    let (_, quiet) = one("backlog=10");
    let (_, disturbed) = one("backlog=10");
    disturbed.clear_log();
    disturbed.factory_reset(true);
    for (calm, shaken) in quiet.make(100).unwrap().iter().zip(disturbed.make(100).unwrap()) {
        assert_eq!(calm.as_bytes()[4..], shaken.as_bytes()[4..], "only the ids may differ");
    }
}

#[test]
fn the_clock_is_set_forward_and_back() {
    let (_, reader) = one("backlog=10");
    let before = reader.time();
    for target in [before.as_unix_seconds() + 500_000, before.as_unix_seconds() - 500_000] {
        let set = reader.set_clock(Timestamp::from_unix_seconds(target));
        assert_eq!((set.code(), set.timestamp().as_unix_seconds()), (EventCode::DEVICE_TIME_SET, target));
        let next = reader.make(1).unwrap()[0].timestamp().as_unix_seconds();
        assert!((target..target + 200_000).contains(&next), "{next}");
    }
}

#[test]
fn a_clock_at_either_end_of_time_stays_there() {
    let (_, reader) = one("backlog=0");
    reader.set_clock(Timestamp::from_unix_seconds(u32::MAX));
    assert_eq!(reader.make(100).unwrap()[99].timestamp().as_unix_seconds(), u32::MAX);
    reader.set_clock(Timestamp::from_unix_seconds(0));
    assert!(reader.make(1).unwrap()[0].timestamp().as_unix_seconds() < 200_000);
}

#[test]
fn the_office_opens_when_the_settings_say() {
    let first = |settings: &str| {
        let (simulator, reader) = one(settings);
        events(&simulator, reader.id())[0].timestamp().to_string()
    };
    assert_eq!(first("backlog=1"), "2025-03-24T00:00:00Z");
    assert_eq!(first("backlog=1&start=2018-02-07T17:49:17Z"), "2018-02-07T17:49:17Z");
    assert!(*first("backlog=1&start=now") > *"2025-11", "the clock of this machine is wrong");
}

#[tokio::test]
async fn answers_begin_at_the_boundary_when_they_are_inclusive() {
    let (simulator, reader) = one("backlog=20&inclusive=1");
    let backend = connected(&simulator).await;
    assert_eq!(ids(&backend.logs(reader.id(), 5, 3).await.unwrap()), [5, 6, 7]);
    assert_eq!(ids(&backend.logs(reader.id(), 20, 3).await.unwrap()), [20]);
    assert_eq!(ids(&backend.logs(reader.id(), 0, 2).await.unwrap()), [1, 2]);
    let page = Client::new(simulator.backend()).device(reader.id()).logs(5, 3).await.unwrap();
    assert_eq!((ids(&page).first(), page.repeated()), (Some(&6), 1));
}

#[tokio::test]
async fn inclusive_answers_of_one_record_do_not_end_a_log() {
    let (simulator, reader) = one("backlog=20&inclusive=1&page=1");
    let device = Client::new(simulator.backend()).device(reader.id());
    let pages: Vec<_> = device.backlog(0).map(|page| ids(&page.unwrap())).collect().await;
    assert_eq!(pages.concat(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn some_answers_repeat_the_boundary_when_that_is_the_fault() {
    let (simulator, reader) = one("backlog=20&faults=repeat");
    let backend = connected(&simulator).await;
    let mut repeated = 0;
    for _ in 0..500 {
        match *ids(&backend.logs(reader.id(), 5, 2).await.unwrap()) {
            [5, 6] => repeated += 1,
            [6, 7] => {}
            ref other => panic!("{other:?}"),
        }
    }
    assert!((50..150).contains(&repeated), "{repeated}");
}

#[tokio::test]
async fn a_page_is_as_short_as_the_settings_say() {
    let (simulator, reader) = one("backlog=20&page=4");
    let backend = connected(&simulator).await;
    assert_eq!(ids(&backend.logs(reader.id(), 10, 100).await.unwrap()), [11, 12, 13, 14]);
}

#[tokio::test]
async fn errors_have_the_codes_of_the_vendor() {
    let (simulator, reader) = one("backlog=300");
    let backend = simulator.backend();
    let device = reader.id();
    let nobody = DeviceId::new(9);
    assert_error(backend.connect(nobody).await, ErrorKind::NotFound, Some(-907));
    assert_error(backend.logs(nobody, 0, 1).await, ErrorKind::NotFound, Some(-907));
    assert_error(backend.logs(device, 0, 1).await, ErrorKind::Disconnected, Some(-107));
    backend.connect(device).await.unwrap();
    backend.connect(device).await.unwrap();
    assert_error(backend.image_log(device, 1).await, ErrorKind::NotFound, Some(-725));
    let many = [ImageFilter::new(EventCode::DOOR_OPENED); 33];
    assert_error(backend.set_image_filters(device, &many).await, ErrorKind::InvalidInput, Some(-200));
    reader.disconnect();
    assert_error(backend.time(device).await, ErrorKind::Disconnected, Some(-107));
    backend.connect(device).await.unwrap();
    assert_eq!(backend.time(device).await.unwrap(), reader.time());
    backend.close().await.unwrap();
    assert_error(backend.devices().await, ErrorKind::Closed, None);
    assert_error(backend.connect(device).await, ErrorKind::Closed, None);
}

#[tokio::test]
async fn a_reader_without_a_camera_supports_no_pictures() {
    let (simulator, reader) = one("backlog=300&images=0");
    let backend = connected(&simulator).await;
    let device = reader.id();
    assert!(!backend.capabilities(device).await.unwrap().has_image_logs());
    assert_error(backend.image_log(device, 1).await, ErrorKind::Unsupported, Some(-600));
    assert_error(backend.image_logs(device, 0, 1).await, ErrorKind::Unsupported, Some(-600));
    assert_error(backend.image_filters(device).await, ErrorKind::Unsupported, Some(-600));
    assert!(events(&simulator, device).iter().all(|event| !event.flags().has_image()));
}

#[tokio::test]
async fn pictures_are_taken_of_what_the_filters_say() {
    let (simulator, reader) = one("backlog=2000");
    let backend = connected(&simulator).await;
    let device = reader.id();
    let filters = backend.image_filters(device).await.unwrap();
    let log = events(&simulator, device);
    for event in &log {
        let wanted = filters.iter().any(|filter| filter.matches(event.code()));
        assert_eq!(event.flags().has_image(), wanted, "{event}");
    }
    let seen: Vec<Event> = log.into_iter().filter(|event| event.flags().has_image()).collect();
    assert!(seen.len() > 20, "{}", seen.len());
    let images = backend.image_logs(device, seen[0].id(), 5).await.unwrap();
    assert_eq!(images.iter().map(|image| image.event).collect::<Vec<_>>(), seen[1..6]);
    assert_eq!(images[0].jpeg, backend.image_log(device, seen[1].id()).await.unwrap());

    let never = ImageFilter::new(EventCode::DOOR_OPENED).with_schedule(0);
    backend.set_image_filters(device, &[never, ImageFilter::new(EventCode::DOOR_CLOSED)]).await.unwrap();
    for event in reader.make(200).unwrap() {
        assert_eq!(event.flags().contains(EventFlags::IMAGE), event.code() == EventCode::DOOR_CLOSED);
    }
    reader.factory_reset(false);
    assert_eq!(backend.image_filters(device).await.unwrap(), filters);
}

#[tokio::test]
async fn the_bundled_log_is_given_row_by_row_as_it_was_received() {
    let (simulator, reader) = one("replay=bundled");
    let backend = connected(&simulator).await;
    let device = reader.id();
    let page = backend.logs(device, 0, 1_000).await.unwrap();
    assert_eq!(
        ids(&page)[49..],
        [6910, 7562, 7562, 7563, 7564, 7562, 7563, 7564, 7562, 7563, 7564, 7565, 7566]
    );
    assert_eq!(ids(&backend.logs(device, 6_910, 3).await.unwrap()), [7562, 7562, 7563]);
    let page = Client::new(simulator.backend()).device(device).logs(0, 1_000).await.unwrap();
    assert_eq!((page.len(), page.repeated()), (55, 7));
    assert_eq!(reader.make(1).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(reader.clear_log().id(), 7_567);
}

#[test]
fn replayed_and_simulated_readers_stand_side_by_side() {
    let simulator = Simulator::new("replay=bundled&devices=2&backlog=5").unwrap();
    let ids: Vec<_> = simulator.device_ids().iter().map(|id| id.get()).collect();
    assert_eq!(ids, [540_000_001, 541_000_001, 541_000_002]);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "1\t0x5200\t2025-01-01T00:00:00\t541000002\n").unwrap();
    let error = Simulator::new(&format!("devices=2&replay={}", file.path().display())).unwrap_err();
    assert_eq!((error.kind(), error.device()), (ErrorKind::InvalidInput, Some(DeviceId::new(541_000_002))));
}

#[cfg(feature = "capture")]
#[tokio::test]
async fn a_replayed_reader_tells_what_was_recorded_beside_its_events_and_makes_nothing_up() {
    let device = DeviceId::new(7);
    let event = |id| Event::builder(device, id, EventCode::VERIFY_SUCCESS).param(2).build();
    let (alone, warm, blob) = (event(1), event(2), event(3));
    let head = BlobHead::from_event(&blob).with_job_code(JobCode(777));
    let mut bytes = Vec::new();
    let portable = PortableBlob::new(head, b"jpeg").unwrap();
    portable.with_temperature(Temperature::from_hundredths(3_701)).encode(&mut bytes);
    let temperature = Temperature::from_hundredths(3_655);
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = CaptureWriter::new(file.reopen().unwrap()).unwrap();
    for (device, payload) in [
        (8, CapturePayload::State(ConnectionStateRecord { code: 1, name: "connected" })),
        (7, CapturePayload::Event(&alone)),
        (7, CapturePayload::EventWithTemperature(&warm, temperature)),
        (7, CapturePayload::Event(&blob)),
        (7, CapturePayload::SmallBlob(&bytes)),
    ] {
        let device = DeviceId::new(device);
        writer.append(&CaptureRecord { device, received_at: 1, payload }).unwrap();
    }
    let simulator = Simulator::new(&format!("replay={}", file.path().display())).unwrap();
    assert_eq!(simulator.device_ids(), [device], "a state alone makes no reader");
    let blobs = connected(&simulator).await.blobs(device, 0, 9, EventMask::all()).await.unwrap();
    let told = blobs
        .iter()
        .map(|blob| (blob.head().job_code(), blob.image(), blob.temperature().map(Temperature::hundredths)));
    let expected = [
        (None, None, None),
        (None, None, Some(3_655)),
        (Some(JobCode(777)), Some(&b"jpeg"[..]), Some(3_701)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

fn one(settings: &str) -> (Simulator, Reader) {
    let simulator = Simulator::new(settings).unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    (simulator, reader)
}

async fn connected(simulator: &Simulator) -> Arc<dyn Backend> {
    let backend = simulator.backend();
    for device in simulator.device_ids() {
        backend.connect(device).await.unwrap();
    }
    backend
}

/// The whole log, without the client in between.
fn events(simulator: &Simulator, device: DeviceId) -> Vec<Event> {
    let read = async {
        let backend = simulator.backend();
        backend.connect(device).await.unwrap();
        backend.logs(device, 0, u32::MAX).await.unwrap().to_vec()
    };
    read.now_or_never().expect("a reader that is not slow answers at once")
}

fn ids(page: &EventPage) -> Vec<u32> {
    page.iter().map(Event::id).collect()
}

#[track_caller]
fn assert_error<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, code: Option<i32>) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.sdk_code()), (kind, code.map(SdkCode::new)));
}

const GOLDEN_SUM: u64 = 0x3469_09E5_C32B_E643;
