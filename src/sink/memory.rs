//! In memory.
/// Stub.
#[derive(Debug)]
pub struct MemorySink;
