//! Slaves: readers that keep no log, and whose events are in the log of their master.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bs2_events::codec::{DeviceId, Event, EventCode};
use bs2_events::device::{Client, Live};
use bs2_events::sim::Simulator;

#[tokio::test(start_paused = true)]
async fn what_people_do_at_a_slave_is_in_the_log_of_its_master_and_live_under_its_master() {
    let simulator = Simulator::new("devices=2&backlog=2000&slaves=3").unwrap();
    let client = Client::new(simulator.backend());
    let mut live = client.subscribe(&simulator.device_ids()).await.unwrap();
    for master in simulator.device_ids() {
        let reader = simulator.reader(master).unwrap();
        let slaves: BTreeSet<_> = reader.slaves().iter().copied().collect();
        assert_eq!(slaves.len(), 3);
        assert!(client.devices().await.unwrap().iter().all(|device| !slaves.contains(&device.id())));
        let mut seen: BTreeMap<DeviceId, u32> = BTreeMap::new();
        for (expected, event) in (1..).zip(client.device(master).logs(0, 2_000).await.unwrap().iter()) {
            assert_eq!(event.id(), expected, "the ids are those of the master");
            let is_of_people = (0x1000..=0x1FFF).contains(&event.code().get());
            assert!(
                event.device_id() == master || is_of_people && slaves.contains(&event.device_id()),
                "{event}"
            );
            *seen.entry(event.device_id()).or_default() += u32::from(is_of_people);
        }
        assert!(seen.len() == 4 && seen.values().all(|count| *count > 50), "{seen:?}");
        for made in reader.make(200).unwrap() {
            let item = live.next().await;
            assert!(
                matches!(item, Some(Live::Event { device, event, .. }) if device == master && event == made)
            );
        }
    }
}

#[test]
fn slaves_change_who_saw_an_event_and_nothing_else() {
    let (with, without) = ("devices=2&backlog=0&seed=8&slaves=2", "devices=2&backlog=0&seed=8");
    let made = |settings: &str| {
        let simulator = Simulator::new(settings).unwrap();
        simulator.reader(simulator.device_ids()[1]).unwrap().make(3_000).unwrap()
    };
    let (with, without) = (made(with), made(without));
    assert!(with.iter().zip(&without).any(|(a, b)| a.device_id() != b.device_id()));
    for (a, b) in with.iter().zip(&without) {
        assert_eq!((&a.as_bytes()[..8], &a.as_bytes()[12..]), (&b.as_bytes()[..8], &b.as_bytes()[12..]));
    }
}

#[test]
fn no_two_devices_have_one_number() {
    let simulator = Simulator::new("devices=300&backlog=0&slaves=31").unwrap();
    let mut ids: Vec<_> = simulator.device_ids();
    for master in simulator.device_ids() {
        ids.extend(simulator.reader(master).unwrap().slaves());
    }
    let count = ids.len();
    assert_eq!(count, 300 * 32);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), count);
}

#[cfg(feature = "capture")]
#[tokio::test]
async fn the_slaves_of_a_replayed_capture_are_those_that_made_events_in_it() {
    use bs2_events::codec::capture::{CapturePayload, CaptureRecord, CaptureWriter};

    let (master, slave) = (DeviceId::new(7), DeviceId::new(70));
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = CaptureWriter::new(file.reopen().unwrap()).unwrap();
    let events = [master, slave, master].map(|maker| Event::builder(maker, 0, EventCode::DOOR_OPENED));
    for (id, builder) in (1..).zip(events) {
        let event = builder.build();
        let event = Event::builder(event.device_id(), id, event.code()).build();
        let payload = CapturePayload::Event(&event);
        writer.append(&CaptureRecord { device: master, received_at: 1, payload }).unwrap();
    }
    let simulator = Simulator::new(&format!("replay={}", file.path().display())).unwrap();
    assert_eq!(simulator.device_ids(), [master]);
    assert_eq!(simulator.reader(master).unwrap().slaves(), [slave]);
    let page = Client::new(Arc::clone(&simulator.backend())).device(master).logs(0, 9).await.unwrap();
    assert_eq!(page.iter().map(Event::device_id).collect::<Vec<_>>(), [master, slave, master]);
}
