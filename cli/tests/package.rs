//! What `bivalve iis package` writes.

mod common;

use std::path::{Path, PathBuf};

use bivalve_cli::doctor::{Report, Wanted};
use bivalve_cli::package::{Files, Package, PackageError};
use common::{Dll, Export, X86, bivalve, mingw, text};

const TEXTS: [&str; 5] =
    ["install.ps1", "uninstall.ps1", "applicationHost.config", "web.config", "README.txt"];

fn package(names: &[&str], sites: &[&str], handlers: &[&str]) -> Package {
    Package {
        names: names.iter().map(|name| name.parse().expect("a name")).collect(),
        sites: sites.iter().map(|site| site.parse().expect("a site")).collect(),
        handlers: handlers.iter().map(|handler| handler.parse().expect("a handler")).collect(),
    }
}

fn files(package: &Package, dll: &Dll) -> Result<Files, PackageError> {
    let report = Report::of_bytes("gate.dll", &dll.bytes(), Wanted::default());
    package.files(Path::new("nowhere/gate.dll"), &report)
}

/// Whatever names a DLL registers.
fn silent() -> Dll {
    Dll { exports: vec![("RegisterModule", Export::Code)], ..Dll::good() }
}

fn file(files: &Files, name: &str) -> String {
    text(files.iter().find(|(found, _)| *found == name).expect(name).1)
}

/// `BIVALVE_BLESS=1 cargo test -p bivalve-cli` takes what is written now.
#[test]
fn scripts_and_excerpts_are_what_was_reviewed() {
    let package = package(&["Gate", "Audit"], &["Default Web Site", "Ann's site"], &["Gate=/api/*"]);
    let files = files(&package, &Dll::good()).expect("packed");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    for name in TEXTS {
        let path = folder.join(name);
        let written = file(&files, name).replace("\r\n", "\n");
        if std::env::var_os("BIVALVE_BLESS").is_some() {
            std::fs::write(&path, &written).expect("written");
        }
        let reviewed = std::fs::read_to_string(&path).expect(name).replace("\r\n", "\n");
        assert!(written == reviewed, "{name} changed:\n{written}");
    }
}

#[test]
fn lines_end_as_windows_ends_them_and_no_placeholder_is_left() {
    let files = files(&package(&["Gate"], &["Site"], &["Gate"]), &Dll::good()).expect("packed");
    for name in TEXTS {
        let text = file(&files, name);
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{name}");
        assert!(text.ends_with("\r\n"), "{name}");
        let left = text.match_indices('@').find(|(at, _)| {
            let rest = &text[at + 1..];
            let end = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
            end > 1 && rest[end..].starts_with('@')
        });
        assert!(left.is_none(), "{name}: {left:?}");
    }
}

#[test]
fn a_script_with_other_letters_begins_with_a_byte_order_mark() {
    let written = files(&package(&["Gate"], &["Zürich"], &[]), &silent()).expect("packed");
    assert!(file(&written, "install.ps1").starts_with("\u{feff}<#"));
    let ascii = files(&package(&["Gate"], &[], &[]), &silent()).expect("packed");
    assert!(ascii.iter().filter(|(name, _)| TEXTS.contains(name)).all(|(_, bytes)| bytes.is_ascii()));
}

#[test]
fn a_32_bit_dll_is_only_for_32_bit_worker_processes() {
    let files =
        files(&package(&["Gate"], &["Site"], &[]), &Dll { machine: X86, ..Dll::good() }).expect("packed");
    for name in TEXTS {
        let text = file(&files, name);
        assert!(!text.contains("bitness64"), "{name}");
        assert!(text.contains("bitness32") || name == "uninstall.ps1", "{name}");
    }
}

#[test]
fn names_survive_powershell_and_xml() {
    let sites = ["It's $(bad)", "Ann's 100% site"];
    let names = ["R&D <gate>", "$env:TEMP #> x", "@SITES@", "a;b{c}(d)"];
    // IIS allows no dollar in a site's name, so the first one is refused before.
    assert!(sites[0].parse::<bivalve_cli::package::Site>().is_err());
    let files = files(&package(&names, &sites[1..], &["R&D <gate>=/a&b/*"]), &silent()).expect("packed");
    for script in ["install.ps1", "uninstall.ps1"] {
        let script = file(&files, script);
        let strings = powershell_strings(&script).expect("well formed");
        for name in names.iter().chain(&sites[1..]) {
            assert!(strings.contains(&(*name).to_owned()), "{name}");
        }
    }
    for excerpt in ["applicationHost.config", "web.config"] {
        let excerpt = file(&files, excerpt);
        let attributes = xml_attributes(&excerpt);
        for name in names {
            assert!(attributes.contains(&name.to_owned()), "{name}");
        }
        assert!(attributes.contains(&"/a&b/*".to_owned()));
    }
}

#[test]
fn scripts_are_balanced() {
    let files = files(&package(&["Gate", "Audit"], &["Ann's"], &["Audit"]), &Dll::good()).expect("packed");
    for script in ["install.ps1", "uninstall.ps1"] {
        powershell_strings(&file(&files, script)).unwrap_or_else(|why| panic!("{script}: {why}"));
    }
}

/// By a grammar of PowerShell: as near to one as there is without one.
#[test]
fn scripts_are_powershell() {
    let mut parser = tree_sitter::Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).expect("a grammar of this version");
    let mut wrong = |script: &str| parser.parse(script, None).expect("parsed").root_node().has_error();
    let package = package(&["Gate", "R&D <gate>", "$env:x #>"], &["Ann's", "Zürich"], &["Gate=/a&b/*"]);
    let files = files(&package, &silent()).expect("packed");
    for name in ["install.ps1", "uninstall.ps1"] {
        let script = file(&files, name);
        assert!(!wrong(&script), "{name}");
        for (good, bad) in [("foreach ($one in $Site) {", "foreach ($one in $Site {"), ("param(", "param")] {
            assert!(wrong(&script.replacen(good, bad, 1)), "{name}: {bad} was not seen");
        }
    }
}

#[test]
fn the_checks_of_these_tests_see_what_is_wrong() {
    for bad in ["'a", "\"a", "{ (", "}", "( }", "<# a", "\"$(a\"", "'It's'"] {
        assert!(powershell_strings(bad).is_err(), "{bad}");
    }
    let good = "# it's a comment\n$a = \"b $(c 'd') `\" e\" + 'f''g' # (\n<# ' #>\n";
    assert_eq!(powershell_strings(good).expect("good"), ["d", "f'g"]);
}

#[test]
fn what_iis_would_not_load_is_not_packed() {
    let package = package(&["Gate"], &[], &[]);
    let none = Dll { exports: Vec::new(), ..Dll::good() };
    assert!(files(&package, &none).expect_err("refused").to_string().contains("IIS would not load this DLL"));
    let missing = Report::of_file(Path::new("missing.dll"), Wanted::default());
    assert!(package.files(Path::new("missing.dll"), &missing).is_err());
}

#[test]
fn names_that_do_not_fit_the_dll_are_refused() {
    let cases = [
        (package(&["Gate", "gate"], &[], &[]), "twice"),
        (package(&["Other"], &[], &[]), "its modules are Gate, Audit"),
        (package(&["Gate"], &[], &["Audit"]), "add --name Audit"),
        (package(&["Gate"], &[], &["Gate=/a", "Gate=/b"]), "handler Gate is there twice"),
    ];
    for (package, part) in cases {
        let error = files(&package, &Dll::good()).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_name_that_scripts_cannot_carry_is_refused() {
    let report = Report::of_bytes("gate.dll", &Dll::good().bytes(), Wanted::default());
    for name in [
        "gate's.dll",
        "gate",
        ".dll",
        "g ate.dll",
        "gate..dll",
        "-gate.dll",
        "gate.dll.exe",
        "gäte.dll",
        "é.dll",
    ] {
        let error = package(&["Gate"], &[], &[]).files(Path::new(name), &report).expect_err(name);
        assert!(error.to_string().contains("rename"), "{error}");
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let dll = mingw(folder.path(), "__declspec(dllexport) long RegisterModule(void) { return 0; }\n");
    let out = folder.path().join("out");
    let run = |more: &[&str]| {
        let fixed = [
            "iis",
            "package",
            "--dll",
            dll.to_str().expect("UTF-8"),
            "--name",
            "Gate",
            "--out",
            out.to_str().expect("UTF-8"),
        ];
        bivalve(&fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let first = run(&[]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("Packed in"));
    let packed = std::fs::read(out.join("module.dll")).expect("the DLL");
    assert_eq!(packed, std::fs::read(&dll).expect("read"));
    std::fs::write(out.join("web.config"), "mine").expect("written");
    let second = run(&["--site", "Site"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("web.config") && text(&second.stderr).contains("--force"));
    assert_eq!(std::fs::read(out.join("web.config")).expect("read"), b"mine");
    assert_eq!(run(&["--force"]).status.code(), Some(0));
    assert_ne!(std::fs::read(out.join("web.config")).expect("read"), b"mine");
}

#[test]
fn a_refused_dll_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dll, out): (PathBuf, PathBuf) = (folder.path().join("a.dll"), folder.path().join("out"));
    std::fs::write(&dll, "not a DLL").expect("written");
    let output = bivalve(&[
        "iis",
        "package",
        "--dll",
        dll.to_str().expect("UTF-8"),
        "--name",
        "A",
        "--out",
        out.to_str().expect("UTF-8"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!out.exists());
}

#[test]
fn libraries_beside_the_dll_come_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let dll = folder.path().join("gate.dll");
    let imports = vec![("KERNEL32.dll", vec!["Sleep"]), ("helper.dll", vec!["f"]), ("absent.dll", vec!["g"])];
    std::fs::write(&dll, Dll { imports, ..Dll::good() }.bytes()).expect("written");
    for name in ["helper.dll", "KERNEL32.dll", "stray.dll"] {
        std::fs::write(folder.path().join(name), name).expect("written");
    }
    let report = Report::of_file(&dll, Wanted::default());
    let files = package(&["Gate"], &[], &[]).files(&dll, &report).expect("packed");
    let names: Vec<_> = files.iter().map(|(name, _)| name).filter(|name| name.ends_with(".dll")).collect();
    assert_eq!(names, ["gate.dll", "helper.dll"]);
    assert!(file(&files, "install.ps1").contains("Name = 'helper.dll'"));
}

/// As much of PowerShell's grammar as can be checked without one: strings end, brackets match, comments end. Gives
/// the strings in which nothing is expanded.
fn powershell_strings(script: &str) -> Result<Vec<String>, String> {
    let mut strings = Vec::new();
    let mut open: Vec<char> = Vec::new(); // '"' while within a string that expands
    let mut rest = script.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        if open.last() == Some(&'"') {
            match (c, next) {
                ('`', _) | ('"', Some('"')) => drop(rest.next()),
                ('"', _) => drop(open.pop()),
                ('$', Some('(')) => {
                    rest.next();
                    open.push('(');
                }
                _ => {}
            }
            before = c;
            continue;
        }
        match (c, next) {
            ('<', Some('#')) => {
                let mut last = ' ';
                loop {
                    let c = rest.next().ok_or("a comment does not end")?;
                    if last == '#' && c == '>' {
                        break;
                    }
                    last = c;
                }
            }
            ('#', _) if before.is_whitespace() => while rest.next_if(|c| *c != '\n').is_some() {},
            ('\'', _) => {
                let mut string = String::new();
                loop {
                    match rest.next().ok_or("a string does not end")? {
                        '\'' if rest.next_if_eq(&'\'').is_some() => string.push('\''),
                        '\'' => break,
                        '\n' => return Err(format!("a string goes over a line: {string}")),
                        c => string.push(c),
                    }
                }
                strings.push(string);
            }
            ('"' | '(' | '{' | '[', _) => open.push(c),
            (')' | '}' | ']', _) => {
                let opened = open.pop();
                if !matches!((opened, c), (Some('('), ')') | (Some('{'), '}') | (Some('['), ']')) {
                    return Err(format!("{c} closes {opened:?}"));
                }
            }
            _ => {}
        }
        before = c;
    }
    if open.is_empty() { Ok(strings) } else { Err(format!("never closed: {open:?}")) }
}

/// The values of attributes; panics where elements are not nested well.
fn xml_attributes(xml: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut open = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('&') && !rest[..at].contains('>'), "text between elements");
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("--").expect("a comment ends");
            rest = comment[end..].strip_prefix("-->").expect("no dashes within a comment");
            continue;
        }
        let end = rest.find('>').expect("an element ends");
        let element = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = element.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let parts: Vec<_> = element.split('"').collect();
        assert!(parts.len() % 2 == 1, "{element}");
        for value in parts.iter().skip(1).step_by(2) {
            assert!(!value.contains('<'));
            let plain = value
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'");
            values.push(plain.replace("&amp;", "&"));
        }
        if !element.ends_with('/') {
            open.push(element.split(' ').next().expect("a name"));
        }
    }
    assert!(open.is_empty(), "{open:?}");
    values
}
