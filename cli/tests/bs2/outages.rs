//! `bs2 collect` over outages, run as its users run it: what it says on stderr, and that it goes on by itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::command_line::store::{stored, truth, wait_for_events};
use crate::command_line::{bs2_in, command, finish, signal};
use crate::sim_gateway::{kill, start as start_gateway};

#[test]
fn a_collector_that_starts_before_its_gateway_says_so_once_and_begins_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    // A gateway that is gone again: its address, and its certificates.
    let (mut gateway, address, _) = start_gateway(folder.path(), READERS, "127.0.0.1:0", &[]);
    kill(&mut gateway);
    let source = format!("gateway://{address}?ca=certs/ca.crt&device=10.0.0.1&device=10.0.0.2");
    let collector = Running::start(folder.path(), &["collect", "--from", &source, "--into", "sqlite:a.db"]);
    let began = Instant::now();
    collector.wait_for("cannot connect to the gateway");
    assert!(began.elapsed() < Duration::from_secs(15));
    // Longer than the first tries last.
    thread::sleep(Duration::from_secs(4));
    let (gateway, _, _) = start_gateway(folder.path(), READERS, &address, &[]);
    wait_for_events(&folder.path().join("a.db"), 400);
    collector.wait_for("works now");
    signal(&collector.child, "INT");
    let (code, said) = collector.finish();
    assert_eq!((code, said.len()), (Some(0), 2), "{said:#?}");
    assert!(said[0].ends_with("; it is tried again"), "{said:#?}");
    assert_eq!(said[1], format!("bs2: source `gateway://{address}` works now"));
    signal(&gateway, "TERM");
    finish(gateway);
}

#[test]
fn a_gateway_without_devices_is_noted_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    // Without `device` the devices are those that the gateway has, and nobody has connected one.
    let (gateway, address, _) = start_gateway(folder.path(), READERS, "127.0.0.1:0", &[]);
    let source = format!("gateway://{address}?ca=certs/ca.crt");
    let collector = Running::start(folder.path(), &["collect", "--from", &source, "--into", "sqlite:a.db"]);
    collector.wait_for(&format!(
        "bs2: source `gateway://{address}` has no device yet; the collector waits for one"
    ));
    signal(&collector.child, "INT");
    let (_, said) = collector.finish();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_eq!(said[1], "bs2: there is no device to collect from");
    signal(&gateway, "TERM");
    finish(gateway);
}

#[test]
fn a_restart_of_the_gateway_of_many_devices_is_one_outage() {
    let folder = tempfile::tempdir().unwrap();
    let readers = format!("sim:devices=20&backlog=50&seed=4&rate=0&{SAME}");
    let (mut gateway, address, _) = start_gateway(folder.path(), &readers, "127.0.0.1:0", &[]);
    let devices: String = (1..=20).map(|number| format!("&device=10.0.0.{number}")).collect();
    let source = format!("gateway://{address}?ca=certs/ca.crt{devices}");
    let collector = Running::start(folder.path(), &["collect", "--from", &source, "--into", "sqlite:a.db"]);
    let store = folder.path().join("a.db");
    wait_for_events(&store, 1_000);
    for outage in 1..=2 {
        kill(&mut gateway);
        collector.wait_for_lines(2 * outage - 1);
        let readers = format!("sim:devices=20&backlog={}&seed=4&rate=0&{SAME}", 50 + 50 * outage);
        (gateway, _, _) = start_gateway(folder.path(), &readers, &address, &[]);
        wait_for_events(&store, 1_000 + 1_000 * outage as u32);
        collector.wait_for_lines(2 * outage);
    }
    signal(&collector.child, "INT");
    let (code, said) = collector.finish();
    assert_eq!((code, said.len()), (Some(0), 4), "{said:#?}");
    kill(&mut gateway);
    assert_sound(folder.path());
}

#[test]
fn a_gateway_that_stands_by_takes_over_from_one_that_dies() {
    let folder = tempfile::tempdir().unwrap();
    let readers = |backlog: u32| format!("sim:devices=3&backlog={backlog}&seed=4&rate=0&{SAME}");
    // Two gateways to the same devices; what the second one has more has happened since.
    let (mut one, first, _) = start_gateway(folder.path(), &readers(100), "127.0.0.1:0", &[]);
    let source = |address: &str| {
        format!("gateway://{address}?ca=certs/ca.crt&device=10.0.0.1&device=10.0.0.2&device=10.0.0.3")
    };
    let (mut two, second, _) = start_gateway(folder.path(), &readers(100), "127.0.0.1:0", &[]);
    let (from, or_from) = (source(&first), source(&second));
    let arguments = ["collect", "--from", &from, "--from", &or_from, "--into", "sqlite:a.db", "--json"];
    let collector = Running::start(folder.path(), &arguments);
    let store = folder.path().join("a.db");
    wait_for_events(&store, 300);
    let said = collector.wait_for("stands by");
    assert!(said.contains("3 devices are reached over"), "{said}");
    let is_first = said.contains(&format!("`gateway://{first}` is used"));
    let (used, standby) = if is_first { (&first, &second) } else { (&second, &first) };
    // The gateway that stands by is started again with a longer log, then the other one dies.
    let before = collector.said().len();
    kill(if is_first { &mut two } else { &mut one });
    collector.wait_for_lines(before + 1);
    let (again, _, _) = start_gateway(folder.path(), &readers(150), standby, &[]);
    *(if is_first { &mut two } else { &mut one }) = again;
    collector.wait_for_lines(before + 2);
    kill(if is_first { &mut one } else { &mut two });
    let died = Instant::now();
    collector.wait_for(&format!("`gateway://{standby}` takes over from `gateway://{used}`"));
    wait_for_events(&store, 450);
    assert!(died.elapsed() < Duration::from_secs(20), "{:?}", died.elapsed());
    signal(&collector.child, "INT");
    let (code, said) = collector.finish();
    // The dead gateway is in the report, and no device failed.
    assert_eq!(code, Some(1), "{said:#?}");
    assert_eq!(said.len(), 1 + 2 + 2 + 1, "{said:#?}");
    assert_eq!(stored(&store).len(), 450);
    assert_sound(folder.path());
    kill(if is_first { &mut two } else { &mut one });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_at_once_and_the_collector_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    // A limit for the size of a file stands for the full disk; nobody needs rights for it.
    let script = "trap '' XFSZ; ulimit -S -f 600; exec \"$0\" \"$@\"";
    let source = "sim:devices=5&backlog=100&rate=2000&seed=4";
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        script,
        env!("CARGO_BIN_EXE_bs2"),
        "collect",
        "--from",
        source,
        "--into",
        "sqlite:a.db",
    ]);
    let collector = Running::spawn(folder.path(), shell);
    let said = collector.wait_for("cannot store events");
    assert!(said.ends_with("; it is tried again"), "{said}");
    thread::sleep(Duration::from_secs(3));
    let pid = collector.child.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    collector.wait_for("bs2: events are stored again");
    signal(&collector.child, "INT");
    let (code, said) = collector.finish();
    assert_eq!((code, said.len()), (Some(0), 2), "{said:#?}");
    assert_sound(folder.path());
    // Nothing is missing in the middle, and nothing at the end: what came while the disk was full is stored too.
    let stored = stored(&folder.path().join("a.db"));
    assert!(stored.len() > 8_000, "{}", stored.len());
    for device in 1..=5 {
        let ids = stored.keys().filter(|key| key.0 == 541_000_000 + device).map(|key| key.2);
        let ids: Vec<_> = ids.collect();
        assert_eq!(ids, (1..=ids.len() as u32).collect::<Vec<_>>());
    }
}

#[test]
fn a_store_that_is_deleted_or_replaced_while_collecting_is_noticed_and_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let source = "sim:devices=2&backlog=300&rate=200&seed=4";
    let arguments = ["collect", "--from", source, "--into", "sqlite:a.db", "--truth", "truth.tsv"];
    let collector = Running::start(folder.path(), &arguments);
    wait_for_events(&path("a.db"), 700);
    fs::remove_file(path("a.db")).unwrap();
    let said = collector.wait_for("was deleted or replaced");
    assert!(said.ends_with("; it is tried again"), "{said}");
    wait_for_events(&path("a.db"), 700);
    collector.wait_for_lines(2);

    // A copy of a store from before takes its place.
    let old = bs2_in(
        folder.path(),
        &["collect", "--from", "sim:devices=2&backlog=100&seed=4", "--once", "--into", "sqlite:old.db"],
    );
    assert_eq!(old.code, Some(0));
    fs::rename(path("old.db"), path("a.db")).unwrap();
    collector.wait_for_lines(4);
    wait_for_events(&path("a.db"), 900);
    signal(&collector.child, "INT");
    let (code, said) = collector.finish();
    assert_eq!((code, said.len()), (Some(0), 4), "{said:#?}");
    assert_sound(folder.path());
    let (stored, truth) = (stored(&path("a.db")), truth(&path("truth.tsv")));
    assert!(stored.iter().all(|(key, hex)| truth.get(key) == Some(hex)));
    let first: Vec<_> = stored.keys().take(1).map(|(_, _, id)| *id).collect();
    assert_eq!(first, [1]);
}

#[test]
fn a_file_that_is_no_store_ends_the_collector_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let source = "sim:devices=2&backlog=300&rate=200";
    let collector = Running::start(folder.path(), &["collect", "--from", source, "--into", "sqlite:a.db"]);
    wait_for_events(&path, 700);
    fs::remove_file(&path).unwrap();
    let text = "not a store, but a text that somebody needs ".repeat(100);
    fs::write(&path, &text).unwrap();
    let said = collector.wait_for("the file is not an SQLite database");
    assert!(said.ends_with("; it is tried again"), "{said}");
    let (code, said) = collector.finish();
    assert_eq!(code, Some(1), "{said:#?}");
    assert!(said.last().unwrap().contains("the file is not an SQLite database"), "{said:#?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_store_with_a_damaged_page_is_not_collected_into_and_verify_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let collect = || {
        let source = "sim:devices=10&backlog=500";
        bs2_in(folder.path(), &["collect", "--from", source, "--into", "sqlite:a.db", "--once"])
    };
    assert_eq!(collect().code, Some(0));
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() / 4_096 / 2;
    bytes[page * 4_096..][..4_096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let run = collect();
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(
        run.stderr.contains("the file is damaged; examine it with `bs2 verify sqlite:"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let verified = bs2_in(folder.path(), &["verify", "sqlite:a.db"]);
    assert_eq!(verified.code, Some(1));
}

/// A process, and the lines that it writes to stderr.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(folder, command(arguments))
    }

    pub(crate) fn spawn(folder: &Path, mut command: Command) -> Self {
        command.current_dir(folder).env_remove("BS2_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, log) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&said));
        let reader = thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
        });
        Self { child, said, reader }
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits for a line that contains this.
    fn wait_for(&self, text: &str) -> String {
        self.wait(|said| said.iter().find(|line| line.contains(text)).cloned())
    }

    pub(crate) fn wait_for_lines(&self, count: usize) {
        self.wait(|said| (said.len() >= count).then_some(()));
    }

    fn wait<T>(&self, holds: impl Fn(&[String]) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = holds(&self.said()) {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it is not said: {:#?}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The exit code, and what was said.
    pub(crate) fn finish(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        self.reader.join().unwrap();
        (code, self.said.lock().unwrap().clone())
    }
}

pub(crate) fn assert_sound(folder: &Path) {
    let verified = bs2_in(folder, &["verify", "sqlite:a.db"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

const READERS: &str = "sim:devices=2&backlog=200&rate=0&start=fixed&connections=0";
/// Settings with which a gateway without a state file has the same devices again, and logs nothing of its own.
const SAME: &str = "start=fixed&connections=0";
