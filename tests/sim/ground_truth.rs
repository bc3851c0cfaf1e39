//! The truth of a simulator: every event that ever happened.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bs2_events::ErrorKind;
use bs2_events::codec::{Event, EventCode, Timestamp};
use bs2_events::device::{Client, ImageFilter};
use bs2_events::sim::Simulator;

#[test]
fn tells_what_the_ring_has_overwritten_and_what_comes_later() {
    let simulator = Simulator::new("devices=2&backlog=100&capacity=10").unwrap();
    let [first, second] = simulator.device_ids().try_into().unwrap();
    let mut made = simulator.reader(first).unwrap().make(5).unwrap();
    let truth = written(&simulator);
    made.extend(simulator.reader(first).unwrap().make(5).unwrap());
    let lines = truth.lines(&simulator);
    let ids = |device| lines.iter().filter(|line| line.0 == device).map(|line| line.2).collect::<Vec<_>>();
    assert_eq!(ids(first.get()), (1..=110).collect::<Vec<_>>());
    assert_eq!(ids(second.get()), (1..=100).collect::<Vec<_>>());
    for event in made {
        assert!(lines.contains(&line(0, &event)), "{event}");
    }
}

#[tokio::test]
async fn is_the_same_whether_it_was_there_from_the_beginning_or_came_late() {
    let early = Simulator::new("devices=1&backlog=20&capacity=50").unwrap();
    let late = Simulator::new("devices=1&backlog=20&capacity=50").unwrap();
    let from_the_beginning = written(&early);
    for simulator in [&early, &late] {
        let reader = simulator.reader(simulator.device_ids()[0]).unwrap();
        let device = Client::new(simulator.backend()).device(reader.id());
        reader.make(30).unwrap();
        device.clear_log().await.unwrap();
        device.set_image_filters(&[ImageFilter::new(EventCode::DOOR_OPENED)]).await.unwrap();
        reader.make(30).unwrap();
        reader.set_clock(Timestamp::from_unix_seconds(5));
        reader.make(5).unwrap();
        reader.factory_reset(true);
        reader.make(70).unwrap();
        reader.factory_reset(false);
    }
    let lines = from_the_beginning.lines(&early);
    assert_eq!(lines, written(&late).lines(&late));
    assert_eq!(lines.len(), 20 + 30 + 1 + 30 + 1 + 5 + 1 + 70 + 1);
    let epochs: Vec<_> = lines.iter().map(|line| (line.1, line.2)).collect();
    assert_eq!(epochs[86..89], [(0, 87), (1, 1), (1, 2)]);
}

#[test]
fn tells_each_event_of_a_replayed_log_once() {
    let simulator = Simulator::new("replay=bundled").unwrap();
    let truth = written(&simulator);
    simulator.reader(simulator.device_ids()[0]).unwrap().clear_log();
    let lines = truth.lines(&simulator);
    assert_eq!(lines.len(), 56);
    assert_eq!(lines[55].2, 7_567);
}

#[test]
fn is_written_once_and_errors_are_told() {
    let simulator = Simulator::new("devices=1").unwrap();
    simulator.flush_truth().unwrap();
    let error = simulator.write_truth_to(Broken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    simulator.make_event(simulator.device_ids()[0]).unwrap();
    assert_eq!(simulator.flush_truth().unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(simulator.write_truth_to(io::sink()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Device, epoch, id, hex.
type Line = (u32, u32, u32, String);

fn line(epoch: u32, event: &Event) -> Line {
    let hex = event.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    (event.device_id().get(), epoch, event.id(), hex)
}

fn written(simulator: &Simulator) -> Paper {
    let paper = Paper::default();
    simulator.write_truth_to(paper.clone()).unwrap();
    paper
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn lines(&self, simulator: &Simulator) -> Vec<Line> {
        simulator.flush_truth().unwrap();
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let line = |line: &str| {
            let [device, epoch, id, hex] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            (device.parse().unwrap(), epoch.parse().unwrap(), id.parse().unwrap(), hex.to_owned())
        };
        text.lines().map(line).collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
