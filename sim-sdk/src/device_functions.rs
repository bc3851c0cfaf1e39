//! The C functions that find readers, connect them and ask what they are.

use std::ffi::{c_char, c_int, c_void};

use bs2_events::codec::{DeviceId, EventCode, Timestamp};
use bs2_events::device::ImageFilter;

use crate::context::Context;
use crate::context_functions::ipv4;
use crate::ffi::{
    Answer, CANNOT_CONNECT, INVALID_PARAMETER, Out, code_of, export, given, lock, object_places,
};
use crate::lane::Job;
use crate::objects;
use crate::records::{
    DeviceCapabilities, DstConfig, EventConfig, FactoryConfig, ImageEventFilter, SimpleDeviceInfo,
    SimpleDeviceInfoEx, SystemConfig,
};
use crate::session::Session;

export! {
    /// Finds every reader; each is told before this returns.
    fn BS2_SearchDevices(context: *mut c_void) {
        let context = Context::find(context, "BS2_SearchDevices")?;
        let session = context.session()?;
        found(session, &session.simulation.readers)
    }

    /// The same over the network interface with this address; all of them reach the simulated readers.
    fn BS2_SearchDevicesEx(context: *mut c_void, host: *const c_char) {
        let context = Context::find(context, "BS2_SearchDevicesEx")?;
        let session = context.session()?;
        ipv4(host)?;
        found(session, &session.simulation.readers)
    }

    /// Finds the readers at one address.
    fn BS2_SearchDeviceByIP(context: *mut c_void, address: *const c_char) {
        let context = Context::find(context, "BS2_SearchDeviceByIP")?;
        let session = context.session()?;
        found(session, session.simulation.readers_at(ipv4(address)?))
    }

    /// The readers that were found or connected.
    fn BS2_GetDevices(context: *mut c_void, devices: Out<'_, *mut c_void>, count: Out<'_, u32>) {
        let (devices, count) = object_places(devices, count)?;
        let context = Context::find(context, "BS2_GetDevices")?;
        let listed = context.session()?.devices.listed();
        count.write(u32::try_from(listed.len()).unwrap_or(u32::MAX));
        devices.write(objects::hand_out_words(listed));
        Ok(())
    }

    /// Connects a reader that was found, comes by itself, or was connected before.
    fn BS2_ConnectDevice(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_ConnectDevice")?;
        context.connect(context.session()?.devices.known(device)?)
    }

    /// Connects the reader at this address.
    fn BS2_ConnectDeviceViaIP(
        context: *mut c_void,
        address: *const c_char,
        port: u16,
        device: Out<'_, u32>,
    ) {
        let device = given(device)?;
        device.write(0);
        let context = Context::find(context, "BS2_ConnectDeviceViaIP")?;
        let simulation = &context.session()?.simulation;
        let id = simulation.reader_at(ipv4(address)?, port).ok_or(CANNOT_CONNECT)?;
        context.connect(id)?;
        device.write(id.get());
        Ok(())
    }

    /// Ends a connection, and the monitoring over it.
    fn BS2_DisconnectDevice(context: *mut c_void, device: u32) {
        Context::find(context, "BS2_DisconnectDevice")?.disconnect(device)
    }

    /// Whether a reader is connected.
    fn BS2_IsConnected(context: *mut c_void, device: u32, connected: Out<'_, c_int>) {
        let connected = given(connected)?;
        connected.write(0);
        let context = Context::find(context, "BS2_IsConnected")?;
        let devices = &context.session()?.devices;
        let id = devices.known(device)?;
        connected.write(devices.link(id).is_some().into());
        Ok(())
    }

    /// Accepted: nothing here is encrypted.
    fn BS2_DisableSSL(context: *mut c_void, device: u32) {
        let context = Context::find(context, "BS2_DisableSSL")?;
        context.session()?.devices.connected(device).map(drop)
    }

    /// One node: the reader, to which nothing else is wired. Its fields are 0, because their places are not known here.
    fn BS2_GetDeviceTopology(
        context: *mut c_void,
        device: u32,
        nodes: Out<'_, *mut c_void>,
        count: Out<'_, u32>,
    ) {
        let (nodes, count) = object_places(nodes, count)?;
        let context = Context::find(context, "BS2_GetDeviceTopology")?;
        context.ask(device, async |backend, id| backend.info(id).await)?;
        nodes.write(objects::hand_out_words(vec![0; NODE_WORDS]));
        count.write(1);
        Ok(())
    }

    /// What is known of a reader, connected or not.
    fn BS2_GetDeviceInfo(context: *mut c_void, device: u32, info: Out<'_, SimpleDeviceInfo>) {
        let info = given(info)?;
        let context = Context::find(context, "BS2_GetDeviceInfo")?;
        info.write(simple_info(&context, device)?);
        Ok(())
    }

    /// The same, and an extension in which nothing is set.
    fn BS2_GetDeviceInfoEx(
        context: *mut c_void,
        device: u32,
        info: Out<'_, SimpleDeviceInfo>,
        extension: Out<'_, SimpleDeviceInfoEx>,
    ) {
        let (info, extension) = (given(info)?, given(extension)?);
        let context = Context::find(context, "BS2_GetDeviceInfoEx")?;
        info.write(simple_info(&context, device)?);
        extension.write(SimpleDeviceInfoEx::default());
        Ok(())
    }

    /// How much a reader keeps.
    fn BS2_GetDeviceCapabilities(context: *mut c_void, device: u32, capabilities: Out<'_, DeviceCapabilities>) {
        let place = given(capabilities)?;
        let context = Context::find(context, "BS2_GetDeviceCapabilities")?;
        let found = context.ask(device, async |backend, id| backend.capabilities(id).await)?;
        place.write(DeviceCapabilities {
            max_users: MAX_USERS,
            max_event_logs: found.max_event_logs,
            max_image_logs: found.max_image_logs,
            ..DeviceCapabilities::default()
        });
        Ok(())
    }

    /// What a reader is called, and its firmware.
    fn BS2_GetFactoryConfig(context: *mut c_void, device: u32, config: Out<'_, FactoryConfig>) {
        let config = given(config)?;
        let context = Context::find(context, "BS2_GetFactoryConfig")?;
        let info = context.ask(device, async |backend, id| backend.info(id).await)?;
        let [a, b, c, d] = device.to_be_bytes();
        let firmware_version = version(&info.firmware);
        config.write(FactoryConfig {
            device_id: device,
            mac: [0x02, 0x00, a, b, c, d],
            model: padded(&info.model),
            firmware_version,
            firmware_revision: padded(&info.firmware),
            ..FactoryConfig::default()
        });
        Ok(())
    }

    /// What was set, or else the time zone of the reader's newest event.
    fn BS2_GetSystemConfig(context: *mut c_void, device: u32, config: Out<'_, SystemConfig>) {
        let config = given(config)?;
        let context = Context::find(context, "BS2_GetSystemConfig")?;
        let simulation = &context.session()?.simulation;
        let newest = simulation.simulator.reader(DeviceId::new(device)).ok().and_then(|reader| reader.newest_id());
        let after = newest.unwrap_or_default().saturating_sub(1);
        let page = context.ask(device, async |backend, id| backend.logs(id, after, 1).await)?;
        let zone = page.last().map_or(0, |event| i32::from(event.flags().utc_offset_minutes()) * 60);
        let set = lock(&simulation.set).get(&DeviceId::new(device)).and_then(|set| set.system.clone());
        let unset = || Box::new(SystemConfig { time_zone: zone, ..SystemConfig::default() });
        config.write(*set.unwrap_or_else(unset));
        Ok(())
    }

    /// Keeps all its bytes; events go on in the zone of the reader's site.
    fn BS2_SetSystemConfig(context: *mut c_void, device: u32, config: Option<&SystemConfig>) {
        let config = Box::new(*given(config)?);
        let context = Context::find(context, "BS2_SetSystemConfig")?;
        let id = context.ask(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        lock(&context.session()?.simulation.set).entry(id).or_default().system = Some(config);
        Ok(())
    }

    /// What was set, or else nothing but 0: no schedule.
    fn BS2_GetDstConfig(context: *mut c_void, device: u32, config: Out<'_, DstConfig>) {
        let config = given(config)?;
        let context = Context::find(context, "BS2_GetDstConfig")?;
        let id = context.ask(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        let set = lock(&context.session()?.simulation.set).get(&id).and_then(|set| set.dst);
        config.write(set.unwrap_or_default());
        Ok(())
    }

    /// Keeps all its bytes; events go on with the summer time of the reader's site.
    fn BS2_SetDstConfig(context: *mut c_void, device: u32, config: Option<&DstConfig>) {
        let config = *given(config)?;
        let context = Context::find(context, "BS2_SetDstConfig")?;
        let id = context.ask(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        lock(&context.session()?.simulation.set).entry(id).or_default().dst = Some(config);
        Ok(())
    }

    /// The reader's clock: seconds since 1970, UTC. It goes with the events.
    fn BS2_GetDeviceTime(context: *mut c_void, device: u32, time: Out<'_, u32>) {
        let place = given(time)?;
        let context = Context::find(context, "BS2_GetDeviceTime")?;
        let time = context.ask(device, async |backend, id| backend.time(id).await)?;
        place.write(time.as_unix_seconds());
        Ok(())
    }

    /// Sets the reader's clock; it writes the event of it.
    fn BS2_SetDeviceTime(context: *mut c_void, device: u32, time: u32) {
        let context = Context::find(context, "BS2_SetDeviceTime")?;
        let id = context.ask(device, async |backend, id| backend.time(id).await.map(|_| id))?;
        let reader = context.session()?.simulation.simulator.reader(id).map_err(|error| code_of(&error))?;
        reader.set_clock(Timestamp::from_unix_seconds(time));
        Ok(())
    }

    /// For which events a reader takes a picture.
    fn BS2_GetEventConfig(context: *mut c_void, device: u32, config: Out<'_, EventConfig>) {
        let place = given(config)?;
        let context = Context::find(context, "BS2_GetEventConfig")?;
        let filters = context.ask(device, async |backend, id| backend.image_filters(id).await)?;
        let mut config = EventConfig::default();
        for (slot, filter) in config.filters.iter_mut().zip(&filters) {
            let [sub, main] = filter.code.get().to_le_bytes();
            let sub_included = filter.exact.into();
            *slot = ImageEventFilter { main, sub, sub_included, reserved: 0, schedule_id: filter.schedule_id };
            config.count += 1;
        }
        place.write(config);
        Ok(())
    }

    /// Sets for which events a reader takes a picture.
    fn BS2_SetEventConfig(context: *mut c_void, device: u32, config: Option<&EventConfig>) {
        let config = given(config)?;
        let context = Context::find(context, "BS2_SetEventConfig")?;
        let count = usize::try_from(config.count).map_err(|_| INVALID_PARAMETER)?;
        let filters = config.filters.get(..count).ok_or(INVALID_PARAMETER)?;
        let filters: Vec<_> = filters.iter().map(image_filter).collect();
        context.ask(device, async |backend, id| backend.set_image_filters(id, &filters).await)
    }
}

fn found(session: &Session, readers: &[DeviceId]) -> Answer {
    for reader in readers {
        session.devices.know(*reader, true);
        session.post(Job::Found(*reader));
    }
    session.flush_arrivals();
    Ok(())
}

fn simple_info(context: &Context, device: u32) -> Answer<SimpleDeviceInfo> {
    let session = context.session()?;
    let id = session.devices.known(device)?;
    let connected = session.devices.link(id).is_some();
    if connected {
        context.ask(device, async |backend, id| backend.info(id).await)?;
    }
    let readers = &session.settings.readers;
    let images = *readers != readers.clone().with_images(false);
    let (host, port) =
        session.simulation.address(id).map_or(([0; 4], 0), |(host, port)| (host.octets(), port));
    Ok(SimpleDeviceInfo {
        id: device,
        ipv4: host,
        port,
        max_users: MAX_USERS,
        pin: 1,
        card: 1,
        finger: 1,
        tna: 1,
        image_log: images.into(),
        job_code: 1,
        connected_ip: if connected { [127, 0, 0, 1] } else { [0; 4] },
        ..SimpleDeviceInfo::default()
    })
}

fn image_filter(filter: &ImageEventFilter) -> ImageFilter {
    let code = EventCode::new(u16::from_le_bytes([filter.sub, filter.main]));
    let wanted = ImageFilter::new(code).with_schedule(filter.schedule_id);
    if filter.sub_included == 0 { wanted } else { wanted.exactly() }
}

/// A text with zeros behind it, at least one.
fn padded(text: &str) -> [u8; 32] {
    let mut field = [0; 32];
    for (byte, letter) in field.iter_mut().take(31).zip(text.bytes()) {
        *byte = letter;
    }
    field
}

/// The numbers of a version.
fn version(text: &str) -> [u8; 4] {
    let mut numbers = [0; 4];
    for (number, part) in numbers.iter_mut().zip(text.split('.')) {
        *number = part.parse().unwrap_or(0);
    }
    numbers
}

const MAX_USERS: u32 = 100_000;
/// More than the vendor's node takes, whose layout is not public.
const NODE_WORDS: usize = 64;
