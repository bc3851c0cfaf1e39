//! Tests of the simulated C library, used by programs in other languages.
#![cfg(target_os = "linux")]

mod programs;
