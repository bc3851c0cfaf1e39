//! Tests of the backend of the vendor's gateway.

mod backend;
mod extras;
#[path = "../support/fake_gateway/mod.rs"]
mod fake_gateway;
mod hostile;
mod proto;
mod refusals;
mod replaced;
mod slaves;
#[path = "../support/traces/mod.rs"]
mod traces;
