//! Tests of the codec.

mod capture;
mod capture_corpus;
mod capture_json;
mod code_tables;
mod laws;
mod meaning;
mod portable_laws;
mod record_laws;
mod record_vectors;
mod serde_laws;
#[path = "../support/strategies/mod.rs"]
mod strategies;
#[path = "../support/vectors/mod.rs"]
mod vectors;
mod vectors_of_events;
