//! What a simulated device says of itself.

use super::event_log::PICTURES;
use super::options::SimOptions;
use crate::codec::DeviceId;

/// What a simulated device says of itself, the same at every interface: in memory, behind the gateway and behind the C
/// library.
///
/// What nobody serves, the device denies: programs that find a card or finger reader ask it for a card or finger.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::Simulator;
///
/// let simulator = Simulator::new("devices=1")?;
/// let profile = simulator.reader(simulator.device_ids()[0])?.profile();
/// assert_eq!(profile.mac_text(), "02:00:20:3f:01:41");
/// assert!(profile.has_faces && !profile.has_cards);
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeviceProfile {
    /// The MAC address: locally administered, and the device's own.
    pub mac: [u8; 6],
    /// The number of the device type in the vendor's programs.
    pub device_type: u16,
    /// The name of the model.
    pub model: &'static str,
    /// The version of the firmware.
    pub firmware: &'static str,
    /// The maximum number of users.
    pub max_users: u32,
    /// The maximum number of events in the log.
    pub max_event_logs: u32,
    /// The maximum number of pictures; 0 without a camera.
    pub max_image_logs: u32,
    /// Whether user ids are text.
    pub has_alphanumeric_ids: bool,
    /// Whether a program can read cards at the device.
    pub has_cards: bool,
    /// Whether the device knows people by their face.
    pub has_faces: bool,
    /// Whether a program can read fingers at the device.
    pub has_fingers: bool,
    /// Whether people choose job codes.
    pub has_job_codes: bool,
    /// Whether people can type a PIN.
    pub has_pins: bool,
    /// Whether people choose time-and-attendance keys.
    pub has_tna: bool,
    /// Whether the device measures temperatures.
    pub has_thermal_camera: bool,
    /// Whether users have names.
    pub has_user_names: bool,
}

impl DeviceProfile {
    pub(super) fn new(device: DeviceId, options: &SimOptions) -> Self {
        let [a, b, c, d] = device.get().to_be_bytes();
        Self {
            mac: [0x02, 0x00, a, b, c, d],
            device_type: BIOSTATION_3,
            model: "simulated reader",
            firmware: env!("CARGO_PKG_VERSION"),
            max_users: 100_000,
            max_event_logs: options.capacity,
            max_image_logs: if options.images { PICTURES as u32 } else { 0 },
            has_alphanumeric_ids: true,
            has_cards: false,
            has_faces: true,
            has_fingers: false,
            has_job_codes: true,
            has_pins: true,
            has_tna: true,
            has_thermal_camera: true,
            has_user_names: true,
        }
    }

    /// The MAC address as text, such as `02:00:20:3f:01:41`.
    #[must_use]
    pub fn mac_text(&self) -> String {
        self.mac.map(|byte| format!("{byte:02x}")).join(":")
    }
}

/// A model with a camera, faces and temperatures.
const BIOSTATION_3: u16 = 0x23;
