//! The modules of [gate](../../gate/README.md) as native modules of IIS: one DLL, and an entry of `<globalModules>` for each
//! name. The sources are gate's own; its server and its application stay behind, IIS has others.
//!
//! `cargo build --release -p gate-in-iis` makes `gate_in_iis.dll` (on Linux `libgate_in_iis.so`). Its settings are in a file
//! beside it, of the same name: `gate_in_iis.toml` (`libgate_in_iis.toml`), in the form of
//! [gate.toml](../../gate/gate.toml). Paths in it are relative to its folder.
//!
//! | name | what it does |
//! |---|---|
//! | `ServerTiming` | `Server-Timing`: the time in all. What each module took is known to gate's own pipeline only |
//! | `RequestId` | an `x-request-id` for each request |
//! | `AccessLog` | a line for each request; the pool's identity has to be able to write the folder |
//! | `SecurityHeaders` | security headers on each response |
//! | `Authentication` | passwords and bearer tokens |
//! | `ReceivedBytes` | counts bodies, for the field `cs-bytes` of the log |
//!
//! Register them in this order, which is that of gate's pipeline. `[authentication]` needs `users` or a token: gate makes a guest where it
//! has neither, but here nobody would see the password. `listen`, `backend`, `[server]` and `[app]` are gate's own and count for
//! nothing here.
//!
//! A module whose settings are wrong or not there is not registered: IIS then stops every application pool that loads it, and the
//! event log says why. `bivalve iis package` packs no settings: they have to be in the folder of the new version before
//! `install.ps1` runs. Lines of
//! the log are written as they come; those of the last moment are lost when IIS ends the worker process.

#![forbid(unsafe_code)]

mod settings;

use gate::modules::access_log::{AccessLog, ReceivedBytes};
use gate::modules::authentication::Authentication;
use gate::modules::request_id::RequestIds;
use gate::modules::security_headers::SecurityHeaders;
use gate::modules::server_timing::ServerTiming;

use self::settings::{config, log, users};

bivalve_iis::export_modules! {
    "ServerTiming" => ServerTiming::new(&config().server_timing),
    "RequestId" => RequestIds::new(&config().request_id),
    "AccessLog" => AccessLog::new(&config().access_log, log()),
    "SecurityHeaders" => SecurityHeaders::new(&config().security_headers),
    "Authentication" => Authentication::new(&config().authentication, users())
        .unwrap_or_else(|error| settings::refuse(&*error)),
    "ReceivedBytes" => ReceivedBytes,
}
