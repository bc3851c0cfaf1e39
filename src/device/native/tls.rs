//! The files of encrypted connections, as the library asks for them.

use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::RwLock;

use super::options::TlsFiles;
use crate::codec::{DeviceId, SdkCode};
use crate::{Error, ErrorKind, Result};

/// What the library will be told when it asks. The texts live as long as the process, since it may keep them.
///
/// # Errors
///
/// `InvalidInput` for a text that C cannot express.
pub(super) fn offer(files: &TlsFiles) -> Result<()> {
    let text = |name: &str, text: Vec<u8>| -> Result<Text> {
        let text = CString::new(text).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, format!("the {name} of encrypted connections holds a NUL"))
        })?;
        Ok(Text(Box::leak(text.into_boxed_c_str()).as_ptr()))
    };
    let path = |path: &std::path::Path| path.as_os_str().as_encoded_bytes().to_vec();
    let offered = Offered {
        root: text("root certificate's path", path(&files.root_certificate))?,
        certificate: text("certificate's path", path(&files.certificate))?,
        key: text("key's path", path(&files.key))?,
        password: text("key's password", files.password.clone().into_bytes())?,
    };
    *OFFERED.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(offered);
    Ok(())
}

/// `PreferMethod`: every method that the library has.
pub(super) extern "C" fn prefer_method(_device: u32) -> u32 {
    u32::MAX
}

pub(super) extern "C" fn root_certificate(_device: u32) -> *const c_char {
    offered(|offered| offered.root)
}

pub(super) extern "C" fn certificate(_device: u32) -> *const c_char {
    offered(|offered| offered.certificate)
}

pub(super) extern "C" fn key(_device: u32) -> *const c_char {
    offered(|offered| offered.key)
}

pub(super) extern "C" fn password(_device: u32) -> *const c_char {
    offered(|offered| offered.password)
}

pub(super) extern "C" fn on_error(device: u32, code: c_int) {
    super::callbacks::guarded(|| {
        tracing::warn!(device = %DeviceId::new(device), code = %SdkCode::new(code), "an encrypted connection failed");
    });
}

fn offered(choose: fn(&Offered) -> Text) -> *const c_char {
    let offered = OFFERED.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    offered.as_ref().map_or(ptr::null(), |offered| choose(offered).0)
}

struct Offered {
    root: Text,
    certificate: Text,
    key: Text,
    password: Text,
}

#[derive(Clone, Copy)]
struct Text(*const c_char);

// SAFETY: it points to a text that never changes and never goes away.
unsafe impl Send for Text {}
// SAFETY: as above.
unsafe impl Sync for Text {}

static OFFERED: RwLock<Option<Offered>> = RwLock::new(None);
