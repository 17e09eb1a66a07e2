use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::config::StaticFilesBuilder;

fn at(path: &str, at: &str) -> Location {
    locate(path, at, &StaticFilesBuilder::new("unused".into()).hidden())
}

fn below_root(path: &str) -> Option<String> {
    match at(path, "") {
        Location::Below(below) => Some(below),
        _ => None,
    }
}

#[test]
fn plain_names_are_found() {
    for (path, expected) in [
        ("/", "/"),
        ("/a.css", "/a.css"),
        ("/a%20b.txt", "/a b.txt"),
        ("//a///b.txt", "/a/b.txt"),
        ("/dir/", "/dir/"),
        ("/..a/b..c", "/..a/b..c"),
        ("/binary/a", "/binary/a"),
        ("/%E6%97%A5.html", "/日.html"),
    ] {
        let found = below_root(path);
        // Names with a dot in front are hidden: `..a` is one of them.
        assert_eq!(found.as_deref(), (!expected.starts_with("/.")).then_some(expected), "{path}");
    }
}

/// One row, one attack. The same on every system: what is a trap on Windows only is refused on Linux too.
#[test]
fn attacks_lead_nowhere() {
    for (attack, path, status) in [
        ("the parent", "/../etc/passwd", 400),
        ("the parent, behind a name", "/a/../../etc/passwd", 400),
        ("the parent, in the end", "/a/..", 400),
        ("the parent, encoded", "/%2e%2e/etc/passwd", 400),
        ("the parent, half encoded", "/.%2E/etc/passwd", 400),
        ("the parent, encoded twice", "/%252e%252e/etc/passwd", 404),
        ("the parent, as %u", "/%u002e%u002e/x", 400),
        ("the parent, overlong", "/%c0%ae%c0%ae/x", 400),
        ("the parent, with a trailing space", "/..%20/x", 404),
        ("three dots", "/.../x", 404),
        ("the same directory", "/./a", 400),
        ("an encoded slash", "/..%2fetc%2fpasswd", 400),
        ("an encoded slash, alone", "/a%2Fb", 400),
        ("a backslash", "/..\\..\\windows\\win.ini", 400),
        ("an encoded backslash", "/..%5c..%5cwindows", 400),
        ("a share", "/\\\\server\\share", 400),
        ("NUL", "/a.php%00.txt", 400),
        ("a line feed", "/a%0d%0aset-cookie:x", 400),
        ("a drive", "/c:/windows/win.ini", 400),
        ("a drive, encoded", "/c%3a/windows", 400),
        ("a stream", "/web.config::$DATA", 400),
        ("a stream, encoded", "/index.php%3a%3a%24DATA", 400),
        ("a trailing dot", "/web.config.", 404),
        ("a trailing space", "/web.config%20", 404),
        ("a device", "/con", 404),
        ("a device with an extension", "/nul.txt", 404),
        ("a device, a port", "/COM1", 404),
        ("a device, superscript", "/com%C2%B9", 404),
        ("a short name", "/WEB~1.CON", 404),
        ("a wildcard", "/*.config", 400),
        ("a malformed escape", "/%zz", 400),
        ("bytes that are no UTF-8", "/%ff", 400),
    ] {
        let refused = at(path, "");
        assert!(
            matches!(refused, Location::Refused(said, _) if said == status),
            "{attack}: {path} is {refused:?}"
        );
    }
}

#[test]
fn what_is_hidden_is_refused_however_it_is_written() {
    for (path, sub_status) in [
        ("/web.config", 8),
        ("/WEB.CONFIG", 8),
        ("/a/Web.Config", 8),
        ("/%77eb.config", 8),
        ("/web.conf\u{131}g", 8), // dotless i, which is I without letter case
        // What is invisible is no letter to ext4 with casefold, nor to HFS+; the sign for Kelvin is a k there.
        ("/web.conf%C2%ADig", 8),
        ("/%E2%80%8B.env", 8),
        ("/App_D\u{200d}ata/users.json", 8),
        ("/a.s\u{212a}in", 7),
        ("/index.ph\u{2060}p", 7),
        ("/bin/module.dll", 8),
        ("/x/BIN/", 8),
        ("/App_Data/users.json", 8),
        ("/.env", 8),
        ("/.git/config", 8),
        ("/a/.htaccess", 8),
        ("/%2eenv", 8),
        ("/.well-known/acme", 8),
        ("/index.php", 7),
        ("/index.PHP", 7),
        ("/page.a\u{17f}px", 7), // long s
        ("/a/source.cs", 7),
        ("/x.y.config", 7),
    ] {
        assert_eq!(at(path, ""), Location::Refused(404, sub_status), "{path}");
    }
}

#[test]
fn well_known_is_shown_where_it_is_asked_for_and_only_there() {
    let hidden = StaticFilesBuilder::new("unused".into()).well_known(true).hidden();
    assert!(matches!(locate("/.well-known/acme/x", "", &hidden), Location::Below(_)));
    assert!(matches!(locate("/s/.well-known/acme/x", "/s", &hidden), Location::Below(_)));
    for path in ["/a/.well-known/x", "/.well-known/.x", "/.well-known-2/x", "/.WELL-KNOWN/x"] {
        assert_eq!(locate(path, "", &hidden), Location::Refused(404, 8), "{path}");
    }
}

#[test]
fn what_is_elsewhere_is_others() {
    for path in ["/", "/file", "/filesystem/a", "/x/files/a", "/a/%2e%2e/b", "/%zz"] {
        assert_eq!(at(path, "/files"), Location::Outside, "{path}");
    }
    for (path, expected) in
        [("/files", ""), ("/files/", "/"), ("/FILES/a", "/a"), ("//files//a", "/a"), ("/%66iles/a", "/a")]
    {
        assert_eq!(at(path, "/files"), Location::Below(expected.to_owned()), "{path}");
    }
    assert_eq!(at("/files/%2e%2e/x", "/files"), Location::Refused(400, 0));
}

#[test]
fn extensions_are_those_of_the_last_name() {
    for (below, expected) in [
        ("/a.css", Some("css")),
        ("/a.b.css", Some("css")),
        ("/a.b/c", None),
        ("/a.", Some("")),
        ("/a.b/", None),
        ("", None),
    ] {
        assert_eq!(extension(below), expected, "{below}");
    }
}

proptest! {
    #[test]
    fn no_octets_lead_outside(path in proptest::collection::vec(any::<u8>(), 0..80)) {
        crate::fuzzing::fuzz_path(&path);
    }

    #[test]
    fn no_mixture_of_traps_leads_outside(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("/"), Just("."), Just(".."), Just("%2e"), Just("%2f"), Just("%5c"), Just("\\"), Just("%25"), Just("%00"),
                Just(":"), Just("~1"), Just(" "), Just("a"), Just("con"), Just("web.config"), Just("%c0%ae"), Just("files"), Just("%41"),
            ],
            0..12,
        ),
    ) {
        let path = format!("/{}", pieces.concat());
        crate::fuzzing::fuzz_path(path.as_bytes());
    }

    /// What is asked for by its own name is found.
    #[test]
    fn an_ordinary_name_is_itself(name in "[a-zA-Z0-9_ -]{0,8}[a-z]{4}(\\.(txt|css|html))?") {
        let sent = format!("/{}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
        prop_assert_eq!(below_root(&sent), Some(format!("/{name}")));
    }
}
