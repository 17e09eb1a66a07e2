//! The files: `u_exYYMMDD.log`, as IIS names them, with the directives at the top of each.
//!
//! The crate `flexi_logger` opens, names and deletes them; when one is full is decided here, because only who
//! decides knows when the directives are due. See `docs/decisions/0003-log-rotation.md`.

use std::fmt;
use std::fs;
use std::io::{self, Write};

use chrono::{DateTime, NaiveDate, Utc};
use flexi_logger::writers::{ArcFileLogWriter, FileLogWriter, FileLogWriterHandle};
use flexi_logger::{Cleanup, Criterion, FileSpec, FlexiLoggerError, Naming, WriteMode};

use super::{AccessLogConfig, Rotation};
use crate::private;

/// Where lines end up. A trait, so that a test can fill the disk.
pub trait LogFile: Send + 'static {
    /// Appends whole lines, after a rotation if one is due.
    ///
    /// # Errors
    ///
    /// When the lines could not be written, all or in part.
    fn append(&mut self, lines: &str) -> io::Result<()>;

    /// Opens what is broken after a panic again.
    ///
    /// # Errors
    ///
    /// When that failed; it will be asked for again.
    fn recover(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Files that rotate by day and size.
pub struct RotatingFile {
    writer: ArcFileLogWriter,
    // Its drop closes the file.
    _handle: FileLogWriterHandle,
    config: AccessLogConfig,
    day: NaiveDate,
    bytes: u64,
    directives_due: bool,
    /// The last write failed, perhaps in the middle of a line.
    torn: bool,
}

impl RotatingFile {
    /// Opens today's file and writes the directives, as IIS does when it starts.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or the file cannot be written.
    pub fn open(config: &AccessLogConfig) -> io::Result<Self> {
        Self::open_at(config, Utc::now())
    }

    fn open_at(config: &AccessLogConfig, now: DateTime<Utc>) -> io::Result<Self> {
        private::create_folder(&config.directory)?;
        let spec = FileSpec::default()
            .directory(&config.directory)
            .suppress_basename()
            .suppress_timestamp()
            .suffix("log");
        let current = spec.as_pathbuf(Some(&now.format(NAME).to_string()));
        let (mut writer, handle) = FileLogWriter::builder(spec)
            // Never by itself: `append` says when.
            .rotate(
                Criterion::Size(u64::MAX),
                Naming::TimestampsCustomFormat { current_infix: None, format: NAME },
                Cleanup::KeepLogFiles(config.keep_files.max(1)),
            )
            .cleanup_in_background_thread(false)
            .use_utc()
            .append()
            .write_mode(WriteMode::Direct)
            .try_build_with_handle()
            .map_err(into_io)?;
        // Opens the file: without it, a rotation before the first write would do nothing.
        let opened = writer.write(b"")?;
        debug_assert_eq!(opened, 0, "nothing is written by nothing");
        let mut file = Self {
            writer,
            _handle: handle,
            config: config.clone(),
            day: now.date_naive(),
            bytes: fs::metadata(current).map_or(0, |metadata| metadata.len()),
            directives_due: true,
            torn: false,
        };
        file.restrict()?;
        file.append("")?;
        Ok(file)
    }

    /// The files are for their owner and its group: they may hold what is secret in a URL.
    fn restrict(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.config.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("u_ex") && name.ends_with(".log") {
                private::restrict_file(&entry.path())?;
            }
        }
        Ok(())
    }

    fn append_at(&mut self, lines: &str, now: DateTime<Utc>) -> io::Result<()> {
        let today = now.date_naive();
        let new_day = self.config.rotation == Rotation::Day && today != self.day;
        if new_day || self.bytes >= self.config.max_bytes.max(1) {
            // flexi_logger lists the folder and does not expect it to be gone.
            private::create_folder(&self.config.directory)?;
            self.writer.rotate().map_err(into_io)?;
            self.restrict()?;
            (self.day, self.bytes, self.directives_due, self.torn) = (today, 0, true, false);
        }
        let mut text = String::new();
        if self.torn {
            text.push('\n');
        }
        if self.directives_due {
            text.push_str(&self.directives(now));
        }
        text.push_str(lines);
        self.torn = true;
        self.writer.write_all(text.as_bytes())?;
        self.torn = false;
        self.directives_due = false;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn directives(&self, now: DateTime<Utc>) -> String {
        let fields: Vec<&str> = self.config.fields.iter().map(|field| field.name()).collect();
        format!(
            "#Software: Bivalve gate {}\n#Version: 1.0\n#Date: {}\n#Fields: {}\n",
            env!("CARGO_PKG_VERSION"),
            now.format("%Y-%m-%d %H:%M:%S"),
            fields.join(" ")
        )
    }
}

impl LogFile for RotatingFile {
    fn append(&mut self, lines: &str) -> io::Result<()> {
        self.append_at(lines, Utc::now())
    }

    /// A panic of flexi_logger, such as that of its `eprintln!`, leaves its lock poisoned for good.
    fn recover(&mut self) -> io::Result<()> {
        let config = self.config.clone();
        *self = Self::open(&config)?;
        Ok(())
    }
}

impl fmt::Debug for RotatingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotatingFile")
            .field("directory", &self.config.directory)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

fn into_io(error: FlexiLoggerError) -> io::Error {
    match error {
        FlexiLoggerError::OutputIo(error) => error,
        error => io::Error::other(error),
    }
}

/// IIS's name for a day's file in UTF-8.
const NAME: &str = "u_ex%y%m%d";

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::Field;
    use super::*;

    fn config(directory: &Path) -> AccessLogConfig {
        AccessLogConfig {
            directory: directory.to_owned(),
            fields: vec![Field::Date, Field::Status],
            ..AccessLogConfig::default()
        }
    }

    fn files(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = fs::read_dir(directory)
            .expect("the folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("UTF-8");
                (entry.file_name().into_string().expect("UTF-8"), text)
            })
            .collect();
        files.sort();
        files
    }

    fn entries(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    fn today() -> String {
        Utc::now().format("u_ex%y%m%d.log").to_string()
    }

    #[test]
    fn a_file_begins_with_the_directives() {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("made/when/missing");
        let mut file = RotatingFile::open(&config(&path)).expect("opened");
        file.append("a 1\n").expect("written");
        let files = files(&path);
        assert_eq!((files.len(), &*files[0].0), (1, &*today()));
        let lines: Vec<&str> = files[0].1.lines().collect();
        assert!(lines[0].starts_with("#Software: Bivalve gate "));
        assert_eq!((lines[1], lines[3], lines[4]), ("#Version: 1.0", "#Fields: date sc-status", "a 1"));
        assert_eq!(lines[2].len(), "#Date: 2026-11-21 22:34:05".len());
    }

    #[test]
    fn a_restart_appends_with_new_directives() {
        let directory = tempfile::tempdir().expect("a folder");
        for line in ["a 1\n", "b 2\n"] {
            RotatingFile::open(&config(directory.path())).expect("opened").append(line).expect("written");
        }
        let files = files(directory.path());
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].1.matches("#Fields: ").count(), 2);
        assert_eq!(entries(&files[0].1), ["a 1", "b 2"]);
    }

    #[test]
    fn a_full_file_is_followed_by_another_with_directives() {
        let directory = tempfile::tempdir().expect("a folder");
        let config = AccessLogConfig { rotation: Rotation::Size, max_bytes: 200, ..config(directory.path()) };
        let mut file = RotatingFile::open(&config).expect("opened");
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..6 {
            file.append(&line).expect("written");
        }
        let files = files(directory.path());
        assert_eq!(files.iter().flat_map(|(_, text)| entries(text)).count(), 6);
        assert!(files.len() >= 3, "{files:?}");
        assert!(
            files.iter().all(|(_, text)| text.starts_with("#Software: ") && text.matches('#').count() == 4)
        );
    }

    #[test]
    fn a_restart_counts_what_the_file_holds_already() {
        let directory = tempfile::tempdir().expect("a folder");
        fs::write(directory.path().join(today()), "x\n".repeat(100)).expect("written");
        let config = AccessLogConfig { rotation: Rotation::Size, max_bytes: 200, ..config(directory.path()) };
        RotatingFile::open(&config).expect("opened").append("y\n").expect("written");
        let files = files(directory.path());
        assert_eq!(files.len(), 2, "{files:?}");
    }

    #[test]
    fn a_new_day_begins_a_new_file() {
        let directory = tempfile::tempdir().expect("a folder");
        let now = Utc::now();
        let yesterday = now - Duration::from_secs(86_400);
        let mut file = RotatingFile::open_at(&config(directory.path()), now).expect("opened");
        file.day = yesterday.date_naive();
        file.append_at("late 1\n", yesterday).expect("written");
        file.append_at("early 2\n", now).expect("written");
        let files = files(directory.path());
        let entries: Vec<_> = files.iter().map(|(_, text)| entries(text)).collect();
        // The names are those of the real day: flexi_logger looks at the clock by itself.
        assert_eq!(entries, [vec!["late 1"], vec!["early 2"]], "{files:?}");
    }

    #[test]
    fn only_the_newest_files_are_kept_and_nothing_else_is_touched() {
        let directory = tempfile::tempdir().expect("a folder");
        for name in ["u_ex200101.log", "u_ex200102.log", "notes.log", "u_ex200101.txt"] {
            fs::write(directory.path().join(name), "kept?\n").expect("written");
        }
        let config = AccessLogConfig {
            rotation: Rotation::Size,
            max_bytes: 1,
            keep_files: 2,
            ..config(directory.path())
        };
        let mut file = RotatingFile::open(&config).expect("opened");
        for line in ["a\n", "b\n", "c\n"] {
            file.append(line).expect("written");
        }
        let names: Vec<String> = files(directory.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!((&*names[0], &*names[1]), ("notes.log", "u_ex200101.txt"));
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_owner_and_group() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("logs");
        let config = AccessLogConfig { rotation: Rotation::Size, max_bytes: 1, ..config(&path) };
        let mut file = RotatingFile::open(&config).expect("opened");
        file.append("a\n").expect("written");
        file.append("b\n").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o750);
        let names: Vec<String> = files(&path).into_iter().map(|(name, _)| name).collect();
        assert!(names.len() > 1 && names.iter().all(|name| mode(&path.join(name)) == 0o640), "{names:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(RotatingFile::open(&config(&file.join("logs"))).is_err());
    }
}
