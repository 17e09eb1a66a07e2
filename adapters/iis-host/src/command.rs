//! The command `iis-host`: arguments, and what they do.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use bivalve_core::{Application, HandlerMapping, Notification, Pipeline};
use bivalve_iis_sys::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_8_5, IIS_10_0};
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::{Fault, IisHost, NativeModule, OnViolation, listen, serve};

/// Serve HTTP with native modules inside, as IIS would
///
/// What no module answers is 404: there is no file server. RUST_LOG=debug tells more.
#[derive(Clone, Debug, clap::Args)]
pub struct HostArgs {
    /// The module's file: a DLL on Windows and under Wine, a shared object on Linux; may be repeated
    #[arg(long = "module", value_name = "FILE", required = true)]
    modules: Vec<PathBuf>,

    /// The name to register it under, one for each --module, in the same order; the same file may be given twice
    #[arg(long = "name", value_name = "NAME", required = true)]
    names: Vec<String>,

    /// The folder of the site
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,

    /// What IIS does to an unlucky module; may be repeated
    #[arg(long = "fault", value_name = "FAULT", value_enum)]
    faults: Vec<FaultName>,

    /// The version of IIS to play
    #[arg(long, value_name = "VERSION", value_enum, default_value = "10.0")]
    iis: Version,

    /// End the process when a module breaks a rule of IIS, instead of saying so and going on
    #[arg(long)]
    abort: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FaultName {
    AlwaysPosted,
    BeforeReturn,
    Inline,
    Late,
    NestedElsewhere,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    #[value(name = "7.0")]
    V7_0,
    #[value(name = "7.5")]
    V7_5,
    #[value(name = "8.0")]
    V8_0,
    #[value(name = "8.5")]
    V8_5,
    #[value(name = "10.0")]
    V10_0,
}

impl HostArgs {
    /// Serves until it is told to stop (Ctrl-C). Says on standard error what happens: it sets up the trace for that.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let trace = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        // Somebody has set one up before: then that is it.
        let _ = trace.with_ansi(io::stderr().is_terminal()).try_init();
        match self.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody may be reading; then the exit code says it.
                let _ = writeln!(io::stderr(), "bivalve iis-host: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn serve(self) -> Result<(), Box<dyn Error>> {
        let (host, modules) = self.load()?;
        let pipeline = pipeline(&modules, Application::builder().root(self.root).build())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = listen(self.listen).await?;
            announce(&modules, listener.local_addr()?);
            serve(listener, pipeline, async {
                if tokio::signal::ctrl_c().await.is_err() {
                    // Nobody can tell it to stop.
                    std::future::pending::<()>().await;
                }
            })
            .await;
            Ok::<_, io::Error>(())
        })?;
        runtime.shutdown_background();
        host.stop();
        let violations = host.violations().take();
        for violation in &violations {
            let _ = writeln!(io::stderr(), "{violation}");
        }
        match violations.len() {
            0 => Ok(()),
            broken => Err(format!("{broken} times a module broke a rule of IIS: see above").into()),
        }
    }

    fn load(&self) -> Result<(IisHost, Vec<NativeModule>), Box<dyn Error>> {
        let (modules, names) = (self.modules.len(), self.names.len());
        if modules != names {
            return Err(format!(
                "--module was given {modules} times and --name {names} times: each module needs its name, in the same order"
            )
            .into());
        }
        let mut builder = IisHost::builder().version(self.iis.number());
        if self.abort {
            builder = builder.on_violation(OnViolation::Abort);
        }
        let builder = self.faults.iter().fold(builder, |builder, fault| builder.fault(fault.fault()));
        let host = builder.build();
        let modules = self.modules.iter().zip(&self.names).map(|(path, name)| host.load(path, name));
        let modules = modules.collect::<Result<_, _>>()?;
        Ok((host, modules))
    }
}

/// The modules in the order of the command line; those that registered for the handler answer.
fn pipeline(
    modules: &[NativeModule],
    application: Application,
) -> Result<std::sync::Arc<Pipeline>, bivalve_core::BuildError> {
    let mut handlers = HandlerMapping::new("*");
    let mut builder = Pipeline::builder().application(application);
    for module in modules {
        if module.events().contains(&Notification::ExecuteRequestHandler.into()) {
            handlers = handlers.module(module.name());
        }
        builder = builder.module(module.name(), module.clone());
    }
    builder.handler_mapping(handlers).build()
}

/// Where it listens, and what the modules registered for. Whoever reads the address may send a request at once.
fn announce(modules: &[NativeModule], addr: SocketAddr) {
    let mut out = io::stdout().lock();
    for module in modules {
        let events: Vec<String> = module.events().iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}: {}", module.name(), events.join(", "));
    }
    let _ = writeln!(out, "Listening at http://{addr}/");
    let _ = out.flush();
}

impl FaultName {
    fn fault(self) -> Fault {
        match self {
            Self::AlwaysPosted => Fault::AlwaysPosted,
            Self::BeforeReturn => Fault::BeforeReturn,
            Self::Inline => Fault::Inline,
            Self::Late => Fault::Late,
            Self::NestedElsewhere => Fault::NestedElsewhere,
        }
    }
}

impl Version {
    fn number(self) -> u32 {
        match self {
            Self::V7_0 => IIS_7_0,
            Self::V7_5 => IIS_7_5,
            Self::V8_0 => IIS_8_0,
            Self::V8_5 => IIS_8_5,
            Self::V10_0 => IIS_10_0,
        }
    }
}
