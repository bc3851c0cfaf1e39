//! What the BioStar X client sends, byte for byte, and how it reads the vendor's recorded answers.

use bs2_events::ErrorKind;
use bs2_events::biostar_x::import::*;
use bs2_events::biostar_x::query::*;
use bs2_events::biostar_x::virtual_devices::*;
use bs2_events::biostar_x::*;
use bs2_events::codec::{DeviceId, EventCode, Timestamp};

use crate::biostar_x_script::{Answer, SESSION, Script, ok, options, vector};

fn gate() -> VirtualDeviceId {
    VirtualDeviceId::MIN
}

#[tokio::test]
async fn every_request_is_sent_as_documented() {
    let answers = ["created", "list", "updated", "deleted", "success", "rows", "event_types", "licences"];
    let picture = Answer::Body(200, r#"{"ImageLog":{"data":"/9j/\n2Q=="}}"#.to_owned());
    let script = Script::new(answers.map(ok).into_iter().chain([picture, ok("success")])).await;
    let client = script.client();

    let new = NewVirtualDevice::new(gate(), "Virtual Device 100001")
        .with_description("Virtual device for mobile punch import");
    let created = client.create_virtual_device(&new).await.unwrap();
    assert_eq!((created.id.get(), created.group, created.group_name), (100_001, Some(1), None));
    let listed = client.virtual_devices().await.unwrap();
    assert_eq!((listed.len(), listed[0].group_name.as_deref()), (1, Some("All Devices")));
    client.update_virtual_device(gate(), &VirtualDeviceChange::new().group(1)).await.unwrap();
    let second = VirtualDeviceId::new(100_002).unwrap();
    client.delete_virtual_devices(&[gate(), second]).await.unwrap();
    let times = [1_761_837_120, 1_761_837_181].map(Timestamp::from_unix_seconds);
    let events = times.map(|time| ImportEvent::denied("2", time).tna_key(1)).to_vec();
    let mut import = client.import(gate(), events).unwrap();
    import.send(&options().with_virtual_device_flag(VirtualDeviceFlag::Text)).await.unwrap();
    assert!(import.is_complete());
    let window = [1_646_146_800, 1_709_398_799].map(Timestamp::from_unix_seconds);
    let query = EventQuery::new()
        .between(window[0], window[1])
        .condition(Column::Id, Operator::NotEqual, ["60491"])
        .user("2")
        .order(Order::by_time().descending())
        .limit(20);
    assert_eq!(client.search_events(&query).await.unwrap().len(), 2);
    assert_eq!(client.event_types().await.unwrap().len(), 7);
    assert_eq!(client.licences().await.unwrap().event_log_api(), Some(true));
    let picture = client.image("1643790735_543720368_21611").await.unwrap();
    assert_eq!(picture[..], [0xFF, 0xD8, 0xFF, 0xD9]);
    client.logout().await.unwrap();

    let all = script.all();
    assert_eq!(all[0].line, "POST /api/login");
    assert_eq!(all[0].body, r#"{"User":{"login_id":"operator-canary","password":"password-canary"}}"#);
    assert_eq!(all[0].header("bs-session-id"), None);
    let expected = [
        ("POST /api/v2/virtual_devices", vector("create_request")),
        ("GET /api/v2/virtual_devices", String::new()),
        ("PUT /api/v2/virtual_devices/100001", vector("update_request")),
        ("DELETE /api/v2/virtual_devices?id=100001+100002", String::new()),
        ("POST /api/events/import", vector("import_request")),
        ("POST /api/events/search", vector("search_request")),
        ("GET /api/event_types?setting_all=true", String::new()),
        ("GET /api/setting/biostar", String::new()),
        ("GET /api/events/images/1643790735_543720368_21611", String::new()),
        ("POST /api/logout", String::new()),
    ];
    let received = script.received();
    assert_eq!(received.len(), expected.len());
    for (request, (line, body)) in received.iter().zip(expected) {
        assert_eq!((request.line.as_str(), &request.body), (line, &body));
        assert_eq!(request.header("bs-session-id"), Some(SESSION), "{line}");
        let content_type = (!body.is_empty()).then_some("application/json");
        assert_eq!(request.header("content-type"), content_type, "{line}");
        let lengths: Vec<_> = request.headers.iter().filter(|(name, _)| name == "content-length").collect();
        assert_eq!(lengths.len(), usize::from(line.starts_with('P')), "{line}: {lengths:?}");
    }
    assert_eq!(script.logins(), 1);
}

#[tokio::test]
async fn rows_are_read_with_every_field_that_they_have() {
    let script = Script::new([ok("rows")]).await;
    let rows = script.client().search_events(&EventQuery::new()).await.unwrap();
    let (first, second) = (&rows[0], &rows[1]);
    assert_eq!(first.time.unwrap().to_string(), "2026-07-24T17:53:02Z");
    assert_eq!(first.server_time.unwrap().to_string(), "2026-07-24T14:52:57");
    assert_eq!((first.index, first.hint.as_deref(), first.tna_key, first.key()), (None, None, None, None));
    assert_eq!(second.device, Some(DeviceId::new(543_720_368)));
    assert_eq!(second.code, Some(EventCode::new(4_102)));
    assert_eq!(second.device_offset_half_hours, Some(18));
    assert_eq!((second.is_dst, second.tna_key, second.user_group), (Some(false), None, Some(1)));
    assert_eq!(second.doors, [(Some(1), Some("Door 1".to_owned()))]);
    assert_eq!(second.user_id.as_deref(), Some("2"));
    assert_eq!(second.image.as_deref(), Some("1643790735_543720368_21611"));
    assert_eq!(second.key().unwrap().to_string(), "164379073505437203680000021611");
}

#[tokio::test]
async fn no_rows_are_no_rows_in_every_spelling() {
    for name in ["no_rows_text", "no_rows_array", "no_rows_missing"] {
        let script = Script::new([ok(name)]).await;
        assert_eq!(script.client().search_events(&EventQuery::new()).await.unwrap(), [], "{name}");
    }
}

#[tokio::test]
async fn a_socket_event_is_read_like_a_row() {
    let frame: serde_json::Value = serde_json::from_str(&vector("socket_event")).unwrap();
    let row = EventRow::from_json(&frame["Event"]);
    assert_eq!(row.code_name.as_deref(), Some("VERIFY_SUCCESS_CARD"));
    assert_eq!(row.key().unwrap().to_string(), "164379073505437203680000021611");
}

#[tokio::test]
async fn a_missing_licence_is_told_bare_or_wrapped() {
    for name in ["licence_bare", "licence_wrapped"] {
        let script = Script::new([Answer::Body(403, vector(name))]).await;
        let error = script.client().virtual_devices().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LicenceMissing, "{name}");
        let http = error.http().unwrap();
        assert_eq!((http.status(), http.code(), http.by()), (Some(403), Some("331791"), Some("web")));
        assert_eq!(http.message(), Some("License is required."));
        assert_eq!(http.endpoint(), "GET /api/v2/virtual_devices");
        assert!(http.body().unwrap().contains("support.supremainc.com"));
        assert!(error.to_string().contains("Event Log API"), "{error}");
    }
}

#[tokio::test]
async fn addresses_lose_their_api_and_their_slash() {
    for ending in ["", "/", "/api", "/api/"] {
        let script = Script::new([ok("list")]).await;
        let address = format!("{}{ending}", script.address);
        let client = BiostarX::new(BiostarXOptions::new(&address).with_credentials("a", "b")).unwrap();
        client.virtual_devices().await.unwrap();
        assert_eq!(script.received()[0].line, "GET /api/v2/virtual_devices", "{ending}");
    }
    for address in
        ["https://name:secret@192.0.2.1", "https://192.0.2.1/?password=secret", "192.0.2.1", "https://"]
    {
        let error = BiostarX::new(BiostarXOptions::new(address)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{address}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{address}");
    }
}
