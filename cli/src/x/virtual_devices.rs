//! `bs2 x virtual-devices`: list, create, update, delete.

use std::process::ExitCode;

use bs2_events::Result;
use bs2_events::biostar_x::virtual_devices::{NewVirtualDevice, VirtualDeviceChange};
use bs2_events::biostar_x::{BiostarX, VirtualDevice, VirtualDeviceId};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Access;
use crate::stdio::{Output, table};

/// List, create, update or delete virtual devices
#[derive(Args)]
pub(super) struct VirtualDevices {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List all virtual devices
    List {
        #[command(flatten)]
        access: Access,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make a virtual device
    Create {
        #[command(flatten)]
        access: Access,
        /// Its number, 100001 to 999999
        id: VirtualDeviceId,
        /// Its name, which no other device has
        name: String,
        #[command(flatten)]
        more: More,
        /// Print it as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change a virtual device; options that are missing change nothing
    Update {
        #[command(flatten)]
        access: Access,
        /// Its number
        id: VirtualDeviceId,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        more: More,
        /// Print it as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete virtual devices; their events stay
    Delete {
        #[command(flatten)]
        access: Access,
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<VirtualDeviceId>,
    },
}

#[derive(Args)]
struct More {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// The device group that it belongs to
    #[arg(long, value_name = "ID")]
    group: Option<u32>,
}

impl VirtualDevices {
    pub(super) async fn run(&self) -> Result<ExitCode> {
        match &self.verb {
            Verb::List { access, json } => {
                print(&access.within(async |client| client.virtual_devices().await).await?, *json)?;
            }
            Verb::Create { access, id, name, more, json } => {
                let mut device = NewVirtualDevice::new(*id, name);
                if let Some(description) = &more.description {
                    device = device.with_description(description);
                }
                if let Some(group) = more.group {
                    device = device.with_group(group);
                }
                let create = async |client: &BiostarX| client.create_virtual_device(&device).await;
                print(&[access.within(create).await?], *json)?;
            }
            Verb::Update { access, id, name, more, json } => {
                let mut change = VirtualDeviceChange::new();
                if let Some(name) = name {
                    change = change.name(name);
                }
                if let Some(description) = &more.description {
                    change = change.description(description);
                }
                if let Some(group) = more.group {
                    change = change.group(group);
                }
                let update = async |client: &BiostarX| client.update_virtual_device(*id, &change).await;
                print(&[access.within(update).await?], *json)?;
            }
            Verb::Delete { access, ids } => {
                access.within(async |client| client.delete_virtual_devices(ids).await).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(devices: &[VirtualDevice], json: bool) -> Result<()> {
    let mut output = Output::new();
    let mut rows = table([("id", true), ("name", false), ("group", true), ("description", false)]);
    for device in devices {
        if json {
            output.json(&json!({
                "id": device.id.get(), "name": device.name, "description": device.description, "group": device.group,
            }))?;
            continue;
        }
        rows.add_row([
            device.id.to_string(),
            device.name.clone(),
            device.group.map(|group| group.to_string()).unwrap_or_default(),
            device.description.clone().unwrap_or_default(),
        ]);
    }
    if !json {
        output.line(rows)?;
    }
    output.flush()
}
