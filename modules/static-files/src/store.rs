//! What is behind a name: looked up in the cache, or found out.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;

use crate::Coding;
use crate::cache::{Cache, Entry, Known};
use crate::config::Options;
use crate::folder::{Folder, Found};
use crate::location::{extension, file_name};
use crate::media_type::MediaTypes;
use crate::representation::Representation;

/// The folder and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Store {
    folder: Folder,
    cache: Cache,
    media_types: MediaTypes,
    default_documents: Vec<String>,
    precompressed: Vec<Coding>,
    shared_tags: bool,
}

/// Something that is there.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "almost all are files, and each is in an allocation of its own")]
pub(crate) enum Node {
    File(Served),
    /// Asked for without the slash at its end.
    Directory,
    /// Without a default document.
    Listing,
}

/// A file, in each coding that it is there in.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) media_type: HeaderValue,
    pub(crate) plain: Representation,
    /// In the order in which they are preferred.
    pub(crate) coded: Vec<Representation>,
}

/// The sub-status of the 404 for what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// 404.0.
    NotFound,
    /// 404.3: it is there, and nobody knows what it is.
    UnknownMediaType,
}

impl Absent {
    pub(crate) fn sub_status(self) -> u16 {
        match self {
            Self::NotFound => 0,
            Self::UnknownMediaType => 3,
        }
    }
}

impl Node {
    /// The files that it keeps, open or in memory.
    pub(crate) fn files(&self) -> u64 {
        match self {
            Self::File(Served { coded, .. }) => 1 + coded.len() as u64,
            Self::Directory | Self::Listing => 0,
        }
    }

    /// Whether this is still what `other`, found just now, is.
    fn is_current(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(old), Self::File(new)) => {
                old.plain.is_current(&new.plain)
                    && old.media_type == new.media_type
                    && old.coded.len() == new.coded.len()
                    && old.coded.iter().zip(&new.coded).all(|(old, new)| old.is_current(new))
            }
            (Self::Directory, Self::Directory) | (Self::Listing, Self::Listing) => true,
            _ => false,
        }
    }
}

impl Store {
    pub(crate) fn new(folder: Folder, media_types: MediaTypes, options: &Options) -> Self {
        Self {
            folder,
            cache: Cache::new(options.cached_files, options.valid_for),
            media_types,
            default_documents: options.default_documents.clone(),
            precompressed: options.precompressed.clone(),
            shared_tags: options.shared_tags,
        }
    }

    /// What is known to be there. Asks nothing of the file system.
    pub(crate) fn known(&self, below: &str) -> Option<Arc<Entry>> {
        self.cache.present(below)
    }

    /// What is there. `below` is what [`Location::Below`](crate::location::Location::Below) holds, and nothing that is hidden.
    ///
    /// # Errors
    ///
    /// What says nothing of the file: it is not remembered.
    pub(crate) fn find(&self, below: &str) -> io::Result<Result<Arc<Entry>, Absent>> {
        let stale = match self.cache.look_up(below) {
            Known::Present(entry) => return Ok(Ok(entry)),
            Known::Absent(absent) => return Ok(Err(absent)),
            Known::Stale(entry) => Some(entry),
            Known::Nothing => None,
        };
        let now = self.cache.now();
        Ok(match self.look(below)? {
            Err(absent) => {
                self.cache.put_absent(below, absent, now);
                Err(absent)
            }
            Ok(node) => match stale.filter(|entry| entry.node.is_current(&node)) {
                Some(entry) => {
                    Cache::confirm(&entry, now);
                    Ok(entry)
                }
                None => Ok(self.cache.put(below, node, now)),
            },
        })
    }

    pub(crate) fn list(&self, below: &str) -> io::Result<cap_std::fs::ReadDir> {
        self.folder.list(file_name(below))
    }

    fn look(&self, below: &str) -> io::Result<Result<Node, Absent>> {
        let name = file_name(below);
        let slash = below.ends_with('/');
        Ok(match self.folder.find(name)? {
            Found::Nothing => Err(Absent::NotFound),
            // `/a.css/` is no name of `/a.css`: what it links to would be elsewhere.
            Found::File(_) if slash => Err(Absent::NotFound),
            Found::File(opened) => self.served(name, opened)?,
            Found::Directory if !slash => Ok(Node::Directory),
            Found::Directory => {
                for document in &self.default_documents {
                    let name = if name == "." { document.clone() } else { format!("{name}/{document}") };
                    if let Found::File(opened) = self.folder.find(&name)? {
                        return self.served(&name, opened);
                    }
                }
                Ok(Node::Listing)
            }
        })
    }

    fn served(&self, name: &str, opened: crate::folder::Opened) -> io::Result<Result<Node, Absent>> {
        let Some(media_type) = self.media_types.of(extension(name)) else {
            return Ok(Err(Absent::UnknownMediaType));
        };
        let now = SystemTime::now();
        let mut coded = Vec::new();
        for coding in &self.precompressed {
            if let Found::File(opened) = self.folder.find(&format!("{name}{}", coding.suffix()))? {
                coded.push(Representation::new(opened, Some(*coding), self.shared_tags, now));
            }
        }
        let plain = Representation::new(opened, None, self.shared_tags, now);
        Ok(Ok(Node::File(Served { media_type, plain, coded })))
    }
}
