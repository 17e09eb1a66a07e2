//! The folder that is served: files are opened below it, and nowhere else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

#[cfg_attr(unix, path = "folder/unix.rs")]
#[cfg_attr(not(unix), path = "folder/other.rs")]
mod system;

pub(crate) use self::system::is_exhausted;

/// An open folder. Names lead nowhere else, whatever links there are and whoever changes them meanwhile: on Linux the kernel sees
/// to it (`openat2` with `RESOLVE_BENEATH`), elsewhere `cap-std` opens one directory after the other.
#[derive(Debug)]
pub(crate) struct Folder {
    directory: Dir,
    small: u64,
}

/// What is behind a name.
#[derive(Debug)]
pub(crate) enum Found {
    File(Opened),
    Directory,
    /// Nothing, or something that is not served: a pipe, a device, a link out of the folder, a file that may not be read.
    Nothing,
}

/// A regular file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) content: Content,
    pub(crate) stamp: Stamp,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Bytes),
    File(Arc<File>),
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    /// What nobody but the system sets. Unix: the time of the last change; Windows: when the file was created.
    changed: (i64, i64),
    /// Which file it is, where the system says so.
    number: (u64, u64),
}

impl Stamp {
    /// Whether a file with this stamp has the content that it had with the same stamp before.
    pub(crate) fn vouches_for_content(&self, now: SystemTime) -> bool {
        system::SEES_EVERY_CHANGE && self.is_settled(now)
    }

    /// Whether whatever changed the file next would change the stamp as well.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        is_past(system::changed(self), now)
    }

    /// The same by the time of modification alone, which anybody may set.
    pub(crate) fn is_older_than_clocks(&self, now: SystemTime) -> bool {
        is_past(self.modified, now)
    }
}

/// Whether a change now would have another time. One from the future is of a clock that was set.
fn is_past(time: SystemTime, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|age| age > COARSEST)
}

impl Folder {
    /// `small`: files up to so many bytes are read into memory.
    pub(crate) fn open(path: &Path, small: u32) -> io::Result<Self> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { directory, small: small.into() })
    }

    /// Opens what has this name, relative to the folder.
    ///
    /// # Errors
    ///
    /// What says nothing of the file: too many are open, the disk fails.
    pub(crate) fn find(&self, name: &str) -> io::Result<Found> {
        let mut options = OpenOptions::new();
        system::without_waiting(options.read(true));
        let file = match self.directory.open_with(name, &options) {
            Ok(file) => file.into_std(),
            // Windows opens no directory as a file.
            Err(error) if is_refused(&error) => {
                let is_directory = self.directory.metadata(name).is_ok_and(|metadata| metadata.is_dir());
                return Ok(if is_directory { Found::Directory } else { Found::Nothing });
            }
            Err(error) if is_exhausted(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(name, %error, "not opened");
                return Ok(Found::Nothing);
            }
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Found::Directory);
        }
        if !metadata.is_file() {
            return Ok(Found::Nothing);
        }
        system::wait_again(&file)?;
        let stamp = system::stamp(&metadata)?;
        if stamp.size <= self.small
            && let Some(opened) = self.read(&file, stamp)?
        {
            return Ok(Found::File(opened));
        }
        Ok(Found::File(Opened { content: Content::File(Arc::new(file)), stamp }))
    }

    /// Reads all of a small file; `None` if it changes all the time.
    fn read(&self, mut file: &File, mut stamp: Stamp) -> io::Result<Option<Opened>> {
        for _ in 0..ATTEMPTS {
            let mut content = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or_default() + 1);
            io::Seek::rewind(&mut file)?;
            file.take(self.small + 1).read_to_end(&mut content)?;
            let after = system::stamp(&file.metadata()?)?;
            if after == stamp && content.len() as u64 == stamp.size {
                return Ok(Some(Opened { content: Content::Memory(content.into()), stamp }));
            }
            stamp = after;
        }
        Ok(None)
    }

    /// The names in a directory, as the file system has them.
    pub(crate) fn list(&self, name: &str) -> io::Result<cap_std::fs::ReadDir> {
        self.directory.read_dir(name)
    }
}

/// What may also be a directory that is opened as a file.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory)
}

/// What changes within this time of a change may have the same times: clocks of file systems are as coarse as this (FAT).
const COARSEST: Duration = Duration::from_secs(2);

/// A small file that is being written is read so often before it is served from disk.
const ATTEMPTS: u32 = 3;
