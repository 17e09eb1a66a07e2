//! Static files as a Bivalve module: one source for a Tower layer, the native server and IIS.
//!
//! [`StaticFiles`] serves the files of one folder at one URL path: ranges, conditional requests, precompressed siblings, default
//! documents, listings if asked for, and a cache of open files. It decides at MapRequestHandler and answers at ExecuteRequestHandler; a
//! request that is not its own it leaves alone, to other modules and to the mounted service.
//!
//! ```
//! use bivalve_core::testing::{TestHost, block_on};
//! use bivalve_static_files::{Coding, StaticFiles};
//!
//! # let folder = std::env::temp_dir().join(format!("bivalve-static-files-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! std::fs::write(folder.join("index.html"), "<p>Hello World!")?;
//! let files = StaticFiles::builder(&folder)
//!     .at("/site")
//!     .precompressed(Coding::ALL)
//!     .cache_control("public, max-age=60")
//!     .build()?;
//!
//! let host = TestHost::new().mount(files);
//! let page = block_on(host.get("/site/").finish());
//! assert_eq!((page.text(), page.header("content-type")), ("<p>Hello World!", Some("text/html; charset=utf-8")));
//! assert_eq!(block_on(host.get("/site/web.config").finish()).status(), 404);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is answered
//!
//! | request | answer | |
//! |---|---|---|
//! | GET or HEAD of a file | 200, 206, 304, 412 or 416 | RFC 9110 sections 13 and 14 |
//! | another method, and the name is there | 405 with `Allow: GET, HEAD` | |
//! | a directory without a slash at its end | 301, relative, with the query | |
//! | a directory with a default document | the document | `index.html` |
//! | a directory without | 403.14, or [a listing](StaticFilesBuilder::directory_listing) | |
//! | nothing, a pipe, a device, a link out of the folder, what the process may not read | 404 | |
//! | an extension that is not known; also settings, keys, dumps and logs (`yml`, `pem`, `sql`, `log`) | 404.3, or [what is said](StaticFilesBuilder::media_type), or [`application/octet-stream`](StaticFilesBuilder::unknown_extensions) | as IIS |
//! | an extension that is refused (`php`, `config`, `cs`) | 404.7 | as IIS |
//! | a hidden segment (`web.config`, `bin`, `App_Data`), or a name that begins with a dot | 404.8 | as IIS; dots are ours |
//! | a URL that could mean another file on some system | 400, 404 or 414 | [`MapPathError`](bivalve_core::MapPathError) |
//! | anything, where files cannot be opened (too many are, the disk fails) | 503 | |
//!
//! With [`fall_through`](StaticFilesBuilder::fall_through) all of these but the first, the third, the fourth, a listing and 503 are the next
//! handler's.
//!
//! # Who answers
//!
//! The module obeys [handler mappings](bivalve_core::PipelineBuilder::handler_mapping), in IIS `<handlers>`, unless it
//! [makes itself the handler](StaticFilesBuilder::own_handler). What it answers it ends with `Flow::Finish`, which in every host
//! skips ReleaseRequestState and UpdateRequestCache: in IIS dynamic compression and the output cache do not see it then. As its
//! own handler it lets them run.
//!
//! # Never outside the folder
//!
//! A URL is decoded once, and what is left is plain names on every system: `..`, backslashes, encoded slashes, NUL, devices,
//! streams, short names, trailing dots and spaces are refused and not repaired. Files are opened below an open directory by
//! [`cap-std`](https://docs.rs/cap-std), which on Linux is one `openat2` with `RESOLVE_BENEATH`: a link that leads out of the folder opens
//! nothing, also one that is made meanwhile, and one with an absolute path never does. Only regular files are read; they are
//! opened without waiting, so that a pipe holds nobody up.
//!
//! What is mounted below the folder belongs to it, and a hard link is the file itself: nobody can tell where else it has a name.
//!
//! # Validators
//!
//! The entity tag is a hash of size, time of modification (nanoseconds), and on Unix device, inode and time of change; elsewhere the time of
//! creation. It is strong, but for two seconds after a change, in which a second change could have the same times (RFC 9110 section 8.8.1), it is
//! weak: `If-Range` and `If-Match` do not match then. Each coding of a file has its own. Several servers with copies of
//! the same files want [`shared_tags`](StaticFilesBuilder::shared_tags). A date in `If-Range` never matches: nobody knows that a file did not
//! change twice within a second (section 8.8.2.2).
//!
//! # When it is logged
//!
//! A response leaves behind EndRequest, as every buffered one. One that is larger than the application's response buffer (4 MiB), which it does not
//! fill, leaves at once, and the module waits for the client to take it: whoever logs at LogRequest knows how long that took, and how much it was.
//!
//! # Cost
//!
//! A file that is known and was looked at within the last [second](StaticFilesBuilder::valid_for) is served without asking the file
//! system anything: from memory up to [16 KiB](StaticFilesBuilder::small_file), else as a range of an open file, which a host sends without
//! reading it where it can. Its headers are made once. Otherwise the file is opened in the call, which blocks the thread for as long as that
//! takes, as in nginx: on a local disk some microseconds, on a network file system that hangs, as long as it hangs. Serve
//! those from a host with threads of their own. A listing is read anew for each request.
//!
//! # Limits
//!
//! | what | limit | then |
//! |---|---|---|
//! | path of a URL | 4,096 bytes | 414 |
//! | ranges of one request | 16 | the whole file |
//! | ranges that overlap, or lie closer than 80 bytes | | are one |
//! | files kept open or in memory | [512](StaticFilesBuilder::cached_files) | those used least are closed |
//! | names kept that are not there | as many, apart from those | as those |
//! | a file kept in memory | [16 KiB](StaticFilesBuilder::small_file) | it is kept open |
//! | names in a listing | [1,000](MAX_LISTED), of 10,000 entries | it says that there are more |
//!
//! # Not there yet
//!
//! - The folder is opened once, by [`build`](StaticFilesBuilder::build): a link to it that leads elsewhere later (`current`, to the next
//!   release), or a folder that is put in its place, is not seen until the pipeline is built anew. Replace what is inside it.
//! - A file that is kept open and was removed takes its room on the disk until others take its place, or it is asked for again.
//! - An extension is known if `mime_guess` knows it and it is [not withheld](StaticFilesBuilder::unknown_extensions). That is more than
//!   IIS knows: what nobody shall read does not belong into the folder.
//! - A file that is changed in place while it is sent is sent as it is then; one that becomes shorter ends the connection. Replace
//!   files by renaming.
//! - `cx.map_path`, and with it MapPath and virtual directories, is not asked: the folder is the builder's.
//! - A precompressed sibling is not compared with its original, and a client that refuses the file as it is (`identity;q=0`) and every
//!   sibling gets it as it is.
//! - Files are opened synchronously: no driver opens files yet.
//! - Windows: seen under Wine, not on Windows. The system tells less of a file there: who sets its time of modification back hides a change from the
//!   entity tag, and links are followed by `cap-std`'s own walk.

#![forbid(unsafe_code)]

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

mod answer;
mod cache;
mod coding;
mod conditional;
mod config;
mod folder;
mod listing;
mod location;
mod media_type;
mod module;
mod range;
mod representation;
mod store;

pub use self::coding::Coding;
pub use self::config::{HIDDEN_SEGMENTS, REFUSED_EXTENSIONS, SetupError, StaticFilesBuilder};
pub use self::listing::MAX_LISTED;
pub use self::module::StaticFiles;
