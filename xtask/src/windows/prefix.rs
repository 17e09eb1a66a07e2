//! Wine's prefix: a Windows directory of our own, with the one library that Rust needs and Wine 8 lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::toolchain::{MINGW, Wine};
use crate::Result;
use crate::command::Command;

const SHIM: &str = include_str!("bcryptprimitives.c");
/// Filling a new prefix takes less than ten seconds.
const SETUP: Duration = Duration::from_secs(180);
/// How long Wine's server waits for another program, should this process not be there any more to end it.
const IDLE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Its Wine is ended when this is dropped: nothing of it outlives the step.
#[derive(Debug)]
pub(crate) struct Prefix {
    /// Of the whole step; the prefix is in it.
    directory: PathBuf,
    wine: Wine,
}

impl Prefix {
    /// Where the one of a worker is, when several have their own below `directory`.
    pub(crate) fn numbered(directory: &Path, worker: usize) -> PathBuf {
        directory.join(format!("worker-{worker}"))
    }

    /// Makes the prefix below `directory`, when it is not there as this version of the code makes it.
    pub(crate) fn ensure(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let prefix = Self { directory: directory.to_path_buf(), wine: Wine::find()? };
        let system = prefix.path().join("drive_c/windows/system32");
        // The source is what is copied last, so it also says that the prefix is complete.
        let mark = system.join("bcryptprimitives.c");
        if fs::read_to_string(&mark).is_ok_and(|made| made == SHIM) {
            prefix.begin()?;
            return Ok(prefix);
        }
        if prefix.path().exists() {
            fs::remove_dir_all(prefix.path())?;
        }
        fs::create_dir_all(prefix.path())?;
        prefix.begin()?;
        let log = directory.join("wine.log");
        // Debian's Wine says that it is Windows 7, which is older than what Rust supports.
        for line in ["wineboot --init", "winecfg -v win10"] {
            let command = prefix.wine().args(line.split(' ').map(String::from));
            match prefix.finish(command.spawned(&log)?, SETUP)? {
                Some(status) if status.success() => {}
                ended => {
                    let how = ended.map_or_else(|| String::from("did not end in time"), |s| s.to_string());
                    let printed = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
                    return Err(format!("Wine could not be set up: `{command}`: {how}\n{printed}").into());
                }
            }
        }
        let source = directory.join("bcryptprimitives.c");
        fs::write(&source, SHIM)?;
        let compiler = Command::new(MINGW)
            .args(["-shared", "-O1", "-Wall", "-Wextra", "-Werror", "-o"].map(String::from))
            .arg(system.join("bcryptprimitives.dll").display().to_string())
            .arg(source.display().to_string())
            .arg("-ladvapi32");
        let built = compiler.captured()?;
        if !built.status.success() {
            let printed = String::from_utf8_lossy(&built.stderr);
            return Err(format!("the library for Wine was not built: `{compiler}`\n{printed}").into());
        }
        fs::copy(source, mark)?;
        Ok(prefix)
    }

    /// Wine in this prefix, without its own messages; the program and its arguments are still to be added.
    pub(crate) fn wine(&self) -> Command {
        // No window, and nothing that asks to download .NET or a browser.
        self.command(&self.wine.loader).env("WINEDLLOVERRIDES", "mscoree,mshtml=").env("DISPLAY", "")
    }

    /// Waits until the child ends; `None` when it was still running at the limit, and is killed with its Wine.
    pub(crate) fn finish(&self, mut child: Child, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(POLL);
        }
        // An error means that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
        self.end();
        self.begin()?;
        Ok(None)
    }

    /// Starts Wine's server, which every program would otherwise start for itself. Debian's ends together with the
    /// last program, and the next one then meets a server that is about to go.
    fn begin(&self) -> Result<()> {
        let log = self.directory.join("wineserver.log");
        let server = self.command(&self.wine.server).arg(format!("--persistent={}", IDLE.as_secs()));
        // It goes into the background by itself, and says so with 0; 2 is that one runs already.
        let status = server.logged(&log)?;
        if matches!(status.code(), Some(0 | 2)) {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Err(format!("Wine's server did not start: `{server}`: {status}\n{printed}").into())
    }

    /// Ends everything that runs in this prefix, and nothing else: Wine's server knows its own.
    fn end(&self) {
        // An error means that nothing ran.
        let _ = self.command(&self.wine.server).arg("-k").captured();
    }

    fn path(&self) -> PathBuf {
        self.directory.join("wine")
    }

    fn command(&self, program: &Path) -> Command {
        Command::of(program).env("WINEPREFIX", self.path().display().to_string()).env("WINEDEBUG", "-all")
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        self.end();
    }
}
