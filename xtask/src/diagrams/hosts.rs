//! `docs/one-module-two-hosts.svg`: one source, hyper on the left, IIS on the right.

use super::svg::{Anchor, Area, HEADING, NAME, NOTE, Svg, wrapped};
use crate::Result;

const WIDTH: i32 = 860;
const HEIGHT: i32 = 408;
/// What is drawn as code is compiled: it is part of the README's example.
const MODULE: &str = r#"#[bivalve::module(state = Sent)]
impl Module for Audit {
    fn on_begin_request(
        &self,
        cx: &mut Context,
    ) -> Result<Flow> {
        cx.response_mut()
            .set_header("x-by", "audit")?;
        Ok(Flow::Continue)
    }
    // ..."#;

/// One box of a host.
struct Part {
    class: &'static str,
    name: &'static str,
    note: &'static str,
}

const LINUX: [Part; 3] = [
    Part { class: "box", name: "hyper", note: "HTTP/1.1 and HTTP/2 from the network" },
    Part { class: "own", name: "ModuleLayer", note: "a Tower layer: raises IIS's events in IIS's order" },
    Part { class: "box", name: "axum Router", note: "or any other Tower service is the handler" },
];

const WINDOWS: [Part; 3] = [
    Part { class: "box", name: "w3wp", note: "the worker process: IIS itself raises the events" },
    Part { class: "later", name: "thin cdylib", note: "a CHttpModule outside, your module inside" },
    Part { class: "box", name: "IIS's handler", note: "static files, ASP.NET Core, a Tower service" },
];

pub(super) fn draw() -> Result<String> {
    let mut svg = Svg::new(
        "One module in two hosts",
        "The same module source runs as a Tower layer around hyper and axum on Linux, which works today, and \
         as a native module inside IIS on Windows, which has not been tried in IIS itself.",
        WIDTH,
    );
    let left = Area::new(16, 16, 210, HEIGHT - 32);
    let card = Area::new(266, 78, 328, 236);
    let right = Area::new(634, 16, 210, HEIGHT - 32);
    let layer = host(&mut svg, left, "hyper / axum on Linux", ("sure", "green", "works today"), &LINUX);
    let shim = host(&mut svg, right, "IIS on Windows", ("later", "amber", "in a stand-in"), &WINDOWS);
    runtime(&mut svg, left, "box", "Tokio", 316);
    runtime(&mut svg, left, "box", "io_uring driver, for modules", 350);
    runtime(&mut svg, right, "later", "driver on IIS's threads", 316);
    runtime(&mut svg, right, "later", "Tokio inside the DLL", 350);
    source(&mut svg, card);
    svg.arrow(&[(layer.right(), layer.centre()), (card.x, layer.centre())]);
    svg.arrow(&[(shim.x, shim.centre()), (card.right(), shim.centre())]);
    let test = Area::new(card.x, 336, card.width, 42);
    svg.area("box", test);
    let room = test.width - 16;
    svg.text(NAME, "ink", Anchor::Middle, (test.middle(), test.y + 18, room), "test host");
    let note = "in cargo test: one request, step by step";
    svg.text(NOTE, "muted", Anchor::Middle, (test.middle(), test.y + 34, room), note);
    svg.arrow(&[(test.middle(), test.y), (test.middle(), card.bottom())]);
    svg.finish(HEIGHT)
}

/// Draws a host from the network to the handler; the part that calls the module.
fn host(
    svg: &mut Svg,
    panel: Area,
    name: &str,
    (class, colour, status): (&str, &str, &str),
    parts: &[Part; 3],
) -> Area {
    svg.area("panel", panel);
    svg.text(HEADING, "ink", Anchor::Middle, (panel.middle(), panel.y + 24, panel.width - 8), name);
    let pill = Area::new(panel.middle() - 52, panel.y + 34, 104, 20);
    svg.area(class, pill);
    svg.text(NOTE, colour, Anchor::Middle, (pill.middle(), pill.y + 14, pill.width - 8), status);
    let mut areas = [panel; 3];
    for (index, (part, y)) in parts.iter().zip([78, 154, 230]).enumerate() {
        let area = Area::new(panel.x + 12, y, panel.width - 24, 60);
        areas[index] = area;
        svg.area(part.class, area);
        let room = area.width - 12;
        svg.text(NAME, "ink", Anchor::Middle, (area.middle(), y + 18, room), part.name);
        for (line, base) in wrapped(NOTE, room, 2, part.note).iter().zip([35, 50]) {
            svg.text(NOTE, "muted", Anchor::Middle, (area.middle(), y + base, room), line);
        }
        if index > 0 {
            svg.arrow(&[(area.middle(), y - 16), (area.middle(), y)]);
        }
    }
    areas[1]
}

/// What moves the bytes underneath.
fn runtime(svg: &mut Svg, panel: Area, class: &str, name: &str, y: i32) {
    let area = Area::new(panel.x + 12, y, panel.width - 24, 28);
    svg.area(class, area);
    let colour = if class == "later" { "amber" } else { "ink" };
    svg.text(NOTE, colour, Anchor::Middle, (area.middle(), y + 18, area.width - 8), name);
}

fn source(svg: &mut Svg, card: Area) {
    svg.text(HEADING, "ink", Anchor::Middle, (card.middle(), 40, card.width), "One module");
    svg.text(
        NOTE,
        "muted",
        Anchor::Middle,
        (card.middle(), 62, card.width),
        "written once: no cfg, and no host's name in it",
    );
    svg.area("own", Area { ..card });
    svg.area("page", Area::new(card.x + 5, card.y + 5, card.width - 10, card.height - 10));
    for (y, line) in (card.y + 28..).step_by(19).zip(MODULE.lines()) {
        svg.code((card.x + 14, y, card.width - 19), &coloured(line));
    }
}

/// Splits a line of Rust into pieces of one colour.
fn coloured(line: &str) -> Vec<(&'static str, &str)> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '#' | '/' => rest.len(),
            c if c.is_alphabetic() => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => rest.find(|c: char| c.is_alphabetic() || c == '"' || c == '/').unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(end);
        let colour = match (first, piece) {
            ('"', _) => "string",
            ('#', _) => "blue",
            ('/', _) => "muted",
            (_, "fn" | "for" | "impl" | "mut" | "self") => "keyword",
            (c, _) if c.is_uppercase() => "type",
            (c, _) if c.is_lowercase() && after.starts_with('(') => "function",
            _ => "ink",
        };
        pieces.push((colour, piece));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without comments, and without what formatting changes.
    fn squeezed(code: &str) -> String {
        let code = code.lines().filter_map(|line| line.split("//").next());
        code.flat_map(str::split_whitespace).collect::<String>().replace(",)", ")")
    }

    #[test]
    fn the_code_in_the_picture_is_the_readmes() {
        let readme = std::fs::read_to_string(crate::root().join("README.md")).expect("it is there");
        assert!(squeezed(&readme).contains(&squeezed(MODULE)), "the README's example has changed");
    }

    #[test]
    fn a_line_keeps_its_characters() {
        for line in MODULE.lines() {
            assert_eq!(coloured(line).iter().map(|(_, piece)| *piece).collect::<String>(), line);
        }
        assert_eq!(coloured("Ok(x)")[0], ("type", "Ok"));
    }
}
