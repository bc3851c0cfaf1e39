//! `bs2 sim gateway`, run as its users run it, and killed as nobody should.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use crate::command_line::store::{stored, truth, wait_for_events};
use crate::command_line::{bs2_in, finish, signal, start_in};

#[test]
fn says_where_it_listens_and_what_there_is_and_ends_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:devices=20&backlog=10&rate=100";
    let arguments = ["--device", "192.168.0.2", "--device", "192.168.0.3:51212", "--truth", "truth.tsv"];
    let (gateway, address, said) = start(folder.path(), source, "127.0.0.1:0", &arguments);
    assert_eq!(said[0], "device 541000001 at 192.168.0.2:51211");
    assert_eq!(said[1], "device 541000002 at 192.168.0.3:51212");
    assert_eq!(said[2], "device 541000003 at 10.0.0.3:51211");
    assert_eq!((said.len(), said[16].as_str()), (18, "and 4 more"));
    assert!(said[17].starts_with("gateway 1.8 with 20 devices listens at 127.0.0.1:"), "{}", said[17]);

    let source = format!("gateway://{address}?ca=certs/ca.crt&device=192.168.0.2");
    let run = bs2_in(folder.path(), &["logs", &source, "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.lines().count() >= 10);
    signal(&gateway, "TERM");
    let run = finish(gateway);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(truth(&folder.path().join("truth.tsv")).len() >= 200);
}

#[test]
fn a_reader_that_is_not_there_costs_no_other_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, address, _) =
        start(folder.path(), "sim:devices=1&backlog=10&rate=0&connections=0", "127.0.0.1:0", &[]);
    let source = format!("gateway://{address}?ca=certs/ca.crt&device=10.0.0.1&device=10.9.9.9");
    let run = bs2_in(folder.path(), &["logs", &source, "--json"]);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 10));
    let told = "device at 10.9.9.9:51211: connecting a device: the gateway responds UNAVAILABLE (14)";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    signal(&gateway, "TERM");
    assert_eq!(finish(gateway).code, Some(0));
}

#[test]
fn refuses_what_it_cannot_do_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let run = bs2_in(folder.path(), &[&["sim", "gateway"], arguments].concat());
        assert_ne!(run.code, Some(0));
        run.stderr
    };
    assert!(refused(&[]).contains("--make-certs"));
    assert!(refused(&["--cert", "server.crt"]).contains("--key"));
    assert!(refused(&["--cert", "no.crt", "--key", "no.pem"]).contains("cannot read `no.crt`"));
    assert!(refused(&["--make-certs", "certs", "--api", "1.6"]).contains("neither 1.7 nor 1.8"));
    assert!(refused(&["--make-certs", "certs", "--faults", "shorts"]).contains("`shorts` is not known"));
    assert!(refused(&["--make-certs", "certs", "--device", "reader"]).contains("`reader` is not an address"));
    assert!(refused(&["sim:devices=0", "--make-certs", "certs"]).contains("`devices`"));
    let both = ["sim:devices=1", "--make-certs", "certs", "--device", "10.1.1.1", "--device", "10.1.1.2"];
    assert!(refused(&both).contains("2 addresses are given for 1 devices"));
    std::fs::write(folder.path().join("state"), "something else").unwrap();
    assert!(refused(&["--make-certs", "certs", "--state", "state"]).contains("not the state of a simulator"));
}

#[test]
fn devices_that_connect_by_themselves_are_behind_those_with_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--device", "192.168.0.2", "--accept", "2"];
    let (gateway, _, said) = start(folder.path(), "sim:", "127.0.0.1:0", &arguments);
    assert_eq!(said[0], "device 541000001 at 192.168.0.2:51211");
    assert_eq!(said[1], "device 541000002 connects by itself");
    assert_eq!(said[2], "device 541000003 connects by itself");
    assert!(said[3].starts_with("gateway 1.8 with 3 devices listens at"), "{}", said[3]);
    signal(&gateway, "TERM");
    assert_eq!(finish(gateway).code, Some(0));
}

#[test]
fn the_log_ends_now_and_has_the_connection_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, address, _) = start(folder.path(), "sim:devices=1&backlog=50&rate=0", "127.0.0.1:0", &[]);
    let source = format!("gateway://{address}?ca=certs/ca.crt&device=10.0.0.1");
    let run = bs2_in(folder.path(), &["logs", &source, "--json"]);
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 51);
    assert_eq!(events[50]["name"], "DEVICE_TCP_CONNECTED");
    let now = jiff::Timestamp::now();
    for (event, hours) in [(&events[50], 1), (&events[49], 1), (&events[0], 24 * 7)] {
        let time: jiff::Timestamp = event["time_utc"].as_str().unwrap().parse().unwrap();
        let age = now.duration_since(time);
        assert!(age.as_secs() >= 0 && age.as_hours() < hours, "{event}");
    }
    signal(&gateway, "TERM");
    assert_eq!(finish(gateway).code, Some(0));
}

/// Gateway, collector, or both are killed while events happen. In the end everything that ever happened is stored,
/// once, and nothing else: a gateway that is started again is the same one.
#[test]
fn kills_of_gateway_and_collector_cost_no_event_and_add_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a.db");
    let readers = "sim:devices=3&backlog=200&seed=4";
    let live = format!("{readers}&rate=1000");
    let arguments = ["--state", "state", "--truth", "truth.tsv"];
    let (mut gateway, address, _) = start(folder.path(), &live, "127.0.0.1:0", &arguments);
    let source =
        format!("gateway://{address}?ca=certs/ca.crt&device=10.0.0.1&device=10.0.0.2&device=10.0.0.3");
    let collect = || start_in(folder.path(), &["collect", "--from", &source, "--into", "sqlite:a.db"]);
    let mut collector = collect();
    for (events, kills_gateway, kills_collector) in [
        (1, true, false),
        (700, false, true),
        (1_500, true, true),
        (2_300, true, false),
        (3_100, false, true),
        (4_000, true, true),
    ] {
        wait_for_events(&store, events);
        if kills_collector {
            kill(&mut collector);
        }
        if kills_gateway {
            kill(&mut gateway);
            (gateway, _, _) = start(folder.path(), &live, &address, &arguments);
        }
        if kills_collector {
            collector = collect();
        }
    }
    wait_for_events(&store, 4_500);
    kill(&mut collector);
    kill(&mut gateway);

    let (gateway, _, _) = start(folder.path(), &format!("{readers}&rate=0"), &address, &arguments);
    let run = bs2_in(folder.path(), &["collect", "--from", &source, "--into", "sqlite:a.db", "--once"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    signal(&gateway, "TERM");
    assert_eq!(finish(gateway).code, Some(0));
    let proof = bs2_in(folder.path(), &["verify", "sqlite:a.db"]);
    assert_eq!(proof.code, Some(0), "{}", proof.stdout);
    // The gateway's interface lacks the reader's time zone, so the bytes are not the same.
    let (stored, truth) = (stored(&store), truth(&folder.path().join("truth.tsv")));
    assert!(stored.keys().eq(truth.keys()), "{} stored, {} happened", stored.len(), truth.len());
}

/// Starts a gateway, and gives it with its address and what it said.
pub(crate) fn start(
    folder: &Path,
    source: &str,
    listen: &str,
    more: &[&str],
) -> (Child, String, Vec<String>) {
    let arguments = ["sim", "gateway", source, "--listen", listen, "--make-certs", "certs"];
    let mut gateway = start_in(folder, &[&arguments, more].concat());
    let mut said = Vec::new();
    for line in BufReader::new(gateway.stdout.take().unwrap()).lines().map(Result::unwrap) {
        said.push(line);
        if let Some((_, address)) = said.last().and_then(|line| line.split_once("listens at ")) {
            let address = address.to_owned();
            return (gateway, address, said);
        }
    }
    panic!("{}", finish(gateway).stderr);
}

pub(crate) fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
