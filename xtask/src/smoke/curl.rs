//! Requests through the real curl, and its answers taken apart.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::server::Started;
use crate::Result;

/// For a request that should be answered at once.
const LIMIT: Duration = Duration::from_secs(10);
/// The exit code with which curl says that `--max-time` ended the transfer.
const TIMED_OUT: i32 = 28;

pub(super) struct Curl {
    server: Started,
}

/// One request, not yet sent.
pub(super) struct Request {
    what: String,
    url: String,
    args: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Reply {
    what: String,
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A curl that reads a stream in the background, and ends with this value.
pub(super) struct Listener(Child);

impl Curl {
    pub(super) fn new(server: Started) -> Self {
        Self { server }
    }

    /// Without credentials.
    pub(super) fn open(&self, path: &str) -> Request {
        self.request(path, &[])
    }

    /// With the user and the password that the server printed.
    pub(super) fn basic(&self, path: &str) -> Request {
        self.request(path, &["--user", &self.server.credentials])
    }

    /// With the right user and a wrong password.
    pub(super) fn wrong(&self, path: &str) -> Request {
        self.request(path, &["--user", &format!("{}-not", self.server.credentials)])
    }

    /// With the token that the server printed.
    pub(super) fn bearer(&self, path: &str) -> Request {
        self.request(path, &["--header", &format!("Authorization: Bearer {}", self.server.token)])
    }

    fn request(&self, path: &str, args: &[&str]) -> Request {
        Request {
            what: path.to_owned(),
            url: format!("{}{path}", self.server.origin),
            args: args.iter().copied().map(String::from).collect(),
        }
    }
}

impl Request {
    pub(super) fn get(self) -> Result<Reply> {
        self.send(LIMIT, 0)
    }

    pub(super) fn post(mut self, file: &Path) -> Result<Reply> {
        self.args.extend(["--data-binary".into(), format!("@{}", file.display())]);
        self.send(LIMIT, 0)
    }

    /// Reads for `time` what does not end by itself.
    pub(super) fn stream(self, time: Duration) -> Result<Reply> {
        self.send(time, TIMED_OUT)
    }

    /// Reads in the background, from the first byte of the answer on.
    pub(super) fn listen(self) -> Result<Listener> {
        let mut child = self.command(Duration::from_secs(120)).stdout(Stdio::piped()).spawn()?;
        let mut first = [0];
        let stdout = child.stdout.as_mut().ok_or("curl has no output")?;
        std::io::Read::read_exact(stdout, &mut first).map_err(|error| format!("{}: {error}", self.what))?;
        Ok(Listener(child))
    }

    fn send(self, limit: Duration, expected: i32) -> Result<Reply> {
        let output = self.command(limit).output()?;
        if output.status.code() != Some(expected) {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: curl ended with {}: {}", self.what, output.status, told.trim()).into());
        }
        Reply::read(self.what, &output.stdout)
    }

    fn command(&self, limit: Duration) -> Command {
        let mut command = Command::new("curl");
        // First of all no settings of the user's: neither their file nor a proxy belongs to the test.
        command.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--no-buffer"]);
        command.args(["--include", "--path-as-is", "--header", "Expect:", "--max-time"]);
        command.arg(limit.as_secs_f64().to_string()).args(&self.args).arg(&self.url).stdin(Stdio::null());
        command
    }
}

impl Reply {
    fn read(what: String, output: &[u8]) -> Result<Self> {
        let end = output
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .ok_or("an answer without an end of headers")?;
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split_whitespace().nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Self {
            what,
            status: status.ok_or("an answer without a status")?,
            headers,
            body: output[end + 4..].to_vec(),
        })
    }

    pub(super) fn expect_status(&self, expected: u16) -> Result<()> {
        if self.status == expected {
            return Ok(());
        }
        Err(format!("{}: status {} instead of {expected}\n{}", self.what, self.status, self.text()).into())
    }

    pub(super) fn expect_type(&self, expected: &str) -> Result<()> {
        let found = self.header("content-type")?;
        if found.starts_with(expected) {
            return Ok(());
        }
        Err(format!("{}: content-type {found} instead of {expected}", self.what).into())
    }

    /// The first header of this name; an empty one is as good as none.
    pub(super) fn header(&self, name: &str) -> Result<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        found
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("{}: no header {name}", self.what).into())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let reply = Reply::read(
            "/".into(),
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nX-Empty: \r\n\r\nno\r\n\r\n",
        );
        let reply = reply.expect("well formed");
        assert_eq!((reply.status, reply.body.as_slice()), (401, b"no\r\n\r\n".as_slice()));
        assert_eq!(reply.header("www-authenticate").expect("is there"), "Basic");
        assert!(reply.header("x-empty").is_err());
        assert!(reply.expect_status(200).is_err());
    }
}
