//! A reader's log with what the 48 bytes lack.

use crate::Result;
use crate::codec::{EventMask, PortableBlob};
use crate::device::{Device, paging};

impl Device {
    /// Up to `max` events with ids greater than `after`, ascending, with what an event cannot hold: job code,
    /// temperature, image.
    ///
    /// The mask says what is wanted. Events to which nothing of it applies are left out, and the blobs have only the
    /// fields that were asked for: with [`EventMask::JOB_CODE`] alone this finds the events that have one, and says
    /// nothing else of them. Images make answers large; leave out [`EventMask::IMAGE`] where they are not needed.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the way to the reader has no such function.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventMask, device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=500")?.backend()).devices().await?.remove(0);
    /// let mask = EventMask::INFO | EventMask::SUBJECT | EventMask::TNA_KEY | EventMask::JOB_CODE;
    /// for blob in device.blobs(0, 100, mask).await? {
    ///     if let Some(event) = blob.to_event() {
    ///         println!("{event} {:?}", blob.extras().job_code);
    ///     }
    /// }
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetLogBlob", "BS2_GetLogSmallBlob", "BS2_GetLogSmallBlobEx"))]
    pub async fn blobs(&self, after: u32, max: u32, mask: EventMask) -> Result<Vec<PortableBlob<'static>>> {
        let ask = |from, amount| {
            let call = move || self.client.backend().blobs(self.id, from, amount, mask);
            self.client.call(self.id, "blobs", call)
        };
        paging::fill(after, max, ask).await.map_err(|error| self.named(error))
    }
}
