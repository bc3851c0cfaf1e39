//! The destination that needs no server: one SQLite file, made to be read by others.
//!
//! # Schema
//!
//! `PRAGMA application_id` is `0x62733245` ("bs2E"), `PRAGMA user_version` the schema's version, 1. Other programs may
//! read at any time, also while a collector writes, and may add indexes of their own; the store has none but its keys,
//! which keeps it small and fast to write.
//!
//! The store holds personal data: that is its purpose. Whoever may read the file sees who went where.
//!
//! ## `events`: one row an event
//!
//! | column | |
//! |---|---|
//! | `device_id` | the reader whose log holds the event |
//! | `epoch` | the life of that reader's id counter, from 0 |
//! | `event_id` | the event's number; with the two before it the primary key |
//! | `time` | when, by the reader's clock: seconds since 1970 UTC; order by `event_id`, not by this |
//! | `code` | what happened: main code × 256 + sub code |
//! | `param` | the byte at offset 46, such as a time-and-attendance key |
//! | `flags` | the byte at offset 47: image, daylight saving, UTC offset |
//! | `user_id` | the person; a BLOB where the id is not UTF-8; NULL where it is empty or the event concerns no person |
//! | `subject_id` | the door, lift, zone, device (of an input or OSDP) or relay port concerned; NULL for other events |
//! | `received_at` | when it was stored: milliseconds since 1970 UTC |
//! | `raw` | the record as the reader gave it, 48 bytes; its device id may be that of a slave of the reader |
//!
//! ## `gaps`: ids that a reader used and that cannot be had
//!
//! | column | |
//! |---|---|
//! | `device_id`, `epoch` | as above |
//! | `from_id` | the first missing id; with the two before it the primary key |
//! | `to_id` | the last missing id; 4 294 967 295 where the end of an epoch was not seen |
//! | `reason` | `cleared`, `overwritten`, `reset`, `unknown` or `unreadable` |
//!
//! ## `watermarks`: how far each epoch is complete
//!
//! | column | |
//! |---|---|
//! | `device_id`, `epoch` | as above; the primary key |
//! | `first_id` | the first id that the collection answers for |
//! | `event_id` | every id from `first_id` to here is in `events` or in a gap; one below `first_id` for none yet |
//!
//! ## `devices`: the readers
//!
//! | column | |
//! |---|---|
//! | `device_id` | the primary key |
//! | `model`, `firmware`, `address` | what the reader last said of itself; NULL where unknown |
//! | `first_seen`, `last_seen` | when a collector first and last turned to it or stored: milliseconds since 1970 UTC |
//!
//! ## `codes`: names for codes
//!
//! | column | |
//! |---|---|
//! | `code` | the primary key: every code that has a name, and every main code |
//! | `name` | its present name; NULL for a main code that is not known |
//! | `category` | `authentication`, `device`, `door`, `input`, `lift`, `relay`, `user` or `zone`; NULL where not known |
//! | `outcome` | `granted` or `denied`; NULL where the event decides nothing |
//! | `subject` | what the event concerns: `user`, `card`, `door`, `lift`, `zone`, `input`, `alarm_zone`, `interlock`, `relay`, `osdp`, `none` or `unknown` |
//! | `name_of_subs` | in the row of a main code: the name of its sub codes that have no row; NULL where they have none |
//!
//! ## Views
//!
//! `named_events` has a row an event, with `device_id`, `model`, `epoch`, `event_id`, `time` and `received_at` as RFC
//! 3339 text, `code` as `0x1301`, `name`, `category`, `outcome`, `subject` (what `user_id` or `subject_id` is),
//! `user_id`, `subject_id`, `tna_key`, `has_image` and `utc_offset_minutes`.
//! `named_gaps` has a row a gap, with `device_id`, `model`, `epoch`, `from_id`, `to_id`, `reason` and `missing`, the
//! number of ids; NULL where the end was not seen.
//!
//! ```sql
//! SELECT time, name, user_id FROM named_events WHERE outcome = 'denied' ORDER BY device_id, epoch, event_id;
//! ```

mod event_row;
mod failure;
mod read;
mod schema;
mod verify;
mod write;
mod writer;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::Connection;

pub use verify::{EpochReport, Fault, Verification, verify};

use self::failure::Store;
use self::writer::WriterHandle;
use super::{Batch, Gap, ResumePoint, Sink, Stored};
use crate::Result;
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;

/// A destination in one SQLite file; the [module](self) describes what is in it.
///
/// One thread writes. Whatever waits for it goes into one transaction, so many readers share the cost of making a
/// batch durable. A process that is killed at any moment leaves a store that [`verify`] finds sound. Several processes
/// may store into one file; they wait for each other.
///
/// # Examples
///
/// ```
/// use bs2_events::codec::{DeviceId, Event, EventCode};
/// use bs2_events::sink::sqlite::{self, SqliteSink};
/// use bs2_events::sink::{Batch, Sink};
///
/// # async fn example() -> bs2_events::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("events.db");
/// let (sink, device) = (SqliteSink::open(&path)?, DeviceId::new(7));
/// let event = Event::builder(device, 5, EventCode::DOOR_OPENED).build();
/// sink.store(Batch::new(device, 0, 5, 5).with_events([event])).await?;
/// sink.close().await?;
/// assert!(sqlite::verify(&path)?.is_sound());
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
pub struct SqliteSink {
    store: Store,
    writer: WriterHandle,
}

impl SqliteSink {
    /// Opens a store, or makes one where there is no file. Reads and writes a few pages of the file before it returns.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where the folder does not exist,
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a folder and for the database of another program,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that is no database,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a schema newer than this crate's,
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for a file that may not be written,
    /// [`Busy`](crate::ErrorKind::Busy) where another process holds the file too long, and
    /// [`Storage`](crate::ErrorKind::Storage) where the file system fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use bs2_events::ErrorKind;
    /// use bs2_events::sink::sqlite::SqliteSink;
    ///
    /// let error = SqliteSink::open("no/such/folder/events.db").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (store, connection) = schema::open(path.as_ref())?;
        let writer = WriterHandle::spawn(store.clone(), connection)?;
        Ok(Self { store, writer })
    }

    /// Runs `call` on the writer's thread, after all that was asked before.
    async fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        device: DeviceId,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.writer.call(call).await.ok_or_else(|| self.store.closed())?;
        result.map_err(|error| self.store.failed(doing, &error).with_device(device))
    }
}

#[async_trait]
impl Sink for SqliteSink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        let info = device.clone();
        self.call("read where to go on", info.id, move |connection| {
            write::device(connection, &info)?;
            read::resume(connection, info.id)
        })
        .await
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        batch.check()?;
        self.writer.store(batch).await.unwrap_or_else(|| Err(self.store.closed()))
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.call("read an event", device, move |connection| read::event(connection, device, epoch, id)).await
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.call("read the gaps", device, move |connection| read::gaps(connection, device)).await
    }

    async fn close(&self) -> Result<()> {
        self.writer.close().await.unwrap_or_else(|| Err(self.store.closed()))
    }
}

impl fmt::Debug for SqliteSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSink").field("path", &self.store.path()).finish_non_exhaustive()
    }
}
