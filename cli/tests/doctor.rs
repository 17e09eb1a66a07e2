//! What `bivalve iis doctor` says of good and bad files.

mod common;

use bivalve_cli::doctor::{Bitness, Report, Severity, Wanted};
use bivalve_cli::image::Machine;
use common::{ARM64, Dll, Export, MANIFEST, X86, bivalve, mingw, text};

const MODULE: &str = r#"
__declspec(dllexport) const char BIVALVE_MODULES[] = "bivalve-modules/1; Gate: begin_request;";
__declspec(dllexport) long __stdcall RegisterModule(unsigned version, void *info, void *server) { return 0; }
"#;

fn report(dll: &Dll) -> Report {
    Report::of_bytes("gate.dll", &dll.bytes(), Wanted::default())
}

/// The one finding that keeps IIS from loading the file.
fn error(report: &Report) -> String {
    let errors: Vec<_> = report.findings().filter(|finding| finding.severity() == Severity::Stops).collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert!(report.keeps_iis_from_loading());
    errors[0].to_string()
}

fn has(report: &Report, severity: Severity, part: &str) -> bool {
    report.findings().any(|finding| finding.severity() == severity && finding.to_string().contains(part))
}

#[test]
fn a_good_dll_is_described_in_a_table() {
    let expected = "\
gate.dll
  size            2,048 bytes
  file            Windows DLL
  machine         x64 (64-bit), preCondition bitness64
  subsystem       graphical (2)
  ASLR, DEP, CFG  yes, yes, yes
  static CRT      yes
  debug info      in gate.pdb
  exports         BIVALVE_MODULES, RegisterModule
  registers       Gate: begin_request, send_response
  registers       Audit: log_request

Imports
  KERNEL32.dll                2  Windows
  bcryptprimitives.dll        1  Windows, since Windows 7, Server 2008 R2

Findings
  note     debug: keep the PDB of exactly this build: a dump is read with it
";
    assert_eq!(report(&Dll::good()).to_string(), expected);
}

#[test]
fn a_dll_of_a_compiler_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let dll = mingw(folder.path(), MODULE);
    let output = bivalve(&["iis", "doctor", dll.to_str().expect("UTF-8"), "--bitness", "64"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    for part in
        ["x64 (64-bit), preCondition bitness64", "RegisterModule", "Gate: begin_request", "KERNEL32.dll"]
    {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
}

#[test]
fn a_dll_of_a_compiler_without_the_entry_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let dll = mingw(folder.path(), "__declspec(dllexport) int other(void) { return 0; }\n");
    let output = bivalve(&["iis", "doctor", dll.to_str().expect("UTF-8")]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("error    exports: it does not export RegisterModule"), "{out}");
}

#[test]
fn each_machine_has_its_precondition() {
    let cases = [(X86, Machine::X86, "bitness32"), (ARM64, Machine::Arm64, "bitness64")];
    for (number, machine, condition) in cases {
        let report = report(&Dll { machine: number, ..Dll::good() });
        let image = report.image().expect("read");
        assert_eq!((image.machine, image.machine.precondition()), (machine, Some(condition)));
        assert_eq!(image.exports.len(), 2, "{report}");
        assert_eq!(image.imports.iter().map(|import| import.functions).collect::<Vec<_>>(), [2, 1]);
        assert!(!report.keeps_iis_from_loading(), "{report}");
    }
}

#[test]
fn the_wrong_bitness_is_an_error_both_ways() {
    for (machine, bitness, target) in
        [(X86, Bitness::B64, "x86_64-pc-windows-msvc"), (common::X64, Bitness::B32, "i686-pc-windows-msvc")]
    {
        let bytes = Dll { machine, ..Dll::good() }.bytes();
        let report = Report::of_bytes("gate.dll", &bytes, Wanted { bitness: Some(bitness) });
        assert!(error(&report).contains(target), "{report}");
    }
}

#[test]
fn a_machine_without_iis_is_an_error() {
    assert!(error(&report(&Dll { machine: 0x5064, ..Dll::good() })).contains("0x5064"));
}

#[test]
fn a_decorated_entry_is_called_out() {
    let exports = vec![("_RegisterModule@12", Export::Code)];
    let error = error(&report(&Dll { machine: X86, exports, ..Dll::good() }));
    assert!(error.contains("_RegisterModule@12, a decorated name"), "{error}");
    assert!(error.contains("RegisterModule=_RegisterModule@12"), "{error}");
}

#[test]
fn an_entry_in_another_case_is_called_out() {
    let error = error(&report(&Dll { exports: vec![("registermodule", Export::Code)], ..Dll::good() }));
    assert!(error.contains("it exports registermodule"), "{error}");
}

#[test]
fn an_entry_that_is_data_is_an_error() {
    let exports = vec![("RegisterModule", Export::Data(b"text"))];
    assert!(error(&report(&Dll { exports, ..Dll::good() })).contains("is data"));
}

#[test]
fn an_entry_in_another_dll_is_a_warning() {
    let exports = vec![("RegisterModule", Export::Forward("other.RegisterModule"))];
    let report = report(&Dll { exports, ..Dll::good() });
    assert!(has(&report, Severity::Warns, "only a reference to another DLL"), "{report}");
}

#[test]
fn a_dll_without_exports_is_an_error() {
    assert!(error(&report(&Dll { exports: Vec::new(), ..Dll::good() })).contains("does not export"));
}

#[test]
fn a_program_is_an_error() {
    assert!(error(&report(&Dll { characteristics: 0x0022, ..Dll::good() })).contains("cdylib"));
}

#[test]
fn libraries_that_a_server_may_lack_are_named() {
    let import = |library| vec![("KERNEL32.dll", vec!["Sleep"]), (library, vec!["f"])];
    let cases = [
        ("VCRUNTIME140.dll", "+crt-static"),
        ("api-ms-win-crt-heap-l1-1-0.dll", "static CRT missing"),
        ("VCRUNTIME140D.dll", "/MTd"),
        ("libgcc_s_seh-1.dll", "ship them beside the DLL"),
        ("gate_helper.dll", "nothing is known here of gate_helper.dll"),
    ];
    for (library, part) in cases {
        let report = report(&Dll { imports: import(library), ..Dll::good() });
        assert!(has(&report, Severity::Warns, part), "{library}: {report}");
        assert!(has(&report, Severity::Warns, library), "{library}: {report}");
        assert!(!report.keeps_iis_from_loading(), "{report}");
    }
    assert!(
        report(&Dll { imports: import("VCRUNTIME140.dll"), ..Dll::good() })
            .to_string()
            .contains("static CRT      no\n")
    );
}

#[test]
fn missing_protections_are_named() {
    let report = report(&Dll { flags: 0, ..Dll::good() });
    for part in ["/DYNAMICBASE", "/NXCOMPAT"] {
        assert!(has(&report, Severity::Warns, part), "{report}");
    }
    assert!(has(&report, Severity::Notes, "control-flow-guard"), "{report}");
}

#[test]
fn a_debug_build_is_seen_by_its_pdb() {
    let report = report(&Dll { pdb: Some(r"D:\work\target\debug\gate.pdb"), ..Dll::good() });
    assert!(has(&report, Severity::Warns, "debug"), "{report}");
}

#[test]
fn a_module_that_does_not_say_what_it_registers_is_good_too() {
    let report = report(&Dll { exports: vec![("RegisterModule", Export::Code)], ..Dll::good() });
    assert!(has(&report, Severity::Notes, "there is no BIVALVE_MODULES"), "{report}");
    assert!(!report.keeps_iis_from_loading());
}

#[test]
fn a_newer_form_of_the_list_is_not_guessed_at() {
    let exports =
        vec![("BIVALVE_MODULES", Export::Data(b"bivalve-modules/9; x")), ("RegisterModule", Export::Code)];
    let report = report(&Dll { exports, ..Dll::good() });
    assert!(has(&report, Severity::Notes, "bivalve-modules/9"), "{report}");
}

#[test]
fn names_in_a_dll_cannot_steer_a_terminal() {
    let exports = vec![("\u{1b}[2J", Export::Code), ("RegisterModule", Export::Code)];
    let imports = vec![("\u{1b}]0;x\u{7}.dll", vec!["f"])];
    let shown = report(&Dll { exports, imports, pdb: Some("\u{1b}[31m.pdb"), ..Dll::good() }).to_string();
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
}

#[test]
fn what_is_no_module_is_an_error_with_exit_code_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("notes.dll"), "not a DLL").expect("written");
    std::fs::write(path("empty.dll"), "").expect("written");
    std::fs::write(path("stub.dll"), b"MZ\x90\0").expect("written");
    let cases = [
        (path("missing.dll"), "missing.dll"),
        (path("notes.dll"), "neither a Windows DLL nor a Linux shared object"),
        (path("empty.dll"), "it is empty"),
        (path("stub.dll"), "cut off"),
        (path("."), "not a file"),
    ];
    for (file, part) in cases {
        let output = bivalve(&["iis", "doctor", &file]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        let out = text(&output.stdout);
        assert!(out.contains(part) && out.contains("error    file"), "{out}");
    }
}

#[test]
fn an_unknown_bitness_is_a_mistake_of_the_command_line() {
    assert_eq!(bivalve(&["iis", "doctor", "a.dll", "--bitness", "48"]).status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_shared_object_of_the_same_module_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, object) = (folder.path().join("module.c"), folder.path().join("libgate.so"));
    let module = MODULE.replace("__declspec(dllexport)", "").replace("__stdcall", "");
    std::fs::write(&source, module).expect("written");
    let compiled =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&object).arg(&source).status();
    assert!(compiled.expect("cc; install it: sudo apt-get install gcc").success());
    let output = bivalve(&["iis", "doctor", object.to_str().expect("UTF-8")]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains("Linux shared object") && out.contains("Gate: begin_request"), "{out}");
}

#[test]
fn the_list_of_modules_is_what_the_fixture_says() {
    assert!(MANIFEST.ends_with(b";\0"));
}
