//! A picture as text: shapes, words that must fit their place, and colours for light and dark pages.

use std::fmt::Write as _;

use crate::Result;

/// Whoever reads the picture may have other fonts than whoever drew it: sizes are reckoned for a wide one.
const SANS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";
const MONO: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace";

/// Class, property, colour on a light page, colour on a dark page.
const COLOURS: [(&str, &str, &str, &str); 27] = [
    ("page", "fill", "#ffffff", "#0d1117"),
    ("page", "stroke", "#d1d9e0", "#30363d"),
    ("panel", "fill", "#f6f8fa", "#151b23"),
    ("panel", "stroke", "#d1d9e0", "#30363d"),
    ("box", "fill", "#ffffff", "#212830"),
    ("box", "stroke", "#818b98", "#656c76"),
    ("own", "fill", "#ddf4ff", "#12283f"),
    ("own", "stroke", "#0969da", "#4493f8"),
    ("sure", "fill", "#dafbe1", "#122d1c"),
    ("sure", "stroke", "#1a7f37", "#3fb950"),
    ("later", "fill", "#fff8e6", "#272115"),
    ("later", "stroke", "#9a6700", "#d29922"),
    ("line", "stroke", "#59636e", "#9198a1"),
    ("head", "fill", "#59636e", "#9198a1"),
    ("ink", "fill", "#1f2328", "#f0f6fc"),
    ("muted", "fill", "#59636e", "#9198a1"),
    ("blue", "fill", "#0550ae", "#79c0ff"),
    ("green", "fill", "#116329", "#56d364"),
    ("amber", "fill", "#7d4e00", "#e3b341"),
    ("keyword", "fill", "#cf222e", "#ff7b72"),
    ("type", "fill", "#953800", "#ffa657"),
    ("function", "fill", "#8250df", "#d2a8ff"),
    ("string", "fill", "#0a3069", "#a5d6ff"),
    ("ours", "fill", "#0969da", "#4493f8"),
    ("theirs", "fill", "#afb8c1", "#656c76"),
    ("grid", "stroke", "#d1d9e0", "#30363d"),
    ("goal", "stroke", "#9a6700", "#d29922"),
];

/// Size and face of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Face {
    class: &'static str,
    size: i32,
    bold: bool,
    mono: bool,
}

/// The heading of a panel.
pub(super) const HEADING: Face = Face { class: "heading", size: 15, bold: true, mono: false };
/// The name of a thing.
pub(super) const NAME: Face = Face { class: "name", size: 13, bold: true, mono: false };
/// What is said about it.
pub(super) const NOTE: Face = Face { class: "note", size: 12, bold: false, mono: false };
/// A path, or a call.
pub(super) const CODE: Face = Face { class: "code", size: 12, bold: false, mono: true };

const FACES: [Face; 4] = [HEADING, NAME, NOTE, CODE];

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    pub(super) fn new(x: i32, y: i32, width: i32, height: i32) -> Self {
        Self { x, y, width, height }
    }

    pub(super) fn right(self) -> i32 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> i32 {
        self.y + self.height
    }

    pub(super) fn middle(self) -> i32 {
        self.x + self.width / 2
    }

    pub(super) fn centre(self) -> i32 {
        self.y + self.height / 2
    }
}

/// A picture in the making.
pub(super) struct Svg {
    title: &'static str,
    description: &'static str,
    width: i32,
    body: String,
    too_wide: Vec<String>,
}

impl Svg {
    pub(super) fn new(title: &'static str, description: &'static str, width: i32) -> Self {
        Self { title, description, width, body: String::new(), too_wide: Vec::new() }
    }

    /// A box with round corners; `class` names its colours, and `later` is drawn with a broken line.
    pub(super) fn area(&mut self, class: &str, area: Area) {
        let Area { x, y, width, height } = area;
        let radius = if height < 26 { height / 2 } else { 6 };
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>"#
        );
    }

    /// A bar of a chart.
    pub(super) fn bar(&mut self, class: &str, area: Area) {
        let Area { x, y, width, height } = area;
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        );
    }

    /// A text on the base line `y`, at most `room` wide.
    pub(super) fn text(&mut self, face: Face, colour: &str, anchor: Anchor, at: (i32, i32, i32), text: &str) {
        let (x, y, room) = at;
        self.check_room(face, room, text);
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let class = face.class;
        let text = escaped(text);
        let _ =
            writeln!(self.body, r#"<text class="{class} {colour}" x="{x}" y="{y}"{anchor}>{text}</text>"#);
    }

    /// A line of code in several colours.
    pub(super) fn code(&mut self, (x, y, room): (i32, i32, i32), pieces: &[(&str, &str)]) {
        let line: String = pieces.iter().map(|(_, text)| *text).collect();
        self.check_room(CODE, room, &line);
        let spans: String = pieces
            .iter()
            .map(|(colour, text)| format!(r#"<tspan class="{colour}">{}</tspan>"#, escaped(text)))
            .collect();
        let class = CODE.class;
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" xml:space="preserve" x="{x}" y="{y}">{spans}</text>"#
        );
    }

    /// A line through these points, level or upright between each two.
    pub(super) fn line(&mut self, class: &str, points: &[(i32, i32)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let _ = writeln!(self.body, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
    }

    /// A line with a head at its last point.
    pub(super) fn arrow(&mut self, points: &[(i32, i32)]) {
        let [.., before, (x, y)] = points else { return };
        let (dx, dy) = ((x - before.0).signum(), (y - before.1).signum());
        // The line ends inside the head, so that its end does not stick out of the tip.
        let mut line = points.to_vec();
        if let Some(last) = line.last_mut() {
            *last = (x - 4 * dx, y - 4 * dy);
        }
        self.line("line", &line);
        let (back_x, back_y) = (x - 8 * dx, y - 8 * dy);
        let (side_x, side_y) = (4 * dy, 4 * dx);
        let _ = writeln!(
            self.body,
            r#"<polygon class="head" points="{x},{y} {},{} {},{}"/>"#,
            back_x + side_x,
            back_y + side_y,
            back_x - side_x,
            back_y - side_y,
        );
    }

    /// The picture; an error when a text does not fit its place.
    pub(super) fn finish(self, height: i32) -> Result<String> {
        if !self.too_wide.is_empty() {
            return Err(format!("{}: {}", self.title, self.too_wide.join("; ")).into());
        }
        let Self { title, description, width, body, .. } = self;
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title description">"#
        );
        svg.push_str(
            "<!-- Written by `cargo xtask diagrams`: change xtask/src/diagrams, not this file. -->\n",
        );
        let _ = writeln!(svg, r#"<title id="title">{}</title>"#, escaped(title));
        let _ = writeln!(svg, r#"<desc id="description">{}</desc>"#, escaped(description));
        let _ = writeln!(svg, "<style>\n{}</style>", style());
        let _ = writeln!(
            svg,
            r#"<rect class="page" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>"#,
            width - 1,
            height - 1
        );
        svg.push_str(&body);
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn check_room(&mut self, face: Face, room: i32, text: &str) {
        let width = width(face, text);
        if width > room {
            self.too_wide.push(format!("\"{text}\" is {width} wide and has {room}"));
        }
    }
}

/// Breaks a text into lines of at most `room`; what does not fit `lines` of them ends with an ellipsis.
pub(super) fn wrapped(face: Face, room: i32, lines: usize, text: &str) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(face, &longer) <= room {
            line = longer;
            continue;
        }
        if done.len() + 1 == lines {
            return with_ellipsis(face, room, done, &line);
        }
        done.push(std::mem::replace(&mut line, word.to_owned()));
    }
    done.push(line);
    done
}

fn with_ellipsis(face: Face, room: i32, mut done: Vec<String>, line: &str) -> Vec<String> {
    let mut line = line;
    while width(face, &format!("{line} …")) > room {
        let Some((shorter, _)) = line.rsplit_once(' ') else { break };
        line = shorter;
    }
    done.push(format!("{} …", line.trim_end_matches([',', ':', ';'])));
    done
}

/// How wide a text is in a wide font (DejaVu Sans), in pixels, rounded up.
pub(super) fn width(face: Face, text: &str) -> i32 {
    let hundredths: i32 = text.chars().map(|c| if face.mono { 61 } else { advance(c) }).sum();
    let hundredths = if face.bold && !face.mono { hundredths * 11 / 10 } else { hundredths };
    (hundredths * face.size + 99) / 100
}

/// Hundredths of an em.
fn advance(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | '\'' => 28,
        'I' | ' ' | '.' | ',' | ':' | ';' | '/' | '|' | '!' => 34,
        '(' | ')' | '-' | 'f' | 'r' | 't' | '[' | ']' => 42,
        '_' | 's' | 'z' | '"' => 53,
        'c' | 'k' | 'v' | 'x' | 'y' | 'J' | 'L' | '?' | '*' => 60,
        'm' | 'M' | '…' | '—' | '%' => 100,
        'w' | '+' | '<' | '=' | '>' | '~' | '≤' | '±' | '→' => 84,
        'W' => 99,
        'a'..='z' | '0'..='9' | 'E' | 'F' | 'S' | 'T' | 'Z' => 64,
        _ => 80,
    }
}

fn style() -> String {
    let mut style = String::new();
    for Face { class, size, bold, mono } in FACES {
        let weight = if bold { 600 } else { 400 };
        let family = if mono { MONO } else { SANS };
        let _ = writeln!(style, ".{class}{{font:{weight} {size}px {family}}}");
    }
    style
        .push_str(".line{fill:none;stroke-width:1.5}.grid{fill:none}.goal{fill:none;stroke-dasharray:4 3}\n");
    style.push_str(".later{stroke-dasharray:5 4}.code{white-space:pre}\n");
    for (class, property, light, _) in COLOURS {
        let _ = writeln!(style, ".{class}{{{property}:{light}}}");
    }
    style.push_str("@media (prefers-color-scheme:dark){\n");
    for (class, property, _, dark) in COLOURS {
        let _ = writeln!(style, ".{class}{{{property}:{dark}}}");
    }
    style.push_str("}\n");
    style
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_wide_is_an_error() {
        let mut svg = Svg::new("picture", "", 100);
        svg.text(NOTE, "ink", Anchor::Start, (0, 10, 100), "short");
        svg.text(NOTE, "ink", Anchor::Start, (0, 30, 40), "much longer than this");
        let error = svg.finish(40).expect_err("it does not fit").to_string();
        assert!(error.starts_with("picture: \"much longer than this\" is "), "{error}");
    }

    #[test]
    fn lines_are_broken_at_words_and_cut_with_an_ellipsis() {
        let lines = wrapped(NOTE, 80, 2, "one two three four, five six seven");
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| width(NOTE, line) <= 80), "{lines:?}");
        assert!(lines[1].ends_with(" …"), "{lines:?}");
        assert_eq!(wrapped(NOTE, 400, 2, "one two"), ["one two"]);
    }

    #[test]
    fn a_picture_has_its_colours_for_both_kinds_of_page() {
        let svg = Svg::new("a < b", "", 10).finish(10).expect("it is empty");
        assert!(svg.contains("a &lt; b"));
        let (light, dark) = svg.split_once("@media (prefers-color-scheme:dark)").expect("both are there");
        assert!(light.contains(".ink{fill:#1f2328}") && dark.contains(".ink{fill:#f0f6fc}"));
    }
}
