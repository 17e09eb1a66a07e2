//! The settings of the access log.

use std::path::PathBuf;

use serde::Deserialize;

use super::Field;

/// `[access_log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLogConfig {
    /// The folder for the files; made when it is not there. Default: `gate-logs`.
    pub directory: PathBuf,
    /// What each line tells, in this order. Default: what IIS logs unless told otherwise.
    pub fields: Vec<Field>,
    /// When a new file begins. Default: each day (UTC).
    pub rotation: Rotation,
    /// Bytes after which a new file begins with `rotation = "size"`. With `"day"` it bounds a day's file as well;
    /// the day then has several. Default: 256 MiB.
    pub max_bytes: u64,
    /// How many files are kept, the newest ones. Default: 90.
    pub keep_files: usize,
    /// How many lines may wait for the disk, of together 8 MiB at most; more are dropped and counted. Default: 16,384.
    pub queue_lines: usize,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("gate-logs"),
            fields: Field::IIS_DEFAULT.to_vec(),
            rotation: Rotation::Day,
            max_bytes: 256 * 1024 * 1024,
            keep_files: 90,
            queue_lines: 16_384,
        }
    }
}

/// When a new file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// At midnight, UTC, and at the size.
    #[default]
    Day,
    /// At the size.
    Size,
}
