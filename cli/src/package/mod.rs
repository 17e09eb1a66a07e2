//! Packs a module's DLL for a server: the DLL, scripts that install and remove it, and what they write.

mod config;
mod names;
mod text;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use names::{BadName, Handler, Name, Site};

use crate::doctor::{Library, Report};
use crate::image::{Declared, Format, Image, Manifest};
use crate::text::printable;
use text::{fill, for_windows, powershell};

const INSTALL: &str = include_str!("templates/install.ps1");
const UNINSTALL: &str = include_str!("templates/uninstall.ps1");
const COMMON: &str = include_str!("templates/common.ps1");
const README: &str = include_str!("templates/README.txt");

/// How much of the DLL's SHA-256 names the folder of a version. uninstall.ps1 knows folders by it.
const VERSION: usize = 12;

/// What is to be installed.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// The names under which IIS registers the DLL. Without any, all that the DLL says it registers under.
    pub names: Vec<Name>,
    /// The sites that the scripts enable the modules for, unless they are told others.
    pub sites: Vec<Site>,
    /// Those of the modules that are handlers.
    pub handlers: Vec<Handler>,
}

/// The files of a package, not written yet.
#[derive(Debug, Clone)]
pub struct Files(Vec<(String, Vec<u8>)>);

/// What was written, for the user.
#[derive(Debug, Clone)]
pub struct Written {
    folder: PathBuf,
    names: Vec<String>,
}

/// Why there is no package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageError(String);

impl Package {
    /// The folder for a DLL's package, when none is given: beside nothing, in the current directory.
    pub fn folder(dll: &Path) -> PathBuf {
        let stem = dll.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        PathBuf::from(format!("{stem}-iis"))
    }

    /// Makes the files.
    ///
    /// # Errors
    ///
    /// When the report says that IIS could not load the DLL; when it is no DLL for Windows; when a name is there
    /// twice, a handler is none of the names, or the DLL says that it does not register a name; when the DLL's own
    /// name cannot be carried by the scripts.
    pub fn files(&self, dll: &Path, report: &Report) -> Result<Files, PackageError> {
        let (Some(image), Some(bytes)) = (report.image(), report.bytes()) else {
            return Err(PackageError("nothing was packed: there is no DLL to pack, see above".into()));
        };
        if report.keeps_iis_from_loading() {
            return Err(PackageError(
                "nothing was packed: IIS would not load this DLL, the errors above say why".into(),
            ));
        }
        let condition = image.machine.precondition().filter(|_| image.format == Format::Pe);
        let Some(condition) = condition else {
            return Err(PackageError("nothing was packed: IIS loads Windows DLLs, and this is none".into()));
        };
        let package = self.named(image)?;
        package.check(image)?;
        let name = file_name(dll)?;
        let mut libraries = vec![(name.clone(), bytes.to_vec())];
        libraries.extend(companions(dll, image)?);
        let files = package.texts(&name, &libraries, image, condition);
        Ok(Files(libraries.into_iter().chain(files).collect()))
    }

    /// With the names that the DLL says, where none is given.
    fn named(&self, image: &Image) -> Result<Self, PackageError> {
        if !self.names.is_empty() {
            return Ok(self.clone());
        }
        let names = declared(image).iter().filter(|module| !module.is_any()).map(|module| {
            module.name.parse().map_err(|error| {
                PackageError(format!("the DLL registers a name that scripts cannot carry: {error}"))
            })
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(PackageError(
                "a package needs the name of a module, and the DLL says none: add --name".into(),
            ));
        }
        Ok(Self { names, ..self.clone() })
    }

    fn check(&self, image: &Image) -> Result<(), PackageError> {
        // IIS compares names without case.
        let same = |a: &Name, b: &Name| a.as_str().eq_ignore_ascii_case(b.as_str());
        for (index, name) in self.names.iter().enumerate() {
            if self.names[..index].iter().any(|other| same(name, other)) {
                return Err(PackageError(format!("the name {} is there twice", name.as_str())));
            }
        }
        for (index, handler) in self.handlers.iter().enumerate() {
            if !self.names.contains(handler.name()) {
                let name = handler.name().as_str();
                return Err(PackageError(format!(
                    "handler {name} is none of the modules: add --name {name}"
                )));
            }
            if self.handlers[..index].iter().any(|other| same(handler.name(), other.name())) {
                return Err(PackageError(format!("handler {} is there twice", handler.name().as_str())));
            }
        }
        let declared = declared(image);
        let known =
            |name: &&Name| declared.iter().any(|module| module.is_any() || module.name == name.as_str());
        if let Some(unknown) = self.names.iter().find(|name| !declared.is_empty() && !known(name)) {
            let declared: Vec<_> = declared.iter().map(|module| printable(module.name.as_bytes())).collect();
            return Err(PackageError(format!(
                "the DLL does not register {}: its modules are {}. A RegisterModule that fails ends every worker process",
                unknown.as_str(),
                declared.join(", ")
            )));
        }
        Ok(())
    }

    fn texts(
        &self,
        dll: &str,
        libraries: &[(String, Vec<u8>)],
        image: &Image,
        condition: &str,
    ) -> Vec<(String, Vec<u8>)> {
        let hashes: Vec<_> = libraries.iter().map(|(name, bytes)| (name.as_str(), sha256(bytes))).collect();
        let version = &hashes[0].1[..VERSION];
        let stem = dll.rsplit_once('.').map_or(dll, |(stem, _)| stem);
        let list = |items: Vec<String>| items.join(", ");
        let title = list(self.names.iter().map(|name| name.as_str().to_owned()).collect());
        let names = list(self.names.iter().map(|name| powershell(name.as_str())).collect());
        let sites = list(self.sites.iter().map(|site| powershell(site.as_str())).collect());
        let handlers = list(
            self.handlers
                .iter()
                .map(|handler| {
                    let (name, path) = (powershell(handler.name().as_str()), powershell(handler.path()));
                    format!("@{{ Name = {name}; Path = {path} }}")
                })
                .collect(),
        );
        let files = list(
            hashes
                .iter()
                .map(|(name, hash)| format!("@{{ Name = {}; Hash = '{hash}' }}", powershell(name)))
                .collect(),
        );
        let hash_lines: Vec<_> = hashes.iter().map(|(name, hash)| format!("  {hash}  {name}")).collect();
        let values = [
            // Within a block comment of PowerShell: what would end it is taken apart.
            ("TITLE", title.replace("#>", "# >")),
            ("DLL", dll.to_owned()),
            ("FOLDER", powershell(&format!(r"Bivalve\{stem}"))),
            ("NAMES", names),
            ("SITES", sites),
            ("HANDLERS", handlers),
            ("FILES", files),
            ("VERSION", version.to_owned()),
            ("PRECONDITION", condition.to_owned()),
            // Who says its names was made with Bivalve.
            ("EVENTSOURCE", if image.manifest.is_some() { "$true" } else { "$false" }.into()),
            ("COMMON", COMMON.to_owned()),
            ("MACHINE", image.machine.to_string()),
            ("HASHES", hash_lines.join("\n")),
        ];
        let placed = config::image(stem, version, dll);
        [
            ("install.ps1", fill(INSTALL, &values)),
            ("uninstall.ps1", fill(UNINSTALL, &values)),
            ("applicationHost.config", config::application_host(self, &placed, condition)),
            ("web.config", config::web(self, condition)),
            ("README.txt", fill(README, &values)),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), for_windows(&text)))
        .collect()
    }
}

impl Files {
    /// Each file's name and content.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Writes them. Without `force` nothing is overwritten, and when one of them is there already nothing is written.
    ///
    /// # Errors
    ///
    /// When a file is there already, or could not be written; the text names it.
    pub fn write(&self, folder: &Path, force: bool) -> Result<Written, PackageError> {
        let failed = |path: &Path, error: &io::Error| PackageError(format!("{}: {error}", path.display()));
        let there: Vec<_> = self
            .iter()
            .map(|(name, _)| folder.join(name))
            .filter(|path| path.symlink_metadata().is_ok())
            .collect();
        if !force && !there.is_empty() {
            let there: Vec<_> = there.iter().map(|path| path.display().to_string()).collect();
            return Err(PackageError(format!(
                "nothing was written, these are there already: {}. Give another --out, or --force",
                there.join(", ")
            )));
        }
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        for (name, bytes) in self.iter() {
            let path = folder.join(name);
            let mut options = OpenOptions::new();
            options.write(true);
            if force {
                options.create(true).truncate(true)
            } else {
                options.create_new(true)
            };
            let written = options.open(&path).and_then(|mut file| file.write_all(bytes));
            written.map_err(|error| failed(&path, &error))?;
        }
        let names = self.iter().map(|(name, _)| name.to_owned()).collect();
        Ok(Written { folder: folder.to_path_buf(), names })
    }
}

/// What the DLL says of itself.
fn declared(image: &Image) -> &[Declared] {
    image.manifest.as_ref().map(Manifest::modules).unwrap_or_default()
}

/// The DLL's own name, which goes into scripts, configuration and a folder's name.
fn file_name(dll: &Path) -> Result<String, PackageError> {
    let name = dll.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.get(..name.len().saturating_sub(4)).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = name.len() > 4
        && name.get(stem.len()..).is_some_and(|end| end.eq_ignore_ascii_case(".dll"))
        && name.chars().all(plain)
        && stem.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !stem.ends_with('.');
    if good {
        Ok(name.to_owned())
    } else {
        Err(PackageError(format!(
            "rename {name:?}: a module's file has letters, digits, dashes, underscores and dots, and ends in .dll"
        )))
    }
}

/// Libraries that the DLL needs, that no Windows has, and that lie beside it.
fn companions(dll: &Path, image: &Image) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for import in &image.imports {
        if !matches!(Library::of(&import.library), Library::Mingw | Library::Unknown) {
            continue;
        }
        let path = dll.with_file_name(&import.library);
        let twice = found.iter().any(|(name, _)| name.eq_ignore_ascii_case(&import.library));
        if twice || path == dll || file_name(Path::new(&import.library)).is_err() || !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).map_err(|error| PackageError(format!("{}: {error}", path.display())))?;
        found.push((import.library.clone(), bytes));
    }
    Ok(found)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Packed in {}", self.folder.display())?;
        self.names.iter().try_for_each(|name| writeln!(f, "  {name}"))?;
        writeln!(f, "Copy the folder to the server and read README.txt there.")
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PackageError {}
