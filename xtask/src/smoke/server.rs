//! The example's process: its output is collected, and it is killed when the run gives up.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// From the start of the process to the lines that tell its address.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

pub(super) struct Server {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// What the server tells the person who started it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// `http://ADDRESS`, without a slash at the end.
    pub(super) origin: String,
    /// `USER:PASSWORD`
    pub(super) credentials: String,
    pub(super) token: String,
}

impl Server {
    /// Starts with no configuration but `more`, an address of its own choice and a place for logs, in `directory`,
    /// so that nothing in the checkout is picked up.
    pub(super) fn start(mut program: Command, directory: &Path, more: &[&str]) -> Result<Self> {
        let mut child = program
            .args(["--listen", "127.0.0.1:0", "--log-dir"])
            .arg(directory.join("logs"))
            .args(more)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} did not start: {error}", program.get_program().display()))?;
        let lines = Arc::default();
        collect(child.stdout.take(), &lines);
        collect(child.stderr.take(), &lines);
        Ok(Self { child, lines })
    }

    /// Waits until the server has told how to reach it.
    pub(super) fn started(&mut self) -> Result<Started> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(started) = Started::read(&self.printed()) {
                return Ok(started);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended at its start: {status}").into());
            }
            if Instant::now() >= deadline {
                return Err(format!("no curl lines within {} s", START.as_secs()).into());
            }
            thread::sleep(POLL);
        }
    }

    /// Sends SIGTERM; the time until the process has ended with code 0.
    pub(super) fn terminate(&mut self, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        // The shell's own `kill`: a minimal machine has no program of that name.
        let sent =
            Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()]).status()?;
        if !sent.success() {
            return Err("SIGTERM could not be sent".into());
        }
        while start.elapsed() < limit {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(start.elapsed()),
                Some(status) => return Err(format!("after SIGTERM: {status}").into()),
                None => thread::sleep(POLL),
            }
        }
        Err(format!("still running {} s after SIGTERM", limit.as_secs()).into())
    }

    /// Everything printed so far.
    pub(super) fn printed(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Started {
    /// Finds the two curl lines; `None` until both are complete.
    fn read(printed: &str) -> Option<Self> {
        let (_, basic) = printed.split_once("curl -u ")?;
        let (_, bearer) = printed.split_once("Authorization: Bearer ")?;
        // A line without its end may still grow.
        let (basic, _) = basic.split_once('\n')?;
        let (bearer, _) = bearer.split_once('\n')?;
        let (credentials, url) = basic.trim().rsplit_once(' ')?;
        let (token, _) = bearer.split_once(['\'', '"'])?;
        Some(Self {
            origin: unquoted(url).trim_end_matches('/').to_owned(),
            credentials: unquoted(credentials).to_owned(),
            token: token.to_owned(),
        })
    }
}

fn unquoted(word: &str) -> &str {
    word.trim().trim_matches(['\'', '"'])
}

fn collect(stream: Option<impl Read + Send + 'static>, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut reader = stream.map(BufReader::new).into_iter().flat_map(|reader| reader.split(b'\n'));
        while let Some(Ok(line)) = reader.next() {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curl_lines_are_read() {
        let printed = "gate is listening\n  curl -u guest:pa55 http://127.0.0.1:4711/\n  \
            curl -H 'Authorization: Bearer abc-1' http://127.0.0.1:4711/api/time\n";
        let expected = Started {
            origin: "http://127.0.0.1:4711".into(),
            credentials: "guest:pa55".into(),
            token: "abc-1".into(),
        };
        assert_eq!(Started::read(printed), Some(expected));
    }

    #[test]
    fn quoted_credentials_are_read_without_the_quotes() {
        let printed =
            "curl -u 'guest:p a' http://h:1/\ncurl -H 'Authorization: Bearer t' http://h:1/api/time\n";
        assert_eq!(Started::read(printed).map(|started| started.credentials), Some("guest:p a".into()));
    }

    #[test]
    fn half_a_line_is_not_read() {
        let printed = "curl -u guest:pa55 http://h:1/\ncurl -H 'Authorization: Bearer ab";
        assert_eq!(Started::read(printed), None);
        assert_eq!(Started::read("curl -u guest:pa55 http://h:1/\n"), None);
    }
}
