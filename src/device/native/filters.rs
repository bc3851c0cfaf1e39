//! Image filters as the library's structure holds them.

use super::abi::{EventConfig, ImageEventFilter};
use crate::codec::EventCode;
use crate::device::ImageFilter;
use crate::{Error, ErrorKind, Result};

/// # Errors
///
/// `InvalidData` for more filters than the structure has room for.
pub(super) fn read(config: &EventConfig) -> Result<Vec<ImageFilter>> {
    let count = usize::try_from(config.count).ok();
    let Some(filters) = count.and_then(|count| config.filters.get(..count)) else {
        let message = format!("the reader tells of {} image filters, which cannot be", config.count);
        return Err(Error::new(ErrorKind::InvalidData, message));
    };
    Ok(filters.iter().map(from_row).collect())
}

pub(super) fn write(config: &mut EventConfig, filters: &[ImageFilter]) {
    config.count = 0;
    for (row, filter) in config.filters.iter_mut().zip(filters) {
        let [sub_code, main_code] = filter.code.get().to_le_bytes();
        *row = ImageEventFilter::new(main_code, sub_code, filter.exact, filter.schedule_id);
        config.count = config.count.saturating_add(1);
    }
}

fn from_row(row: &ImageEventFilter) -> ImageFilter {
    let code = EventCode::new(u16::from_le_bytes([row.sub_code, row.main_code]));
    let filter = ImageFilter::new(code).with_schedule(row.schedule_id);
    if row.sub_code_included == 0 { filter } else { filter.exactly() }
}
