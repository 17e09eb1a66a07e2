//! A module that writes down what it is told that no request is about.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use bivalve::prelude::*;
use bivalve::{
    ApplicationProvider, ConfigurationChangeProvider, GlobalFlow, GlobalModule, GlobalNotification,
    GlobalRegistration, StopListeningProvider,
};

/// What it writes to, in the root of the application.
pub const FILE: &str = "told.txt";

/// Writes a line for each request and each global notification. Of configuration changes, what the path ends with
/// decides: `handled`, `fails`, `panics`.
#[derive(Debug)]
pub struct Told {
    name: &'static str,
    priority: Priority,
    file: Mutex<Option<PathBuf>>,
}

impl Told {
    /// Before all others.
    #[must_use]
    pub fn first() -> Self {
        Self { name: "first", priority: Priority::First, file: Mutex::default() }
    }

    /// After all others.
    #[must_use]
    pub fn last() -> Self {
        Self { name: "last", priority: Priority::Last, file: Mutex::default() }
    }

    fn write(&self, line: &str) -> Result<GlobalFlow> {
        let file = self.file.lock().expect("nobody panics with it");
        let path = file.as_ref().ok_or_else(|| {
            Error::new(StatusCode::INTERNAL_SERVER_ERROR, "the application has not started")
        })?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| writeln!(file, "{} {line}", self.name));
        written.map(|()| GlobalFlow::Continue).map_err(Error::from)
    }
}

#[bivalve::module(global)]
impl Module for Told {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        self.write(&format!("request {}", cx.request().url().path()))?;
        Ok(Flow::Continue)
    }
}

impl GlobalModule for Told {
    fn global_registration(&self) -> GlobalRegistration {
        GlobalNotification::ALL.into_iter().fold(GlobalRegistration::new(), |registration, notification| {
            registration.on(notification).priority(notification, self.priority)
        })
    }

    fn on_global_application_start(&self, provider: &ApplicationProvider<'_>) -> Result<GlobalFlow> {
        let application = provider.application();
        *self.file.lock().expect("nobody panics with it") = Some(application.root().join(FILE));
        provider.server().spawn(async {})?;
        self.write(&format!("start {}", application.url_path()))
    }

    fn on_global_application_stop(&self, provider: &ApplicationProvider<'_>) -> Result<GlobalFlow> {
        self.write(&format!("stop {}", provider.application().url_path()))
    }

    fn on_global_stop_listening(&self, provider: &StopListeningProvider) -> Result<GlobalFlow> {
        self.write(&format!("stop listening {}", provider.drain_requests_gracefully()))
    }

    fn on_global_configuration_change(
        &self,
        provider: &ConfigurationChangeProvider<'_>,
    ) -> Result<GlobalFlow> {
        let path = provider.change_path();
        self.write(&format!("change {path}"))?;
        match path.rsplit('/').next() {
            Some("handled") => Ok(GlobalFlow::Handled),
            Some("fails") => Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, "on demand")),
            #[expect(clippy::panic, reason = "it is asked to")]
            Some("panics") => panic!("on demand"),
            _ => Ok(GlobalFlow::Continue),
        }
    }
}
