//! The generated code of the gateway's interface is made from `proto/`.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

#[test]
fn the_generated_code_is_made_from_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = root.join("src/device/gateway/proto/generated");
    let fresh = tempfile::tempdir().unwrap();
    generate(&root.join("proto"), fresh.path());
    if env::var_os("BLESS").is_some() {
        for (name, text) in files(fresh.path()) {
            fs::write(kept.join(name), text).unwrap();
        }
    }
    let (kept, fresh) = (files(&kept), files(fresh.path()));
    assert_eq!(kept.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
    for (name, text) in kept {
        // Only the name, because the two texts have hundreds of lines.
        assert!(text == fresh[&name], "{name} is not what proto/ makes; see proto/README.md");
    }
}

fn generate(proto: &Path, into: &Path) {
    let descriptors = protox::compile(FILES, [proto]).unwrap();
    tonic_prost_build::configure()
        // It would add a constructor `connect` to every service, and one service has a call of that name.
        .build_transport(false)
        .bytes(".")
        .server_mod_attribute(".", "#[cfg(any(test, feature = \"sim-servers\"))]")
        .out_dir(into)
        .compile_fds(descriptors)
        .unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(Result::unwrap).map(file).collect()
}

const FILES: [&str; 10] = [
    "google/rpc/status.proto",
    "gsdk/admin.proto",
    "gsdk/connect.proto",
    "gsdk/connect_master.proto",
    "gsdk/device.proto",
    "gsdk/err.proto",
    "gsdk/event.proto",
    "gsdk/login.proto",
    "gsdk/time.proto",
    "gsdk/tna.proto",
];
