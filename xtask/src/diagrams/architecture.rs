//! `docs/architecture.svg`: the crates above, the way of one request below.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::pipeline;
use super::svg::{Anchor, Area, CODE, HEADING, NAME, NOTE, Svg, wrapped};
use super::workspace::{Package, Workspace};
use crate::Result;

const WIDTH: i32 = 860;
const MARGIN: i32 = 16;
/// The largest box of a crate, and the gaps between boxes.
const BOX: (i32, i32) = (252, 70);
const GAP: (i32, i32) = (12, 30);
const PER_LINE: usize = 3;

pub(super) fn draw(workspace: &Workspace, events: &[String]) -> Result<String> {
    let mut svg = Svg::new(
        "The crates of Bivalve, and the way of one request",
        "Above: the crates, each over those it depends on, bivalve-core at the bottom. Below: the twelve events \
         of a request in order, with their post-events, the handler, where a finish leads, and the events that \
         are raised inside others.",
        WIDTH,
    );
    let bottom = crates(&mut svg, workspace);
    let bottom = pipeline::draw(&mut svg, bottom + MARGIN, events)?;
    svg.finish(bottom + MARGIN)
}

fn crates(svg: &mut Svg, workspace: &Workspace) -> i32 {
    let heights = workspace.rows.iter().map(|row| row_height(workspace, row) + GAP.1);
    let height = 50 + heights.sum::<i32>() - GAP.1 + MARGIN;
    let panel = Area::new(MARGIN, MARGIN, WIDTH - 2 * MARGIN, height);
    svg.area("panel", panel);
    svg.text(HEADING, "ink", Anchor::Start, (panel.x + 14, panel.y + 26, 120), "Crates");
    svg.text(
        NOTE,
        "muted",
        Anchor::End,
        (panel.right() - 14, panel.y + 26, panel.width - 150),
        "blue: published. An arrow: depends on (left out where another arrow implies it)",
    );
    let (mut places, mut framed) = (Vec::new(), Vec::new());
    let mut y = panel.bottom() - MARGIN;
    for (index, row) in workspace.rows.iter().enumerate() {
        y -= row_height(workspace, row);
        if is_framed(workspace, row) {
            let around = Area::new(panel.x + 12, y, panel.width - 24, row_height(workspace, row));
            svg.area("page", around);
            framed.push((row, around));
            let around = Area::new(panel.middle() - BOX.0 / 2, y, BOX.0, row_height(workspace, row));
            if row[0].published {
                places.push((&row[0], around, index));
            }
        } else {
            let packages = from_the_middle(row, workspace);
            places.extend(line(panel, y, &packages).map(|(package, area)| (package, area, index)));
        }
        y -= GAP.1;
    }
    for (package, from, row) in &places {
        for name in workspace.arrows(package) {
            let Some((_, to, to_row)) = places.iter().find(|(other, ..)| other.name == name) else {
                continue;
            };
            svg.arrow(&route(*from, *to, row - to_row == 1));
        }
    }
    // Over the arrows, which pass behind them.
    for (row, area) in framed {
        frame(svg, row, area);
    }
    for (package, area, row) in &places {
        if !is_framed(workspace, &workspace.rows[*row]) {
            draw_package(svg, package, *area);
        }
    }
    panel.bottom()
}

/// A row that is too long, of crates that depend on the same: one frame around them, and one arrow. Or of crates that are
/// not published: then it has no arrow.
fn is_framed(workspace: &Workspace, row: &[Package]) -> bool {
    let needs = |package| workspace.arrows(package).collect::<Vec<_>>();
    row.len() > PER_LINE && row.iter().all(|package| !package.published || needs(package) == needs(&row[0]))
}

fn row_height(workspace: &Workspace, row: &[Package]) -> i32 {
    let lines = if is_framed(workspace, row) { row.len().div_ceil(PER_LINE) } else { 1 };
    let lines = i32::try_from(lines).unwrap_or(1);
    lines * BOX.1 + (lines - 1) * GAP.0 + if is_framed(workspace, row) { 2 * GAP.0 } else { 0 }
}

fn frame(svg: &mut Svg, row: &[Package], area: Area) {
    let mut y = area.y + GAP.0;
    for packages in row.chunks(PER_LINE) {
        let packages: Vec<&Package> = packages.iter().collect();
        for (package, place) in line(area, y, &packages) {
            draw_package(svg, package, place);
        }
        y += BOX.1 + GAP.0;
    }
}

/// Boxes side by side in the middle of an area.
fn line<'a>(area: Area, y: i32, packages: &[&'a Package]) -> impl Iterator<Item = (&'a Package, Area)> {
    let count = i32::try_from(packages.len()).unwrap_or(1);
    let room = area.width - 2 * GAP.0 - (count - 1) * GAP.0;
    let width = BOX.0.min(room / count);
    let x = area.middle() - (count * width + (count - 1) * GAP.0) / 2;
    let places = (0..count).map(move |index| Area::new(x + index * (width + GAP.0), y, width, BOX.1));
    packages.iter().copied().zip(places)
}

/// The crate that most others depend on in the middle, the next ones to its left and right.
fn from_the_middle<'a>(packages: &'a [Package], workspace: &Workspace) -> Vec<&'a Package> {
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by_key(|package| Reverse(workspace.dependents(package)));
    let mut row = VecDeque::new();
    for (index, package) in sorted.into_iter().enumerate() {
        if index % 2 == 0 {
            row.push_back(package);
        } else {
            row.push_front(package);
        }
    }
    row.into()
}

/// From the bottom of one box to the top of another; past the rows between, along the side of the upper box.
fn route(from: Area, to: Area, next: bool) -> Vec<(i32, i32)> {
    let beside = to.middle() > from.right() || to.middle() < from.x;
    if beside && !next {
        let side = if to.middle() > from.middle() { from.right() } else { from.x };
        return vec![(side, from.centre()), (to.middle(), from.centre()), (to.middle(), to.y)];
    }
    if from.middle() == to.middle() {
        return vec![(from.middle(), from.bottom()), (to.middle(), to.y)];
    }
    let half = from.bottom() + (to.y - from.bottom()) / 2 - 4;
    vec![(from.middle(), from.bottom()), (from.middle(), half), (to.middle(), half), (to.middle(), to.y)]
}

fn draw_package(svg: &mut Svg, package: &Package, area: Area) {
    svg.area(if package.published { "own" } else { "box" }, area);
    let room = area.width - 12;
    let path = if package.path.is_empty() { "src" } else { &package.path };
    svg.text(NAME, "ink", Anchor::Middle, (area.middle(), area.y + 17, room), &package.name);
    svg.text(CODE, "muted", Anchor::Middle, (area.middle(), area.y + 32, room), path);
    for (line, y) in wrapped(NOTE, room, 2, &package.description.replace('`', "")).iter().zip([48, 62]) {
        svg.text(NOTE, "ink", Anchor::Middle, (area.middle(), area.y + y, room), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_lead_from_bottom_to_top() {
        let (above, below) = (Area::new(100, 0, 50, 20), Area::new(0, 60, 50, 20));
        assert_eq!(route(above, below, true), [(125, 20), (125, 36), (25, 36), (25, 60)]);
        assert_eq!(route(above, below, false), [(100, 10), (25, 10), (25, 60)]);
        assert_eq!(route(above, Area::new(100, 60, 50, 20), false), [(125, 20), (125, 60)]);
    }
}
