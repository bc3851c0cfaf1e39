//! `bs2 x` and `bs2 collect --into biostar-x:` against the simulated server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bs2_events::codec::{DeviceId, Event, EventCode, Timestamp};
use bs2_events::sim::biostar_x::{BiostarXServer, PlannedFault};
use serde_json::Value;

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

struct Site {
    server: BiostarXServer,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new(settings: &str) -> Self {
        // The second test of a process finds it installed.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let site = Self {
            server: BiostarXServer::start(settings.parse().unwrap()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        site.write("ca.pem", site.server.ca_pem().unwrap());
        site
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// `bs2 x` with these arguments and those of the server.
    async fn x(&self, arguments: &[&str]) -> Run {
        let url = self.server.url();
        let access = ["--server", &url, "--user", "admin", "--ca", "ca.pem"];
        self.bs2(&["x"].iter().chain(arguments).chain(&access).copied().collect::<Vec<_>>()).await
    }

    async fn bs2(&self, arguments: &[&str]) -> Run {
        run(self.folder.path(), arguments, "simulated").await
    }
}

async fn run(folder: &Path, arguments: &[&str], password: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bs2"));
    command.args(arguments).current_dir(folder).env("BS2_X_PASSWORD", password).env("BS2_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_devices_are_made_listed_changed_and_deleted() {
    let site = Site::new("").await;
    let made = site.x(&["virtual-devices", "create", "100001", "Main gate", "--json"]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(made.json()[0]["name"], "Main gate");
    let changed = site.x(&["virtual-devices", "update", "100001", "--name", "Side gate"]).await;
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    let listed = site.x(&["virtual-devices", "list", "--json"]).await;
    assert_eq!(listed.json()[0]["name"], "Side gate");
    assert_eq!(site.x(&["virtual-devices", "delete", "100001"]).await.code, Some(0));
    assert_eq!(site.x(&["virtual-devices", "list", "--json"]).await.stdout, "");
    let refused = site.x(&["virtual-devices", "create", "100000", "Gate"]).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("100001 to 999999"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_imported_once_although_an_answer_is_lost() {
    let site = Site::new("users=3").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    let mut csv = "datetime,user_id,evt,tna_key\n".to_owned();
    for second in 0..50 {
        csv += &format!("2026-01-31T12:00:{second:02}Z,1,granted,1\n");
    }
    site.write("punches.csv", &csv);
    site.write(
        "more.jsonl",
        concat!(
            r#"{"datetime":"2026-01-31T13:00:00+01:00","user_id":2,"evt":6400}"#,
            "\n",
            r#"{"datetime":"2026-01-31T13:00:01Z","user_id":"stranger","evt":"4088","dev_id":100001}"#,
            "\n",
        ),
    );
    site.server.plan("/api/events/import", PlannedFault::CutAfter);
    let import = ["import", "punches.csv", "--virtual-device", "100001", "--chunk", "20", "--json"];
    let imported = site.x(&import).await;
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert_eq!(imported.json()[0]["confirmed"], 50);
    assert_eq!(site.server.snapshot().imported().count(), 50);
    let again = site.x(&[&import[..], &["--resume"]].concat()).await;
    assert_eq!((again.code, site.server.snapshot().imported().count()), (Some(0), 50));

    let more = site.x(&["import", "more.jsonl", "--virtual-device", "100001", "--json"]).await;
    assert_eq!(more.code, Some(1), "{}", more.stderr);
    assert_eq!(more.json()[0]["confirmed"], 1);
    assert_eq!(more.json()[0]["rejected"][0]["event"], 1);
    for shown in [&more.stdout, &more.stderr] {
        assert!(!shown.contains("stranger"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_wrong_field_is_refused_with_its_line_before_anything_is_sent() {
    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    for (line, problem) in [
        ("2026-01-31T12:00:00.5Z,1,4088,", "line 2: field `datetime`"),
        ("2026-01-31T12:00:00,1,4088,", "line 2: field `datetime`"),
        ("2026-01-31T12:00:00Z,,4088,", "line 2: field `user_id`"),
        ("2026-01-31T12:00:00Z,canary,4867,", "line 2: field `evt`"),
        ("2026-01-31T12:00:00Z,canary,4088,17", "line 2: field `tna_key`"),
        ("2026-01-31T12:00:60Z,1,4088,", "line 2: field `datetime`"),
        ("2026-01-31T12:00:00Z,can\u{7}ary,4088,", "line 2: field `user_id` has a control character"),
        ("2026-01-31T12:00:00Z", "line 2: the line has another number"),
    ] {
        site.write("punches.csv", &format!("datetime,user_id,evt,tna_key\n{line}\n"));
        let run = site.x(&["import", "punches.csv", "--virtual-device", "100001"]).await;
        assert_eq!(run.code, Some(1), "{line}");
        assert!(run.stderr.contains(problem) && !run.stderr.contains("canary"), "{line}: {}", run.stderr);
    }
    let event =
        |more: &str| format!(r#"{{"datetime":"2026-01-31T12:00:00Z","user_id":"1","evt":4088{more}}}"#);
    let number = |number: &str| event("").replace(r#""1""#, number);
    for (name, text, problem) in [
        (
            "a.csv",
            "datetime,user_id,evt,door\n".to_owned(),
            "line 1: column `door` is not known; there are column `datetime`",
        ),
        ("a.csv", "datetime,user_id,evt,evt\n".to_owned(), "line 1: column `evt` is given twice"),
        ("a.csv", "2026-01-31T12:00:00Z,canary,4088\n".to_owned(), "line 1: there is no column `datetime`"),
        ("a.csv", String::new(), "the file is empty"),
        ("a.jsonl", String::new(), "the file is empty"),
        ("a.jsonl", event(r#","door":1"#), "line 1: key `door` is not known"),
        ("a.jsonl", event(r#","evt":6400"#), "line 1: field `evt` is given twice"),
        ("a.jsonl", event(r#","tna_key":[1]"#), "line 1: field `tna_key` is not text or a number"),
        ("a.jsonl", event(r#","dev_id":true"#), "line 1: field `dev_id` is not text or a number"),
        ("a.jsonl", number("18446744073709551616"), "line 1: field `user_id` is not a whole number"),
        ("a.jsonl", number("1.5"), "line 1: field `user_id` is not a whole number"),
        ("a.jsonl", number(r#"{"id":"canary"}"#), "line 1: field `user_id` is not text or a number"),
    ] {
        site.write(name, &text);
        let run = site.x(&["import", name, "--virtual-device", "100001"]).await;
        assert_eq!(run.code, Some(1), "{text}");
        assert!(run.stderr.contains(problem) && !run.stderr.contains("canary"), "{text}: {}", run.stderr);
    }
    std::fs::write(
        site.folder.path().join("a.csv"),
        b"datetime,user_id,evt\n2026-01-31T12:00:00Z,\xff,4088\n",
    )
    .unwrap();
    let run = site.x(&["import", "a.csv", "--virtual-device", "100001"]).await;
    assert!(run.stderr.contains("line 2: field `user_id` is not UTF-8"), "{}", run.stderr);
    assert_eq!(site.server.snapshot().imported().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_as_a_spreadsheet_writes_it_is_imported() {
    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let plain = "datetime,user_id,evt,tna_key\r\n2025-10-30T15:12:00Z,2,4088,0\r\n";
    let files: [(&str, Vec<u8>); 9] = [
        ("semicolon.csv", "datetime;user_id;evt\n2025-10-30T15:12:00Z;2;4088\n".into()),
        ("tab.tsv", "datetime\tuser_id\tevt\n2025-10-30T15:12:00Z\t2\t4088\n".into()),
        (
            "quoted.csv",
            "\u{feff}\"Datetime\";\"User_ID\";\"EVT\"\r\n\"2025-10-30T15:12:00Z\";\"2\";\"4088\"\r\n".into(),
        ),
        ("little.csv", utf16(plain, u16::to_le_bytes)),
        ("big.csv", utf16(&plain.replace(',', "\t"), u16::to_be_bytes)),
        ("wide.csv", "evt;user_id;;datetime;;\n4088;2;;2025-10-30T15:12:00Z;;\n;;;;;\n".into()),
        ("zero.csv", plain.into()),
        ("zero.jsonl", br#"{"Datetime":"2025-10-30T15:12:00Z","USER_ID":2,"evt":4088,"tna_key":0}"#.into()),
        (
            "wide.jsonl",
            utf16(r#"{"datetime":"2025-10-30T15:12:00Z","user_id":"2","evt":4088}"#, u16::to_le_bytes),
        ),
    ];
    for (number, (name, bytes)) in (1..).zip(files) {
        std::fs::write(site.folder.path().join(name), bytes).unwrap();
        let run = site.x(&["import", name, "--virtual-device", "100001"]).await;
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        let state = site.server.snapshot();
        assert_eq!(state.imported().count(), number, "{name}");
        let event = state.imported().last().unwrap();
        assert_eq!((event.user_id.as_deref(), event.tna_key.as_deref()), (Some("2"), None), "{name}");
    }
    let broken: [(Vec<u8>, &str); 6] = [
        (
            utf16(plain, u16::to_le_bytes).split_last().unwrap().1.to_vec(),
            "ends within a character of UTF-16",
        ),
        (b"\xff\xfed\0\0\xd8".into(), "line 1: the text is not UTF-16"),
        (plain.encode_utf16().flat_map(u16::to_le_bytes).collect(), "without a byte order mark"),
        (plain.replace(",0", ",zero").into(), "line 2: field `tna_key` is not from 1 to 16"),
        (
            "Date;User ID;evt\n".into(),
            "line 1: there is no column `datetime`; there are column `Date`, column `User ID`, column `evt`; \
             known are datetime, user_id, evt, tna_key, dev_id",
        ),
        (
            "2026-01-31T12:00:00Z;canary;4088\n".into(),
            "line 1: there is no column `datetime`; there are column 1, column 2, column 3; known",
        ),
    ];
    for (bytes, problem) in broken {
        std::fs::write(site.folder.path().join("a.csv"), bytes).unwrap();
        let run = site.x(&["import", "a.csv", "--virtual-device", "100001"]).await;
        assert_eq!(run.code, Some(1), "{problem}");
        assert!(run.stderr.contains(problem) && !run.stderr.contains("canary"), "{problem}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_of_one_file_at_the_same_time_import_it_once() {
    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    site.write("a.csv", "datetime,user_id,evt\n2026-01-31T12:00:00Z,1,4088\n");
    let import = ["import", "a.csv", "--virtual-device", "100001"];
    // The login of one of them takes so long that the other one comes.
    for _ in 0..2 {
        site.server.plan("/api/login", PlannedFault::Slow(std::time::Duration::from_millis(1_500)));
    }
    let (one, other) = tokio::join!(site.x(&import), site.x(&import));
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)], "{} {}", one.stderr, other.stderr);
    let refused = if one.code == Some(1) { &one } else { &other };
    assert!(
        refused.stderr.contains("another import uses") || refused.stderr.contains("imported already"),
        "{}",
        refused.stderr
    );
    assert_eq!(site.server.snapshot().imported().count(), 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_an_import_is_for_its_owner_and_overwrites_no_other_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    site.write("a.csv", "datetime,user_id,evt\n2026-01-31T12:00:00Z,1,4088\n");
    site.write("notes.txt", "Do not lose this.");
    let import = ["import", "a.csv", "--virtual-device", "100001"];
    let refused = site.x(&[&import[..], &["--again", "--state", "notes.txt"]].concat()).await;
    assert_eq!((refused.code, site.server.snapshot().imported().count()), (Some(1), 0));
    assert!(refused.stderr.contains("`notes.txt` is not the note of an import"), "{}", refused.stderr);
    let path = |name: &str| site.folder.path().join(name);
    assert_eq!(std::fs::read_to_string(path("notes.txt")).unwrap(), "Do not lose this.");
    assert_eq!(site.x(&import).await.code, Some(0));
    let note = path("a.csv.100001.state");
    assert_eq!(std::fs::metadata(&note).unwrap().permissions().mode() & 0o777, 0o600);
    // A note of the first edition.
    let text = std::fs::read_to_string(&note).unwrap().trim_end().to_owned();
    std::fs::write(&note, text).unwrap();
    assert!(site.x(&import).await.stderr.contains("imported already"));
    assert_eq!(site.x(&[&import[..], &["--again"]].concat()).await.code, Some(0));
    assert_eq!(site.server.snapshot().imported().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_digits_and_a_mark_at_the_start_does_no_harm() {
    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    site.server.add_user("9007199254740993").unwrap();
    let line = r#"{"datetime":"2026-01-31T12:00:00Z","user_id":9007199254740993,"evt":4088,"tna_key":null}"#;
    site.write("a.jsonl", &format!("\u{feff}{line}\r\n"));
    let run = site.x(&["import", "a.jsonl", "--virtual-device", "100001"]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let state = site.server.snapshot();
    assert_eq!(state.imported().next().unwrap().user_id.as_deref(), Some("9007199254740993"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_imported_is_not_imported_again_by_mistake() {
    let site = Site::new("").await;
    site.x(&["virtual-devices", "create", "100001", "Main gate"]).await;
    site.write("a.csv", "datetime,user_id,evt\n2026-01-31T12:00:00Z,1,4088\n");
    let import = ["import", "a.csv", "--virtual-device", "100001"];
    let stored = || site.server.snapshot().imported().count();
    // What was not sent at all leaves no trace.
    let refused =
        site.bs2(&[&["x"], &import[..], &["--server", "http://127.0.0.1:1", "--user", "a"]].concat()).await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(site.x(&import).await.code, Some(0));
    let again = site.x(&import).await;
    assert_eq!((again.code, stored()), (Some(1), 1));
    assert!(again.stderr.contains("--again"), "{}", again.stderr);
    let resumed = site.x(&[&import[..], &["--resume"]].concat()).await;
    assert_eq!((resumed.code, stored()), (Some(0), 1), "{}", resumed.stderr);
    assert_eq!(site.x(&[&import[..], &["--again"]].concat()).await.code, Some(0));
    assert_eq!(stored(), 2);
    // A server that never says what it did: nothing is sent twice, and the next step is told.
    site.write("b.csv", "datetime,user_id,evt\n2026-01-31T13:00:00Z,1,4088\n");
    for _ in 0..20 {
        site.server.plan("/api/events/search", PlannedFault::Answer { status: 200, body: "{}".to_owned() });
    }
    site.server.plan("/api/events/import", PlannedFault::CutAfter);
    let unknown = site.x(&["import", "b.csv", "--virtual-device", "100001", "--settle", "1ms"]).await;
    assert_eq!((unknown.code, stored()), (Some(1), 3), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("--resume"), "{}", unknown.stderr);
    let begun = site.x(&["import", "b.csv", "--virtual-device", "100001"]).await;
    assert!(begun.stderr.contains("begun and not finished"), "{}", begun.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_all_the_time_gets_every_event_once() {
    let site = Site::new("seed=5&faults=cut,error,session").await;
    while site.x(&["virtual-devices", "create", "100001", "Main gate"]).await.code != Some(0) {}
    let mut csv = "datetime,user_id,evt\n".to_owned();
    for number in 0..6_000 {
        let (hour, minute, second) = (number / 3_600, number / 60 % 60, number % 60);
        csv += &format!("2026-01-31T{hour:02}:{minute:02}:{second:02}Z,{},4088\n", number % 20 + 1);
    }
    site.write("many.csv", &csv);
    let import = ["import", "many.csv", "--virtual-device", "100001", "--chunk", "100", "--settle", "10ms"];
    let run = site.x(&import).await;
    assert_eq!((run.code, site.server.snapshot().imported().count()), (Some(0), 6_000), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_is_refused_before_anything_is_sent() {
    let site = Site::new("").await;
    let since = ["search", "--since", "2026-02-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"];
    assert!(site.x(&since).await.stderr.contains("--since is later than --until"));
    let url = site.server.url();
    let login = ["x", "login-check", "--server", &url, "--user", "admin", "--ca", "ca.pem"];
    assert!(run(site.folder.path(), &login, "").await.stderr.contains("the password is empty"));
    site.write("password", "\u{feff}simulated\r\n");
    let by_file = run(site.folder.path(), &[&login[..], &["--password-file", "password"]].concat(), "").await;
    assert_eq!(by_file.code, Some(0), "{}", by_file.stderr);
    for wrong in ["ca=a&pin=b", "ca=a&ca=b", "danger-accept-any-certificate=yes"] {
        let into = format!("biostar-x://host?virtual-device=100001&user=admin&{wrong}");
        let run = site.bs2(&["collect", "--from", "sim:", "--into", &into, "--once"]).await;
        assert!(run.stderr.contains("store `biostar-x`: "), "{wrong}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_event_types_and_login_check_tell_what_there_is() {
    let site = Site::new("backlog=300").await;
    let found = site.x(&["search", "--page", "50", "--json"]).await;
    assert_eq!(found.json().len(), 300, "{}", found.stderr);
    assert_eq!(site.x(&["search", "--max", "7"]).await.stdout.lines().count(), 7);
    // One second with more rows than the server returns at once.
    let few = Site::new("rows=10&backlog=30").await;
    let second = few.server.snapshot().events()[7].time;
    for index in 1..=57 {
        few.server.report(&event(index, second)).unwrap();
    }
    let found = few.x(&["search", "--json"]).await;
    assert_eq!(found.json().len(), 87, "{}", found.stderr);
    let types = site.x(&["event-types", "--json"]).await.json();
    assert!(types.iter().any(|kind| kind["code"] == 4_088));
    let login = site.x(&["login-check", "--json"]).await.json();
    assert_eq!(login[0]["event_log_api"], true);
}

fn event(index: u32, second: u32) -> Event {
    let event = Event::builder(DeviceId::new(543), index, EventCode::DOOR_OPENED);
    event.timestamp(Timestamp::from_unix_seconds(second)).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_what_came_late_while_the_connection_was_lost_and_what_cannot_be_proved() {
    let site = Site::new("backlog=5").await;
    let url = site.server.url();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bs2"));
    command.args(["x", "watch", "--server", &url, "--user", "admin", "--ca", "ca.pem", "--max", "4"]);
    command.current_dir(site.folder.path()).env("BS2_X_PASSWORD", "simulated");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !site.server.requests().iter().any(|request| request.target() == "/api/events/start") {
        tokio::task::yield_now().await;
    }
    site.server.report(&event(1, 1_742_774_400)).unwrap();
    site.server.cut_sockets();
    // Two hours late, and with a clock that was reset.
    site.server.report(&event(2, 1_742_774_400 - 7_200)).unwrap();
    site.server.report(&event(3, 946_684_800)).unwrap();
    let note = tokio::task::spawn_blocking(move || {
        let mut note = String::new();
        stderr.read_line(&mut note).unwrap();
        note
    });
    let note = note.await.unwrap();
    assert!(note.contains("connected again") && note.contains("cannot be proved"), "{note}");
    site.server.report(&event(4, 1_742_774_401)).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 4, "{stdout}");
    assert!(stdout.contains("2000-01-01T00:00:00Z"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_events_as_they_happen() {
    let site = Site::new("rate=20").await;
    let watched = site.x(&["watch", "--max", "3", "--json"]).await;
    assert_eq!(watched.json().len(), 3, "{}", watched.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_logins_are_shown_nowhere() {
    let site = Site::new("").await;
    let url = site.server.url();
    let arguments = ["x", "login-check", "--server", &url, "--user", "login-canary", "--ca", "ca.pem"];
    let run = run(site.folder.path(), &arguments, "password-canary").await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("the login id or the password is wrong"), "{}", run.stderr);
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn collecting_into_a_virtual_device_brings_each_authentication_once() {
    let site = Site::new("users=100000").await;
    site.x(&["virtual-devices", "create", "100001", "Bridge"]).await;
    let into = format!("biostar-x://{}?virtual-device=100001&user=admin&ca=ca.pem", site.server.address());
    let collect = ["collect", "--from", "sim:devices=2&backlog=300", "--into", &into, "--once", "--json"];
    let first = site.bs2(&collect).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(
        first.stderr.contains("events not imported: the event is not an authentication"),
        "{}",
        first.stderr
    );
    let imported = site.server.snapshot().imported().count();
    assert!(imported > 0);
    let told = &first.json()[0]["biostar_x"];
    assert_eq!(told["imported"], imported);
    let unmapped: u64 =
        told["unmapped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((unmapped + imported as u64, told["refused"].as_array().unwrap().len()), (600, 0));
    let again = site.bs2(&collect).await;
    assert_eq!((again.code, site.server.snapshot().imported().count()), (Some(0), imported));
    // Nothing was done this time, and nothing is told of what another run did.
    assert_eq!(again.json()[0]["biostar_x"]["imported"], 0);
    assert!(!again.stderr.contains("not imported"), "{}", again.stderr);

    let strict = Site::new("seed=77").await;
    strict.x(&["virtual-devices", "create", "100001", "Bridge"]).await;
    let into = format!("biostar-x://{}?virtual-device=100001&user=admin&ca=ca.pem", strict.server.address());
    // Few: before each half of what was refused is sent again, it is looked up what arrived.
    let from = "sim:devices=2&backlog=12";
    let refused = strict.bs2(&["collect", "--from", from, "--into", &into, "--once"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stdout.contains("events of 2 devices imported into virtual device"),
        "{}",
        refused.stdout
    );

    for wrong in [
        "biostar-x:HOST",
        "biostar-x://host?user=admin",
        "biostar-x://host?virtual-device=7&user=admin",
        "biostar-x://host?virtual-device=100001&user=admin&password=password-canary",
        "biostar-x://admin:password-canary@host?virtual-device=100001&user=admin",
    ] {
        let run = site.bs2(&["collect", "--from", "sim:", "--into", wrong, "--once"]).await;
        assert_eq!(run.code, Some(1), "{wrong}");
        assert!(!run.stderr.contains("canary"), "{wrong}: {}", run.stderr);
    }
}
