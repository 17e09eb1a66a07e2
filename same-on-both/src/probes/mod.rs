//! Modules that each do one thing that a host can get wrong.

pub mod driver;
pub mod entity;
pub mod failure;
pub mod files;
pub mod globals;
pub mod load;
pub mod nested;
pub mod response;
pub mod traces;
pub mod trips;

use std::sync::Arc;

use bivalve::Module;
use http::Method;

use crate::{Ask, Case};

/// Every probe by the name under which it is exported.
#[must_use]
pub fn all() -> Vec<(&'static str, Arc<dyn Module>)> {
    vec![
        ("HelloWorld", Arc::new(hello_world::HelloWorld)),
        ("AsyncHello", Arc::new(async_completion::AsyncHello)),
        ("HelloFile", Arc::new(driver::hello_file())),
        ("Drives", Arc::new(driver::Drives)),
        ("Answers", Arc::new(response::Answers)),
        ("Headers", Arc::new(response::Headers)),
        ("Rewrites", Arc::new(response::Rewrites)),
        ("Users", Arc::new(response::Users)),
        ("Variables", Arc::new(response::Variables)),
        ("Streams", Arc::new(response::Streams)),
        ("SubStatus", Arc::new(response::SubStatus)),
        ("Waits", Arc::new(response::Waits)),
        ("Echo", Arc::new(entity::Echo)),
        ("PutsBack", Arc::new(entity::PutsBack)),
        ("Filters", Arc::new(entity::Filters)),
        ("FlushesInside", Arc::new(nested::FlushesInside)),
        ("MapsPaths", Arc::new(nested::MapsPaths)),
        ("Notifies", Arc::new(nested::Notifies)),
        ("AsksAsAnother", Arc::new(nested::AsksAsAnother)),
        ("Shouts", Arc::new(response::Shouts)),
        ("LooksAway", Arc::new(nested::LooksAway)),
        ("AsksItself", Arc::new(nested::AsksItself)),
        ("Completes", Arc::new(nested::Completes)),
        ("Fails", Arc::new(failure::Fails)),
        ("Panics", Arc::new(failure::Panics)),
        ("StaticFiles", Arc::new(files::static_files())),
    ]
}

/// Every probe with the requests that show something.
#[must_use]
pub fn cases() -> Vec<Case> {
    let asks = |name: &str| match name {
        "Echo" | "PutsBack" | "Filters" => vec![
            Ask::post("/body", "some bytes"),
            Ask::post("/body", ""),
            Ask::post("/body", vec![b'x'; 300_000]),
            Ask::get("/body"),
        ],
        "Fails" | "Panics" => ["begin", "handler", "log", "end", "post", "waiting"]
            .map(|at| Ask::get(&format!("/{at}")))
            .to_vec(),
        // They have cases of their own.
        "HelloFile" | "StaticFiles" => Vec::new(),
        "Headers" => vec![
            Ask::get("/").header("x-two", "a").header("x-two", "b").header("cookie", "a=1"),
            Ask::get("/?q=%20").header("accept", "text/html"),
        ],
        _ => vec![Ask::get("/a/path?and=query"), Ask::get("/").method(Method::HEAD), Ask::post("/", "body")],
    };
    all()
        .into_iter()
        .flat_map(|(name, module)| {
            asks(name).into_iter().map(move |ask| Case::new(name, Arc::clone(&module), ask))
        })
        .chain(driver::cases())
        .chain(files::cases())
        .collect()
}
