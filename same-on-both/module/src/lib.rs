//! The probes, and the examples, as native modules of IIS.

use async_completion::AsyncHello;
use hello_world::HelloWorld;
use same_on_both::probes::{driver, entity, failure, files, globals, load, nested, response, traces, trips};

mod walk;

bivalve_iis::export_modules! {
    "HelloWorld" => HelloWorld,
    "AsyncHello" => AsyncHello,
    "HelloFile" => driver::hello_file(),
    "Drives" => driver::Drives,
    "Answers" => response::Answers,
    "Headers" => response::Headers,
    "Rewrites" => response::Rewrites,
    "Users" => response::Users,
    "Variables" => response::Variables,
    "Streams" => response::Streams,
    "SubStatus" => response::SubStatus,
    "Waits" => response::Waits,
    "Echo" => entity::Echo,
    "PutsBack" => entity::PutsBack,
    "Filters" => entity::Filters,
    "FlushesInside" => nested::FlushesInside,
    "MapsPaths" => nested::MapsPaths,
    "Notifies" => nested::Notifies,
    "AsksAsAnother" => nested::AsksAsAnother,
    "Shouts" => response::Shouts,
    "LooksAway" => nested::LooksAway,
    "AsksItself" => nested::AsksItself,
    "Completes" => nested::Completes,
    "Fails" => failure::Fails,
    "Panics" => failure::Panics,
    "StaticFiles" => files::static_files(),
    "ToldFirst" => globals::Told::first(),
    "ToldLast" => globals::Told::last(),
    "Load" => load::Load,
    "Trips" => trips::Trips,
    "Walk" => walk::Walk,
    "Traces" => traces::Traces,
}
