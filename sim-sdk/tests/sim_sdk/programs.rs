//! Programs in C, C++ and Python that use the simulated C library.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

#[test]
fn a_c_program_works_as_with_the_real_library() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    compile(&["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L"], &foreign("program.c"), Some(&program));
    assert_eq!(run(with_devices(&mut Command::new(&program))), "all is well\n");
}

#[test]
fn a_c_program_leaks_no_memory() {
    if !is_installed("valgrind") {
        return eprintln!("not tested: valgrind is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    compile(&["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L"], &foreign("program.c"), Some(&program));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--leak-check=full", "--error-exitcode=9"]).arg(&program);
    assert_eq!(run(with_devices(&mut valgrind)), "all is well\n");
}

#[test]
fn a_c_program_that_restarts_monitoring_loses_and_repeats_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    compile(&["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L"], &foreign("restart.c"), Some(&program));
    assert_eq!(run(with_devices(&mut Command::new(&program))), "all is well\n");
}

#[test]
fn every_setting_works_for_a_python_program() {
    if !is_installed("python3") {
        return eprintln!("not tested: python3 is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.arg(foreign("program.py")).arg(library()).arg(folder.path());
    assert_eq!(run(&mut python), "all is well\n");
}

#[test]
fn every_function_of_the_vendors_library_is_exported_and_no_other() {
    let listed = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let exported: BTreeSet<_> = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let names = fs::read_to_string(root().join("sim-sdk/src/functions.txt")).unwrap();
    let own = ["BS2SIM_HeldObjects", "BS2SIM_LoseConnection", "BS2SIM_MakeEvents", "BS2SIM_PushEvent"];
    let expected: BTreeSet<_> = names.lines().chain(own).collect();
    assert_eq!(exported, expected);
}

#[test]
fn the_library_has_the_vendors_soname() {
    let head = run(Command::new("readelf").arg("-d").arg(library()));
    assert!(head.contains("soname: [libBS_SDK_V2.so]"), "{head}");
}

#[test]
fn the_header_is_c_and_c_plus_plus() {
    let header = root().join("sim-sdk/src/bs2_events_sim.h");
    let warnings = ["-pedantic", "-Wall", "-Wextra", "-Werror"];
    compile(&[&["cc", "-std=c11", "-x", "c"], &warnings[..]].concat(), &header, None);
    if is_installed("g++") {
        compile(&[&["g++", "-std=c++11", "-x", "c++"], &warnings[..]].concat(), &header, None);
    } else {
        eprintln!("not tested as C++: g++ is not installed");
    }
}

#[test]
fn the_programs_in_the_documentation_work() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(library(), folder.path().join("libBS_SDK_V2.so")).unwrap();
    let pages = fs::read_to_string(root().join("docs/test-without-a-reader.md")).unwrap();
    for (language, file, compiler) in
        [("c", "reader.c", &["cc", "-std=c11"][..]), ("cpp", "reader.cpp", &["g++", "-std=c++17"])]
    {
        let (source, program) = (folder.path().join(file), folder.path().join(language));
        fs::write(&source, code_block(&pages, language)).unwrap();
        if is_installed(compiler[0]) {
            compile(compiler, &source, Some(&program));
            assert_eq!(run(Command::new(program).current_dir(&folder)), OUTPUT, "{language}");
        } else {
            eprintln!("not tested: {} is not installed", compiler[0]);
        }
    }
    if is_installed("python3") {
        fs::write(folder.path().join("reader.py"), code_block(&pages, "python")).unwrap();
        assert_eq!(run(Command::new("python3").arg("reader.py").current_dir(&folder)), OUTPUT);
    } else {
        eprintln!("not tested: python3 is not installed");
    }
}

/// The one block of code in this language.
fn code_block<'a>(pages: &'a str, language: &str) -> &'a str {
    let fence = format!("\n```{language}\n");
    let mut blocks = pages.split(&fence).skip(1);
    let block = blocks.next().and_then(|block| block.split("\n```").next());
    assert!(blocks.next().is_none(), "{language} is shown twice");
    block.unwrap()
}

/// Compiles a program with the library, or only checks a header.
fn compile(compiler: &[&str], source: &Path, program: Option<&Path>) {
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).arg("-I").arg(root().join("sim-sdk/src")).arg(source);
    match program {
        Some(program) => {
            let folder = library().parent().unwrap();
            command.args(["-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(program).arg("-L");
            command.arg(folder).arg("-lBS_SDK_V2").arg(format!("-Wl,-rpath,{}", folder.display()));
        }
        None => drop(command.arg("-fsyntax-only")),
    }
    assert_eq!(run(&mut command), "");
}

/// Sets the devices that the C programs expect.
fn with_devices(command: &mut Command) -> &mut Command {
    command.env("BS2_SIM", "devices=2&backlog=600&seed=7&start=fixed&connections=0")
}

/// The output of a program, which must succeed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(stdout).unwrap()
}

fn is_installed(program: &str) -> bool {
    let output = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}

/// The library that cargo has built for this test.
fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo puts the library into the folder of the test program.
        let library = env::current_exe().unwrap().with_file_name("libBS_SDK_V2.so");
        assert!(library.exists(), "{}", library.display());
        library
    });
    &LIBRARY
}

fn foreign(file: &str) -> PathBuf {
    root().join("tests/foreign").join(file)
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The output of the programs in the documentation.
///
/// One event more than the backlog: the device logs that the program has connected.
const OUTPUT: &str = "reader 541000001: 1001 events, the last with id 1001\nlive: 1002 1003 1004\n";
