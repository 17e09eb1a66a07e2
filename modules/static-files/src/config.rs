//! The settings, and what is not shown to anybody.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;

use crate::folder::Folder;
use crate::{Coding, StaticFiles, location, media_type};

/// How a folder is served. From [`StaticFiles::builder`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is built"]
pub struct StaticFilesBuilder {
    folder: PathBuf,
    at: String,
    hidden_segments: Vec<String>,
    refused_extensions: Vec<String>,
    cache_control: Option<String>,
    media_types: Vec<(String, String)>,
    pub(crate) options: Options,
}

/// What needs no check.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Options {
    pub(crate) default_documents: Vec<String>,
    pub(crate) directory_listing: bool,
    pub(crate) well_known: bool,
    pub(crate) precompressed: Vec<Coding>,
    pub(crate) unknown_extensions: bool,
    pub(crate) fall_through: bool,
    pub(crate) own_handler: bool,
    pub(crate) shared_tags: bool,
    pub(crate) cached_files: u32,
    pub(crate) valid_for: Duration,
    pub(crate) small_file: u32,
}

impl StaticFilesBuilder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            folder,
            at: "/".to_owned(),
            hidden_segments: owned(HIDDEN_SEGMENTS),
            refused_extensions: owned(REFUSED_EXTENSIONS),
            cache_control: None,
            media_types: Vec::new(),
            options: Options {
                default_documents: owned(&["index.html"]),
                directory_listing: false,
                well_known: false,
                precompressed: Vec::new(),
                unknown_extensions: false,
                fall_through: false,
                own_handler: false,
                shared_tags: false,
                cached_files: CACHED_FILES,
                valid_for: VALID_FOR,
                small_file: SMALL_FILE,
            },
        }
    }

    /// The URL path that the folder is served at. Default: `/`. What is not below it is left to others.
    ///
    /// As in IIS it has no case, and is compared with what the URL decodes to: `/FILES/a`, `/%66iles/a` and `//files/a` are below `/files` as well.
    /// Whoever asks for a login by path must compare so too, or open some paths and close the rest.
    pub fn at(mut self, url_path: &str) -> Self {
        url_path.clone_into(&mut self.at);
        self
    }

    /// Files that answer for their directory; the first that is there does. Default: `index.html`. Empty: none. One that is hidden or whose
    /// extension is refused, `index.php`, is a [`SetupError`].
    ///
    /// IIS counterpart: `<defaultDocument>`.
    pub fn default_documents<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.default_documents = names.into_iter().map(Into::into).collect();
        self
    }

    /// Lists directories that have no default document, up to [`MAX_LISTED`](crate::MAX_LISTED) names. Default: no, 403.14.
    ///
    /// IIS counterpart: `<directoryBrowse>`.
    pub fn directory_listing(mut self, on: bool) -> Self {
        self.options.directory_listing = on;
        self
    }

    /// Names of files and directories that are answered 404.8 wherever they stand in a path. Letter case does not matter. Default:
    /// [`HIDDEN_SEGMENTS`], IIS's own: `web.config`, `bin`, `App_Data` and the other `App_` folders. A list given here takes the place of all
    /// of it. Names that begin with a dot are hidden besides.
    ///
    /// IIS counterpart: `<hiddenSegments>`.
    pub fn hidden_segments<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.hidden_segments = names.into_iter().map(Into::into).collect();
        self
    }

    /// Extensions, without the dot, that are answered 404.7. Letter case does not matter. Default: [`REFUSED_EXTENSIONS`], what IIS's request
    /// filtering refuses, scripts whose source nobody shall see, and private keys: `config`, `cs`, `mdb`, `php`, `aspx`, `shtml`, `pl`, `inc`,
    /// `pfx`. A list given here takes the place of all of it; to refuse more:
    ///
    /// ```
    /// # use bivalve_static_files::{REFUSED_EXTENSIONS, StaticFiles};
    /// let files = StaticFiles::builder("site").refused_extensions(REFUSED_EXTENSIONS.iter().copied().chain(["exe", "dll"]));
    /// ```
    ///
    /// IIS counterpart: `<fileExtensions>`.
    pub fn refused_extensions<S: Into<String>>(mut self, extensions: impl IntoIterator<Item = S>) -> Self {
        self.refused_extensions = extensions.into_iter().map(Into::into).collect();
        self
    }

    /// Serves `/.well-known/` (RFC 8615), directly below the folder's URL path, although it begins with a dot. Default: no.
    pub fn well_known(mut self, on: bool) -> Self {
        self.options.well_known = on;
        self
    }

    /// Codings in which files may lie beside the originals, `app.js.br` beside `app.js`, in the order in which they are preferred.
    /// Default: none. Whether one is as new as its original is not looked at: whoever changes one changes both.
    ///
    /// IIS counterpart: none; its static compression makes and keeps them by itself.
    pub fn precompressed(mut self, codings: impl IntoIterator<Item = Coding>) -> Self {
        self.options.precompressed.clear();
        for coding in codings {
            if !self.options.precompressed.contains(&coding) {
                self.options.precompressed.push(coding);
            }
        }
        self
    }

    /// The `Content-Type` of an extension, without the dot; letter case does not matter. The extension `""` is that of names without one.
    /// An extension that is given here is served, also one that is not known or is withheld otherwise: `media_type("yaml",
    /// "application/yaml")`.
    ///
    /// IIS counterpart: `<mimeMap>`.
    pub fn media_type(mut self, extension: impl Into<String>, media_type: impl Into<String>) -> Self {
        self.media_types.push((extension.into(), media_type.into()));
        self
    }

    /// Serves files whose extension is not known as `application/octet-stream`. Default: no, they are answered 404.3 as in IIS, so that
    /// what an editor or a backup left behind is not read by everybody.
    ///
    /// Known is what the crate `mime_guess` knows, without what IIS does not know either and hardly anybody means to publish: settings
    /// (`cfg`, `conf`, `ini`, `toml`, `yaml`, `yml`, `reg`, `rc`, `user`, `vssettings`), keys (`pem`, `p8`, `pgp`), dumps and logs (`sql`,
    /// `dump`, `dmp`, `log`), source of what runs on servers (`bat`, `cmd`, `lua`, `py`, `rs`).
    /// [`media_type`](Self::media_type) makes one known. What is refused by [extension](Self::refused_extensions) stays so.
    pub fn unknown_extensions(mut self, on: bool) -> Self {
        self.options.unknown_extensions = on;
        self
    }

    /// `Cache-Control` of what is answered 200, 206 or 304. Default: none.
    ///
    /// IIS counterpart: `<clientCache>`.
    pub fn cache_control(mut self, value: impl Into<String>) -> Self {
        self.cache_control = Some(value.into());
        self
    }

    /// What is no file here goes on to the next handler, an axum router for example, as does a method that is neither GET nor HEAD.
    /// Default: no, what is below the URL path is answered here, with 404 or 405 if need be.
    ///
    /// With this on nothing is refused here either: `/.git/config` is then the next handler's to answer.
    pub fn fall_through(mut self, on: bool) -> Self {
        self.options.fall_through = on;
        self
    }

    /// At MapRequestHandler the module makes itself the handler of what it answers, whatever `<handlers>` or
    /// [handler mappings](bivalve_core::PipelineBuilder::handler_mapping) say: in IIS no entry is needed, and UpdateRequestCache is not
    /// skipped. Default: no, since it would also answer for scripts in its folder that are mapped to a handler of their own.
    ///
    /// IIS counterpart: `IMapHandlerProvider::SetScriptMap`.
    pub fn own_handler(mut self, on: bool) -> Self {
        self.options.own_handler = on;
        self
    }

    /// Makes entity tags from size and modification time only, so that several servers with copies of the same files agree. Default: no, what
    /// is this file's alone counts as well, and a file that is replaced has another tag whatever its time says.
    pub fn shared_tags(mut self, on: bool) -> Self {
        self.options.shared_tags = on;
        self
    }

    /// Files that are kept open, or in memory if they are small. Default: 512. One with precompressed siblings counts as several, a
    /// directory as one. As many names of what was not there are remembered besides. 0: nothing is kept.
    pub fn cached_files(mut self, files: u32) -> Self {
        self.options.cached_files = files;
        self
    }

    /// How long what is kept is not compared with the file system. Default: one second. A file that was changed, renamed or
    /// removed is served as it was for so long, and one that was asked for before it was there is 404. A large one that is changed in place has its
    /// new bytes under the old entity tag: replace files by renaming.
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.options.valid_for = time;
        self
    }

    /// Bytes up to which a file is kept in memory instead of open. Default: 16 KiB, which makes 8 MiB for 512 files. 0: none is. At
    /// most 1 MiB counts.
    pub fn small_file(mut self, bytes: u32) -> Self {
        self.options.small_file = bytes.min(MOST_SMALL);
        self
    }

    /// Opens the folder.
    ///
    /// # Errors
    ///
    /// [`SetupError`]: the folder cannot be opened, or a setting cannot be used.
    pub fn build(self) -> Result<StaticFiles, SetupError> {
        let at = match location::locate(&self.at, "", &Hidden::nothing()) {
            location::Location::Below(at) if at == self.at || at.trim_end_matches('/') == self.at => at,
            _ => {
                return Err(SetupError(format!(
                    "the URL path {:?} is no plain path that begins with /",
                    self.at
                )));
            }
        };
        let cache_control = match &self.cache_control {
            None => None,
            Some(text) => Some(header_value("Cache-Control", text)?),
        };
        let mut media_types = HashMap::new();
        for (extension, media_type) in &self.media_types {
            media_types.insert(extension.to_ascii_lowercase(), header_value("media type", media_type)?);
        }
        for name in &self.options.default_documents {
            if name.contains(['/', '\\']) || name.is_empty() || matches!(&name[..], "." | "..") {
                return Err(SetupError(format!("the default document {name:?} is no name of a file")));
            }
        }
        let hidden = self.hidden();
        // Asked for by its own URL it would be refused: `/` must not give away the source that `/index.php` does not.
        if let Some(name) =
            self.options.default_documents.iter().find(|name| hidden.sub_status(name).is_some())
        {
            return Err(SetupError(format!(
                "the default document {name:?} is hidden, or its extension is refused: it would be sent as it lies there"
            )));
        }
        let folder = Folder::open(&self.folder, self.options.small_file)
            .map_err(|error| SetupError::folder(&self.folder, &error))?;
        let media_types = media_type::MediaTypes::new(media_types, self.options.unknown_extensions);
        Ok(StaticFiles::new(
            folder,
            at.trim_end_matches('/'),
            hidden,
            media_types,
            cache_control,
            &self.options,
        ))
    }

    pub(crate) fn hidden(&self) -> Hidden {
        Hidden {
            segments: self.hidden_segments.iter().map(|name| folded(name)).collect(),
            extensions: self.refused_extensions.iter().map(|name| folded(name)).collect(),
            well_known: self.options.well_known,
            dots: true,
        }
    }
}

fn header_value(what: &str, text: &str) -> Result<HeaderValue, SetupError> {
    HeaderValue::from_str(text)
        .map_err(|_| SetupError(format!("{what} {text:?} cannot be the value of a header")))
}

/// What stops a folder from being served: its text says what and where.
#[derive(Debug)]
pub struct SetupError(String);

impl SetupError {
    fn folder(folder: &Path, error: &io::Error) -> Self {
        Self(format!("cannot open the folder {}: {error}", folder.display()))
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// What is there and is not shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    segments: Vec<String>,
    extensions: Vec<String>,
    well_known: bool,
    dots: bool,
}

impl Hidden {
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// IIS's sub-status of the 404 for what is hidden. `below`: as in [`Location::Below`](location::Location::Below).
    pub(crate) fn sub_status(&self, below: &str) -> Option<u16> {
        let mut segments = below.split('/').filter(|segment| !segment.is_empty()).enumerate();
        if segments.any(|(depth, segment)| self.is_hidden(depth, segment)) {
            return Some(8);
        }
        let refused = |extension| self.extensions.contains(&folded(extension));
        location::extension(below).is_some_and(refused).then_some(7)
    }

    fn is_hidden(&self, depth: usize, segment: &str) -> bool {
        if segment.trim_start_matches(is_ignorable).starts_with('.') {
            return self.dots && !(self.well_known && depth == 0 && segment == ".well-known");
        }
        self.segments.contains(&folded(segment))
    }
}

/// Names that a file system without letter case may take for the same are the same here: `ext4` with `casefold` and HFS+ look past what is
/// invisible. By way of the small letters, because the sign for Kelvin is a capital already.
fn folded(name: &str) -> String {
    name.replace(is_ignorable, "").to_lowercase().to_uppercase()
}

/// Unicode's `Default_Ignorable_Code_Point`.
fn is_ignorable(char: char) -> bool {
    matches!(
        u32::from(char),
        0xad | 0x34f
            | 0x61c
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfff8
            | 0x1_bca0..=0x1_bca3
            | 0x1_d173..=0x1_d17a
            | 0xe_0000..=0xe_0fff
    )
}

/// How many files are kept open unless set: 512.
const CACHED_FILES: u32 = 512;
/// How long what is kept is valid unless set: one second.
const VALID_FOR: Duration = Duration::from_secs(1);
/// What is kept in memory unless set: 16 KiB.
const SMALL_FILE: u32 = 16 * 1024;
/// What is kept in memory at most.
const MOST_SMALL: u32 = 1024 * 1024;

/// What [`hidden_segments`](StaticFilesBuilder::hidden_segments) are unless set: IIS's `<hiddenSegments>`.
pub const HIDDEN_SEGMENTS: &[&str] = &[
    "web.config",
    "bin",
    "App_code",
    "App_GlobalResources",
    "App_LocalResources",
    "App_WebReferences",
    "App_Data",
    "App_Browsers",
];

/// What [`refused_extensions`](StaticFilesBuilder::refused_extensions) are unless set: IIS's `<fileExtensions>`, and those that it maps to
/// handlers of their own or that are commonly mapped so.
pub const REFUSED_EXTENSIONS: &[&str] = &[
    "asa",
    "asax",
    "ascx",
    "master",
    "skin",
    "browser",
    "sitemap",
    "config",
    "cs",
    "csproj",
    "vb",
    "vbproj",
    "webinfo",
    "licx",
    "resx",
    "resources",
    "mdb",
    "vjsproj",
    "java",
    "jsl",
    "ldb",
    "dsdgm",
    "ssdgm",
    "lsad",
    "ssmap",
    "cd",
    "dsprototype",
    "lsaprototype",
    "sdm",
    "sdmdocument",
    "mdf",
    "ldf",
    "ad",
    "dd",
    "ldd",
    "sd",
    "adprototype",
    "lddprototype",
    "exclude",
    "refresh",
    "compiled",
    "msgx",
    "vsdisco",
    "rules",
    "asp",
    "aspx",
    "ashx",
    "asmx",
    "axd",
    "svc",
    "cshtml",
    "cshtm",
    "vbhtml",
    "vbhtm",
    "cer",
    "cdx",
    "idc",
    "shtm",
    "shtml",
    "stm",
    "inc",
    "p12",
    "pfx",
    "php",
    "pl",
    "phtml",
    "phar",
    "jsp",
];
