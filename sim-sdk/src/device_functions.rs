//! The C functions that find, connect, describe and configure devices.

use std::ffi::{c_char, c_int, c_void};

use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::device::ImageFilter;
use bs2_events::sim::DeviceProfile;

use crate::context::{Context, Session};
use crate::ffi::{
    CANNOT_CONNECT, INVALID_PARAMETER, NULL_POINTER, Out, SdkResult, code_of, export, ipv4, lock, not_null,
    object_results, words_object,
};
use crate::records::{
    DeviceCapabilities, DstConfig, EventConfig, FactoryConfig, ImageEventFilter, SimpleDeviceInfo,
    SimpleDeviceInfoEx, SlaveDevice, SystemConfig,
};
use crate::threads::Notice;

export! {
    /// Finds every device. The callbacks for them end before this returns.
    fn BS2_SearchDevices(context: *mut c_void) {
        let context = Context::find(context, "BS2_SearchDevices")?;
        let session = context.session()?;
        found(session, &session.simulation.devices)
    }

    /// The same through one network interface. The simulated devices are reached through any.
    fn BS2_SearchDevicesEx(context: *mut c_void, host: *const c_char) {
        let context = Context::find(context, "BS2_SearchDevicesEx")?;
        let session = context.session()?;
        ipv4(host)?;
        found(session, &session.simulation.devices)
    }

    /// Finds the devices at one address.
    fn BS2_SearchDeviceByIP(context: *mut c_void, address: *const c_char) {
        let context = Context::find(context, "BS2_SearchDeviceByIP")?;
        let session = context.session()?;
        found(session, session.simulation.devices_at(ipv4(address)?))
    }

    /// The devices that were found or connected.
    fn BS2_GetDevices(context: *mut c_void, devices: Out<'_, *mut c_void>, count: Out<'_, u32>) {
        let (devices, count) = object_results(devices, count)?;
        let context = Context::find(context, "BS2_GetDevices")?;
        let listed = context.session()?.devices.listed();
        count.write(u32::try_from(listed.len()).unwrap_or(u32::MAX));
        devices.write(words_object(listed));
        Ok(())
    }

    /// Connects a device that was found, connects by itself, or was connected before.
    fn BS2_ConnectDevice(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_ConnectDevice")?;
        context.connect(context.session()?.devices.known(device)?)
    }

    /// Connects the device at this address.
    fn BS2_ConnectDeviceViaIP(
        context: *mut c_void,
        address: *const c_char,
        port: u16,
        device: Out<'_, u32>,
    ) {
        let device = not_null(device)?;
        device.write(0);
        let context = Context::find(context, "BS2_ConnectDeviceViaIP")?;
        let simulation = &context.session()?.simulation;
        let id = simulation.device_at(ipv4(address)?, port).ok_or(CANNOT_CONNECT)?;
        context.connect(id)?;
        device.write(id.get());
        Ok(())
    }

    /// Ends a connection and its monitors.
    fn BS2_DisconnectDevice(context: *mut c_void, device: u32) {
        Context::find(context, "BS2_DisconnectDevice")?.disconnect(device)
    }

    /// Whether a device is connected.
    fn BS2_IsConnected(context: *mut c_void, device: u32, connected: Out<'_, c_int>) {
        let connected = not_null(connected)?;
        connected.write(0);
        let context = Context::find(context, "BS2_IsConnected")?;
        let devices = &context.session()?.devices;
        let id = devices.known(device)?;
        connected.write(devices.connection(id).is_some().into());
        Ok(())
    }

    /// Accepted. Nothing is encrypted.
    fn BS2_DisableSSL(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_DisableSSL")?;
        context.session()?.devices.connected(device).map(drop)
    }

    /// One node, which is the device itself. Its fields are 0, because their offsets are not public.
    fn BS2_GetDeviceTopology(
        context: *mut c_void,
        device: u32,
        nodes: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (nodes, count) = object_results(nodes, count)?;
        let context = Context::find(context, "BS2_GetDeviceTopology")?;
        context.call(device, async |backend, id| backend.info(id).await)?;
        nodes.write(words_object(vec![0; NODE_WORDS]));
        count.write(1);
        Ok(())
    }

    /// Information about a device, which need not be connected.
    fn BS2_GetDeviceInfo(context: *mut c_void, device: u32, info: Out<'_, SimpleDeviceInfo>) {
        let info = not_null(info)?;
        let context = Context::find(context, "BS2_GetDeviceInfo")?;
        info.write(simple_info(&context, device)?);
        Ok(())
    }

    /// The same, with an empty extension.
    fn BS2_GetDeviceInfoEx(
        context: *mut c_void,
        device: u32,
        info: Out<'_, SimpleDeviceInfo>,
        extension: Out<'_, SimpleDeviceInfoEx>,
    ) {
        let (info, extension) = (not_null(info)?, not_null(extension)?);
        let context = Context::find(context, "BS2_GetDeviceInfoEx")?;
        info.write(simple_info(&context, device)?);
        extension.write(SimpleDeviceInfoEx::default());
        Ok(())
    }

    /// The capacity of a device.
    fn BS2_GetDeviceCapabilities(context: *mut c_void, device: u32, capabilities: Out<'_, DeviceCapabilities>) {
        let result = not_null(capabilities)?;
        let context = Context::find(context, "BS2_GetDeviceCapabilities")?;
        let found = context.call(device, async |backend, id| backend.capabilities(id).await)?;
        result.write(DeviceCapabilities {
            max_users: profile(&context, device)?.max_users,
            max_event_logs: found.max_event_logs,
            max_image_logs: found.max_image_logs,
            ..DeviceCapabilities::default()
        });
        Ok(())
    }

    /// The model and the firmware of a device.
    fn BS2_GetFactoryConfig(context: *mut c_void, device: u32, config: Out<'_, FactoryConfig>) {
        let config = not_null(config)?;
        let context = Context::find(context, "BS2_GetFactoryConfig")?;
        let info = context.call(device, async |backend, id| backend.info(id).await)?;
        let firmware_version = version(&info.firmware);
        config.write(FactoryConfig {
            device_id: device,
            mac: profile(&context, device)?.mac,
            model: padded(&info.model),
            firmware_version,
            firmware_revision: padded(&info.firmware),
            ..FactoryConfig::default()
        });
        Ok(())
    }

    /// The slaves on the line of a device. They keep no log, and their events are in that of the device.
    fn BS2_GetSlaveDevice(
        context: *mut c_void,
        device: u32,
        slaves_found: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (object, count) = object_results(slaves_found, count)?;
        let context = Context::find(context, "BS2_GetSlaveDevice")?;
        let slaves = slaves(&context, device)?;
        object.write(words_object(slaves.iter().flat_map(slave_words).collect()));
        count.write(u32::try_from(slaves.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The same with the channel of each, which is 0.
    fn BS2_GetSlaveExDevice(
        context: *mut c_void,
        device: u32,
        _channel: u32,
        slaves_found: Out<'_, *mut c_void>,
        channel_found: Out<'_, u32>,
        count: Out<'_, u32>,
    ) {
        let (object, count) = object_results(slaves_found, count)?;
        let channel_found = not_null(channel_found)?;
        let context = Context::find(context, "BS2_GetSlaveExDevice")?;
        let slaves = slaves(&context, device)?;
        let words = |slave: &SlaveDevice| slave_words(slave).into_iter().chain([CHANNEL]).collect::<Vec<_>>();
        object.write(words_object(slaves.iter().flat_map(words).collect()));
        channel_found.write(CHANNEL);
        count.write(u32::try_from(slaves.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Accepted. A device keeps the slaves that the settings give it.
    fn BS2_SetSlaveDevice(context: *mut c_void, device: u32, slaves_wanted: *const c_void, count: u32) {
        let context = Context::find(context, "BS2_SetSlaveDevice")?;
        accept_slaves(&context, device, slaves_wanted, count)
    }

    /// Accepted. A device keeps the slaves that the settings give it.
    fn BS2_SetSlaveExDevice(
        context: *mut c_void,
        device: u32,
        _channel: u32,
        slaves_wanted: *const c_void,
        count: u32,
    ) {
        let context = Context::find(context, "BS2_SetSlaveExDevice")?;
        accept_slaves(&context, device, slaves_wanted, count)
    }

    /// Accepted. A device keeps the slaves that the settings give it. The parameters after the context are not public, and
    /// nothing here reads them.
    fn BS2_RemoveSlaveDevice(context: *mut c_void) {
        Context::find(context, "BS2_RemoveSlaveDevice")?.session().map(drop)
    }

    /// Accepted. There is no line whose speed could change. The parameters are as those of `BS2_RemoveSlaveDevice`.
    fn BS2_SetSlaveBaudrate(context: *mut c_void) {
        Context::find(context, "BS2_SetSlaveBaudrate")?.session().map(drop)
    }

    /// The stored configuration, or one with the time zone of the device's newest event.
    fn BS2_GetSystemConfig(context: *mut c_void, device: u32, config: Out<'_, SystemConfig>) {
        let config = not_null(config)?;
        let context = Context::find(context, "BS2_GetSystemConfig")?;
        let simulation = &context.session()?.simulation;
        let newest = simulation.simulator.reader(DeviceId::new(device)).ok().and_then(|device| device.newest_id());
        let after = newest.unwrap_or_default().saturating_sub(1);
        let page = context.call(device, async |backend, id| backend.logs(id, after, 1).await)?;
        let zone = page.last().map_or(0, |event| i32::from(event.flags().utc_offset_minutes()) * 60);
        let stored = lock(&simulation.configs).get(&DeviceId::new(device)).and_then(|configs| configs.system.clone());
        let default = || Box::new(SystemConfig { time_zone: zone, ..SystemConfig::default() });
        config.write(*stored.unwrap_or_else(default));
        Ok(())
    }

    /// Stores all bytes. Events keep the time zone of the device's site.
    fn BS2_SetSystemConfig(context: *mut c_void, device: u32, config: Option<&SystemConfig>) {
        let config = Box::new(*not_null(config)?);
        let context = Context::find(context, "BS2_SetSystemConfig")?;
        let id = context.call(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        lock(&context.session()?.simulation.configs).entry(id).or_default().system = Some(config);
        Ok(())
    }

    /// The stored configuration, or zeros: no schedule.
    fn BS2_GetDstConfig(context: *mut c_void, device: u32, config: Out<'_, DstConfig>) {
        let config = not_null(config)?;
        let context = Context::find(context, "BS2_GetDstConfig")?;
        let id = context.call(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        let stored = lock(&context.session()?.simulation.configs).get(&id).and_then(|configs| configs.dst);
        config.write(stored.unwrap_or_default());
        Ok(())
    }

    /// Stores all bytes. Events keep the summer time of the device's site.
    fn BS2_SetDstConfig(context: *mut c_void, device: u32, config: Option<&DstConfig>) {
        let config = *not_null(config)?;
        let context = Context::find(context, "BS2_SetDstConfig")?;
        let id = context.call(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        lock(&context.session()?.simulation.configs).entry(id).or_default().dst = Some(config);
        Ok(())
    }

    /// The device's clock: seconds since 1970, UTC. It advances with the events.
    fn BS2_GetDeviceTime(context: *mut c_void, device: u32, time: Out<'_, u32>) {
        let result = not_null(time)?;
        let context = Context::find(context, "BS2_GetDeviceTime")?;
        let time = context.call(device, async |backend, id| backend.time(id).await)?;
        result.write(time.as_unix_seconds());
        Ok(())
    }

    /// Sets the device's clock. The device logs an event for it.
    fn BS2_SetDeviceTime(context: *mut c_void, device: u32, time: u32) {
        let context = Context::find(context, "BS2_SetDeviceTime")?;
        let id = context.call(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        let device = context.session()?.simulation.simulator.reader(id).map_err(|error| code_of(&error))?;
        device.set_clock(Timestamp::from_unix_seconds(time));
        Ok(())
    }

    /// The events for which a device takes an image.
    fn BS2_GetEventConfig(context: *mut c_void, device: u32, config: Out<'_, EventConfig>) {
        let result = not_null(config)?;
        let context = Context::find(context, "BS2_GetEventConfig")?;
        let filters = context.call(device, async |backend, id| backend.image_filters(id).await)?;
        let mut config = EventConfig::default();
        for (slot, filter) in config.filters.iter_mut().zip(&filters) {
            let [sub, main] = filter.code.get().to_le_bytes();
            let sub_included = filter.exact.into();
            *slot = ImageEventFilter { main, sub, sub_included, reserved: 0, schedule_id: filter.schedule_id };
            config.count += 1;
        }
        result.write(config);
        Ok(())
    }

    /// Sets the events for which a device takes an image.
    fn BS2_SetEventConfig(context: *mut c_void, device: u32, config: Option<&EventConfig>) {
        let config = not_null(config)?;
        let context = Context::find(context, "BS2_SetEventConfig")?;
        let count = usize::try_from(config.count).map_err(|_| INVALID_PARAMETER)?;
        let filters = config.filters.get(..count).ok_or(INVALID_PARAMETER)?;
        let filters: Vec<_> = filters.iter().map(image_filter).collect();
        context.call(device, async |backend, id| backend.set_image_filters(id, &filters).await)
    }
}

fn found(session: &Session, devices: &[DeviceId]) -> SdkResult {
    for device in devices {
        session.devices.add(*device, true);
        session.push(Notice::Found(*device));
    }
    session.flush_arrivals();
    Ok(())
}

fn simple_info(context: &Context, device: u32) -> SdkResult<SimpleDeviceInfo> {
    let session = context.session()?;
    let id = session.devices.known(device)?;
    let connected = session.devices.connection(id).is_some();
    if connected {
        context.call(device, async |backend, id| backend.info(id).await)?;
    }
    let profile = profile(context, device)?;
    let (host, port) =
        session.simulation.address(id).map_or(([0; 4], 0), |(host, port)| (host.octets(), port));
    Ok(SimpleDeviceInfo {
        id: device,
        kind: profile.device_type,
        ipv4: host,
        port,
        max_users: profile.max_users,
        user_name: profile.has_user_names.into(),
        pin: profile.has_pins.into(),
        card: profile.has_cards.into(),
        finger: profile.has_fingers.into(),
        face: profile.has_faces.into(),
        tna: profile.has_tna.into(),
        image_log: (profile.max_image_logs > 0).into(),
        job_code: profile.has_job_codes.into(),
        alphanumeric: profile.has_alphanumeric_ids.into(),
        connected_ip: if connected { [127, 0, 0, 1] } else { [0; 4] },
        ..SimpleDeviceInfo::default()
    })
}

fn profile(context: &Context, device: u32) -> SdkResult<DeviceProfile> {
    let simulator = &context.session()?.simulation.simulator;
    let device = simulator.reader(DeviceId::new(device)).map_err(|error| code_of(&error))?;
    Ok(device.profile())
}

/// The slaves of a connected device.
fn slaves(context: &Context, device: u32) -> SdkResult<Vec<SlaveDevice>> {
    let id = context.call(device, async |backend, id| backend.time(id).await.map(|_| id))?;
    let simulator = &context.session()?.simulation.simulator;
    let reader = simulator.reader(id).map_err(|error| code_of(&error))?;
    let slave = |id: &DeviceId| SlaveDevice { id: id.get(), kind: RS485_SLAVE, enabled: 1, connected: 1 };
    Ok(reader.slaves().iter().map(slave).collect())
}

fn accept_slaves(context: &Context, device: u32, slaves: *const c_void, count: u32) -> SdkResult {
    if count > 0 && slaves.is_null() {
        return Err(NULL_POINTER);
    }
    context.call(device, async |backend, id| backend.time(id).await).map(drop)
}

/// The first two words of a slave: its id; its type and its two flags.
fn slave_words(slave: &SlaveDevice) -> [u32; 2] {
    let [kind_low, kind_high] = slave.kind.to_ne_bytes();
    [slave.id, u32::from_ne_bytes([kind_low, kind_high, slave.enabled, slave.connected])]
}

fn image_filter(filter: &ImageEventFilter) -> ImageFilter {
    let code = EventCode::new(u16::from_le_bytes([filter.sub, filter.main]));
    let result = ImageFilter::new(code).with_schedule(filter.schedule_id);
    if filter.sub_included == 0 { result } else { result.exactly() }
}

/// A text followed by zeros, at least one.
fn padded(text: &str) -> [u8; 32] {
    let mut field = [0; 32];
    for (byte, letter) in field.iter_mut().take(31).zip(text.bytes()) {
        *byte = letter;
    }
    field
}

/// The numbers of a version, such as 1.2.3.
fn version(text: &str) -> [u8; 4] {
    let mut numbers = [0; 4];
    for (number, part) in numbers.iter_mut().zip(text.split('.')) {
        *number = part.parse().unwrap_or(0);
    }
    numbers
}

/// The number of the type of a slave in the vendor's programs.
const RS485_SLAVE: u16 = 0x80;
/// The channel of all slaves.
const CHANNEL: u32 = 0;
/// Longer than the vendor's node, whose layout is not public.
const NODE_WORDS: usize = 64;
