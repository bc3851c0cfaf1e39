//! The fields of each record, and the record of its fields.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{
    Base64, FieldError, Hex, Reason, Value, Wide, as_fields, compare, deserialize_from_fields, object,
    present, required, serialize_as_fields,
};
use crate::codec::blob::{
    Address, BlobHead, BlobSubject, EventBlob, EventMask, ExtInfo, ExtIoDevice, SmallBlob, SmallBlobEx,
};
use crate::codec::code::Outcome;
use crate::codec::filter::EventFilter;
use crate::codec::portable::PortableBlob;
use crate::codec::subject::PortValue;
use crate::codec::{
    DeviceId, Event, EventCode, EventFlags, ExtraSubject, Extras, JobCode, LoggedEvent, Subject, SubjectKind,
    Temperature, Timestamp, UserId,
};

object! {
    /// `raw` is the event. Without `raw`, the other fields make it; those that only explain may be missing.
    ///
    /// `device_id` is the device whose log has the event. Where `source_device_id` is given, that is the number in the
    /// record; where it is not, both are the same.
    EventFields {
        event_id: u32,
        time: Timestamp,
        time_utc: String,
        device_id: DeviceId,
        source_device_id: DeviceId,
        code: EventCode,
        name: Option<String>,
        main: EventCode,
        sub: u8,
        param: u8,
        image: bool,
        dst: bool,
        utc_offset_minutes: i16,
        outcome: Option<String>,
        subject: SubjectFields,
        temperature: Temperature,
        job_code: JobCode,
        extras: ExtrasFields,
        raw: Hex,
    }
}

serialize_as_fields!(Event as EventFields);
serialize_as_fields!(LoggedEvent<'_> as EventFields);

/// Like the other records; the device whose log has the event is not in the record, so it is taken as given.
impl<'de> serde::Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = EventFields::deserialize(deserializer)?;
        let event = Self::try_from(&fields).map_err(serde::de::Error::custom)?;
        let truth = match (fields.device_id, fields.source_device_id) {
            (Some(device), Some(_)) => EventFields::from(&event).of_log(device),
            _ => EventFields::from(&event),
        };
        compare(&fields, &truth).map_err(serde::de::Error::custom)?;
        Ok(event)
    }
}

impl From<&Event> for EventFields {
    fn from(event: &Event) -> Self {
        let (code, flags) = (event.code(), event.flags());
        let outcome = match code.outcome() {
            Outcome::Neither => None,
            outcome => Some(outcome.to_string()),
        };
        Self {
            event_id: Some(event.id()),
            time: Some(event.timestamp()),
            time_utc: Some(event.timestamp().to_string()),
            device_id: Some(event.device_id()),
            source_device_id: None,
            code: Some(code),
            name: Some(code.full_name().map(String::from)),
            main: Some(code.main()),
            sub: Some(code.sub()),
            param: Some(event.param()),
            image: Some(flags.has_image()),
            dst: Some(flags.daylight_saving()),
            utc_offset_minutes: Some(flags.utc_offset_minutes()),
            outcome: Some(outcome),
            subject: Some((&event.subject()).into()),
            temperature: None,
            job_code: None,
            extras: None,
            raw: Some(event.as_bytes().into()),
        }
    }
}

impl From<&LoggedEvent<'_>> for EventFields {
    fn from(logged: &LoggedEvent<'_>) -> Self {
        let mut fields = Self::from(logged.event).of_log(logged.device);
        if !logged.has_clock {
            (fields.dst, fields.utc_offset_minutes) = (None, None);
        }
        let Some(extras) = logged.extras else { return fields };
        let subjects = Some(extras.subjects.clone()).filter(|subjects| !subjects.is_empty());
        let extra =
            subjects.map(|subjects| ExtrasFields { subjects: Some(subjects), ..ExtrasFields::default() });
        Self { temperature: extras.temperature, job_code: extras.job_code, extras: extra, ..fields }
    }
}

impl TryFrom<&EventFields> for Event {
    type Error = FieldError;

    fn try_from(fields: &EventFields) -> Result<Self, FieldError> {
        if let Some(raw) = &fields.raw {
            let event = Self::from_bytes(&raw.0);
            return event.copied().map_err(|_| FieldError::new("raw", Reason::Size(Self::SIZE)));
        }
        let source = fields.source_device_id.or(fields.device_id);
        let device_id = required(&source, "device_id")?;
        let (id, code) = (required(&fields.event_id, "event_id")?, required(&fields.code, "code")?);
        let subject = fields.subject.as_ref().map_or(Ok([0; 32]), SubjectFields::to_bytes);
        let subject = subject.map_err(|error| error.inside("subject"))?;
        Ok(Self::builder(device_id, id, code)
            .timestamp(required(&fields.time, "time")?)
            .subject(Subject::Unknown(&subject))
            .param(fields.param.unwrap_or_default())
            .flags(fields.flags()?)
            .build())
    }
}

impl EventFields {
    /// The fields of this event in the log of a device.
    pub(super) fn of_log(self, device: DeviceId) -> Self {
        let source_device_id = self.device_id.filter(|source| source.get() != 0 && *source != device);
        Self { device_id: Some(device), source_device_id, ..self }
    }

    fn flags(&self) -> Result<EventFlags, FieldError> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IMAGE, self.image.unwrap_or_default());
        flags.set(EventFlags::DAYLIGHT_SAVING, self.dst.unwrap_or_default());
        let half_hours = match self.utc_offset_minutes {
            Some(minutes) if minutes % 30 == 0 => i8::try_from(minutes / 30).ok(),
            Some(_) => None,
            None => Some(0),
        };
        half_hours
            .and_then(|half_hours| flags.with_utc_offset_half_hours(half_hours))
            .ok_or(FieldError::new("utc_offset_minutes", Reason::Offset))
    }
}

object! {
    /// `kind` and the fields of that kind. In a blob also the 32 bytes, since other bytes may be set too. `card_text` is
    /// `card_data` as text, if it is digits.
    SubjectFields {
        kind: String,
        user_id: String,
        user_id_hex: Hex,
        card_data: Hex,
        card_text: String,
        lift_id: u32,
        relay_port: u16,
        input_port: u16,
        device_id: u32,
        zone_id: u32,
        door_id: u32,
        door_ids: [u32; 4],
        io_device_id: u32,
        port: u16,
        value: PortValue,
        data: Hex,
        raw: Hex,
    }
}

serialize_as_fields!(Subject<'_> as SubjectFields);
serialize_as_fields!(BlobSubject<'_> as SubjectFields);

impl SubjectFields {
    /// The bytes, from `raw` or the fields of the kind.
    fn to_bytes(&self) -> Result<[u8; 32], FieldError> {
        if let Some(raw) = &self.raw {
            return raw.array("raw");
        }
        let kind = required(&self.kind, "kind")?;
        macro_rules! of_fields {
            ($kind:ident: $($field:ident),*) => {
                Subject::$kind { $($field: required(&self.$field, stringify!($field))?),* }.to_bytes()
            };
        }
        Ok(match kind.as_str() {
            "alarm_zone" => of_fields!(AlarmZone: zone_id, door_id, io_device_id, port),
            "card" => required(&self.card_data, "card_data")?.array("card_data")?,
            "door" => of_fields!(Door: door_id),
            "input" | "io_device" => of_fields!(Input: io_device_id, port, value),
            "interlock" => of_fields!(Interlock: zone_id, door_ids),
            "lift" => of_fields!(Lift: lift_id),
            "none" => Subject::None.to_bytes(),
            "osdp" => Subject::Osdp {
                device_id: required(&self.device_id, "device_id")?,
                data: &required(&self.data, "data")?.array("data")?,
            }
            .to_bytes(),
            "relay" => of_fields!(Relay: relay_port, input_port),
            "unknown" => required(&self.data, "data")?.array("data")?,
            "user" => *user_id(&self.user_id, &self.user_id_hex)?.as_array(),
            "zone" => of_fields!(Zone: zone_id),
            _ => return Err(FieldError::new("kind", Reason::Kind)),
        })
    }

    fn of_user(user: &UserId) -> Self {
        let user_id = user.as_text().map(String::from);
        let user_id_hex = if user_id.is_none() { Some(user.as_bytes().into()) } else { None };
        Self { user_id, user_id_hex, ..Self::of_kind(SubjectKind::User) }
    }

    fn of_kind(kind: impl ToString) -> Self {
        Self { kind: Some(kind.to_string()), ..Self::default() }
    }
}

impl From<&Subject<'_>> for SubjectFields {
    fn from(subject: &Subject<'_>) -> Self {
        macro_rules! fields {
            ($kind:ident: $($field:ident),*) => {
                Self { $($field: Some($field.into()),)* ..Self::of_kind(SubjectKind::$kind) }
            };
        }
        match *subject {
            Subject::AlarmZone { zone_id, door_id, io_device_id, port } => {
                fields!(AlarmZone: zone_id, door_id, io_device_id, port)
            }
            Subject::Card(card) => {
                let (card_data, card_text) = (card.as_bytes().as_slice(), card.as_text().map(String::from));
                Self { card_text, ..fields!(Card: card_data) }
            }
            Subject::Door { door_id } => fields!(Door: door_id),
            Subject::Input { io_device_id, port, value } => fields!(Input: io_device_id, port, value),
            Subject::Interlock { zone_id, door_ids } => fields!(Interlock: zone_id, door_ids),
            Subject::Lift { lift_id } => fields!(Lift: lift_id),
            Subject::None => fields!(None:),
            Subject::Osdp { device_id, data } => {
                let data = data.as_slice();
                fields!(Osdp: device_id, data)
            }
            Subject::Relay { relay_port, input_port } => fields!(Relay: relay_port, input_port),
            Subject::Unknown(data) => {
                let data = data.as_slice();
                fields!(Unknown: data)
            }
            Subject::User(user) => Self::of_user(user),
            Subject::Zone { zone_id } => fields!(Zone: zone_id),
        }
    }
}

impl From<&BlobSubject<'_>> for SubjectFields {
    fn from(subject: &BlobSubject<'_>) -> Self {
        let fields = Self::from(&subject.as_subject());
        match subject {
            BlobSubject::IoDevice(_) => Self { kind: Some("io_device".into()), ..fields },
            _ => fields,
        }
    }
}

object! {
    /// Those that are set.
    ExtrasFields {
        job_code: JobCode,
        temperature: Temperature,
        subjects: Vec<ExtraSubject>,
    }
}

impl Value for Vec<ExtraSubject> {
    const EXPECTED: &'static str = "an array of subjects";
}

as_fields!(Extras as ExtrasFields);
deserialize_from_fields!(ExtraSubject as SubjectFields);

impl From<&Extras> for ExtrasFields {
    fn from(extras: &Extras) -> Self {
        let subjects = Some(extras.subjects.clone()).filter(|subjects| !subjects.is_empty());
        Self { job_code: extras.job_code, temperature: extras.temperature, subjects }
    }
}

impl TryFrom<&ExtrasFields> for Extras {
    type Error = FieldError;

    fn try_from(fields: &ExtrasFields) -> Result<Self, FieldError> {
        let subjects = fields.subjects.clone().unwrap_or_default();
        Ok(Self { job_code: fields.job_code, temperature: fields.temperature, subjects })
    }
}

/// `raw` is written only if the other fields do not give all 32 bytes.
impl serde::Serialize for ExtraSubject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = SubjectFields::from(self);
        if SubjectFields::from(&self.subject()).to_bytes().as_ref() == Ok(self.as_bytes()) {
            fields.raw = None;
        }
        fields.serialize(serializer)
    }
}

impl From<&ExtraSubject> for SubjectFields {
    fn from(subject: &ExtraSubject) -> Self {
        Self { raw: Some(subject.as_bytes().as_slice().into()), ..Self::from(&subject.subject()) }
    }
}

impl TryFrom<&SubjectFields> for ExtraSubject {
    type Error = FieldError;

    fn try_from(fields: &SubjectFields) -> Result<Self, FieldError> {
        let word = present(&fields.kind, "kind")?;
        let kind = SubjectKind::ALL.into_iter().find(|kind| kind.to_string() == *word);
        let kind = kind.ok_or(FieldError::new("kind", Reason::Kind))?;
        Ok(Self::new(kind, fields.to_bytes()?))
    }
}

object! {
    /// One of the two: text, or bytes if the id is not UTF-8 or has bytes behind its NUL.
    UserFields {
        user_id: String,
        user_id_hex: Hex,
    }
}

as_fields!(UserId as UserFields);

impl From<&UserId> for UserFields {
    fn from(user: &UserId) -> Self {
        let is_padded = UserId::new(user.as_bytes()).as_ref() == Ok(user);
        match user.as_text() {
            Some(text) if is_padded => Self { user_id: Some(text.into()), user_id_hex: None },
            _ if is_padded => Self { user_id: None, user_id_hex: Some(user.as_bytes().into()) },
            _ => Self { user_id: None, user_id_hex: Some(user.as_array().as_slice().into()) },
        }
    }
}

impl TryFrom<&UserFields> for UserId {
    type Error = FieldError;

    fn try_from(fields: &UserFields) -> Result<Self, FieldError> {
        user_id(&fields.user_id, &fields.user_id_hex)
    }
}

/// The user id of a text or of bytes.
fn user_id(text: &Option<String>, hex: &Option<Hex>) -> Result<UserId, FieldError> {
    let (field, bytes) = match (text, hex) {
        (Some(text), _) => ("user_id", text.as_bytes()),
        (None, Some(hex)) => ("user_id_hex", hex.0.as_slice()),
        (None, None) => return Err(FieldError::new("user_id", Reason::Missing)),
    };
    UserId::new(bytes).map_err(|_| FieldError::new(field, Reason::TooLong(32)))
}

object! {
    /// A missing field asks for everything.
    FilterFields {
        user_id: String,
        user_id_hex: Hex,
        start: Timestamp,
        end: Timestamp,
        code: EventCode,
        tna_key: u8,
        padding: u8,
    }
}

as_fields!(EventFilter as FilterFields);

impl From<&EventFilter> for FilterFields {
    fn from(filter: &EventFilter) -> Self {
        let UserFields { user_id, user_id_hex } = filter.user_id().into();
        Self {
            user_id,
            user_id_hex,
            start: Some(filter.start()),
            end: Some(filter.end()),
            code: Some(filter.code()),
            tna_key: Some(filter.tna_key()),
            padding: Some(filter.padding()),
        }
    }
}

impl TryFrom<&FilterFields> for EventFilter {
    type Error = FieldError;

    fn try_from(fields: &FilterFields) -> Result<Self, FieldError> {
        let filter = Self::default()
            .with_time(fields.start.unwrap_or_default(), fields.end.unwrap_or_default())
            .with_code(fields.code.unwrap_or(EventCode::new(0)))
            .with_tna_key(fields.tna_key.unwrap_or_default())
            .with_padding(fields.padding.unwrap_or_default());
        if fields.user_id.is_none() && fields.user_id_hex.is_none() {
            return Ok(filter);
        }
        Ok(filter.with_user_id(user_id(&fields.user_id, &fields.user_id_hex)?))
    }
}

object! {
    /// The fields of the record.
    InfoFields {
        time: Timestamp,
        device_id: DeviceId,
        code: EventCode,
        reserved: [u8; 2],
    }
}

as_fields!(ExtInfo as InfoFields);

impl From<&ExtInfo> for InfoFields {
    fn from(info: &ExtInfo) -> Self {
        Self {
            time: Some(info.timestamp()),
            device_id: Some(info.device_id()),
            code: Some(info.code()),
            reserved: Some(info.reserved()),
        }
    }
}

impl TryFrom<&InfoFields> for ExtInfo {
    type Error = FieldError;

    fn try_from(fields: &InfoFields) -> Result<Self, FieldError> {
        let time = required(&fields.time, "time")?;
        let device = required(&fields.device_id, "device_id")?;
        let info = Self::new(time, device, required(&fields.code, "code")?);
        Ok(info.with_reserved(fields.reserved.unwrap_or_default()))
    }
}

object! {
    /// The fields of the record.
    IoDeviceFields {
        io_device_id: u32,
        port: u16,
        value: PortValue,
        reserved: u8,
    }
}

as_fields!(ExtIoDevice as IoDeviceFields);

impl From<&ExtIoDevice> for IoDeviceFields {
    fn from(input: &ExtIoDevice) -> Self {
        Self {
            io_device_id: Some(input.io_device_id()),
            port: Some(input.port()),
            value: Some(input.value()),
            reserved: Some(input.reserved()),
        }
    }
}

impl TryFrom<&IoDeviceFields> for ExtIoDevice {
    type Error = FieldError;

    fn try_from(fields: &IoDeviceFields) -> Result<Self, FieldError> {
        let id = required(&fields.io_device_id, "io_device_id")?;
        let input = Self::new(id, required(&fields.port, "port")?, required(&fields.value, "value")?);
        Ok(input.with_reserved(fields.reserved.unwrap_or_default()))
    }
}

object! {
    /// The fields of all kinds of blobs. Reading refuses a field that the kind does not have, since the comparison fails.
    BlobFields {
        event_mask: EventMask,
        event_id: u32,
        info: InfoFields,
        subject: SubjectFields,
        tna_key: u8,
        job_code: JobCode,
        image_size: u16,
        image: Base64,
        image_rest: Base64,
        image_address: Wide,
        reserved: u8,
        temperature: Temperature,
    }
}

as_fields!(BlobHead as BlobFields);
as_fields!(EventBlob as BlobFields);
as_fields!(SmallBlob<A> as BlobFields, A: Address);
as_fields!(SmallBlobEx<A> as BlobFields, A: Address);

/// All fields, for any mask, so that every byte is kept.
impl From<&BlobHead> for BlobFields {
    fn from(head: &BlobHead) -> Self {
        let (tna_key, job_code) = head.key_fields();
        let subject = SubjectFields {
            raw: Some(head.subject_field().as_slice().into()),
            ..SubjectFields::from(&head.subject())
        };
        Self {
            event_mask: Some(head.mask()),
            event_id: Some(head.id()),
            info: Some(head.info_field().into()),
            subject: Some(subject),
            tna_key: Some(tna_key),
            job_code: Some(job_code),
            image_size: Some(head.image_size()),
            ..Self::default()
        }
    }
}

impl TryFrom<&BlobFields> for BlobHead {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let mask = required(&fields.event_mask, "event_mask")?;
        // The kind of the blob checks the length of the image, and whether it has one.
        let len = fields.image.as_ref().map_or(0, |image| u16::try_from(image.0.len()).unwrap_or(u16::MAX));
        let image_size = fields.image_size.unwrap_or(len);
        let info = fields.info.as_ref().map_or(Ok(ExtInfo::default()), ExtInfo::try_from);
        let subject = fields.subject.as_ref().map_or(Ok([0; 32]), SubjectFields::to_bytes);
        Ok(Self::new(required(&fields.event_id, "event_id")?)
            .with_info(info.map_err(|error| error.inside("info"))?)
            .with_subject_field(subject.map_err(|error| error.inside("subject"))?)
            .with_tna_key(fields.tna_key.unwrap_or_default())
            .with_job_code(fields.job_code.unwrap_or_default())
            .with_image_size(image_size)
            .with_mask(mask))
    }
}

/// `image` is the part of the field that the size covers. `image_rest` is the part after it, without the zeros at the end.
impl From<&EventBlob> for BlobFields {
    fn from(blob: &EventBlob) -> Self {
        let size = usize::from(blob.head().image_size());
        let field = blob.image_field().as_slice();
        let (image, rest) = field.split_at_checked(size).unwrap_or((field, &[]));
        let rest_len = rest.iter().rposition(|&byte| byte != 0).map(|last| last.saturating_add(1));
        let rest = rest_len.and_then(|len| rest.get(..len));
        Self {
            image: Some(Base64(image.into())),
            image_rest: rest.map(|rest| Base64(rest.into())),
            reserved: Some(blob.reserved()),
            ..Self::from(blob.head())
        }
    }
}

impl TryFrom<&BlobFields> for EventBlob {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let head = BlobHead::try_from(fields)?;
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(head.as_bytes());
        for (part, name) in [(&fields.image, "image"), (&fields.image_rest, "image_rest")] {
            bytes.extend_from_slice(part.as_ref().map_or(&[], |part| &part.0));
            if bytes.len() >= Self::SIZE {
                return Err(FieldError::new(name, Reason::TooLong(EventBlob::IMAGE_SIZE)));
            }
        }
        bytes.resize(Self::SIZE.saturating_sub(1), 0);
        bytes.push(fields.reserved.unwrap_or_default());
        Self::from_bytes(&bytes)
            .copied()
            .map_err(|_| FieldError::new("image", Reason::Size(EventBlob::IMAGE_SIZE)))
    }
}

impl<A: Address> From<&SmallBlob<A>> for BlobFields {
    fn from(blob: &SmallBlob<A>) -> Self {
        let image_address = Some(Wide(blob.image_address()));
        Self { image_address, reserved: Some(blob.reserved()), ..Self::from(blob.head()) }
    }
}

impl<A: Address> TryFrom<&BlobFields> for SmallBlob<A> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let address = fields.image_address.map_or(0, |address| address.0);
        Ok(Self::new(fields.try_into()?, address).with_reserved(fields.reserved.unwrap_or_default()))
    }
}

impl<A: Address> From<&SmallBlobEx<A>> for BlobFields {
    fn from(blob: &SmallBlobEx<A>) -> Self {
        Self { temperature: Some(blob.temperature_field()), ..Self::from(blob.small_blob()) }
    }
}

impl<A: Address> TryFrom<&BlobFields> for SmallBlobEx<A> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        Ok(Self::from_fields(fields.try_into()?, fields.temperature.unwrap_or_default()))
    }
}

as_fields!(PortableBlob<'_> as BlobFields);

impl From<&PortableBlob<'_>> for BlobFields {
    fn from(blob: &PortableBlob<'_>) -> Self {
        let fields = Self::from(blob.head());
        let has = |bits| blob.head().mask().intersects(bits);
        Self {
            info: fields.info.filter(|_| has(EventMask::INFO)),
            subject: fields.subject.filter(|_| has(EventMask::SUBJECT)),
            tna_key: fields.tna_key.filter(|_| has(EventMask::TNA_KEY)),
            job_code: fields.job_code.filter(|_| has(EventMask::JOB_CODE)),
            image_size: fields.image_size.filter(|_| has(EventMask::IMAGE)),
            image: blob.image().map(|image| Base64(image.into())),
            reserved: Some(blob.reserved()),
            temperature: blob.temperature(),
            ..fields
        }
    }
}

impl TryFrom<&BlobFields> for PortableBlob<'_> {
    type Error = FieldError;

    fn try_from(fields: &BlobFields) -> Result<Self, FieldError> {
        let image = fields.image.clone().unwrap_or_default().0;
        let too_long = FieldError::new("image", Reason::TooLong(u16::MAX.into()));
        let blob = Self::new(BlobHead::try_from(fields)?, image).map_err(|_| too_long)?;
        let blob = blob.with_reserved(fields.reserved.unwrap_or_default());
        // Like every missing field, a temperature is 0 if the mask has it.
        let has_temperature = fields.event_mask.unwrap_or_default().contains(EventMask::TEMPERATURE);
        let temperature = fields.temperature.or(has_temperature.then(Temperature::default));
        Ok(blob.with_some_temperature(temperature))
    }
}
