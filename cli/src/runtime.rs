//! What verbs share to run: the asynchronous runtime, the signals that end them, times, and retries.

use std::io;
use std::process::exit;
use std::time::Duration;

use bs2_events::settings::parse_duration;
use bs2_events::{Error, ErrorKind, Result, RetryPolicy};
use tokio::runtime::Builder;

/// Runs the asynchronous part of a verb.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| failed("cannot start the runtime", error))?.block_on(work)
}

/// Ctrl-C, and SIGTERM on Unix. After [`new`](Self::new) they no longer end the process by themselves.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Interrupt {
    #[cfg(unix)]
    pub(crate) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| failed("cannot listen for Ctrl-C", error));
        Ok(Self { signals: [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?] })
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await; // This process cannot receive one.
        }
    }

    /// Ends the process at once when the next one arrives.
    pub(crate) fn exit_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            exit(INTERRUPTED);
        });
    }
}

/// Waits until the time is over; for ever if there is none.
pub(crate) async fn over(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Makes a call that changes nothing again for as long as that may help, a few times.
///
/// A call that timed out is not made again: the user sets its deadline.
pub(crate) async fn retried<T, F>(call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let may_help = |error: &Error| error.is_retryable() && error.kind() != ErrorKind::TimedOut;
    let policy = RetryPolicy::default().with_first(FIRST_WAIT).with_retries(RETRIES).with_total(PATIENCE);
    policy.retry(call, may_help).await
}

/// Reads a time such as `20s`, `5m` or `500ms`, as settings of a URL do.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("a time such as 500ms, 20s, 5m or 1h is expected")
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Other, what).with_source(error)
}

const RETRIES: usize = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of a process that SIGINT ended, as in shells.
const INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_refuses_other_text() {
        for (text, milliseconds) in [
            ("20s", 20_000),
            ("5m", 300_000),
            ("500ms", 500),
            ("1h", 3_600_000),
            ("0s", 0),
            ("1500ms", 1_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        // Arguments and settings have the same grammar, which has no fractions.
        for text in ["", "20", "s", "-1s", "1.5s", "1 fortnight", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
