//! Every call of the client.

use std::fmt::Debug;

use bs2_events::Result;
use bs2_events::biostar_x::virtual_devices::*;
use bs2_events::biostar_x::*;
use bs2_events::codec::Timestamp;

use super::options;

pub(crate) fn shown(value: &(impl Debug + ?Sized)) -> String {
    format!("{value:?} {value:#?}")
}

fn told<T: Debug>(result: Result<T>) -> String {
    let Err(error) = result else { return shown(&result) };
    let mut text = format!("{error} {}", shown(&error));
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// Every call of the client, and what can be seen of it.
pub(crate) async fn everything(client: &BiostarX) -> String {
    let id = VirtualDeviceId::MIN;
    let time = Timestamp::from_unix_seconds(1_761_837_120);
    let mut seen = shown(client);
    seen += &told(client.login().await);
    seen += &told(client.virtual_devices().await);
    seen += &told(client.create_virtual_device(&NewVirtualDevice::new(id, "gate")).await);
    seen += &told(client.update_virtual_device(id, &VirtualDeviceChange::new().group(1)).await);
    seen += &told(client.delete_virtual_devices(&[id]).await);
    seen += &told(client.event_types().await);
    seen += &told(client.licences().await);
    seen += &told(client.version().await.map(drop));
    seen += &told(client.image("1_2_3").await.map(drop));
    let query = EventQuery::new().user("user-canary");
    seen += &shown(&query);
    seen += &told(client.search_events(&query).await);
    let mut events = client.events(query);
    // Some answers have new rows for ever.
    for _ in 0..3 {
        match events.next().await {
            Some(event) => seen += &told(event),
            None => break,
        }
    }
    let event = ImportEvent::granted("user-canary", time);
    let mut import = client.import(id, vec![event.clone(), event]).unwrap();
    seen += &told(import.send(&options()).await);
    seen += &told(import.look_up(&options()).await);
    seen += &shown(&import);
    seen += &shown(import.statuses());
    seen += &told(client.logout().await);
    seen
}
