//! `benches/results.svg`, `benches/drivers.svg` and `benches/server.svg`: the figures of `benches/RESULTS.md` as bars.

use super::svg::{Anchor, Area, HEADING, NOTE, Svg, wrapped};
use crate::Result;

const WIDTH: i32 = 860;
const LABELS: i32 = 330;
const PITCH: i32 = 36;

/// One chart.
struct Chart {
    title: &'static str,
    note: &'static str,
    /// The heading of the table's column.
    column: &'static str,
    unit: &'static str,
    /// Of the figures, behind the point.
    digits: usize,
    /// The project's own goal.
    goal: f64,
    /// How a contender of ours is recognised.
    ours: fn(&str) -> bool,
}

const CHARTS: [Chart; 2] = [
    Chart {
        title: "CPU per request, more than the same server without middleware",
        note: "hyper or axum on one pinned core; shorter is better; the line is our goal against bare hyper",
        column: "more CPU than bare",
        unit: "%",
        digits: 1,
        goal: 8.0,
        ours: |name| name.contains("pipeline") || name.contains("modules"),
    },
    Chart {
        title: "Nanoseconds that one unit of middleware adds at one event",
        note: "in process; shorter is better; the line is our goal for a synchronous module",
        column: "ns per unit and event",
        unit: "ns",
        digits: 1,
        goal: 5.0,
        ours: |name| name.starts_with("pipeline"),
    },
];

const DRIVERS: [Chart; 2] = [
    Chart {
        title: "Echo: CPU of a bare io_uring loop ÷ CPU of the driver",
        note: "64 connections, messages of 64 bytes, one pinned core; longer is better; the line is bivalve-uring's goal",
        column: "X, 64 connections",
        unit: "",
        digits: 2,
        goal: 0.95,
        ours: |name| name.starts_with("bivalve"),
    },
    Chart {
        title: "Reads of a file: CPU of a bare io_uring loop ÷ CPU of the driver",
        note: "4 KiB from the page cache, 32 in flight, one pinned core; longer is better; the line is bivalve-uring's goal",
        column: "X, reads",
        unit: "",
        digits: 2,
        goal: 0.95,
        ours: |name| name.starts_with("bivalve"),
    },
];

const SERVER: [Chart; 4] = [
    Chart {
        title: "One request at a time: CPU of hyper ÷ CPU of the server",
        note: "64 connections, one pinned core; longer is better; the line is our goal without modules",
        column: "X, one at a time",
        unit: "",
        digits: 2,
        goal: 1.12,
        ours: |name| name.starts_with("bivalve"),
    },
    Chart {
        title: "16 requests in one message: CPU of hyper ÷ CPU of the server",
        note: "64 connections, one pinned core; longer is better; the line is our goal without modules",
        column: "X, 16 in one message",
        unit: "",
        digits: 2,
        goal: 1.8,
        ours: |name| name.starts_with("bivalve"),
    },
    Chart {
        title: "A file of 64 KiB: CPU of nginx ÷ CPU of the server",
        note: "16 connections, one pinned core; longer is better; the line is our goal",
        column: "nginx ÷ this, 64 KiB",
        unit: "",
        digits: 2,
        goal: 1.3,
        ours: |name| name.starts_with("bivalve"),
    },
    Chart {
        title: "A file of 10 MiB: CPU of nginx ÷ CPU of the server",
        note: "8 connections, one pinned core; longer is better; the line is our goal",
        column: "nginx ÷ this, 10 MiB",
        unit: "",
        digits: 2,
        goal: 1.25,
        ours: |name| name.starts_with("bivalve"),
    },
];

/// Draws what the tables of the server say; `None` when nobody has measured it.
pub(super) fn server(results: &str) -> Result<Option<String>> {
    let Some(at) = results.find("\n## Server\n") else { return Ok(None) };
    let svg = Svg::new(
        "Benchmark results of the server",
        "Four bar charts made from the tables in benches/RESULTS.md: what hyper costs by what each server costs, for \
         single and for pipelined requests, and what nginx costs by what each server costs, for small and large files.",
        WIDTH,
    );
    bars(svg, &SERVER, &results[at..]).map(Some)
}

/// Draws what the tables of the drivers say; `None` when nobody has measured them.
pub(super) fn drivers(results: &str) -> Result<Option<String>> {
    let Some(at) = results.find("\n## Drivers\n") else { return Ok(None) };
    let svg = Svg::new(
        "Benchmark results of the drivers",
        "Two bar charts made from the tables in benches/RESULTS.md: what a bare io_uring loop costs, by what each \
         driver costs, for an echo over TCP and for reads of a file.",
        WIDTH,
    );
    bars(svg, &DRIVERS, &results[at..]).map(Some)
}

/// Draws what the tables say.
pub(super) fn draw(results: &str) -> Result<String> {
    let svg = Svg::new(
        "Benchmark results",
        "Two bar charts made from the tables in benches/RESULTS.md: how much CPU modules add to a server, and \
         how many nanoseconds one unit of middleware adds at one event.",
        WIDTH,
    );
    bars(svg, &CHARTS, results)
}

fn bars(mut svg: Svg, charts: &[Chart], results: &str) -> Result<String> {
    let mut y = 16;
    for chart in charts {
        let rows = column(results, chart.column)
            .ok_or_else(|| format!("benches/RESULTS.md has no column `{}` with figures", chart.column))?;
        y = panel(&mut svg, y, chart, &rows) + 16;
    }
    svg.finish(y)
}

fn panel(svg: &mut Svg, y: i32, chart: &Chart, rows: &[(String, f64)]) -> i32 {
    let count = i32::try_from(rows.len()).unwrap_or(0);
    let panel = Area::new(16, y, WIDTH - 32, 66 + count * PITCH);
    svg.area("panel", panel);
    svg.text(HEADING, "ink", Anchor::Start, (panel.x + 14, y + 26, panel.width - 28), chart.title);
    svg.text(NOTE, "muted", Anchor::Start, (panel.x + 14, y + 45, panel.width - 28), chart.note);
    let bars = Area::new(panel.x + LABELS, y + 58, panel.width - LABELS - 90, count * PITCH);
    let most = rows.iter().map(|(_, figure)| *figure).fold(chart.goal, f64::max);
    svg.line("grid", &[(bars.x, bars.y), (bars.x, bars.bottom())]);
    for (index, (name, figure)) in rows.iter().enumerate() {
        let top = bars.y + PITCH * i32::try_from(index).unwrap_or(0);
        let class = if (chart.ours)(name) { "ours" } else { "theirs" };
        // Less than nothing is noise, and has no bar.
        let length = scaled(figure.max(0.0), most, bars.width);
        svg.bar(class, Area::new(bars.x, top + 8, length, PITCH - 16));
        let text = format!("{figure:.*} {}", chart.digits, chart.unit);
        svg.text(NOTE, "ink", Anchor::Start, (bars.x + length + 8, top + 22, 90), text.trim_end());
        let lines = wrapped(NOTE, LABELS - 34, 2, name);
        let first = top + if lines.len() > 1 { 15 } else { 22 };
        for (line, base) in lines.iter().zip([first, first + 14]) {
            svg.text(NOTE, "ink", Anchor::End, (bars.x - 10, base, LABELS - 24), line);
        }
    }
    let goal = bars.x + scaled(chart.goal, most, bars.width);
    svg.line("goal", &[(goal, bars.y), (goal, bars.bottom())]);
    panel.bottom()
}

#[allow(clippy::cast_possible_truncation, reason = "a length within a picture")]
fn scaled(figure: f64, most: f64, width: i32) -> i32 {
    (figure / most * f64::from(width)).round() as i32
}

/// First column and the one with this heading, of the first table that has it; rows without a figure left out.
fn column(text: &str, heading: &str) -> Option<Vec<(String, f64)>> {
    let mut lines = text.lines().map(cells);
    let index = lines.by_ref().find_map(|cells| cells.iter().position(|cell| *cell == heading))?;
    let rows = lines.take_while(|cells| cells.len() > index);
    let rows: Vec<_> = rows.filter_map(|cells| Some((cells[0].to_owned(), figure(cells[index])?))).collect();
    (!rows.is_empty()).then_some(rows)
}

fn cells(line: &str) -> Vec<&str> {
    let Some(line) = line.trim().strip_prefix('|') else { return Vec::new() };
    line.trim_end_matches('|').split('|').map(str::trim).collect()
}

fn figure(cell: &str) -> Option<f64> {
    cell.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = "# Results\n\n| contender | ns per request | ns per unit and event | allocations |\n|---|---:|---:|---:|\n\
        | pipeline, no module | 30 |  | 0 |\n| pipeline, 10 | 60 | 3.1 | 0 |\n| tower, 10 boxed | 400 | 38.0 | 10 |\n\n\
        | server | X | more CPU than bare |\n|---|---:|---:|\n| hyper | 1.00 | +0.0 % |\n| hyper + 10 modules | 0.96 | -4.2 % |\n";

    #[test]
    fn a_column_is_read() {
        let rows = column(RESULTS, "ns per unit and event").expect("it is there");
        assert_eq!(rows, [("pipeline, 10".into(), 3.1), ("tower, 10 boxed".into(), 38.0)]);
        let rows = column(RESULTS, "more CPU than bare").expect("it is there");
        assert_eq!(rows, [("hyper".into(), 0.0), ("hyper + 10 modules".into(), -4.2)]);
        assert_eq!(column(RESULTS, "speed"), None);
    }

    #[test]
    fn the_drivers_have_a_chart_when_they_were_measured() {
        assert_eq!(drivers(RESULTS).expect("nothing is wrong"), None);
        let measured = format!(
            "{RESULTS}\n## Drivers\n\n| driver | CPU ns per echo | X, 64 connections |\n|---|---:|---:|\n| bivalve-uring | 5600 | 0.97 |\n\n\
             | driver | X, reads |\n|---|---:|\n| bivalve-uring | 0.88 |\n"
        );
        let svg = drivers(&measured).expect("both tables are there").expect("they were measured");
        assert!(svg.contains(">0.97<") && svg.contains(">0.88<"));
    }

    #[test]
    fn the_server_has_a_chart_when_it_was_measured() {
        assert_eq!(server(RESULTS).expect("nothing is wrong"), None);
        let table =
            |column: &str| format!("| server | {column} |\n|---|---:|\n| bivalve-server | 1.23 |\n\n");
        let tables = SERVER.map(|chart| table(chart.column)).concat();
        let measured = format!("{RESULTS}\n## Server\n\n{tables}");
        let svg = server(&measured).expect("all tables are there").expect("it was measured");
        assert_eq!(svg.matches(">1.23<").count(), 4);
    }

    #[test]
    fn a_chart_is_drawn() {
        let svg = draw(RESULTS).expect("both tables are there");
        assert!(svg.contains("-4.2 %") && svg.contains("38.0 ns"));
    }
}
