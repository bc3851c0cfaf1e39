//! The thread that owns the connection. Batches that wait for it share a transaction.

use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::file::{OpenFiles, displaced};
use super::rows;
use super::schema::{self, Store};
use crate::codec::DeviceId;
use crate::sink::{Batch, Stored};
use crate::{ErrorKind, Result};

/// The handle of the writer's thread. Dropping it waits until the thread has finished its work and closed the file.
pub(super) struct Writer {
    // The order of the fields matters: the thread ends when the sender is dropped, and is joined after that.
    commands: mpsc::Sender<Command>,
    _thread: Joined,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn spawn(store: Store, connection: Connection) -> Result<Self> {
        let (sender, commands) = mpsc::channel(WAITING);
        let files = OpenFiles::at(store.path());
        let (store_of_thread, connection) = (store.clone(), Some(connection));
        let writer = WriterThread { store: store_of_thread, connection, files, resumed: None, commands };
        let thread = thread::Builder::new().name("bs2-sqlite".into()).spawn(move || writer.run());
        let thread = thread.map_err(|error| {
            store.error(ErrorKind::Storage, "cannot start the thread that writes").with_source(error)
        })?;
        Ok(Self { commands: sender, _thread: Joined(Some(thread)) })
    }

    /// Stores a batch; `None` once closed.
    pub(super) async fn store(&self, batch: Batch) -> Option<Result<Stored>> {
        self.send(|reply| Command::Store(Waiting { batch, reply })).await
    }

    /// Runs `call` on the thread; `None` once closed. The outer error is that of a store that is not open. `resumes` is
    /// the device that begins again after the call.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        resumes: Option<DeviceId>,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<rusqlite::Result<T>>> {
        self.send(|reply| {
            let call: Call = Box::new(move |connection| {
                // The caller may have dropped its future.
                let _ = reply.send(connection.map(call));
            });
            Command::Call(resumes, call)
        })
        .await
    }

    /// Closes the connection; `None` once closed.
    pub(super) async fn close(&self) -> Option<Result<()>> {
        self.send(Command::Close).await
    }

    async fn send<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, result) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        result.await.ok()
    }
}

struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // The panic hook has reported a panic of the thread.
            let _ = thread.join();
        }
    }
}

enum Command {
    Store(Waiting),
    /// With the device that begins again after it.
    Call(Option<DeviceId>, Call),
    Close(oneshot::Sender<Result<()>>),
}

type Call = Box<dyn FnOnce(Result<&Connection>) + Send>;

/// A batch, and where its result goes.
struct Waiting {
    batch: Batch,
    reply: oneshot::Sender<Result<Stored>>,
}

struct WriterThread {
    store: Store,
    /// `None` while the path holds no store.
    connection: Option<Connection>,
    files: OpenFiles,
    /// Once the files were replaced: the devices that have begun again since. A batch of another one continues what is
    /// not in the store.
    resumed: Option<BTreeSet<DeviceId>>,
    commands: mpsc::Receiver<Command>,
}

impl WriterThread {
    fn run(mut self) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| self.commands.blocking_recv()) {
            match command {
                Command::Store(waiting) => next = self.store(waiting),
                Command::Call(resumes, call) => match self.open() {
                    Ok(()) => {
                        if let (Some(resumed), Some(device)) = (&mut self.resumed, resumes) {
                            resumed.insert(device);
                        }
                        call(self.connection.as_ref().ok_or_else(|| self.store.closed()));
                    }
                    Err(error) => call(Err(error)),
                },
                Command::Close(reply) => {
                    let Self { store, connection, commands, .. } = self;
                    let close = |connection: Connection| {
                        connection.close().map_err(|(_, error)| store.failed("close", &error))
                    };
                    let closed = connection.map_or(Ok(()), close);
                    drop(commands);
                    let _ = reply.send(closed);
                    return;
                }
            }
        }
    }

    /// Stores a batch and the batches that wait behind it in one transaction, sends the results, and returns the first
    /// command that is not a batch.
    fn store(&mut self, first: Waiting) -> Option<Command> {
        let mut events = first.batch.events.len();
        let mut group = vec![first];
        let mut next = None;
        while next.is_none() && events < EVENTS_IN_A_TRANSACTION {
            match self.commands.try_recv() {
                Ok(Command::Store(waiting)) => {
                    events = events.saturating_add(waiting.batch.events.len());
                    group.push(waiting);
                }
                Ok(other) => next = Some(other),
                Err(_) => break,
            }
        }
        let opened = self.open();
        let (group, stale): (Vec<_>, Vec<_>) = group.into_iter().partition(|waiting| {
            let device = waiting.batch.device;
            opened.is_ok() && self.resumed.as_ref().is_none_or(|resumed| resumed.contains(&device))
        });
        for waiting in stale {
            let error = opened.as_ref().err().cloned().unwrap_or_else(|| displaced(&self.store));
            let _ = waiting.reply.send(Err(error.with_device(waiting.batch.device)));
        }
        let Some(connection) = self.connection.as_mut().filter(|_| !group.is_empty()) else { return next };
        let result = transaction(connection, &group);
        // Only now it is certain that the file has what was stored.
        let in_place = self.open();
        let failed = |error: &rusqlite::Error, batch: &Batch| {
            Err(self.store.failed("store events", error).with_device(batch.device))
        };
        match (result, in_place) {
            (_, Err(error)) => {
                for waiting in group {
                    let _ = waiting.reply.send(Err(error.clone().with_device(waiting.batch.device)));
                }
            }
            (Ok(results), Ok(())) => {
                for (waiting, result) in group.into_iter().zip(results) {
                    let result = result.or_else(|error| failed(&error, &waiting.batch));
                    let _ = waiting.reply.send(result);
                }
            }
            (Err(error), Ok(())) => {
                for waiting in group {
                    let result = failed(&error, &waiting.batch);
                    let _ = waiting.reply.send(result);
                }
            }
        }
        next
    }

    /// Opens the store again if its path names other files than those that are open.
    /// Errors: `Storage`, once, if so; the errors of [`schema::open`] as long as the path holds no store.
    fn open(&mut self) -> Result<()> {
        let was_open = self.connection.is_some();
        if was_open && self.files.are_in_place() {
            return Ok(());
        }
        if let Some(connection) = self.connection.take() {
            // Wherever the old file is now, it gets all that was stored in it.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            drop(connection);
            self.files.remove_leftovers();
        }
        self.resumed = Some(BTreeSet::new());
        let (_, connection) = schema::open(self.store.path())?;
        self.files = OpenFiles::at(self.store.path());
        self.connection = Some(connection);
        if was_open { Err(displaced(&self.store)) } else { Ok(()) }
    }
}

/// Stores batches in one transaction. The failure of one does not undo the others.
fn transaction(
    connection: &mut Connection,
    group: &[Waiting],
) -> rusqlite::Result<Vec<rusqlite::Result<Stored>>> {
    match all_or_none(connection, group) {
        Ok(stored) => Ok(stored.into_iter().map(Ok).collect()),
        Err(error) if group.len() == 1 || error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(error)
        }
        // Savepoints cost time, and a batch seldom fails: they are used only after a failure.
        Err(_) => each_in_savepoint(connection, group),
    }
}

fn all_or_none(connection: &mut Connection, group: &[Waiting]) -> rusqlite::Result<Vec<Stored>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored =
        group.iter().map(|waiting| rows::store(&transaction, &waiting.batch)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(stored)
}

fn each_in_savepoint(
    connection: &mut Connection,
    group: &[Waiting],
) -> rusqlite::Result<Vec<rusqlite::Result<Stored>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(group.len());
    for waiting in group {
        let run = |sql| transaction.prepare_cached(sql)?.execute([]);
        run("SAVEPOINT batch")?;
        let result = match rows::store(&transaction, &waiting.batch) {
            // After some failures, such as a full disk, SQLite has rolled back the whole transaction by itself.
            Err(error) if transaction.is_autocommit() => return Err(error),
            Err(error) => {
                run("ROLLBACK TO batch")?;
                Err(error)
            }
            Ok(stored) => Ok(stored),
        };
        run("RELEASE batch")?;
        results.push(result);
    }
    transaction.commit()?;
    Ok(results)
}

/// How many batches may wait; the senders of more wait too.
const WAITING: usize = 256;

/// A transaction with so many events takes no further batch, so that the first ones do not wait too long.
const EVENTS_IN_A_TRANSACTION: usize = 65_536;
