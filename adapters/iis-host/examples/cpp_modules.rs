//! Runs the C++ modules of `adapters/iis-cpp` inside this host: `cpp_modules CASES MODULES [MODE]`.
//!
//! CASES is the folder of requests and of what the C++ host told of them, MODULES that of the DLLs; `cargo xtask test
//! cpp` calls it, under Wine. In every mode each module answers as it answered in the C++ host (but for cancelled
//! operations and clients that have gone), breaks no rule, and is told the end of what it was told the beginning of.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use bivalve_core::testing::{TestHost, TestResponse, block_on};
use bivalve_core::{Application, Event, Notification, Site};
use bivalve_iis_host::{Fault, IisHost, IisHostBuilder};
use bivalve_iis_sys::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_8_5, IIS_10_0};
use http::Method;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the host does, and as which IIS.
struct Mode {
    name: &'static str,
    version: u32,
    fault: Option<Fault>,
}

const MODES: [Mode; 13] = [
    mode("10.0", IIS_10_0, None),
    mode("7.0", IIS_7_0, None),
    mode("7.5", IIS_7_5, None),
    mode("8.0", IIS_8_0, None),
    mode("8.5", IIS_8_5, None),
    mode("always-posted", IIS_10_0, Some(Fault::AlwaysPosted)),
    mode("cancelled-first", IIS_10_0, Some(Fault::Cancelled(0))),
    mode("cancelled-second", IIS_10_0, Some(Fault::Cancelled(1))),
    mode("disconnected", IIS_10_0, Some(Fault::DisconnectAt(Event::of(Notification::BeginRequest)))),
    mode("before-return", IIS_10_0, Some(Fault::BeforeReturn)),
    mode("inline", IIS_10_0, Some(Fault::Inline)),
    mode("late", IIS_10_0, Some(Fault::Late)),
    mode("nested-elsewhere", IIS_10_0, Some(Fault::NestedElsewhere)),
];

const fn mode(name: &'static str, version: u32, fault: Option<Fault>) -> Mode {
    Mode { name, version, fault }
}

impl Mode {
    fn host(&self) -> IisHostBuilder {
        let builder = IisHost::builder().version(self.version);
        match self.fault {
            Some(fault) => builder.fault(fault),
            None => builder,
        }
    }

    /// Whether the client sees nothing of it: else only the rules are looked at.
    fn is_invisible(&self) -> bool {
        !matches!(self.fault, Some(Fault::Cancelled(_) | Fault::DisconnectAt(_)))
    }

    /// When operations complete that may wait, in the words of a case.
    fn operations(&self) -> &'static str {
        if self.fault == Some(Fault::Inline) { "inline" } else { "later" }
    }
}

/// A request, and what the C++ host told of it.
struct Case {
    name: String,
    module: String,
    operations: Option<String>,
    connected: bool,
    request: String,
    expected: String,
}

impl Case {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let (settings, request) = text.split_once("\n\n").ok_or("a case without a request")?;
        let setting = |name: &str| {
            settings
                .lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(word, _)| *word == name)
                .map(|s| s.1)
        };
        Ok(Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            module: setting("module").ok_or("a case without a module")?.into(),
            operations: setting("operations").map(String::from),
            connected: setting("connection") != Some("none"),
            request: request.into(),
            expected: fs::read_to_string(path.with_extension("expected"))?,
        })
    }

    /// What the C++ host told, which plays IIS 10, as an older one would have it; and the rules that are broken there.
    fn expected(&self, mode: &Mode) -> (String, Vec<&'static str>) {
        match self.name.as_str() {
            // It never asks for the version.
            "contexts" if mode.version < IIS_7_5 => {
                let expected = self.expected.replace("CleanupStoredContext connection\n", "");
                let set_and_get = vec![
                    "IHttpConnectionModuleContextContainer slot 3",
                    "IHttpConnectionModuleContextContainer slot 2",
                ];
                (
                    expected.replace("connection: 0x00000000, found", "connection: 0x00000000, lost"),
                    set_and_get,
                )
            }
            name if name.starts_with("extended") && mode.version < IIS_8_0 => {
                let there = if mode.version < IIS_7_5 {
                    "server: 0x80004002\n"
                } else {
                    "server: 0x00000000\ncontext: 0x80004002\nrequest: 0x80004002\nresponse: 0x80004002\n"
                };
                let head = "the response:\nHTTP/1.1 200 OK\nContent-Type: text/plain\n\n";
                (format!("{head}{there}\nthe end of the response\n"), Vec::new())
            }
            _ => (self.expected.clone(), Vec::new()),
        }
    }

    /// Runs it; what is wrong.
    fn run(&self, mode: &Mode, modules: &Path) -> Result<Vec<String>> {
        let file = modules.join(&self.module).with_extension("dll");
        let host = mode.host();
        let host = if self.connected { host } else { host.without_connection() }.build();
        let native = host.load(&file, &self.module)?;
        let counters = [("CleanedUp", "CleanupStoredContext"), ("Stopped", "OnGlobalApplicationStop")];
        let before = counters.map(|(export, _)| counter(&file, export));
        let test = TestHost::new()
            .site(Site::new(1, "Default Web Site"))
            .application(Application::builder().root("C:\\site").build())
            .module(&self.module, native);
        let response = self.ask(&test)?;
        host.stop();
        drop(test);

        let (expected, violations) = self.expected(mode);
        let found: Vec<String> = host.violations().take().iter().map(ToString::to_string).collect();
        let mut wrong = Vec::new();
        if found.len() != violations.len() || !found.iter().zip(&violations).all(|(f, v)| f.starts_with(v)) {
            wrong.push(format!("violations {found:?}, expected {violations:?}"));
        }
        if mode.is_invisible() {
            wrong.extend(differences(&expected, &response)?);
        }
        for ((export, told), before) in counters.into_iter().zip(before) {
            let (Some(before), Some(after)) = (before, counter(&file, export)) else { continue };
            let (found, expected) = (
                usize::try_from(after.wrapping_sub(before))?,
                expected.lines().filter(|line| line.trim_start().starts_with(told)).count(),
            );
            if found != expected {
                wrong.push(format!("{export} by {found}, expected {expected}"));
            }
        }
        Ok(wrong)
    }

    fn ask(&self, test: &TestHost) -> Result<TestResponse> {
        let (head, body) = self.request.split_once("\n\n").unwrap_or((&self.request, ""));
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = test.request(Method::from_bytes(method.as_bytes())?, url);
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or("a header without a value")?;
            if !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value);
            }
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        Ok(block_on(request.finish()))
    }
}

/// Status, headers and body; whatever else is sent is the host's own.
fn differences(expected: &str, response: &TestResponse) -> Result<Vec<String>> {
    let (_, told) = expected.split_once("the response:\n").ok_or("nothing is told of the response")?;
    let (told, _) = told.split_once("\nthe end of the response").ok_or("a response without its end")?;
    let (head, body) = told.split_once("\n\n").ok_or("a response without a body")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut wrong = Vec::new();
    if response.status().as_str() != status {
        wrong.push(format!("status {}, expected {status}", response.status().as_str()));
    }
    let mut names = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or("a header without a value")?;
        names.push(name.to_ascii_lowercase());
        if response.header(name) != Some(value) {
            wrong.push(format!("{name}: {:?}, expected {value:?}", response.header(name)));
        }
    }
    for name in response.headers().keys().filter(|name| !names.iter().any(|known| known == name.as_str())) {
        if name != "content-length" {
            wrong.push(format!("{name}: not expected"));
        }
    }
    if response.text() != body {
        wrong.push(format!("the body\n{}\nexpected\n{body}", response.text()));
    }
    Ok(wrong)
}

/// A number that a module exports.
fn counter(file: &Path, name: &str) -> Option<u32> {
    // SAFETY: the file is loaded already, and stays so: its initialisation has run.
    let library = unsafe { libloading::Library::new(file) }.ok()?;
    // SAFETY: what the modules here export under these names are numbers of that size, which no request changes now.
    unsafe { library.get::<*const u32>(name.as_bytes()).ok().map(|number| number.read_volatile()) }
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [cases, modules, modes @ ..] = arguments.as_slice() else {
        return Err("usage: cpp_modules CASES MODULES [MODE]...".into());
    };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(cases)?.map(|entry| entry.map(|e| e.path())).collect::<std::result::Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    let cases = paths.iter().map(|path| Case::read(path)).collect::<Result<Vec<_>>>()?;
    let (mut run, mut failed) = (0, 0);
    for mode in
        MODES.iter().filter(|mode| modes.is_empty() || modes.iter().any(|name| name == Path::new(mode.name)))
    {
        for case in
            cases.iter().filter(|case| case.operations.as_deref().is_none_or(|o| o == mode.operations()))
        {
            // Before it runs: the last line says what was not survived.
            println!("{} {}", mode.name, case.name);
            run += 1;
            let wrong = case.run(mode, modules)?;
            failed += usize::from(!wrong.is_empty());
            for wrong in wrong {
                println!("FAILED: {} {}: {wrong}", mode.name, case.name);
            }
        }
    }
    println!("{run} requests, {failed} wrong");
    if run == 0 || failed > 0 { Err("see above".into()) } else { Ok(()) }
}
