//! gate's modules, all of them, behind Tower and inside the stand-in for IIS: answer, events, and the line in the log.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use bivalve::Module;
use bivalve_iis_host::{Fault, IisHost, IisHostBuilder};
use bivalve_iis_sys::version;
use gate::config::Config;
use gate::modules::access_log::{AccessLog, LogWriter, ReceivedBytes};
use gate::modules::authentication::{Authentication, Passwords};
use gate::modules::request_id::RequestIds;
use gate::modules::security_headers::SecurityHeaders;
use gate::modules::server_timing::ServerTiming;
use same_on_both::differences::{without, without_native};
use same_on_both::{Ask, Case, native, tower, volatile};

/// The names under which the DLL exports them, in the order of gate's pipeline.
const NAMES: [&str; 6] =
    ["ServerTiming", "RequestId", "AccessLog", "SecurityHeaders", "Authentication", "ReceivedBytes"];

/// All fields but the port, which each server has for itself.
const FIELDS: [&str; 20] = [
    "date",
    "time",
    "s-sitename",
    "s-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "cs-username",
    "c-ip",
    "cs-version",
    "cs(User-Agent)",
    "cs(Cookie)",
    "cs(Referer)",
    "cs-host",
    "sc-status",
    "sc-substatus",
    "sc-win32-status",
    "cs-bytes",
    "time-taken",
    "x-request-id",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gate_inside_iis_does_what_it_does_behind_tower() {
    let folder = tempfile::tempdir().expect("a folder");
    // A library of our own, with its settings beside it.
    let built = support::library("gate-in-iis");
    let library = folder.path().join(built.file_name().expect("a file"));
    fs::copy(&built, &library).expect("copied");
    let file = library.with_extension("toml");
    fs::write(&file, settings()).expect("written");
    fs::write(folder.path().join("users"), user()).expect("written");

    let behind_tower = Side::tower(&file);
    let inside = Log::new(folder.path().join("logs"));
    let mut different = Vec::new();
    for host in hosts() {
        let native = NAMES.map(|name| {
            let module = host.load(&library, name).expect("the module loads");
            (name, Arc::new(module) as Arc<dyn Module>)
        });
        let inside = Side { modules: native.into(), log: inside.clone() };
        for ask in asks() {
            let case = behind_tower.case(ask.clone());
            let expected = volatile::without(without(tower::see(&case).await));
            let case = inside.case(ask.clone());
            let seen = volatile::without(without(tower::see(&case).await));
            if seen != expected {
                different.push(format!("{ask} in {host:?}\nTower {expected:?}\nIIS   {seen:?}"));
            }
            different.extend(host.violations().take().iter().map(|violation| format!("{ask}: {violation}")));
        }
    }
    assert!(different.is_empty(), "{} cases:\n{}", different.len(), different.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gate_on_the_native_server_does_what_it_does_on_hyper() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gate.toml");
    fs::write(&file, settings()).expect("written");
    fs::write(folder.path().join("users"), user()).expect("written");
    let modules = Side::tower(&file);
    for ask in asks() {
        let expected = volatile::without(without(tower::see(&modules.case(ask.clone())).await));
        let seen = without_native(native::see(&modules.case(ask.clone())).await);
        let seen = volatile::without(without(seen));
        assert_eq!(seen, expected, "{ask}");
    }
}

#[test]
fn without_its_settings_no_module_is_registered() {
    let folder = tempfile::tempdir().expect("a folder");
    let built = support::library("gate-in-iis");
    let library = folder.path().join(built.file_name().expect("a file"));
    fs::copy(&built, &library).expect("copied");
    let host = IisHost::builder().build();
    for name in NAMES.iter().filter(|name| **name != "ReceivedBytes") {
        let error = host.load(&library, name).expect_err("nobody wrote a file");
        assert!(error.to_string().contains("RegisterModule"), "{name}: {error}");
    }
    // The same DLL is good as soon as there are settings, but nobody could log in.
    fs::write(library.with_extension("toml"), "").expect("written");
    assert!(host.load(&library, "SecurityHeaders").is_ok());
    assert!(host.load(&library, "Authentication").is_err());
}

fn hosts() -> Vec<IisHost> {
    let builder = IisHost::builder;
    let builders = [
        builder(),
        builder().fault(Fault::AlwaysPosted),
        builder().fault(Fault::BeforeReturn),
        builder().fault(Fault::Inline),
        builder().fault(Fault::Late),
        builder().fault(Fault::NestedElsewhere),
        builder().fault(Fault::AlwaysPosted).fault(Fault::BeforeReturn).fault(Fault::NestedElsewhere),
        builder().version(version::IIS_8_5),
        builder().version(version::IIS_8_0),
        builder().version(version::IIS_7_5),
        builder().version(version::IIS_7_0),
    ];
    builders.into_iter().map(IisHostBuilder::build).collect()
}

fn asks() -> Vec<Ask> {
    // ada:right, ada:wrong
    let (right, wrong) = ("Basic YWRhOnJpZ2h0", "Basic YWRhOndyb25n");
    vec![
        Ask::get("/healthz"),
        Ask::get("/page?with=query").header("user-agent", "a browser").header("cookie", "a=1"),
        Ask::get("/page").header("authorization", right),
        Ask::get("/page").header("authorization", wrong),
        Ask::get("/page").header("authorization", "Basic !"),
        Ask::get("/page")
            .header("authorization", "Bearer secret-token")
            .header("x-request-id", "of-the-client"),
        Ask::get("/page").header("authorization", "Bearer another"),
        Ask::get("/page").header("authorization", right).method(http::Method::HEAD),
        Ask::post("/echo", vec![b'x'; 100_000]).header("authorization", right),
        Ask::post("/echo", "refused"),
    ]
}

fn settings() -> String {
    let fields = FIELDS.map(|field| format!("{field:?}")).join(", ");
    format!(
        "[authentication]
users = \"users\"
[[authentication.tokens]]
name = \"ci\"
sha256 = \"930bbdc51b6aed5c2a5678fd6e28dee7a05e8a4b643cfc0b4427c3efb86c0d94\"
[access_log]
directory = \"logs\"
fields = [{fields}]
[server_timing]
audience = \"all\"
"
    )
}

/// A line of the password file that costs little: its strength is not what is compared.
fn user() -> String {
    let cheap = Params::new(64, 1, 1, None).expect("the least that there is");
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, cheap).hash_password(b"right");
    format!("ada:{}\n", hash.expect("a hash"))
}

/// The modules, and where their log goes.
struct Side {
    modules: Vec<(&'static str, Arc<dyn Module>)>,
    log: Log,
}

impl Side {
    fn tower(file: &Path) -> Self {
        let mut config = Config::read(file).expect("the file of the DLL");
        let folder = file.parent().expect("a folder");
        let log = Log::new(folder.join("tower-logs"));
        config.access_log.directory.clone_from(&log.folder);
        let users = Passwords::read(&folder.join("users")).expect("one user");
        let writer = LogWriter::start(&config.access_log).expect("the folder can be written");
        let authentication = Authentication::new(&config.authentication, users).expect("somebody can log in");
        let modules: [Arc<dyn Module>; 6] = [
            Arc::new(ServerTiming::new(&config.server_timing)),
            Arc::new(RequestIds::new(&config.request_id)),
            Arc::new(AccessLog::new(&config.access_log, writer.sender())),
            Arc::new(SecurityHeaders::new(&config.security_headers)),
            Arc::new(authentication),
            Arc::new(ReceivedBytes),
        ];
        Self { modules: NAMES.into_iter().zip(modules).collect(), log }
    }

    fn case(&self, ask: Ask) -> Case {
        let mut modules = self.modules.clone();
        let (name, first) = modules.remove(0);
        Case { others: modules, left: Some(self.log.left()), ..Case::new(name, first, ask) }
    }
}

/// The files of one side's log. A line is written by a thread of its own, some time after its request.
#[derive(Clone)]
struct Log {
    folder: PathBuf,
    told: Arc<AtomicUsize>,
}

impl Log {
    fn new(folder: PathBuf) -> Self {
        Self { folder, told: Arc::default() }
    }

    /// Waits for the next line.
    fn left(&self) -> same_on_both::Left {
        let (folder, told) = (self.folder.clone(), Arc::clone(&self.told));
        Arc::new(move || {
            let next = told.fetch_add(1, Ordering::Relaxed);
            let start = Instant::now();
            loop {
                if let Some(line) = lines(&folder).get(next) {
                    let fields = FIELDS.iter().zip(line.split(' '));
                    return fields
                        .map(|(name, value)| format!("{name}={value}"))
                        .collect::<Vec<_>>()
                        .join(" ");
                }
                assert!(start.elapsed() < Duration::from_secs(20), "line {next} was never written");
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    }
}

fn lines(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    let text: String = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim_end().to_owned()).collect()
}
