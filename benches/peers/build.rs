//! Builds the C rival with the optimisation that its table row names.

fn main() {
    println!("cargo::rerun-if-changed=src/with_c.c");
    cc::Build::new().file("src/with_c.c").opt_level(3).warnings(true).compile("with_c");
}
