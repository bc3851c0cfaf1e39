//! Tests of the simulated C library with programs in other languages.
#![cfg(target_os = "linux")]

mod programs;
