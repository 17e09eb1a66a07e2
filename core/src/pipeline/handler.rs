//! What answers a request at ExecuteRequestHandler.

use http::Method;

use crate::context::ModuleId;
use crate::{Context, Flow, Outcome, Result};

/// The mounted service: answers a request unless a module is the handler. A plain function is one.
///
/// ```
/// use bivalve_core::{Context, Flow, Pipeline, Result};
///
/// fn hello(cx: &mut Context) -> Result<Flow> {
///     cx.response_mut().write("Hello World!")?;
///     Ok(Flow::Continue)
/// }
/// let pipeline = Pipeline::builder().handler(hello).build()?;
/// # Ok::<(), bivalve_core::BuildError>(())
/// ```
///
/// IIS counterpart: the module that a `<handlers>` entry names.
pub trait Handler: Send + Sync + 'static {
    /// Makes the response.
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a>;

    /// Promises that [`handle`](Self::handle) returns no future: the request is then answered without one. Asked when the pipeline is
    /// built. A future that comes nevertheless is dropped, and the request answers 500.
    fn is_synchronous(&self) -> bool {
        false
    }
}

impl<F> Handler for F
where
    F: Fn(&mut Context) -> Result<Flow> + Send + Sync + 'static,
{
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(self(cx))
    }

    fn is_synchronous(&self) -> bool {
        true
    }
}

/// Which modules answer which requests.
///
/// The first mapping that fits decides. Where mappings are configured, a module that none names is not called at
/// ExecuteRequestHandler, and the mounted service answers what no mapping fits.
///
/// IIS counterpart: an entry of `<handlers>`. There the modules run in the order of the entry; here in the order of the event.
#[derive(Clone, Debug)]
pub struct HandlerMapping {
    pub(super) path: String,
    pub(super) verbs: Vec<Method>,
    pub(super) modules: Vec<String>,
}

impl HandlerMapping {
    /// For a path: `*` for all, `*.ext` for an extension, `/some/*` for a prefix, or one exact path. Compared by
    /// the path of the URL after rewriting, decoded once, ASCII case ignored, as in IIS; an extension fits with more of a
    /// path behind it as well. Where mappings are configured, a URL that [`Context::map_path`] would refuse is
    /// answered with that error's status, by no handler.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), verbs: Vec::new(), modules: Vec::new() }
    }

    /// Only for these methods. Default: all.
    #[must_use]
    pub fn verbs(mut self, verbs: impl IntoIterator<Item = Method>) -> Self {
        self.verbs.extend(verbs);
        self
    }

    /// A module that answers, by the name under which it is mounted.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.modules.push(name.into());
        self
    }
}

/// A mapping whose names are resolved.
pub(super) struct Resolved {
    pub(super) path: Pattern,
    pub(super) verbs: Vec<Method>,
    pub(super) modules: Vec<ModuleId>,
}

impl Resolved {
    /// `path` is decoded.
    pub(super) fn fits(&self, method: &Method, path: &str) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(method)) && self.path.fits(path)
    }

    pub(super) fn names(&self, module: ModuleId) -> bool {
        self.modules.contains(&module)
    }
}

pub(super) enum Pattern {
    All,
    Suffix(String),
    Prefix(String),
    Exact(String),
}

impl Pattern {
    pub(super) fn parse(path: &str) -> Self {
        match path {
            "*" => Self::All,
            _ => match (path.strip_prefix('*'), path.strip_suffix('*')) {
                (Some(suffix), _) => Self::Suffix(suffix.into()),
                (None, Some(prefix)) => Self::Prefix(prefix.into()),
                (None, None) => Self::Exact(path.into()),
            },
        }
    }

    fn fits(&self, path: &str) -> bool {
        let bytes = path.as_bytes();
        match self {
            Self::All => true,
            // Also with more behind it: to a file server `/x.php/` may still be x.php.
            Self::Suffix(suffix) => bytes.split(|byte| *byte == b'/').any(|segment| {
                let at = segment.len().checked_sub(suffix.len());
                at.is_some_and(|at| segment[at..].eq_ignore_ascii_case(suffix.as_bytes()))
            }),
            Self::Prefix(prefix) => {
                bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            Self::Exact(exact) => path.eq_ignore_ascii_case(exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_iis() {
        for (pattern, path, fits) in [
            ("*", "/", true),
            ("*.php", "/a/B.PHP", true),
            ("*.php", "/a/b.phpx", false),
            ("*.php", "/a/b.php/", true),
            ("*.php", "/a/b.php/info", true),
            ("/api/*", "/API/x", true),
            ("/api/*", "/api", false),
            ("/exact", "/EXACT", true),
            ("/exact", "/exact/", false),
        ] {
            assert_eq!(Pattern::parse(pattern).fits(path), fits, "{pattern} on {path}");
        }
    }
}
