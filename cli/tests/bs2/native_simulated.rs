//! The backend with the simulated C library, in this process and in `bs2`.

use std::process::Stdio;
use std::sync::Arc;

use crate::command_line::store::{stored, truth};
use crate::command_line::{Run, bs2, command, finish, lines, object};
use async_trait::async_trait;
use bs2_events::Result;
use bs2_events::codec::{DeviceId, Event, EventCode, EventFlags};
use bs2_events::device::backend::Backend;
use bs2_events::device::conformance::{BackendStage, check_backend, check_client};
use bs2_events::device::native::{NativeBackend, NativeOptions};

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_keeps_the_contract_with_the_simulated_library() {
    // One after the other, since a process has one context.
    let stage = Simulated::new().await;
    check_backend(&stage).await.unwrap_or_else(|violation| panic!("{violation}"));
    let stage = Simulated::new().await;
    check_client(&stage).await.unwrap_or_else(|violation| panic!("{violation}"));
    stage.backend.close().await.unwrap();
    assert_eq!(crate::simulated_sdk::held_objects(), 0);
}

#[test]
fn all_events_of_eight_devices_with_faults_are_stored() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (store, records) = (folder.path().join("events.db"), folder.path().join("truth.tsv"));
    let into = format!("sqlite:{}", store.display());
    let mut collect = command(&["collect", "--from", &readers(8), "--into", &into, "--for", "5s", "--json"]);
    let settings = "devices=8&backlog=3000&rate=400&faults=drop,disconnect,repeat,reorder,slow,error";
    collect.env("BS2_SIM", settings).env("BS2_SIM_TRUTH", &records);
    let run = finish(collect.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let report = object(&run);
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 8);

    let (stored, truth) = (stored(&store), truth(&records));
    for device in devices {
        let field = |name: &str| u32::try_from(device[name].as_u64().unwrap()).unwrap();
        let (id, watermark) = (field("device_id"), field("watermark"));
        assert!(device["gaps"].as_array().unwrap().is_empty() && watermark > 3_000, "{device}");
        // The devices continue to make events until the last log is read.
        let whole: Vec<_> = truth.range((id, 0, 0)..=(id, 0, watermark)).collect();
        assert!(whole.into_iter().eq(stored.range((id, 0, 0)..=(id, 0, u32::MAX))), "{id}");
    }
    assert_eq!(bs2(&["verify", &into], b"").code, Some(0));
}

#[test]
fn every_reading_command_accepts_the_library_as_its_source() {
    let source = readers(1);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let pictures = folder.path().join("pictures");
    let capture = folder.path().join("log.bs2cap");
    let run = simulated("backlog=40", &["logs", &source]);
    assert_eq!((run.code, lines(&run.stdout).len(), run.stderr.as_str()), (Some(0), 40, ""));
    // The same devices without the C library.
    assert_eq!(bs2(&["logs", "sim:backlog=40"], b"").stdout, run.stdout);
    let run = simulated("backlog=40", &["images", &source, "--out", pictures.to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(pictures.read_dir().unwrap().count() > 0);
    let run = simulated("rate=50", &["watch", &source, "--max", "5"]);
    assert_eq!((run.code, lines(&run.stdout).len()), (Some(0), 5), "{}", run.stderr);
    let run = simulated("backlog=40", &["record", &source, "--out", capture.to_str().unwrap(), "--once"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = bs2(&["decode", capture.to_str().unwrap()], b"");
    assert!(lines(&run.stdout).len() >= 40, "{}", run.stderr);
}

#[test]
fn blobs_that_the_library_lacks_are_reported_and_are_no_failure() {
    let (folder, source) = (tempfile::tempdir().unwrap(), readers(1));
    let record = |settings, name| {
        let out = folder.path().join(name);
        let arguments = ["record", &source, "--out", out.to_str().unwrap(), "--once", "--blobs", "--json"];
        let run = simulated(settings, &arguments);
        let counts: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, &counts["events"]), (Some(0), &40.into()), "{}", run.stderr);
        (counts["blobs"].as_u64(), run.stderr)
    };
    assert_eq!(record("backlog=40", "all.bs2cap"), (Some(40), String::new()));
    let absent = ["SmallBlobEx", "SmallBlob", "Blob"].map(|name| format!("GetLog{name}:-600:1")).join(",");
    let (blobs, told) = record(&format!("backlog=40&fail={absent}"), "events.bs2cap");
    assert_eq!((blobs, lines(&told).len()), (Some(0), 1), "{told}");
    assert!(
        told.starts_with("bs2: device ") && told.contains("BS2_GetLogBlob: NOT_SUPPORTED (-600)"),
        "{told}"
    );
}

#[test]
fn a_failure_is_one_line_that_names_the_function_the_path_or_the_setting() {
    let library = crate::simulated_sdk::path().display();
    let reader = format!("sdk:{library}?device=127.0.0.1");
    for (settings, source, sentence) in [
        ("", "sdk:/nowhere.so?device=10.0.0.7".to_owned(), "cannot load the library `/nowhere.so`"),
        ("", "sdk:/dev/null?device=10.0.0.7".to_owned(), "cannot load the library `/dev/null`"),
        ("", format!("sdk:{library}?device=x"), "setting `device`: `x` is not an IPv4 address"),
        ("", format!("sdk:{library}?device=127.0.0.9"), "BS2_ConnectDeviceViaIP to 127.0.0.9:51211: "),
        ("fail=BS2_GetLog:-2002:1", reader.clone(), "BS2_GetLog: ALLOC_MEM (-2002)"),
        ("fail=BS2_Initialize:-10004:1", reader.clone(), "BS2_Initialize: EXIST (-10004)"),
        ("devices=none", reader, "BS2_"),
    ] {
        let run = simulated(settings, &["logs", &source]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{source}: {}", run.stderr);
        assert!(run.stderr.contains(sentence), "{source}: {}", run.stderr);
        // The library itself may write lines of its own.
        let own: Vec<_> = lines(&run.stderr).into_iter().filter(|line| line.starts_with("bs2: ")).collect();
        assert_eq!(own.len(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_truncated_library_is_an_error_that_names_it_and_no_crash() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (whole, cut) = (std::fs::read(crate::simulated_sdk::path()).unwrap(), folder.path().join("cut.so"));
    let cut_at = |len: usize, source: String| {
        std::fs::write(&cut, &whole[..len]).unwrap();
        simulated("backlog=1", &["logs", &source])
    };
    let own = || format!("sdk:{}?device=127.0.0.1", cut.display());
    let before = || format!("{}&preload={}", readers(1), cut.display());
    let told = |run: Run| {
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{}", run.stderr);
        assert!(run.stderr.contains(&format!("the library `{}`", cut.display())), "{}", run.stderr);
        run.stderr
    };
    // The loader itself refuses a file without its table of segments.
    for len in [0, 1, 63, 100] {
        told(cut_at(len, own()));
    }
    let sentence = told(cut_at(5_000, own()));
    let words = sentence.split_once("is truncated: its segments need ").unwrap().1;
    assert!(words.ends_with(" bytes, and the file has 5000; copy it again\n"), "{sentence}");
    let needed = words.split(' ').next().unwrap().parse::<usize>().unwrap();
    for len in [4_096, 20_000, needed / 2, needed - 4_096, needed - 1] {
        for source in [own(), before()] {
            assert!(told(cut_at(len, source)).contains("is truncated: "), "{len}");
        }
    }
    // The rest of the file is only for debuggers.
    let run = cut_at(needed, own());
    assert_eq!((run.code, lines(&run.stdout).len()), (Some(0), 1), "{}", run.stderr);
}

/// Runs `bs2` with these arguments; the simulated devices have these settings, and the events of a `sim:` source with them.
fn simulated(settings: &str, arguments: &[&str]) -> Run {
    let mut bs2 = command(arguments);
    let like_in_memory =
        ["start=fixed&connections=0", settings].join(if settings.is_empty() { "" } else { "&" });
    bs2.env("BS2_SIM", like_in_memory).stdin(Stdio::null());
    finish(bs2.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// A source with this number of simulated devices.
fn readers(count: u16) -> String {
    let devices: Vec<_> = (0..count).map(|n| format!("device=127.0.0.1:{}", 51_211 + n)).collect();
    format!("sdk:{}?{}", crate::simulated_sdk::path().display(), devices.join("&"))
}

struct Simulated {
    backend: Arc<NativeBackend>,
    device: DeviceId,
}

impl Simulated {
    async fn new() -> Self {
        let options = NativeOptions::default()
            .with_library(crate::simulated_sdk::path())
            .with_device("127.0.0.1:51211".parse().unwrap());
        let backend = Arc::new(NativeBackend::open(options).unwrap());
        let device = backend.devices().await.unwrap().devices[0];
        Self { backend, device }
    }
}

#[async_trait]
impl BackendStage for Simulated {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as _
    }

    fn device(&self) -> DeviceId {
        self.device
    }

    async fn make_events(&self, count: u32) -> Result<()> {
        crate::simulated_sdk::make_events(self.device, count);
        Ok(())
    }

    async fn make_slave_event(&self) -> Result<Option<DeviceId>> {
        let slave = DeviceId::new(542_000_001);
        let seen = Event::builder(slave, 0, EventCode::ACCESS_DENIED).flags(EventFlags::IMAGE);
        crate::simulated_sdk::push_event(self.device, &seen.build());
        Ok(Some(slave))
    }

    async fn disconnect(&self) -> Result<()> {
        crate::simulated_sdk::lose_connection(self.device);
        Ok(())
    }
}
