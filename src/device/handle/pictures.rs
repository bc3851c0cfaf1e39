//! A reader's pictures, and when it takes one.

use bytes::Bytes;

use crate::device::{Device, ImageFilter, ImageLog, paging};
use crate::{Error, ErrorKind, Result};

impl Device {
    /// The picture of one event, a JPEG. Worth a call only where the event's flags say that there is one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none, or no longer; [`Unsupported`](ErrorKind::Unsupported)
    /// for a reader without pictures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=500")?.backend()).devices().await?.remove(0);
    /// let image = device.image_logs(0, 1).await?.remove(0);
    /// assert_eq!(device.image_log(image.event.id()).await?, image.jpeg);
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "BS2_GetImageLog")]
    pub async fn image_log(&self, id: u32) -> Result<Bytes> {
        self.client.call(self.id, "image log", || self.client.backend().image_log(self.id, id)).await
    }

    /// Pictures of events with ids greater than `after`, ascending, at most `max`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) for a reader without pictures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=500")?.backend()).devices().await?.remove(0);
    /// for image in device.image_logs(0, 3).await? {
    ///     assert!(image.event.flags().has_image());
    /// }
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias = "GetImageLog")]
    pub async fn image_logs(&self, after: u32, max: u32) -> Result<Vec<ImageLog>> {
        let ask = |from, amount| {
            let call = move || self.client.backend().image_logs(self.id, from, amount);
            self.client.call(self.id, "image logs", call)
        };
        paging::fill(after, max, ask).await.map_err(|error| self.named(error))
    }

    /// For which events the reader takes a picture.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) for a reader without pictures.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{device::Client, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// assert!(!device.image_filters().await?.is_empty());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_GetEventConfig", "GetImageFilter"))]
    pub async fn image_filters(&self) -> Result<Vec<ImageFilter>> {
        self.client.call(self.id, "image filters", || self.client.backend().image_filters(self.id)).await
    }

    /// Sets for which events the reader takes a picture; it replaces what was set before.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for more filters than a reader holds, which is 32.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{codec::EventCode, device::{Client, ImageFilter}, sim::Simulator};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let device = Client::new(Simulator::new("backlog=10")?.backend()).devices().await?.remove(0);
    /// let denied = ImageFilter::new(EventCode::ACCESS_DENIED);
    /// device.set_image_filters(&[denied]).await?;
    /// assert_eq!(device.image_filters().await?, [denied]);
    /// assert!(device.set_image_filters(&[denied; 33]).await.is_err());
    /// # Ok::<(), bs2_events::Error>(()) }).unwrap();
    /// ```
    #[doc(alias("BS2_SetEventConfig", "SetImageFilter"))]
    pub async fn set_image_filters(&self, filters: &[ImageFilter]) -> Result<()> {
        if filters.len() > IMAGE_FILTERS {
            let message = format!("{} image filters: a reader holds {IMAGE_FILTERS}", filters.len());
            return Err(Error::new(ErrorKind::InvalidInput, message).with_device(self.id));
        }
        let call = || self.client.backend().set_image_filters(self.id, filters);
        self.client.call(self.id, "setting image filters", call).await
    }
}

const IMAGE_FILTERS: usize = 32;
