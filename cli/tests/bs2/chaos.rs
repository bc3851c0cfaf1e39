//! Fifty readers behind a gateway, and a collector, while everything fails in turn: the gateway dies, the disk is full, the
//! collector is killed. Nothing is lost, nothing is stored twice, each interruption is reported once, and nobody helps.

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::command_line::store::{stored, truth, wait_for_events};
use crate::command_line::{bs2_in, finish, signal};
use crate::outages::{Running, assert_sound};
use crate::sim_gateway::{kill, start as start_gateway};

#[test]
fn kills_full_disks_and_gateway_restarts_lose_nothing_and_are_reported_once() {
    chaos(3, Duration::from_secs(15));
}

/// The same for longer: `cargo test -p bs2-events-cli --test bs2 -- --ignored ten_minutes`, with another seed in
/// `BS2_CHAOS_SEED`.
#[test]
#[ignore = "it takes ten minutes"]
fn ten_minutes_of_kills_full_disks_and_gateway_restarts() {
    let seed = std::env::var("BS2_CHAOS_SEED").map_or(1, |seed| seed.parse().unwrap());
    chaos(seed, Duration::from_secs(600));
}

fn chaos(seed: u64, time: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng(seed);
    let mut site = Site::start(folder.path());
    let began = Instant::now();
    while began.elapsed() < time {
        match rng.below(6) {
            0 => site.restart_gateway(&mut rng),
            1 => site.fill_disk(&mut rng),
            2 => site.kill_collector(),
            3 => {
                site.fill_disk_during_restart(&mut rng);
            }
            4 => {
                site.kill_gateway();
                site.kill_collector();
                rng.pause(2_000);
                site.revive_gateway();
            }
            _ => rng.pause(1_500),
        }
        eprintln!(
            "seed {seed}, {:.1} s: {} interruptions",
            began.elapsed().as_secs_f32(),
            site.interruptions
        );
    }
    site.end();
}

/// The gateway, the collector, and what the collector must have said.
struct Site<'a> {
    folder: &'a Path,
    address: String,
    gateway: Child,
    collector: Running,
    /// How many lines the collector of now must have written.
    expected: usize,
    interruptions: usize,
}

impl<'a> Site<'a> {
    fn start(folder: &'a Path) -> Self {
        let (gateway, address, _) = start_gateway(folder, &readers(200), "127.0.0.1:0", &KEPT);
        let collector = collect(folder, &address);
        let site = Self { folder, address, gateway, collector, expected: 0, interruptions: 0 };
        wait_for_events(&folder.join("a.db"), 1_000);
        site
    }

    fn restart_gateway(&mut self, rng: &mut Rng) {
        self.kill_gateway();
        rng.pause(3_000);
        self.revive_gateway();
    }

    fn kill_gateway(&mut self) {
        kill(&mut self.gateway);
        self.says(1, "gateway");
    }

    fn revive_gateway(&mut self) {
        (self.gateway, _, _) = start_gateway(self.folder, &readers(200), &self.address, &KEPT);
        self.says(1, "works now");
    }

    fn fill_disk(&mut self, rng: &mut Rng) {
        self.limit("1:");
        self.says(1, "it is tried again");
        rng.pause(4_000);
        self.limit("unlimited:");
        self.says(1, "events are stored again");
    }

    /// Both at once: each has its own two sentences.
    fn fill_disk_during_restart(&mut self, rng: &mut Rng) {
        self.limit("1:");
        self.says(1, "it is tried again");
        self.kill_gateway();
        rng.pause(2_000);
        self.limit("unlimited:");
        (self.gateway, _, _) = start_gateway(self.folder, &readers(200), &self.address, &KEPT);
        self.says(2, "events are stored again");
    }

    fn kill_collector(&mut self) {
        kill(&mut self.collector.child);
        self.collector = collect(self.folder, &self.address);
        self.expected = 0;
        self.interruptions += 1;
        if self.gateway.try_wait().unwrap().is_some() {
            self.says(1, "cannot connect to the gateway");
        } else {
            let before = stored(&self.folder.join("a.db")).len();
            wait_for_events(&self.folder.join("a.db"), before as u32 + 100);
        }
    }

    /// The disk is full: no file grows beyond this size.
    fn limit(&self, size: &str) {
        let pid = self.collector.child.id().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={size}")]).status().unwrap();
        assert!(set.success());
    }

    /// Waits for lines, which come at once, and for no more of them.
    fn says(&mut self, lines: usize, text: &str) {
        self.interruptions += 1;
        self.expected += lines;
        let began = Instant::now();
        self.collector.wait_for_lines(self.expected);
        assert!(began.elapsed() < Duration::from_secs(20), "late: {:#?}", self.collector.said());
        let said = self.collector.said();
        assert!(
            said.len() == self.expected && said.iter().any(|line| line.contains(text)),
            "{text}: {said:#?}"
        );
    }

    fn end(mut self) {
        // What was restarted goes on: events come in.
        let before = stored(&self.folder.join("a.db")).len();
        wait_for_events(&self.folder.join("a.db"), before as u32 + 200);
        signal(&self.collector.child, "INT");
        let expected = self.expected;
        let (code, said) = self.collector.finish();
        assert_eq!((code, said.len()), (Some(0), expected), "{said:#?}");
        kill(&mut self.gateway);
        // The logs as they are, without further events: all of them are stored.
        let (gateway, _, _) = start_gateway(self.folder, &readers(0), &self.address, &KEPT);
        let source = source(&self.address);
        let run = bs2_in(self.folder, &["collect", "--from", &source, "--into", "sqlite:a.db", "--once"]);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
        signal(&gateway, "TERM");
        finish(gateway);
        assert_sound(self.folder);
        let (stored, truth) = (stored(&self.folder.join("a.db")), truth(&self.folder.join("truth.tsv")));
        assert!(stored.keys().eq(truth.keys()), "{} stored, {} happened", stored.len(), truth.len());
        eprintln!("{} events, {} interruptions", stored.len(), self.interruptions);
    }
}

fn collect(folder: &Path, address: &str) -> Running {
    // A limit that is reached is an error and not a signal that ends the process.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_bs2")]);
    shell.args(["collect", "--from", &source(address), "--into", "sqlite:a.db"]);
    Running::spawn(folder, shell)
}

fn readers(rate: u32) -> String {
    format!("sim:devices={READERS}&backlog=100&seed=4&rate={rate}")
}

fn source(address: &str) -> String {
    let devices: String = (1..=READERS).map(|number| format!("&device=10.0.0.{number}")).collect();
    format!("gateway://{address}?ca=certs/ca.crt{devices}")
}

/// A small generator, so that a failing seed is a failing script.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % limit
    }

    fn pause(&mut self, longest: u32) {
        thread::sleep(Duration::from_millis(self.below(longest).into()));
    }
}

const READERS: u32 = 50;
/// A gateway that is started again is the same one.
const KEPT: [&str; 4] = ["--state", "state", "--truth", "truth.tsv"];
