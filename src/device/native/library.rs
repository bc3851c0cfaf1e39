//! Finding and loading the library's file. A loaded library is never unloaded.

use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::sync::lock;
use crate::{Error, ErrorKind, Result};

/// A loaded library.
pub(super) struct Library {
    handle: libloading::Library,
    path: PathBuf,
}

impl Library {
    /// Loads a library, after the libraries that it needs and does not name. It stays loaded until the process ends.
    /// Errors: `NotFound` for a missing file; `InvalidInput` for one that is truncated or cannot be loaded.
    pub(super) fn load(path: Option<&Path>, preload: &[PathBuf]) -> Result<&'static Self> {
        for path in preload {
            // It must stay loaded.
            std::mem::forget(open(path, Symbols::Global)?);
        }
        let path = path.unwrap_or(Path::new(NAME));
        let library = Self { handle: open(path, Symbols::Local)?, path: path.to_owned() };
        tracing::debug!(library = %path.display(), version = %library.version_text(), "loaded the vendor's library");
        let library: &Self = Box::leak(Box::new(library));
        lock(&LOADED).push(library);
        Ok(library)
    }

    /// Looks up a function.
    /// Errors: `Unsupported`, with the function's name and the library's version.
    ///
    /// # Safety
    ///
    /// `F` is the type of the function of this name.
    pub(super) unsafe fn resolve<F: Copy>(&self, name: &'static str) -> Result<F> {
        // SAFETY: the caller promises the type.
        let symbol = unsafe { self.handle.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|_| {
            let path = self.path.display();
            let version = if name == VERSION { "of unknown version".to_owned() } else { self.version_text() };
            Error::new(ErrorKind::Unsupported, format!("`{path}`, {version}, has no function {name}"))
        })
    }

    /// The library's version, as messages show it.
    pub(super) fn version_text(&self) -> String {
        let Ok(version) = self.version() else { return "of unknown version".to_owned() };
        // SAFETY: the function takes no arguments.
        let text = unsafe { (version.call)() };
        if text.is_null() {
            return "of unknown version".to_owned();
        }
        // SAFETY: the text ends with a NUL and lives as long as the library.
        let text = unsafe { CStr::from_ptr(text) };
        format!("version {}", text.to_bytes().escape_ascii())
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.path).finish()
    }
}

/// Where the symbols of a library are visible.
#[derive(Clone, Copy)]
enum Symbols {
    /// To every library that is loaded later.
    Global,
    /// Only through the handle of the library.
    Local,
}

fn open(path: &Path, symbols: Symbols) -> Result<libloading::Library> {
    #[cfg(unix)]
    check_whole(path)?;
    load(path, symbols).map_err(|error| {
        // The platform searches for a name without a folder.
        let is_missing = path.components().count() > 1 && !path.exists();
        let kind = if is_missing { ErrorKind::NotFound } else { ErrorKind::InvalidInput };
        Error::new(kind, format!("cannot load the library `{}`", path.display())).with_source(error)
    })
}

/// Checks that a file contains all its segments. The system's loader maps segments without comparing them with the
/// length of the file; an access behind its end is a signal (`SIGBUS`), not an error. The loader itself refuses files
/// of other formats.
/// Errors: `InvalidInput` for a file that ends before its segments do.
#[cfg(unix)]
fn check_whole(path: &Path) -> Result<()> {
    // The platform searches for a name without a folder. Opening a pipe would wait for its other end.
    if path.components().count() == 1 || !path.is_file() {
        return Ok(());
    }
    let Some((reached, len)) = std::fs::File::open(path).ok().and_then(extent) else { return Ok(()) };
    if reached <= len {
        return Ok(());
    }
    let path = path.display();
    let message = format!(
        "the library `{path}` is truncated: its segments need {reached} bytes, and the file has {len}; copy it again"
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// Where the last loaded segment of an ELF file ends, and the length of the file.
#[cfg(unix)]
fn extent(file: std::fs::File) -> Option<(u64, u64)> {
    use object_files::elf::PT_LOAD;
    use object_files::read::elf::{FileHeader, ProgramHeader};
    use object_files::{Endianness, ReadCache, ReadRef};
    #[cfg(target_pointer_width = "64")]
    type Header = object_files::elf::FileHeader64<Endianness>;
    #[cfg(target_pointer_width = "32")]
    type Header = object_files::elf::FileHeader32<Endianness>;

    // Reads only the headers: the file can be long.
    let file = ReadCache::new(file);
    let header = Header::parse(&file).ok()?;
    let order = header.endian().ok()?;
    let segments = header.program_headers(order, &file).ok()?.iter();
    let loaded = segments.filter(|segment| segment.p_type(order) == PT_LOAD);
    let ends = loaded.map(|segment| {
        let (begin, len) = segment.file_range(order);
        begin.saturating_add(len)
    });
    Some((ends.max()?, (&file).len().ok()?))
}

#[cfg(unix)]
fn load(path: &Path, symbols: Symbols) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_LOCAL};
    let visibility = match symbols {
        Symbols::Global => RTLD_GLOBAL,
        Symbols::Local => RTLD_LOCAL,
    };
    // Lazily, since some versions refer to missing symbols that this crate does not need.
    // SAFETY: the user names the library and trusts the code that it runs while it is loaded.
    let library = unsafe { Library::open(Some(path), RTLD_LAZY | visibility) };
    library.map(Into::into)
}

#[cfg(not(unix))]
fn load(path: &Path, _: Symbols) -> Result<libloading::Library, libloading::Error> {
    // On this platform the symbols of loaded libraries are visible to all.
    // SAFETY: the user names the library and trusts the code that it runs while it is loaded.
    unsafe { libloading::Library::new(path) }
}

/// The library's file name on this platform.
const NAME: &str = if cfg!(windows) { "BS_SDK_V2.dll" } else { "libBS_SDK_V2.so" };
const VERSION: &str = "BS2_Version";

/// All loaded libraries, so that tools which look for leaks find them.
static LOADED: Mutex<Vec<&Library>> = Mutex::new(Vec::new());
