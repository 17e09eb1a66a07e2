//! The lower half of `docs/architecture.svg`: the events of one request, in the order in which the core raises them.

use super::svg::{Anchor, Area, CODE, HEADING, NAME, NOTE, Svg, wrapped};
use crate::Result;

/// Where the order of the events is written down.
const SOURCE: &str = "core/src/notification.rs";
const HANDLER: &str = "ExecuteRequestHandler";
const LOG: &str = "LogRequest";
/// Events with a post-event, and those that are raised inside others.
const DETERMINISTIC: usize = 12;
const ON_DEMAND: usize = 4;

const PANEL: (i32, i32) = (16, 828);
/// The columns: what skips, the events, what nests, the host.
const SKIP: i32 = 172;
const EVENTS: (i32, i32) = (192, 196);
const POST: (i32, i32) = (392, 48);
const BRACKET: i32 = 450;
const NESTED: (i32, i32) = (472, 218);
const HOST: (i32, i32) = (716, 118);
const PITCH: i32 = 30;
const PILL: i32 = 24;

/// Event, what raises it, and what is to be known of it.
const NESTED_EVENTS: [(&str, &str, &str); ON_DEMAND] = [
    ("SendResponse", "cx.flush(), cx.write()", "each time a part leaves; modules in reverse order"),
    ("ReadEntity", "cx.read_entity()", "data has come, its reader has not seen it"),
    ("MapPath", "cx.map_path()", "synchronous, as in IIS"),
    ("CustomRequestNotification", "cx.notify_custom()", "from one module to others"),
];

/// The names of the events from the source of the core: the picture cannot disagree with it.
pub(super) fn events() -> Result<Vec<String>> {
    let source = std::fs::read_to_string(crate::root().join(SOURCE))?;
    let events = listed(&source).ok_or_else(|| format!("{SOURCE} has no `ALL`"))?;
    let nested = &events[DETERMINISTIC.min(events.len())..];
    let known = |name: &String| NESTED_EVENTS.iter().any(|(event, ..)| event == name);
    if events.len() == DETERMINISTIC + ON_DEMAND && nested.iter().all(known) {
        return Ok(events);
    }
    Err(format!("{SOURCE} lists other events than xtask/src/diagrams/pipeline.rs draws").into())
}

fn listed(source: &str) -> Option<Vec<String>> {
    let (_, list) = source.split_once("pub const ALL: ")?;
    let (list, _) = list.split_once("];")?;
    Some(
        list.lines()
            .filter_map(|line| Some(line.trim().strip_prefix("Self::")?.trim_end_matches(',').into()))
            .collect(),
    )
}

/// Draws the panel from `y` on; where it ends.
pub(super) fn draw(svg: &mut Svg, y: i32, events: &[String]) -> Result<i32> {
    let top = y + 70;
    let mut rows = top;
    let mut ends = Vec::new();
    let panel = Area::new(PANEL.0, y, PANEL.1, 70 + 14 * PITCH + 14);
    svg.area("panel", panel);
    svg.text(HEADING, "ink", Anchor::Start, (panel.x + 14, y + 26, 200), "One request");
    svg.text(
        NOTE,
        "muted",
        Anchor::End,
        (panel.right() - 14, y + 26, 600),
        "a call of a module is one step; only events that a module registered for are visited",
    );
    for event in &events[..DETERMINISTIC] {
        let class = if is_guaranteed(event) { "sure" } else { "own" };
        let area = pill(svg, class, rows, event);
        if event == HANDLER {
            rows += PITCH;
            handler(svg, rows);
        }
        post(svg, class, rows);
        ends.push(area);
        rows += PITCH;
    }
    let send = pill(svg, "box", rows, "send what is buffered");
    svg.arrow(&[(send.middle(), top - 22), (send.middle(), top)]);
    svg.text(CODE, "muted", Anchor::Middle, (send.middle(), top - 28, 196), "Run::new(cx)");
    skip(svg, events, &ends)?;
    let bottom = ends.last().map_or(rows, |area| area.bottom());
    nested(svg, Area::new(NESTED.0, top, NESTED.1, bottom - top), send);
    Ok(panel.bottom())
}

fn pill(svg: &mut Svg, class: &str, y: i32, name: &str) -> Area {
    let area = Area::new(EVENTS.0, y, EVENTS.1, PILL);
    svg.area(class, area);
    svg.text(NOTE, "ink", Anchor::Middle, (area.middle(), y + 16, area.width - 16), name);
    area
}

fn post(svg: &mut Svg, class: &str, y: i32) {
    let area = Area::new(POST.0, y, POST.1, PILL);
    svg.area(class, area);
    svg.text(NOTE, "ink", Anchor::Middle, (area.middle(), y + 16, area.width - 8), "post");
}

/// Behind the modules of its event, and before the post-event.
fn handler(svg: &mut Svg, y: i32) {
    let area = Area::new(EVENTS.0, y, EVENTS.1, PILL);
    svg.area("box", area);
    svg.text(NAME, "ink", Anchor::Middle, (area.middle(), y + 16, area.width - 16), "handler, or 404");
}

/// From every event before LogRequest to LogRequest.
fn skip(svg: &mut Svg, events: &[String], areas: &[Area]) -> Result<()> {
    let log = events.iter().position(|event| event == LOG).ok_or("no LogRequest")?;
    let (first, target) = (areas[0].centre(), areas[log]);
    for area in &areas[..log] {
        svg.line("line", &[(area.x, area.centre()), (SKIP, area.centre())]);
    }
    svg.arrow(&[(SKIP, first), (SKIP, target.centre()), (target.x, target.centre())]);
    let right = SKIP - 10;
    let room = right - PANEL.0 - 8;
    let middle = first + (target.centre() - first) / 2;
    for (index, line) in ["Flow::Finish,", "an error, a panic,", "a client that left:", "the rest is skipped"]
        .iter()
        .enumerate()
    {
        let y = middle - 26 + 17 * i32::try_from(index)?;
        svg.text(NOTE, "ink", Anchor::End, (right, y, room), line);
    }
    for (index, line) in ["LogRequest and", "EndRequest run", "for every request"].iter().enumerate() {
        let y = target.centre() + 6 + 17 * i32::try_from(index)?;
        svg.text(NOTE, "green", Anchor::End, (right, y, room), line);
    }
    Ok(())
}

/// The events that are raised inside others, and the host behind two of them.
fn nested(svg: &mut Svg, column: Area, send: Area) {
    let gap = 12;
    let count = i32::try_from(ON_DEMAND).unwrap_or(1);
    let height = (column.height - (count - 1) * gap) / count;
    svg.line(
        "line",
        &[
            (BRACKET - 8, column.y),
            (BRACKET, column.y),
            (BRACKET, column.bottom()),
            (BRACKET - 8, column.bottom()),
        ],
    );
    let above = (column.middle(), column.y - 12, column.width);
    svg.text(NOTE, "muted", Anchor::Middle, above, "raised inside any of these");
    let mut y = column.y;
    let mut centres = Vec::new();
    for (name, call, note) in NESTED_EVENTS {
        let area = Area::new(column.x, y, column.width, height);
        svg.area("own", area);
        let room = area.width - 12;
        svg.text(NAME, "ink", Anchor::Middle, (area.middle(), y + 24, room), name);
        svg.text(CODE, "muted", Anchor::Middle, (area.middle(), y + 42, room), call);
        for (line, base) in wrapped(NOTE, room, 2, note).iter().zip([60, 76]) {
            svg.text(NOTE, "ink", Anchor::Middle, (area.middle(), y + base, room), line);
        }
        svg.arrow(&[(BRACKET, area.centre()), (area.x, area.centre())]);
        centres.push(area.centre());
        y += height + gap;
    }
    host(svg, Area::new(HOST.0, column.y, HOST.1, column.height), [centres[0], centres[1]]);
    svg.arrow(&[(column.right(), centres[0]), (HOST.0, centres[0])]);
    svg.arrow(&[(HOST.0, centres[1]), (column.right(), centres[1])]);
    let end = HOST.0 + HOST.1 / 2;
    svg.arrow(&[(send.right(), send.centre()), (end, send.centre()), (end, column.bottom())]);
    svg.text(
        NOTE,
        "muted",
        Anchor::Middle,
        (column.middle(), send.centre() + 16, column.width),
        "SendResponse, one last time",
    );
}

/// Whoever carries the bytes, and what the pipeline asks of it.
fn host(svg: &mut Svg, area: Area, [send, read]: [i32; 2]) {
    svg.area("box", area);
    let mut line = |face, colour, y, text: &str| {
        svg.text(face, colour, Anchor::Middle, (area.middle(), y, area.width - 8), text);
    };
    line(NAME, "ink", area.y + 22, "Host");
    line(CODE, "ink", send + 4, "start_send");
    line(CODE, "ink", read + 4, "start_read");
    let mut y = read + 64;
    for (colour, text) in [
        ("muted", "carries the"),
        ("muted", "bytes of one"),
        ("muted", "request"),
        ("", ""),
        ("ink", "Tower layer"),
        ("ink", "test host"),
        ("", ""),
        ("amber", "native server,"),
        ("amber", "IIS: in a stand-in"),
    ] {
        line(NOTE, colour, y, text);
        y += if text.is_empty() { 8 } else { 17 };
    }
}

fn is_guaranteed(event: &str) -> bool {
    event == LOG || event == "EndRequest"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_those_of_the_core() {
        let events = events().expect("the core lists its events");
        assert_eq!((events[0].as_str(), events[11].as_str()), ("BeginRequest", "EndRequest"));
    }

    #[test]
    fn a_list_is_read_up_to_its_end() {
        let source =
            "x\n    pub const ALL: [Self; 2] = [\n        Self::A,\n        Self::B,\n    ];\n    Self::C,\n";
        assert_eq!(listed(source), Some(vec!["A".into(), "B".into()]));
        assert_eq!(listed("nothing"), None);
    }
}
