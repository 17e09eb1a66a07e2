//! What a request runs in: server, site, application and connection, each with storage for modules.

mod connection;
mod storage;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

pub use self::connection::{ClientCertificate, Connection, ConnectionBuilder};
pub use self::storage::AlreadyAssigned;
pub(crate) use self::storage::ModuleStorage;

use crate::{Driver, MapPathError, Result, VirtualDirectory, limits};

/// A future that the server runs in the background.
pub type BackgroundFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The server: its name, its completion driver, its way to run background work.
///
/// IIS counterpart: `IHttpServer`.
#[derive(Clone)]
pub struct Server {
    software: Arc<str>,
    driver: Option<Source>,
    spawn: Option<Arc<dyn Fn(BackgroundFuture) + Send + Sync>>,
}

impl Server {
    /// A server without driver or background work.
    #[must_use]
    pub fn new() -> Self {
        Self { software: concat!("Bivalve/", env!("CARGO_PKG_VERSION")).into(), driver: None, spawn: None }
    }

    /// With another name: the server variable `SERVER_SOFTWARE`.
    #[must_use]
    pub fn software(mut self, name: &str) -> Self {
        self.software = name.into();
        self
    }

    /// With a driver.
    #[must_use]
    pub fn with_driver(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(Source::Given(driver));
        self
    }

    /// With a driver that is made when somebody asks for one. It is asked again after a failure, never after a success;
    /// what two threads make at once is one driver, and the other one is dropped.
    ///
    /// ```
    /// # use bivalve_core::{Driver, Server, testing::{Completions, MemoryDriver}};
    /// # use std::sync::Arc;
    /// let server = Server::new().with_driver_on_demand(|| Ok(Arc::new(MemoryDriver::new(&Completions::default()))));
    /// assert_eq!(server.driver()?.name(), "memory");
    /// # Ok::<(), bivalve_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_driver_on_demand(
        mut self,
        make: impl Fn() -> io::Result<Arc<dyn Driver>> + Send + Sync + 'static,
    ) -> Self {
        self.driver = Some(Source::OnDemand(Arc::new((OnceLock::new(), Box::new(make)))));
        self
    }

    /// With a way to run background work.
    #[must_use]
    pub fn with_spawn(mut self, spawn: impl Fn(BackgroundFuture) + Send + Sync + 'static) -> Self {
        self.spawn = Some(Arc::new(spawn));
        self
    }

    /// The name, as in `SERVER_SOFTWARE`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.software
    }

    /// The completion driver: associate a handle, start operations on it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Driver`](crate::ErrorKind::Driver) when the server was given none, or cannot make it now.
    ///
    /// IIS counterpart: `IHttpServer::AssociateWithThreadPool`.
    pub fn driver(&self) -> Result<&Arc<dyn Driver>> {
        match &self.driver {
            Some(Source::Given(driver)) => Ok(driver),
            Some(Source::OnDemand(made)) => {
                let (made, make) = &**made;
                if let Some(driver) = made.get() {
                    return Ok(driver);
                }
                let driver =
                    make().map_err(|error| crate::Error::framework(crate::ErrorKind::Driver, error))?;
                Ok(made.get_or_init(|| driver))
            }
            None => Err(crate::Error::framework(
                crate::ErrorKind::Driver,
                "this server has no completion driver: give it one with Server::with_driver",
            )),
        }
    }

    /// Runs a future in the background. It is not tied to the request and may outlive it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Driver`](crate::ErrorKind::Driver) when the server was given no way to run it; the future is dropped.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        match &self.spawn {
            Some(spawn) => {
                spawn(Box::pin(future));
                Ok(())
            }
            None => Err(crate::Error::framework(
                crate::ErrorKind::Driver,
                "this server cannot run background work: give it a way with Server::with_spawn",
            )),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("software", &self.software)
            .field("driver", &self.driver.as_ref().and_then(Source::made))
            .finish_non_exhaustive()
    }
}

/// Where a server has its driver from.
#[derive(Clone)]
enum Source {
    Given(Arc<dyn Driver>),
    OnDemand(Arc<(OnceLock<Arc<dyn Driver>>, MakeDriver)>),
}

type MakeDriver = Box<dyn Fn() -> io::Result<Arc<dyn Driver>> + Send + Sync>;

impl Source {
    fn made(&self) -> Option<&Arc<dyn Driver>> {
        match self {
            Self::Given(driver) => Some(driver),
            Self::OnDemand(made) => made.0.get(),
        }
    }
}

/// A site: what one host name and port serve.
///
/// IIS counterpart: `IHttpSite`.
#[derive(Debug)]
pub struct Site {
    id: u32,
    name: String,
    pub(crate) storage: ModuleStorage,
}

impl Site {
    /// A site with its number and name (IIS starts at 1, "Default Web Site").
    #[must_use]
    pub fn new(id: u32, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), storage: ModuleStorage::default() }
    }

    /// Its number: the server variable `INSTANCE_ID`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new(1, "Default Web Site")
    }
}

/// An application: a part of a site's URL space with a physical root.
///
/// ```
/// use bivalve_core::Application;
///
/// let app = Application::builder()
///     .url_path("/shop")
///     .root("/srv/shop")
///     .virtual_directory("/shop/images", "/srv/media")?
///     .build();
/// assert_eq!(app.url_path(), "/shop");
/// # Ok::<(), bivalve_core::Error>(())
/// ```
///
/// IIS counterpart: `IHttpApplication`.
#[derive(Debug)]
pub struct Application {
    url_path: String,
    root: PathBuf,
    virtual_directories: Vec<VirtualDirectory>,
    response_buffer_limit: usize,
    pub(crate) storage: ModuleStorage,
}

impl Application {
    /// Starts with the URL path `/`, the current directory as the root and the limits of [`limits`].
    pub fn builder() -> ApplicationBuilder {
        ApplicationBuilder {
            application: Self {
                url_path: "/".into(),
                root: PathBuf::from("."),
                virtual_directories: Vec::new(),
                response_buffer_limit: limits::RESPONSE_BUFFER_LIMIT,
                storage: ModuleStorage::default(),
            },
        }
    }

    /// Where it starts in the site's URL space, without a slash at the end (but `/` for the site's root).
    #[must_use]
    pub fn url_path(&self) -> &str {
        &self.url_path
    }

    /// Its physical root: the server variable `APPL_PHYSICAL_PATH`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its virtual directories.
    #[must_use]
    pub fn virtual_directories(&self) -> &[VirtualDirectory] {
        &self.virtual_directories
    }

    /// How many bytes of a response are buffered, [`limits::RESPONSE_BUFFER_LIMIT`] unless set.
    #[must_use]
    pub fn response_buffer_limit(&self) -> usize {
        self.response_buffer_limit
    }
}

impl Default for Application {
    fn default() -> Self {
        Self::builder().build()
    }
}

/// Builds an [`Application`].
#[derive(Debug)]
#[must_use]
pub struct ApplicationBuilder {
    application: Application,
}

impl ApplicationBuilder {
    /// Where it starts in the site's URL space. Default: `/`.
    pub fn url_path(mut self, url_path: &str) -> Self {
        self.application.url_path = format!("/{}", url_path.trim_matches('/'));
        self
    }

    /// The physical root for [`Context::map_path`](crate::Context::map_path). Default: the current directory.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.application.root = root.into();
        self
    }

    /// A part of the URL space that lies elsewhere. The longest URL path that fits wins.
    ///
    /// # Errors
    ///
    /// When the URL path is malformed.
    pub fn virtual_directory(
        mut self,
        url_path: &str,
        physical_path: impl Into<PathBuf>,
    ) -> Result<Self, MapPathError> {
        self.application.virtual_directories.push(VirtualDirectory::new(url_path, physical_path)?);
        Ok(self)
    }

    /// How many bytes of a response are buffered. Default: 4 MiB.
    pub fn response_buffer_limit(mut self, bytes: usize) -> Self {
        self.application.response_buffer_limit = bytes;
        self
    }

    /// The application.
    #[must_use]
    pub fn build(self) -> Application {
        self.application
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Completions, MemoryDriver};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_driver_on_demand_is_made_once_and_after_a_failure_tried_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server =
            Server::new().with_driver_on_demand(move || match count.fetch_add(1, Ordering::Relaxed) {
                0 => Err(io::Error::other("no threads are left")),
                _ => Ok(Arc::new(MemoryDriver::new(&Completions::default()))),
            });
        assert_eq!(asked.load(Ordering::Relaxed), 0, "not before somebody asks");
        let error = server.driver().expect_err("the first one fails");
        assert_eq!(error.kind(), crate::ErrorKind::Driver);
        assert!(error.to_string().contains("no threads are left"), "{error}");
        // All clones have one driver.
        let clone = server.clone();
        let driver = server.driver().expect("the second one works");
        assert!(Arc::ptr_eq(driver, clone.driver().expect("it is there")));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
