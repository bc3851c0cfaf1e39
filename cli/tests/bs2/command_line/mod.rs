//! Runs the real `bs2` and keeps what it said.
#![allow(dead_code)] // Each test file uses its own part.

pub(crate) mod store;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// How a run of `bs2` ended.
pub(crate) struct Run {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `bs2` with these arguments and this input.
pub(crate) fn bs2(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // From a thread of its own, since both pipes may be full at once. A run that ends early leaves input unread.
        scope.spawn(move || stdin.write_all(input));
        finish(child)
    })
}

/// Runs `bs2` with these arguments in this folder, without input.
pub(crate) fn bs2_in(folder: &Path, arguments: &[&str]) -> Run {
    finish(start_in(folder, arguments))
}

/// Starts `bs2` in this folder.
pub(crate) fn start_in(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = command(arguments);
    command.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for the end of a run.
pub(crate) fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal such as `INT`.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// `bs2` with these arguments and an input to be written.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bs2"));
    command.args(arguments).env_remove("BS2_LOG").stdin(Stdio::piped());
    command
}

pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// What a run printed with `--json`, as one object.
pub(crate) fn object(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr))
}

/// What a run printed with `--json`, an object a line.
pub(crate) fn objects(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
