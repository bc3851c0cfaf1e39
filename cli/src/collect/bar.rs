//! The progress bar of a collection.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::Duration;

use bs2_events::collect::Progress;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// Whether somebody is there to see a bar.
pub(super) fn is_seen() -> bool {
    std::io::stderr().is_terminal()
}

/// Shows on stderr how far the backlog of so many readers is in, and then that live events are collected. The bar goes
/// when this is dropped.
pub(super) async fn show(progress: &Progress, readers: u64) -> Infallible {
    let bar = ProgressBar::new(0).with_finish(ProgressFinish::AndClear);
    bar.set_style(style("{bar:40} {pos} of {len} events, {elapsed}"));
    while progress.caught_up() < readers {
        // Nothing is drawn as long as nothing is known of the logs.
        if progress.expected() > 0 {
            bar.set_length(progress.expected());
            bar.set_position(progress.stored());
        }
        tokio::time::sleep(TICK).await;
    }
    bar.set_style(style("{spinner} live, {pos} events stored, {elapsed}; Ctrl-C ends"));
    loop {
        bar.set_position(progress.stored());
        bar.tick();
        tokio::time::sleep(TICK).await;
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const TICK: Duration = Duration::from_millis(100);
