//! The library's file: found, loaded, and never unloaded.

use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, ErrorKind, Result};

/// A loaded library.
pub(super) struct Library {
    handle: libloading::Library,
    path: PathBuf,
}

impl Library {
    /// Loads a library, after those that it needs but does not name. It stays loaded until the process ends.
    ///
    /// # Errors
    ///
    /// `NotFound` for a file that is not there; `InvalidInput` for one that is cut or cannot be loaded.
    pub(super) fn load(path: Option<&Path>, preload: &[PathBuf]) -> Result<&'static Self> {
        for path in preload {
            // Its symbols must stay.
            std::mem::forget(open(path, Symbols::Global)?);
        }
        let path = path.unwrap_or(Path::new(NAME));
        let library = Self { handle: open(path, Symbols::Own)?, path: path.to_owned() };
        tracing::debug!(library = %path.display(), version = %library.version_text(), "loaded");
        let library: &Self = Box::leak(Box::new(library));
        LOADED.lock().unwrap_or_else(PoisonError::into_inner).push(library);
        Ok(library)
    }

    /// Looks up a function.
    ///
    /// # Errors
    ///
    /// `Unsupported`, with the function's name and the library's version.
    ///
    /// # Safety
    ///
    /// `F` must be the type of the function of this name.
    pub(super) unsafe fn resolve<F: Copy>(&self, name: &'static str) -> Result<F> {
        // SAFETY: the caller vouches for the type.
        let symbol = unsafe { self.handle.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|_| {
            let path = self.path.display();
            let version = if name == VERSION { "of unknown version".to_owned() } else { self.version_text() };
            Error::new(ErrorKind::Unsupported, format!("`{path}`, {version}, has no function {name}"))
        })
    }

    /// The library's version in words.
    pub(super) fn version_text(&self) -> String {
        let Ok(version) = self.version() else { return "of unknown version".to_owned() };
        // SAFETY: the function takes nothing.
        let text = unsafe { (version.call)() };
        if text.is_null() {
            return "of unknown version".to_owned();
        }
        // SAFETY: it returns a text that ends with NUL and lives as long as the library.
        let text = unsafe { CStr::from_ptr(text) };
        format!("version {}", text.to_bytes().escape_ascii())
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.path).finish()
    }
}

/// Who sees the symbols of a library.
#[derive(Clone, Copy)]
enum Symbols {
    /// Every library that is loaded after it.
    Global,
    /// Only who asks for them.
    Own,
}

fn open(path: &Path, symbols: Symbols) -> Result<libloading::Library> {
    #[cfg(unix)]
    check_whole(path)?;
    load(path, symbols).map_err(|error| {
        // A name without a folder is looked for by the platform.
        let is_missing = path.components().count() > 1 && !path.exists();
        let kind = if is_missing { ErrorKind::NotFound } else { ErrorKind::InvalidInput };
        Error::new(kind, format!("cannot load the library `{}`", path.display())).with_source(error)
    })
}

/// The system's loader maps segments without a look at the length of the file, and a page behind its end is a signal
/// (`SIGBUS`) and no error. What is no file, or none for this platform, the loader refuses by itself.
///
/// # Errors
///
/// `InvalidInput` for a file that ends before its segments do.
#[cfg(unix)]
fn check_whole(path: &Path) -> Result<()> {
    // A name without a folder is looked for by the platform; to open a pipe would wait for its other end.
    if path.components().count() == 1 || !path.is_file() {
        return Ok(());
    }
    let Some((reached, len)) = std::fs::File::open(path).ok().and_then(extent) else { return Ok(()) };
    if reached <= len {
        return Ok(());
    }
    let path = path.display();
    let message =
        format!("the library `{path}` is cut: {reached} bytes belong to it, and the file has {len}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// How far the segments of an ELF file reach that are loaded, and how long it is.
#[cfg(unix)]
fn extent(file: std::fs::File) -> Option<(u64, u64)> {
    use object_files::elf::PT_LOAD;
    use object_files::read::elf::{FileHeader, ProgramHeader};
    use object_files::{Endianness, ReadCache, ReadRef};
    #[cfg(target_pointer_width = "64")]
    type Header = object_files::elf::FileHeader64<Endianness>;
    #[cfg(target_pointer_width = "32")]
    type Header = object_files::elf::FileHeader32<Endianness>;

    // Of the file, which can be long, the headers alone are read.
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
        Symbols::Own => RTLD_LOCAL,
    };
    // Lazily: some versions refer to symbols that nothing here calls.
    // SAFETY: whoever names a library trusts it to be one; what it does while it is loaded is its own affair.
    let library = unsafe { Library::open(Some(path), RTLD_LAZY | visibility) };
    library.map(Into::into)
}

#[cfg(not(unix))]
fn load(path: &Path, _: Symbols) -> Result<libloading::Library, libloading::Error> {
    // Symbols of loaded libraries are found by everybody here.
    // SAFETY: whoever names a library trusts it to be one; what it does while it is loaded is its own affair.
    unsafe { libloading::Library::new(path) }
}

/// As the platform calls the library.
const NAME: &str = if cfg!(windows) { "BS_SDK_V2.dll" } else { "libBS_SDK_V2.so" };
const VERSION: &str = "BS2_Version";

/// Everything that was ever loaded: kept, and not lost.
static LOADED: Mutex<Vec<&Library>> = Mutex::new(Vec::new());
