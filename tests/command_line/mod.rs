//! Runs the real `bs2` and keeps what it said.

use std::io::Write;
use std::process::{Command, Stdio};

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
    let output = std::thread::scope(|scope| {
        // From a thread of its own, since both pipes may be full at once. A run that ends early leaves input unread.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
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
