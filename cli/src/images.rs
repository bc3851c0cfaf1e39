//! `bs2 images`: the pictures of a device, as files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bs2_events::codec::{DeviceId, Event};
use bs2_events::device::{Device, ImageLog};
use bs2_events::{Error, ErrorKind, Result, files};
use clap::Args;

use crate::runtime::retried;
use crate::source::{Source, device_id};
use crate::stdio::{self, Output, count};

/// Save the pictures of a device as JPEG files, named by device and event
///
/// A picture that exists already does not change. Another file of the same name is an error and does not change either.
/// Without --max, a line says how many pictures the log announces that the device does not have. An empty picture is none:
/// it is reported, not written, and asked for again by the next run. A device that takes no pictures is no failure.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Images {
    /// Where the device is
    source: String,
    /// The device's number; may be left out if there is only one
    #[arg(long, value_name = "ID", value_parser = device_id())]
    device: Option<DeviceId>,
    /// The folder for the files; made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Begin with the first event that has a greater id
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: u32,
    /// End after so many pictures; all if missing
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,
}

impl Images {
    pub(crate) async fn run(&self) -> Result<ExitCode> {
        let source = Source::open(&self.source)?;
        let device = source.device(self.device).await?;
        fs::create_dir_all(&self.out).map_err(|error| failed("make the folder", &self.out, error))?;
        let mut announced = self.announced(&device).await?;
        let mut output = Output::new();
        let (mut after, mut seen, mut new) = (self.after, 0_u32, 0_u32);
        loop {
            let wanted = self.max.map_or(PAGE, |max| PAGE.min(max - seen));
            if wanted == 0 {
                break;
            }
            let images = match retried(|| device.image_logs(after, wanted)).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    output.line(format_args!("device {} takes no pictures", device.id()))?;
                    output.flush()?;
                    return Ok(ExitCode::SUCCESS);
                }
                images => images?,
            };
            let Some(last) = images.last().map(|image| image.event.id()) else { break };
            for image in images.iter().take(wanted as usize) {
                let id = image.event.id();
                announced.remove(&id);
                if image.is_empty() {
                    let (device, again) = (device.id(), "the next run asks for it again");
                    stdio::note(&format!("device {device}: the picture of event {id} is empty; {again}"));
                    continue;
                }
                seen += 1;
                new += u32::from(self.save(device.id(), image)?);
            }
            after = last;
        }
        let (written, folder) = (count(new, "picture"), self.out.display());
        output.line(format_args!("{written} written to {folder}, {} existed already", seen - new))?;
        if !announced.is_empty() {
            let announced = count(announced.len() as u64, "picture");
            output.line(format_args!("the device does not have {announced} that its log announces"))?;
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    /// The events that have a picture according to the log; none with `--max`.
    async fn announced(&self, device: &Device) -> Result<BTreeSet<u32>> {
        let (mut announced, mut after) = (BTreeSet::new(), self.after);
        while self.max.is_none() {
            let page = retried(|| device.logs(after, EVENTS)).await?;
            let Some(last) = page.last() else { break };
            after = last.id();
            announced.extend(page.iter().filter(|event| event.flags().has_image()).map(Event::id));
        }
        Ok(announced)
    }

    /// Writes a picture. Returns whether it is new.
    fn save(&self, device: DeviceId, image: &ImageLog) -> Result<bool> {
        let name = format!("{device}-{}.jpg", image.event.id());
        let path = self.out.join(&name);
        match fs::read(&path) {
            Ok(there) if there == image.jpeg => return Ok(false),
            // An earlier version wrote a file for a picture that was empty then.
            Ok(there) if there.is_empty() => {}
            Ok(_) => {
                let message = format!("{} exists and is another picture", path.display());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path, error)),
        }
        // Under another name first, so that a picture in the folder is always whole.
        files::replace(&path, |file| file.write_all(&image.jpeg))
            .map_err(|error| failed("write", &path, error))?;
        Ok(true)
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot {what} {}", path.display())).with_source(error)
}

/// How many pictures are in memory at a time.
const PAGE: u32 = 32;
const EVENTS: u32 = 2_048;

const AFTER_HELP: &str = "\
Example:
  bs2 images sim:backlog=500 --device 541000001 --out pictures

Sources: sim:SETTINGS, see bs2 sim --help; sdk:LIBRARY?SETTINGS and gateway://HOST?SETTINGS, see bs2 collect
--help.";
