//! Files of every verb: who may read them, and what is never overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::command_line::{Run, bs2, bs2_in, finish, signal, start_in};

fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = files.filter(|file| file.file_type().unwrap().is_file());
    files
        .map(|file| {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            (file.file_name().into_string().unwrap(), mode)
        })
        .collect()
}

fn is_done(run: &Run) {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn every_file_that_holds_personal_data_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| bs2_in(folder.path(), arguments);
    let collect =
        ["--from", "sim:backlog=50", "--into", "sqlite:events.db", "--once", "--truth", "truth.tsv"];
    is_done(&run(&[&["collect"], &collect[..]].concat()));
    is_done(&run(&["record", "sim:backlog=50", "--out", "door.bs2cap", "--once", "--images"]));
    is_done(&run(&["images", "sim:backlog=50", "--out", "pictures"]));
    let json = run(&["decode", "--json", "door.bs2cap"]).stdout;
    fs::write(folder.path().join("input"), json).unwrap();
    fs::set_permissions(folder.path().join("input"), fs::Permissions::from_mode(0o600)).unwrap();
    let json = fs::read(folder.path().join("input")).unwrap();
    let copy = folder.path().join("copy.bs2cap");
    is_done(&bs2(&["encode", "--as", "capture", "--out", copy.to_str().unwrap()], &json));
    let sims: [&[&str]; 2] = [
        &["sim", "gateway", "--make-certs", "certs", "--listen", "127.0.0.1:0", "--state", "gateway.state"],
        &["sim", "biostar-x", "--make-certs", "certs", "--listen", "127.0.0.1:0", "--state", "server.jsonl"],
    ];
    for arguments in sims {
        let child = start_in(folder.path(), arguments);
        let state = folder.path().join(arguments[arguments.len() - 1]);
        while fs::metadata(&state).map_or(0, |file| file.len()) == 0 {
            std::thread::yield_now();
        }
        signal(&child, "TERM");
        finish(child);
    }
    // While a store is open, two more files are beside it.
    let live = ["collect", "--from", "sim:rate=20", "--into", "sqlite:live.db", "--for", "1m"];
    let child = start_in(folder.path(), &live);
    let wal = folder.path().join("live.db-wal");
    while fs::metadata(&wal).map_or(0, |file| file.len()) == 0 {
        std::thread::yield_now();
    }
    let found = modes(folder.path());
    signal(&child, "INT");
    finish(child);
    for name in
        ["events.db", "live.db", "live.db-wal", "live.db-shm", "server.jsonl", "gateway.state", "copy.bs2cap"]
    {
        assert!(found.contains_key(name), "{name}: {found:?}");
    }
    assert!(found.values().all(|mode| *mode == 0o600), "{found:?}");
    let pictures = modes(&folder.path().join("pictures"));
    assert!(!pictures.is_empty() && pictures.values().all(|mode| *mode == 0o600), "{pictures:?}");
}

#[test]
fn no_verb_overwrites_a_file_that_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| bs2_in(folder.path(), arguments);
    is_done(&run(&["collect", "--from", "sim:backlog=50", "--into", "sqlite:events.db", "--once"]));
    let texts: [(&str, &[u8]); 4] = [
        ("letter", b"Dear reader,\nthis is a letter.\n"),
        ("word", b"word"),
        ("zeros", &[0; 100]),
        ("capture", b"BS2CAP"),
    ];
    for (name, text) in texts {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::copy(folder.path().join("events.db"), folder.path().join("store")).unwrap();
    let names = ["letter", "word", "zeros", "store"];
    for name in names {
        let before = fs::read(folder.path().join(name)).unwrap();
        let into = format!("sqlite:{name}");
        let sim = ["sim", "gateway", "--make-certs", "certs", "--listen", "127.0.0.1:0", "--state", name];
        let server =
            ["sim", "biostar-x", "--make-certs", "certs", "--listen", "127.0.0.1:0", "--state", name];
        let verbs: [&[&str]; 8] = [
            &["collect", "--from", "sim:", "--into", "sqlite:new.db", "--once", "--truth", name],
            &["sim", "sim:", "--for", "100ms", "--truth", name],
            &["record", "sim:", "--out", name, "--once"],
            &["encode", "--as", "capture", "--out", name],
            &["images", "sim:", "--out", name],
            &["collect", "--from", "sim:", "--into", &into, "--once"],
            &sim,
            &server,
        ];
        for arguments in verbs {
            if name == "store" && arguments.contains(&into.as_str()) {
                continue;
            }
            let refused = run(arguments);
            assert_ne!(refused.code, Some(0), "{arguments:?}: {}", refused.stdout);
            assert_eq!(
                fs::read(folder.path().join(name)).unwrap(),
                before,
                "{arguments:?}: {}",
                refused.stderr
            );
        }
    }
    let refused =
        run(&["collect", "--from", "sim:", "--into", "sqlite:new.db", "--once", "--truth", "events.db"]);
    assert!(refused.stderr.contains("is not a ground truth: name another file"), "{}", refused.stderr);
    // The truth of an earlier run is replaced.
    for backlog in ["sim:backlog=7", "sim:backlog=3"] {
        is_done(&run(&["sim", backlog, "--truth", "truth.tsv"]));
    }
    assert_eq!(fs::read_to_string(folder.path().join("truth.tsv")).unwrap().lines().count(), 3);
}

#[test]
fn no_verb_follows_a_link_at_a_temporary_name() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for id in 1..=500 {
        for end in [".part", ".new", ".tmp"] {
            symlink(&victim, pictures.join(format!("541000001-{id}.jpg{end}"))).unwrap();
        }
    }
    is_done(&bs2_in(folder.path(), &["images", "sim:backlog=500", "--out", "pictures"]));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}
