//! The destination that needs no server: one SQLite file, which other programs may read.
//!
//! # Schema
//!
//! `PRAGMA application_id` is `0x62733245` ("bs2E"); `PRAGMA user_version` is the version of the schema, 2. Other
//! programs may read at any time, also while a collector writes, and may add indexes of their own. The store has no
//! index but its keys; this keeps it small and fast to write.
//!
//! A store of version 1 becomes one of version 2 when a program opens it for writing: whole, or not at all. The columns
//! that version 2 adds are filled from the records; [`verify`] reads both versions.
//!
//! The store holds personal data. Whoever may read the file learns which person was where and when.
//!
//! ## `events`: one row for each event
//!
//! | column | |
//! |---|---|
//! | `device_id` | the device whose log holds the event: its owner |
//! | `epoch` | one life of that device's id counter, from 0 |
//! | `event_id` | the event's number; with the two columns before it the primary key |
//! | `time` | when, by the device's clock: seconds since 1970 UTC; order by `event_id`, not by this |
//! | `code` | what happened: main code × 256 + sub code |
//! | `param` | the byte at offset 46, such as a time-and-attendance key |
//! | `flags` | the byte at offset 47: image, daylight saving, UTC offset |
//! | `user_id` | the person; a BLOB if the id is not UTF-8; NULL if it is empty or the event concerns no person |
//! | `subject_id` | the door, lift, zone, device (of an input or OSDP) or relay port concerned; NULL for other events |
//! | `received_at` | when the event was stored: milliseconds since 1970 UTC |
//! | `raw` | the record as the device sent it, 48 bytes |
//! | `source_device_id` | the device that saw the event: the device itself, or a slave of it, which keeps no log |
//! | `card_data` | the 32 bytes of an unknown card as hexadecimal digits; NULL for other events |
//! | `card_text` | the same as text, if all bytes before the zeros at the end are decimal digits; else NULL |
//! | `has_clock` | 1 if `flags` says daylight saving and the UTC offset; 0 if they are unknown, as over a device gateway |
//!
//! ## `gaps`: ids that a device used and whose events are missing
//!
//! | column | |
//! |---|---|
//! | `device_id`, `epoch` | as above |
//! | `from_id` | the first missing id; with the two columns before it the primary key |
//! | `to_id` | the last missing id; 4 294 967 295 if the collector did not see the end of the epoch |
//! | `reason` | `cleared`, `overwritten`, `reset`, `unknown` or `unreadable` |
//!
//! ## `watermarks`: how far each epoch is complete
//!
//! | column | |
//! |---|---|
//! | `device_id`, `epoch` | as above; the primary key |
//! | `first_id` | the first id that the collection covers |
//! | `event_id` | every id from `first_id` to here is in `events` or in a gap; one below `first_id` for none yet |
//!
//! ## `devices`: the devices
//!
//! | column | |
//! |---|---|
//! | `device_id` | the primary key |
//! | `model`, `firmware`, `address` | what the device last reported; NULL if unknown |
//! | `first_seen`, `last_seen` | when a collector first and last connected to it or stored: milliseconds since 1970 UTC |
//!
//! ## `codes`: names for codes
//!
//! | column | |
//! |---|---|
//! | `code` | the primary key: every code that has a name, and every main code |
//! | `name` | its present name; NULL for a main code that has none |
//! | `main_name` | the name of its main code; NULL if that has none |
//! | `category` | `authentication`, `device`, `door`, `input`, `lift`, `relay`, `server`, `user` or `zone`; NULL if not known |
//! | `outcome` | `granted` or `denied`; NULL if the event decides nothing |
//! | `subject` | what the event concerns: `user`, `card`, `door`, `lift`, `zone`, `input`, `alarm_zone`, `interlock`, `relay`, `osdp`, `none` or `unknown` |
//!
//! ## Views
//!
//! `named_events` has a row for each event, with `device_id`, `source_device_id`, `model` (of the device), `epoch`,
//! `event_id`, `time` and `received_at` as RFC 3339 text, `code` as `0x1301`, `name`, `category`, `outcome`, `subject`
//! (what `user_id`, `card_data` or `subject_id` is), `user_id`, `card_data`, `card_text`, `subject_id`, `tna_key`,
//! `has_image`, `utc_offset_minutes` and `daylight_saving`; the last two are NULL if they are unknown. Where only the
//! main code has a name, `name` is that name and the sub code: `ZONE_APB_ALARM+0x09`.
//! `named_gaps` has a row for each gap, with `device_id`, `model`, `epoch`, `from_id`, `to_id`, `reason` and `missing`,
//! the number of ids; NULL if the end is not known.
//!
//! ```sql
//! SELECT time, name, user_id FROM named_events WHERE outcome = 'denied' ORDER BY device_id, epoch, event_id;
//! ```
//!
//! # One SQLite in a program
//!
//! A program can link SQLite only once. If your program uses SQLite too, use the [`rusqlite`] that this module
//! re-exports, or depend on the same version of it.

mod file;
mod rows;
mod schema;
mod upgrade;
mod verify;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
pub use rusqlite;
use rusqlite::Connection;
pub use verify::{Defect, EpochVerification, Verification, verify};

use self::file::Examination;
use self::schema::Store;
use self::writer::Writer;
use super::{Batch, Gap, ResumePoint, Sink, Stored};
use crate::codec::{DeviceId, Event};
use crate::device::DeviceInfo;
use crate::settings::{Settings, Url};
use crate::{Error, ErrorKind, Result};

/// A destination in one SQLite file; the [module](self) describes its schema.
///
/// If the file is deleted or replaced while it is open, the next call fails with [`Storage`](ErrorKind::Storage), and the
/// sink goes on with what the path holds then: a store, or nothing, which becomes a new store. A batch of a device that
/// has not [resumed](Sink::resume) since is refused in the same way. A file that is no store is left alone, and every call
/// fails as [`open`](Self::open) does.
///
/// A damaged file is found when it is opened, or soon after if it is larger than 64 MiB. Every call then fails with
/// [`InvalidData`](ErrorKind::InvalidData).
///
/// One thread writes. Batches that wait for it go into one transaction, so that many devices share the cost of making
/// a batch durable. A process that is killed at any moment leaves a store that [`verify`] finds sound. Several
/// processes may store into one file; they wait for each other.
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
    /// `None` for a file that was found whole when it was opened.
    examination: Option<Examination>,
    writer: Writer,
}

impl SqliteSink {
    /// Opens a store, or makes one if there is no file. Blocks while it reads and writes a few pages of the file.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the folder does not exist, [`InvalidInput`](ErrorKind::InvalidInput) for a
    /// folder and for the database of another program, [`InvalidData`](ErrorKind::InvalidData) for a file that is not a
    /// database, [`Unsupported`](ErrorKind::Unsupported) for a schema newer than this crate's,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for a file that may not be written,
    /// [`Busy`](ErrorKind::Busy) if another process holds the file for too long, and [`Storage`](ErrorKind::Storage) if
    /// the file system fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (store, connection) = schema::open(path.as_ref())?;
        let examination = Examination::begin(&store, &connection)?;
        let writer = Writer::spawn(store.clone(), connection)?;
        Ok(Self { store, examination, writer })
    }

    /// Runs `call` on the writer's thread, after the calls that came before.
    async fn call<T: Send + 'static>(
        &self,
        doing: Doing,
        device: DeviceId,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.check()?;
        let resumes = matches!(doing, Doing::Resume).then_some(device);
        let result = self.writer.call(resumes, call).await.ok_or_else(|| self.store.closed())?;
        let failed = |error| self.store.failed(doing.words(), &error);
        result.and_then(|result| result.map_err(failed)).map_err(|error| error.with_device(device))
    }

    /// Fails once the file is known to be damaged.
    fn check(&self) -> Result<()> {
        self.examination.as_ref().map_or(Ok(()), Examination::check)
    }
}

#[async_trait]
impl Sink for SqliteSink {
    async fn resume(&self, device: &DeviceInfo) -> Result<Option<ResumePoint>> {
        let info = device.clone();
        self.call(Doing::Resume, info.id, move |connection| {
            rows::upsert_device(connection, &info)?;
            rows::resume(connection, info.id, None)
        })
        .await
    }

    async fn resume_epoch(&self, device: DeviceId, epoch: u32) -> Result<Option<ResumePoint>> {
        let call = move |connection: &Connection| rows::resume(connection, device, Some(epoch));
        self.call(Doing::Epoch, device, call).await
    }

    async fn store(&self, batch: Batch) -> Result<Stored> {
        batch.check()?;
        self.check()?;
        self.writer.store(batch).await.unwrap_or_else(|| Err(self.store.closed()))
    }

    async fn event(&self, device: DeviceId, epoch: u32, id: u32) -> Result<Option<Event>> {
        self.call(Doing::Event, device, move |connection| rows::event(connection, device, epoch, id)).await
    }

    async fn gaps(&self, device: DeviceId) -> Result<Vec<Gap>> {
        self.call(Doing::Gaps, device, move |connection| rows::gaps(connection, device)).await
    }

    async fn close(&self) -> Result<()> {
        let is_whole = match &self.examination {
            Some(examination) => examination.finish().await,
            None => Ok(()),
        };
        self.writer.close().await.unwrap_or_else(|| Err(self.store.closed())).and(is_whole)
    }
}

/// What a call does, for its error.
#[derive(Clone, Copy)]
enum Doing {
    Resume,
    Epoch,
    Event,
    Gaps,
}

impl Doing {
    const fn words(self) -> &'static str {
        match self {
            Self::Resume => "read the resume point",
            Self::Epoch => "read the resume point of an epoch",
            Self::Event => "read an event",
            Self::Gaps => "read the gaps",
        }
    }
}

impl fmt::Debug for SqliteSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSink").field("path", &self.store.path()).finish_non_exhaustive()
    }
}

/// The file that a `sqlite:PATH` URL names, for [`verify`].
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for a URL with a host or settings, or without a path.
pub fn path(url: &Url) -> Result<PathBuf> {
    Settings::parse(url.query(), &[], &[])?;
    if url.host().is_some_and(|host| !host.is_empty()) || url.path().is_empty() {
        let message = "destination `sqlite:` needs the path of a file, such as `sqlite:events.db`";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(PathBuf::from(url.path()))
}
