//! The corpus put to hyper, nginx and Apache httpd: every answer that is not ours is explained, and written down in
//! `docs/http-conformance.md`. `cargo xtask conformance` writes that file, `cargo xtask test conformance` compares it.
#![cfg(target_os = "linux")]

mod hyper;
mod processes;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use bivalve_http_corpus::{Case, Heard, Peer, Reason, Then, reasons, subjects, watch};
use hyper::Hyper;
use processes::{Process, version};
use support::says::pipeline;
use support::{DRIVERS, start};

const PEERS: [(Peer, &str); 3] = [(Peer::Hyper, "hyper"), (Peer::Nginx, "nginx"), (Peer::Apache, "Apache")];

/// A server that has said nothing for so long waits for more: it answers within milliseconds, and its own timeouts are
/// a minute or so.
const PATIENCE: Duration = Duration::from_secs(4);

/// Cases that are put to a server at the same time: most of the time is that of servers that wait.
const AT_ONCE: usize = 32;

#[test]
#[ignore = "needs nginx and Apache httpd: cargo xtask test conformance"]
fn every_answer_of_another_server_that_is_not_ours_is_explained() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).expect("a directory of the test");
        path
    };
    // Apache reads files as another user.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("our directory");
    let hyper = Hyper::start();
    let nginx = Process::nginx(&place("nginx"));
    let apache = Process::apache(&place("apache"));
    let mut table = Table::default();
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for (id, heard) in heard(server.addresses()[0]) {
            table.ours(driver, &id, &heard);
        }
    }
    for (peer, address) in
        [(Peer::Hyper, hyper.address()), (Peer::Nginx, nginx.address()), (Peer::Apache, apache.address())]
    {
        for (id, heard) in heard(address) {
            table.theirs.insert((id, peer), Answer::of(&heard));
        }
    }
    let text = table.text();
    assert!(table.wrong.is_empty(), "{} wrong:\n{}", table.wrong.len(), table.wrong.join("\n"));
    compare(&text);
}

/// Puts every case to a server; by id.
fn heard(address: SocketAddr) -> BTreeMap<String, Heard> {
    let cases: Vec<Case> = subjects().into_iter().flat_map(|(_, cases)| cases).collect();
    let cases = Mutex::new(cases.into_iter());
    let heard = Mutex::new(BTreeMap::new());
    let next = || cases.lock().expect("nobody panics").next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let answer = settled(address, &case);
                    heard.lock().expect("nobody panics").insert(case.id.to_string(), answer);
                }
            });
        }
    });
    heard.into_inner().expect("nobody panics")
}

/// A reset takes answers with it that are on their way: the most of some tries is what the server has said.
fn settled(address: SocketAddr, case: &Case) -> Heard {
    let mut most: Option<Heard> = None;
    for _ in 0..8 {
        let heard = watch(address, case, PATIENCE).expect("it listens");
        let reset = heard.reset;
        if most.as_ref().is_none_or(|most| heard.answers.len() > most.answers.len()) {
            most = Some(heard);
        }
        if !reset {
            break;
        }
    }
    most.expect("it was tried")
}

/// What a server has answered, as the table shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    statuses: Vec<u16>,
    then: Then,
    /// A body without a head: HTTP/0.9.
    bare: bool,
}

impl Answer {
    fn of(heard: &Heard) -> Self {
        let bare = !heard.text.is_empty() && !heard.text.starts_with("HTTP/");
        Self { statuses: heard.answers.clone(), then: heard.then, bare }
    }

    fn refused(&self) -> bool {
        let status = self.statuses.last().is_some_and(|status| *status >= 400);
        status || self.then == Then::Closed && self.statuses.is_empty() && !self.bare
    }

    fn text(&self) -> String {
        let mut words: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
        if self.bare {
            words.push("HTTP/0.9".into());
        }
        match self.then {
            Then::Closed => words.push("closed".into()),
            Then::Open => words.push("kept".into()),
            Then::Waits => words.push("waits".into()),
            Then::Cut if words.is_empty() => words.push("no answer".into()),
            Then::Cut => {}
        }
        words.join(" ")
    }
}

/// In what an answer is another one than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Same,
    Status,
    Silent,
    Lenient,
    Strict,
    Other,
}

impl Kind {
    const ALL: [(Self, &str); 6] = [
        (Self::Same, "the same"),
        (Self::Status, "refuses with another status"),
        (Self::Silent, "closes without an answer"),
        (Self::Lenient, "takes what we refuse"),
        (Self::Strict, "refuses what we take"),
        (Self::Other, "keeps or closes otherwise"),
    ];

    fn of(ours: &Answer, theirs: &Answer) -> Self {
        if ours == theirs {
            return Self::Same;
        }
        let fewer = ours.statuses.len() == theirs.statuses.len() + 1;
        let closed = matches!(theirs.then, Then::Closed | Then::Cut) && !theirs.bare;
        match (ours.refused(), theirs.refused()) {
            (true, _) if closed && fewer && ours.statuses.starts_with(&theirs.statuses) => Self::Silent,
            (true, true) if theirs.then == ours.then => Self::Status,
            (true, false) => Self::Lenient,
            (false, true) => Self::Strict,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Table {
    ours: BTreeMap<String, Answer>,
    theirs: BTreeMap<(String, Peer), Answer>,
    wrong: Vec<String>,
}

impl Table {
    fn ours(&mut self, driver: &str, id: &str, heard: &Heard) {
        let case = subjects().into_iter().flat_map(|(_, cases)| cases).find(|case| case.id == id);
        if !heard.fits(&case.expect("it was put")) {
            self.wrong.push(format!("{driver} {id}: {heard:?}"));
        }
        self.ours.insert(id.to_owned(), Answer::of(heard));
    }

    fn text(&mut self) -> String {
        let mut counts: BTreeMap<(Kind, Peer), usize> = BTreeMap::new();
        let mut used: BTreeMap<(&str, Peer), usize> = BTreeMap::new();
        let mut tables = String::new();
        for (subject, cases) in subjects() {
            write!(tables, "\n## {subject}\n\n| case | rule | Bivalve | hyper | nginx | Apache |\n|---|---|---|---|---|---|\n")
                .expect("a string");
            for case in cases {
                let ours = &self.ours[&*case.id];
                write!(tables, "| {} | {} | {} |", case.id, case.rule, ours.text()).expect("a string");
                for (peer, name) in PEERS {
                    let theirs = &self.theirs[&(case.id.to_string(), peer)];
                    let kind = Kind::of(ours, theirs);
                    *counts.entry((kind, peer)).or_default() += 1;
                    let why: Vec<&Reason> =
                        reasons().iter().filter(|reason| reason.explains(peer, &case.id)).collect();
                    match (kind, &why[..]) {
                        (Kind::Same, []) => tables.push_str(" = |"),
                        (Kind::Same, [reason, ..]) => self.wrong.push(format!(
                            "{name} {}: answers as we do, and the reason `{}` explains that it does not",
                            case.id, reason.key
                        )),
                        (_, [reason]) => {
                            *used.entry((reason.key, peer)).or_default() += 1;
                            write!(tables, " {}: {} |", theirs.text(), reason.key).expect("a string");
                        }
                        (_, why) => self.wrong.push(format!(
                            "{name} {}: `{}`, ours is `{}`, {kind:?}, and {} reasons in \
                             adapters/server/corpus/src/reasons.rs explain it",
                            case.id,
                            theirs.text(),
                            ours.text(),
                            why.len()
                        )),
                    }
                }
                tables.push('\n');
            }
        }
        self.unused(&used);
        head(&counts, &used, self.ours.len()) + &tables
    }

    /// A reason that explains nothing is out of date.
    fn unused(&mut self, used: &BTreeMap<(&str, Peer), usize>) {
        for reason in reasons() {
            for (peer, _) in reason.of {
                if !used.contains_key(&(reason.key, *peer)) {
                    self.wrong.push(format!("the reason `{}` explains no answer of {peer:?}", reason.key));
                }
            }
        }
        let keys: BTreeSet<_> = reasons().iter().map(|reason| reason.key).collect();
        assert_eq!(keys.len(), reasons().len(), "two reasons have one key");
    }
}

fn head(
    counts: &BTreeMap<(Kind, Peer), usize>,
    used: &BTreeMap<(&str, Peer), usize>,
    cases: usize,
) -> String {
    let mut text = format!(
        "# HTTP/1.1: the corpus, put to other servers\n\n\
         Written by `cargo xtask conformance`, which puts the {cases} cases of \
         [the corpus](../adapters/server/corpus/src/cases) to this server on each of its drivers and to three others. \
         [An explanation](../adapters/server/corpus/src/reasons.rs) stands for every answer that is not ours; \
         the command fails where one is missing, or is about an answer that has become the same. A lenient server is not \
         a broken one: alone it harms nobody. Two that read one request in two ways are how requests are smuggled.\n\n\
         {}\n\nhyper runs with its defaults; nginx and Apache httpd are Debian's packages with their defaults, one \
         process, and a handler that reads the whole request and answers 200. Bodies of answers are not compared.\n\n",
        versions()
    );
    text.push_str("| | hyper | nginx | Apache |\n|---|---|---|---|\n");
    for (kind, says) in Kind::ALL {
        let numbers =
            PEERS.map(|(peer, _)| counts.get(&(kind, peer)).copied().unwrap_or_default().to_string());
        writeln!(text, "| {says} | {} |", numbers.join(" | ")).expect("a string");
    }
    text.push_str("\n## Why\n\n| reason | | hyper | nginx | Apache |\n|---|---|---|---|---|\n");
    for reason in reasons() {
        let numbers =
            PEERS.map(|(peer, _)| used.get(&(reason.key, peer)).map_or(String::new(), ToString::to_string));
        writeln!(text, "| {} | {} | {} |", reason.key, reason.text, numbers.join(" | ")).expect("a string");
    }
    text.push_str(
        "\nBelow, each case with the status of each answer and what becomes of the connection; behind it goes one more \
         request, by whose answer the connection is seen to be kept. `=` is our answer, `waits` a server that takes that \
         request for a part of the case, or is not done with it.\n",
    );
    text
}

/// Of hyper the one that is built in.
fn versions() -> String {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the workspace has one");
    let hyper = lock.split("[[package]]").find(|package| package.contains("\nname = \"hyper\"\n"));
    let hyper = hyper.and_then(|package| package.split("version = \"").nth(1)?.split('"').next());
    format!(
        "Seen with hyper {}, nginx {}, Apache httpd {}.",
        hyper.expect("we depend on it"),
        version("nginx"),
        version("apache2")
    )
}

/// Writes the document, or compares it with the one that is there.
fn compare(text: &str) {
    let path = root().join("docs/http-conformance.md");
    if std::env::var_os("BIVALVE_WRITE").is_some() {
        std::fs::write(&path, text).expect("the checkout can be written");
        return;
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if !before.is_empty() && !before.contains(&versions()) {
        // With other servers all is explained as well, and the document is about those that it names.
        println!("docs/http-conformance.md is about other versions: {}", versions());
        return;
    }
    let changed = before.lines().zip(text.lines()).find(|(before, now)| before != now);
    assert!(
        before == text,
        "docs/http-conformance.md is out of date: run `cargo xtask conformance`; {changed:?}"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
