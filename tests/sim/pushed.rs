//! Events that a test wants, and nothing else.

use std::sync::{Arc, Mutex};

use bs2_events::codec::blob::EventMask;
use bs2_events::codec::{
    DeviceId, Event, EventCode, EventFlags, ExtraSubject, Extras, JobCode, Subject, SubjectKind, Temperature,
    Timestamp, UserId,
};
use bs2_events::device::{Client, Live};
use bs2_events::sim::{Reader, SimOptions, Simulator};
use bytes::Bytes;
use tokio::time::{Duration, timeout};

#[tokio::test(start_paused = true)]
async fn user_42_is_denied_at_door_3_at_08_59_and_nothing_else_happens() {
    let (simulator, reader) = empty();
    let client = Client::new(simulator.backend());
    let mut live = client.subscribe(&[reader.id()]).await.unwrap();
    let user = UserId::new("42").unwrap();
    reader.set_time(at("2026-03-02T08:59:00Z"));
    let denied = Event::builder(reader.id(), 0, EventCode::ACCESS_DENIED).subject(Subject::User(&user));
    let denied = reader.push_with(denied, Extras::default().with_subject(door(3)), None);
    assert_eq!((denied.id(), denied.timestamp()), (1, at("2026-03-02T08:59:00Z")));
    assert_eq!((denied.user_id(), denied.flags()), (Some(&user), EventFlags::empty()));

    let extras = Some(Box::new(Extras::default().with_subject(door(3))));
    assert_eq!(
        live.next().await,
        Some(Live::Event { device: reader.id(), event: denied, extras: extras.clone() })
    );
    assert!(timeout(Duration::from_secs(86_400), live.next()).await.is_err());
    let page = client.device(reader.id()).logs(0, 100).await.unwrap();
    assert_eq!(page.to_vec(), [denied]);
    assert_eq!(page.extras_of(1), extras.as_deref());
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_48_bytes_and_the_picture_are_those_that_were_given() {
    let (simulator, reader) = empty();
    let client = Client::new(simulator.backend());
    let mut live = client.subscribe(&[reader.id()]).await.unwrap();
    let extras = Extras::default()
        .with_job_code(JobCode(7))
        .with_temperature(Temperature::from_hundredths(3_677))
        .with_subject(door(3));
    let jpeg = Bytes::from_static(b"not a jpeg");
    let made = Event::builder(reader.id(), 0, EventCode::VERIFY_SUCCESS).param(2);
    let with_picture = reader.push_with(made, extras.clone(), jpeg.clone());
    let alone = reader.push(made);
    let empty = reader.push_with(made, Extras::default(), Bytes::new());
    assert_eq!([with_picture, alone, empty].map(|event| event.flags().has_image()), [true, false, true]);
    assert_eq!([with_picture, alone, empty].map(|event| event.id()), [1, 2, 3]);
    for expected in [Some(extras.clone()), None, None] {
        let Some(Live::Event { extras, .. }) = live.next().await else { panic!() };
        assert_eq!(extras.map(|extras| *extras), expected);
    }
    let device = client.device(reader.id());
    assert_eq!(device.image_log(1).await.unwrap(), jpeg);
    assert!(device.image_log(2).await.is_err());
    // The client says that a picture without bytes is none.
    assert!(device.image_log(3).await.is_err());
    let backend = simulator.backend();
    backend.connect(reader.id()).await.unwrap();
    assert!(backend.image_log(reader.id(), 3).await.unwrap().is_empty());
    assert_eq!(device.logs(0, 9).await.unwrap().extras(), [(1, extras)]);
    let blobs = device.blobs(0, 9, EventMask::all()).await.unwrap();
    let told = |at: usize| (blobs[at].head().job_code(), blobs[at].image(), blobs[at].temperature());
    assert_eq!(told(0), (Some(JobCode(7)), Some(&jpeg[..]), Some(Temperature::from_hundredths(3_677))));
    assert_eq!(told(1), (None, None, None));
}

#[test]
fn device_and_time_are_kept_where_they_are_given_and_every_byte_is() {
    let (_, reader) = empty();
    let odd = Event::from_hex(&format!("{}{}{}", "ff".repeat(12), "7f".repeat(32), "34122aff")).unwrap();
    let builder = Event::builder(odd.device_id(), 0, odd.code())
        .timestamp(odd.timestamp())
        .subject(Subject::Unknown(&[0x7F; 32]))
        .param(odd.param())
        .flags(odd.flags());
    let pushed = reader.push(builder);
    assert_eq!(pushed.id(), 1);
    assert_eq!(pushed.as_bytes()[4..], odd.as_bytes()[4..]);

    let pushed = reader.push(Event::builder(DeviceId::new(0), 77, EventCode::DOOR_OPENED));
    assert_eq!((pushed.id(), pushed.device_id(), pushed.timestamp()), (2, reader.id(), reader.time()));
    // A time of its own does not move the clock.
    assert_eq!(reader.time(), at("2025-03-24T00:00:00Z"));
}

#[test]
fn a_set_clock_is_that_of_the_next_event_and_no_event_itself() {
    let (_, reader) = empty();
    for time in ["2026-03-02T08:59:00Z", "2020-01-01T00:00:00Z"] {
        reader.set_time(at(time));
        assert_eq!(reader.time(), at(time));
        assert_eq!(reader.push(opened()).timestamp(), at(time));
    }
    assert_eq!(reader.len(), 2);
    let cleared = reader.clear_log();
    assert_eq!((cleared.id(), cleared.timestamp()), (3, at("2020-01-01T00:00:00Z")));
}

#[test]
fn an_office_may_go_on_around_what_is_pushed() {
    let simulator = Simulator::new("devices=1&backlog=10").unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    let quiet = Simulator::new("devices=1&backlog=10").unwrap();
    assert_eq!(reader.push(opened()).id(), 11);
    let (next, other) = (reader.make(1).unwrap()[0], quiet.make_event(reader.id()).unwrap());
    assert_eq!(next.id(), 12);
    assert_eq!(next.as_bytes()[4..], other.as_bytes()[4..]);
}

#[test]
fn a_ring_and_an_epoch_forget_what_was_pushed_with_their_events() {
    let simulator = Simulator::new("office=0&capacity=2").unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    for _ in 0..3 {
        reader.push_with(opened(), Extras::default().with_subject(door(3)), Bytes::from_static(b"x"));
    }
    reader.factory_reset(true);
    reader.push(opened());
    let page = futures_util::FutureExt::now_or_never(async {
        let backend = simulator.backend();
        backend.connect(reader.id()).await?;
        backend.logs(reader.id(), 0, 9).await
    });
    let page = page.unwrap().unwrap();
    assert_eq!(page.iter().map(Event::id).collect::<Vec<_>>(), [1, 2]);
    assert!(page.extras().is_empty());
}

#[tokio::test]
async fn a_state_file_and_the_truth_have_what_was_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let options = || "office=0".parse::<SimOptions>().unwrap();
    let extras = Extras::default().with_subject(door(3)).with_job_code(JobCode(9));
    let mut pushed = Vec::new();
    {
        let simulator = Simulator::with_state(options(), &path).unwrap();
        let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
        reader.set_time(at("2026-03-02T08:59:00Z"));
        pushed.push(reader.push_with(opened(), extras.clone(), Bytes::from_static(b"jpeg")));
        pushed.push(reader.push(opened()));
    }
    let simulator = Simulator::with_state(options(), &path).unwrap();
    let device = Client::new(simulator.backend()).device(simulator.device_ids()[0]);
    let page = device.logs(0, 9).await.unwrap();
    assert_eq!((page.to_vec(), page.extras()), (pushed.clone(), &[(1, extras)][..]));
    assert_eq!(device.image_log(1).await.unwrap(), b"jpeg"[..]);
    let text = Arc::new(Mutex::new(Vec::new()));
    simulator.write_truth_to(Shared(Arc::clone(&text))).unwrap();
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    let hex: Vec<_> = text.lines().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect();
    assert_eq!(hex, pushed.iter().map(Event::to_hex).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_replayed_log_happens_row_by_row_in_its_order_and_is_reported_live() {
    let rows = "9\t0x5200\t2025-01-01T00:00:00\t2\n1\t0x5300\t2025-01-01T00:00:01\t1\n\
                9\t0x5200\t2025-01-01T00:00:00\t2\n10\t0x5200\t2025-01-01T00:00:05\t2\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rows).unwrap();
    let settings = format!("replay={}&replay-live=1&rate=4", file.path().display());
    let simulator = Simulator::new(&settings).unwrap();
    let ids = simulator.device_ids();
    assert!(ids.iter().all(|id| simulator.reader(*id).unwrap().is_empty()));
    let client = Client::new(simulator.backend());
    let mut live = client.subscribe(&ids).await.unwrap();
    let mut told = Vec::new();
    while let Ok(Some(Live::Event { device, event, .. })) =
        timeout(Duration::from_secs(60), live.next()).await
    {
        told.push((device.get(), event.id(), event.code().get()));
    }
    assert_eq!(told, [(2, 9, 0x5200), (1, 1, 0x5300), (2, 9, 0x5200), (2, 10, 0x5200)]);
    let second = simulator.reader(ids[1]).unwrap();
    assert_eq!((second.len(), second.make(1).is_err()), (3, true));
    // The row that is given twice is one event.
    let text = Arc::new(Mutex::new(Vec::new()));
    simulator.write_truth_to(Shared(Arc::clone(&text))).unwrap();
    assert_eq!(String::from_utf8(text.lock().unwrap().clone()).unwrap().lines().count(), 3);
    assert_eq!(second.clear_log().id(), 11);
}

#[test]
fn rows_that_have_happened_do_not_happen_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let options = || "replay=bundled&replay-live=1".parse::<SimOptions>().unwrap();
    let first = |count: u32| {
        let simulator = Simulator::with_state(options(), &path).unwrap();
        simulator.reader(simulator.device_ids()[0]).unwrap().make(count).unwrap()
    };
    let (begin, rest) = (first(10), first(52));
    let whole = Simulator::new("replay=bundled&replay-live=1").unwrap();
    let whole = whole.reader(whole.device_ids()[0]).unwrap().make(62).unwrap();
    assert_eq!([begin, rest].concat(), whole);
}

fn empty() -> (Simulator, Reader) {
    let simulator = Simulator::new("office=0").unwrap();
    let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
    assert!(reader.is_empty());
    (simulator, reader)
}

fn opened() -> bs2_events::codec::EventBuilder {
    Event::builder(DeviceId::new(0), 0, EventCode::DOOR_OPENED)
}

fn door(door_id: u32) -> ExtraSubject {
    ExtraSubject::new(SubjectKind::Door, Subject::Door { door_id }.to_bytes())
}

fn at(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_unix_seconds(u32::try_from(time.as_second()).unwrap())
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
