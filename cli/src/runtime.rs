//! The ground that asynchronous verbs run on, and the signals that end them.

use std::io;
use std::process::exit;
use std::time::Duration;

use bs2_events::{Error, ErrorKind, Result};
use jiff::SignedDuration;
use tokio::runtime::Builder;

/// Runs the asynchronous part of a verb.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| failed("cannot start the runtime", error))?.block_on(work)
}

/// Ctrl-C, and where there is such a thing SIGTERM. From [`new`](Self::new) on they no longer end the process by
/// themselves.
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
            std::future::pending::<()>().await; // Nobody will ever press it.
        }
    }

    /// Ends the process at once at the next one: whoever asks twice does not want to wait.
    pub(crate) fn exit_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            exit(INTERRUPTED);
        });
    }
}

/// Waits until the time is over; for ever where there is none.
pub(crate) async fn over(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// A span of time such as `20s`, `5m` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: Option<SignedDuration> = text.parse().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| "a time such as 500ms, 20s, 5m or 1h is expected".to_owned())
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Other, what).with_source(error)
}

/// As shells number the end by SIGINT.
const INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_refuses_what_is_none() {
        for (text, milliseconds) in
            [("20s", 20_000), ("5m", 300_000), ("500ms", 500), ("1h", 3_600_000), ("0s", 0), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "20", "s", "-1s", "1 fortnight", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
