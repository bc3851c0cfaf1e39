//! Device events on their way to the program, one after the other.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};

use bs2_events::codec::DeviceId;

use crate::context::Context;
use crate::ffi::lock;
use crate::threads::{Milestone, Patience, Worker};

/// What a lane has to do.
pub(crate) enum Job {
    Found(DeviceId),
    Accepted(DeviceId),
    Connected(DeviceId),
    Disconnected(DeviceId),
    /// Says that everything before it is done.
    Reached(Arc<Milestone>),
}

/// A thread that calls back in order.
pub(crate) struct Lane {
    jobs: Mutex<Option<Sender<Job>>>,
    worker: Mutex<Option<Worker>>,
}

impl Lane {
    pub(crate) fn open(context: &Arc<Context>, name: &str) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let context = Arc::downgrade(context);
        let worker = Worker::spawn(name, move || run(&waiting, &context))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), worker: Mutex::new(Some(worker)) })
    }

    pub(crate) fn post(&self, job: Job) {
        if let Some(jobs) = &*lock(&self.jobs) {
            // Without its thread the lane is closing.
            let _ = jobs.send(job);
        }
    }

    /// Waits until what was posted is delivered, unless this is a callback or one takes too long.
    pub(crate) fn flush(&self, patience: Patience) {
        let delivered = Arc::new(Milestone::default());
        self.post(Job::Reached(Arc::clone(&delivered)));
        delivered.wait(patience);
    }

    /// Takes nothing more, and ends the thread.
    pub(crate) fn close(&self, patience: Patience) {
        drop(lock(&self.jobs).take());
        let worker = lock(&self.worker).take();
        // What a callback still keeps ends with it.
        drop(worker.and_then(|worker| worker.finish(patience)));
    }
}

fn run(jobs: &Receiver<Job>, context: &Weak<Context>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Reached(milestone) => milestone.reach(),
            job => {
                if let Some(context) = context.upgrade() {
                    context.deliver(job);
                }
            }
        }
    }
}
