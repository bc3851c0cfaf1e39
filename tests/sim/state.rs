//! Simulated readers whose life is kept in a file.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::device::ImageFilter;
use bs2_events::sim::{SimOptions, Simulator, Start};
use bs2_events::{ErrorKind, Result};

#[tokio::test]
async fn a_simulator_made_again_goes_on_with_the_same_readers() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let lived = live(&Simulator::with_state(settings(), &path)?).await?;

    let again = Simulator::with_state(settings(), &path)?;
    assert_eq!(again.truth_text(), lived);
    let [first, second] = again.device_ids()[..] else { panic!("two readers") };
    assert_eq!(again.reader(first)?.time().as_unix_seconds(), 1_600_000_000);
    assert_eq!(
        again.backend_filters(first).await?,
        [ImageFilter::new(EventCode::DOOR_OPENED).with_schedule(7)]
    );
    assert_eq!((again.reader(second)?.epoch(), again.reader(second)?.newest_id()), (1, Some(4)));
    assert_eq!(again.reader(second)?.oldest_id(), Some(1));
    Ok(())
}

#[tokio::test]
async fn whatever_of_the_last_line_was_written_the_file_is_read() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    live(&Simulator::with_state(settings(), &path)?).await?;
    let whole = fs::read(&path).unwrap();
    let begun = whole.windows(5).position(|window| window == b"acts\n").unwrap() + 5;
    for end in (0..whole.len()).step_by(500).chain(begun - 70..=whole.len()) {
        fs::write(&path, &whole[..end]).unwrap();
        let simulator = Simulator::with_state(settings(), &path)?;
        let [first, _] = simulator.device_ids()[..] else { panic!("two readers") };
        let known = simulator.reader(first)?.newest_id();
        // Before the last of the first lines nobody had been told anything, so it may begin anew.
        assert!(if end < begun { known == Some(20) } else { known >= Some(23) }, "{end}: {known:?}");
        simulator.make_event(first)?;
        drop(simulator);
        assert_eq!(
            Simulator::with_state(settings(), &path)?.reader(first)?.newest_id(),
            known.map(|id| id + 1)
        );
    }
    Ok(())
}

#[test]
fn no_id_is_given_twice_to_different_events_over_many_lives() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut seen = HashMap::new();
    for life in 0..20 {
        let simulator = Simulator::with_state(settings(), &path)?;
        for device in simulator.device_ids() {
            let reader = simulator.reader(device)?;
            if life % 7 == 3 {
                reader.clear_log();
            }
            for event in reader.make(life)? {
                let told = seen.insert((device, event.id()), event);
                assert!(told.is_none_or(|told| told == event));
            }
        }
    }
    Ok(())
}

#[test]
fn the_time_of_now_is_the_one_of_the_first_life() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let now = || SimOptions::default().with_backlog(1).with_start(Start::Now);
    let text = Simulator::with_state(now(), &path)?.truth_text();
    let other = fs::read_to_string(&path).unwrap();
    let start = other.split("start=now:").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let moved = other.replace(start, "1742774400");
    fs::write(&path, moved).unwrap();
    let again = Simulator::with_state(now(), &path)?.truth_text();
    assert_ne!(again, text);
    // The one event is at the end of the backlog.
    assert!(again.contains("80a0e067"), "{again}");
    Ok(())
}

#[test]
fn refuses_a_file_of_other_settings_one_in_use_and_one_that_is_no_state() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let refused =
        |settings: SimOptions, path: &Path| Simulator::with_state(settings, path).map(|_| ()).unwrap_err();
    let simulator = Simulator::with_state(settings(), &path)?;
    assert_eq!(refused(settings(), &path).kind(), ErrorKind::Busy);
    drop(simulator);
    let error = refused(settings().with_seed(9), &path);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("seed=9"), "{error}");
    Simulator::with_state(settings().with_rate(9), &path)?;

    fs::write(&path, "bs2 something").unwrap();
    assert_eq!(refused(settings(), &path).kind(), ErrorKind::InvalidData);
    assert_eq!(fs::read(&path).unwrap(), b"bs2 something");
    assert_eq!(refused(settings(), folder.path()).kind(), ErrorKind::Storage);
    Ok(())
}

/// Two readers; things are done to the first, and the second begins its ids again.
async fn live(simulator: &Simulator) -> Result<String> {
    let [first, second] = simulator.device_ids()[..] else { panic!("two readers") };
    simulator.reader(first)?.make(3)?;
    let backend = simulator.backend();
    backend.connect(first).await?;
    backend.set_image_filters(first, &[ImageFilter::new(EventCode::DOOR_OPENED).with_schedule(7)]).await?;
    backend.clear_log(first).await?;
    simulator.reader(first)?.set_clock(Timestamp::from_unix_seconds(1_600_000_000));
    simulator.reader(second)?.make(2)?;
    simulator.reader(second)?.factory_reset(true);
    simulator.reader(second)?.make(3)?;
    Ok(simulator.truth_text())
}

fn settings() -> SimOptions {
    SimOptions::default().with_devices(2).with_backlog(20).with_seed(5)
}

trait Look {
    fn truth_text(&self) -> String;
    async fn backend_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>>;
}

impl Look for Simulator {
    fn truth_text(&self) -> String {
        let text = Arc::new(Mutex::new(Vec::new()));
        self.write_truth_to(Shared(Arc::clone(&text))).unwrap();
        let bytes = text.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    async fn backend_filters(&self, device: DeviceId) -> Result<Vec<ImageFilter>> {
        let backend = self.backend();
        backend.connect(device).await?;
        backend.image_filters(device).await
    }
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
