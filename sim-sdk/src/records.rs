//! The structures of the C interface that the codec does not have. The offsets were measured with a C compiler.
//!
//! Fields that the simulated devices leave empty have no name here.

use bs2_events::codec::{Event, EventFlags};

/// `BS2Event` at an address divisible by 4, as C compilers expect it.
pub(crate) type EventWords = [u32; Event::SIZE / 4];

/// `BS2SimpleDeviceInfo`.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SimpleDeviceInfo {
    pub(crate) id: u32,
    pub(crate) kind: u16,
    pub(crate) connection_mode: u8,
    /// The four numbers of the address, in their written order.
    pub(crate) ipv4: [u8; 4],
    pub(crate) port: u16,
    pub(crate) max_users: u32,
    pub(crate) user_name: u8,
    pub(crate) user_photo: u8,
    pub(crate) pin: u8,
    pub(crate) card: u8,
    pub(crate) finger: u8,
    pub(crate) face: u8,
    pub(crate) wlan: u8,
    pub(crate) tna: u8,
    pub(crate) trigger_action: u8,
    pub(crate) wiegand: u8,
    pub(crate) image_log: u8,
    pub(crate) dns: u8,
    pub(crate) job_code: u8,
    pub(crate) unfilled: [u8; 5],
    pub(crate) alphanumeric: u8,
    pub(crate) connected_ip: [u8; 4],
    pub(crate) unfilled_too: [u8; 6],
}

/// `BS2SimpleDeviceInfoEx`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SimpleDeviceInfoEx {
    pub(crate) supported: u32,
    pub(crate) reserved: u32,
}

/// `BS2FactoryConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FactoryConfig {
    pub(crate) device_id: u32,
    pub(crate) mac: [u8; 6],
    pub(crate) padding: [u8; 2],
    pub(crate) model: [u8; 32],
    pub(crate) board_version: [u8; 4],
    pub(crate) kernel_version: [u8; 4],
    pub(crate) core_version: [u8; 4],
    /// Major, minor and patch.
    pub(crate) firmware_version: [u8; 4],
    pub(crate) kernel_revision: [u8; 32],
    pub(crate) core_revision: [u8; 32],
    pub(crate) firmware_revision: [u8; 32],
    pub(crate) reserved: [u8; 32],
}

/// `BS2SystemConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemConfig {
    pub(crate) unused: [u8; 768],
    /// Seconds east of Greenwich.
    pub(crate) time_zone: i32,
    pub(crate) unfilled: [u8; 36],
}

/// `BS2DstConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DstConfig {
    pub(crate) words: [u32; 20],
}

/// `BS2Rs485SlaveDevice`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlaveDevice {
    pub(crate) id: u32,
    pub(crate) kind: u16,
    pub(crate) enabled: u8,
    pub(crate) connected: u8,
}

/// `BS2DeviceCapabilities`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceCapabilities {
    pub(crate) max_users: u32,
    pub(crate) max_event_logs: u32,
    pub(crate) max_image_logs: u32,
    pub(crate) unfilled: [u8; 500],
}

/// `BS2EventConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventConfig {
    pub(crate) count: u32,
    pub(crate) filters: [ImageEventFilter; 32],
    pub(crate) unused: [u8; 32],
}

/// A filter of [`EventConfig`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ImageEventFilter {
    pub(crate) main: u8,
    pub(crate) sub: u8,
    pub(crate) sub_included: u8,
    pub(crate) reserved: u8,
    pub(crate) schedule_id: u32,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self { unused: [0; 768], time_zone: 0, unfilled: [0; 36] }
    }
}

impl Default for DeviceCapabilities {
    fn default() -> Self {
        Self { max_users: 0, max_event_logs: 0, max_image_logs: 0, unfilled: [0; 500] }
    }
}

/// The words of an event, as in memory.
pub(crate) fn words(event: &Event) -> EventWords {
    let mut words = [0; Event::SIZE / 4];
    for (word, bytes) in words.iter_mut().zip(event.as_bytes().as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

/// The bytes of an event, as in memory.
pub(crate) fn bytes(words: &EventWords) -> [u8; Event::SIZE] {
    let mut bytes = [0; Event::SIZE];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_ne_bytes();
    }
    bytes
}

/// Keeps only the image flag in the last byte, for programs that read it as a `bool`.
pub(crate) fn clear_zone(event: &mut EventWords) {
    if let Some(last) = event.last_mut() {
        let [sub, main, param, flags] = last.to_ne_bytes();
        *last = u32::from_ne_bytes([sub, main, param, flags & EventFlags::IMAGE.bits()]);
    }
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<EventWords>() == 48 && align_of::<EventWords>() == 4);

    assert!(size_of::<SimpleDeviceInfo>() == 46 && align_of::<SimpleDeviceInfo>() == 1);
    assert!(offset_of!(SimpleDeviceInfo, kind) == 4 && offset_of!(SimpleDeviceInfo, connection_mode) == 6);
    assert!(offset_of!(SimpleDeviceInfo, ipv4) == 7 && offset_of!(SimpleDeviceInfo, port) == 11);
    assert!(offset_of!(SimpleDeviceInfo, max_users) == 13 && offset_of!(SimpleDeviceInfo, card) == 20);
    assert!(offset_of!(SimpleDeviceInfo, tna) == 24 && offset_of!(SimpleDeviceInfo, image_log) == 27);
    assert!(offset_of!(SimpleDeviceInfo, job_code) == 29 && offset_of!(SimpleDeviceInfo, connected_ip) == 36);
    assert!(offset_of!(SimpleDeviceInfo, face) == 22 && offset_of!(SimpleDeviceInfo, alphanumeric) == 35);

    assert!(size_of::<SimpleDeviceInfoEx>() == 8 && align_of::<SimpleDeviceInfoEx>() == 4);

    assert!(size_of::<FactoryConfig>() == 188 && align_of::<FactoryConfig>() == 4);
    assert!(offset_of!(FactoryConfig, mac) == 4 && offset_of!(FactoryConfig, model) == 12);
    assert!(offset_of!(FactoryConfig, board_version) == 44);
    assert!(offset_of!(FactoryConfig, firmware_version) == 56);
    assert!(offset_of!(FactoryConfig, kernel_revision) == 60);
    assert!(offset_of!(FactoryConfig, firmware_revision) == 124);

    assert!(size_of::<SystemConfig>() == 808 && align_of::<SystemConfig>() == 4);
    assert!(offset_of!(SystemConfig, time_zone) == 768);

    assert!(size_of::<DstConfig>() == 80 && align_of::<DstConfig>() == 4);

    assert!(size_of::<DeviceCapabilities>() == 512 && align_of::<DeviceCapabilities>() == 4);
    assert!(offset_of!(DeviceCapabilities, max_image_logs) == 8);

    assert!(size_of::<EventConfig>() == 292 && align_of::<EventConfig>() == 4);
    assert!(offset_of!(EventConfig, filters) == 4 && offset_of!(EventConfig, unused) == 260);
    assert!(size_of::<ImageEventFilter>() == 8 && offset_of!(ImageEventFilter, schedule_id) == 4);
};
