use std::path::Component;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

const ROOT: &str = "/srv/www";

fn map(url: &str) -> Result<(String, PathBuf), MapPathError> {
    resolve(url, "/", Path::new(ROOT), &[])
}

/// The path below the root, and the decoded URL.
fn mapped(url: &str) -> (String, String) {
    let (decoded, path) = map(url).unwrap_or_else(|e| panic!("{url:?}: {e}"));
    let below = path.strip_prefix(ROOT).unwrap_or_else(|_| panic!("{url:?} left the root: {path:?}"));
    (decoded, below.to_str().expect("made from a URL, which is UTF-8").replace('\\', "/"))
}

#[track_caller]
fn refuses(error: MapPathError, urls: &[&str]) {
    for url in urls {
        assert_eq!(map(url), Err(error), "{url:?}");
    }
}

#[track_caller]
fn maps(rows: &[(&str, &str)]) {
    for (url, below) in rows {
        assert_eq!(mapped(url).1, *below, "{url:?}");
    }
}

// What is allowed.

#[test]
fn plain_names_map_below_the_root() {
    maps(&[
        ("/", ""),
        ("/a", "a"),
        ("/a/b.txt", "a/b.txt"),
        ("/a/", "a"),
        ("/.well-known/acme", ".well-known/acme"),
        ("/..a/b..c", "..a/b..c"),
        ("/ a", " a"),
        ("/a+b&c=d;e,f'g(h)!@$", "a+b&c=d;e,f'g(h)!@$"),
        ("/naïve/日本.html", "naïve/日本.html"),
    ]);
}

#[test]
fn escapes_are_decoded_once() {
    maps(&[
        ("/a/b%20c.txt", "a/b c.txt"),
        ("/%61%2D%7e", "a-~"),
        ("/%E6%97%A5", "日"),
        ("/C%23.txt", "C#.txt"),
        ("/100%25", "100%"),
        ("/100%25.txt", "100%.txt"),
        ("/5%25off", "5%off"),
        ("/%25zz", "%zz"),
        ("/%25/2e", "%/2e"),
    ]);
    assert_eq!(mapped("/a%20b/").0, "/a b/");
}

#[test]
fn a_query_is_dropped_unexamined() {
    assert_eq!(mapped("/a?x=../..\\%00%u0041#").0, "/a");
    assert_eq!(mapped("/a?b?c").0, "/a");
    maps(&[("/?", ""), ("/a/?/../b", "a")]);
    refuses(MapPathError::NotAbsolute, &["?", "?/a"]);
}

#[test]
fn empty_segments_collapse_in_url_and_path() {
    assert_eq!(mapped("//a///b//"), ("/a/b/".into(), "a/b".into()));
    assert_eq!(mapped("//"), ("/".into(), String::new()));
    // A UNC path or a URL without a scheme is just a name.
    maps(&[("//server/share", "server/share")]);
}

#[test]
fn letters_that_look_like_dots_and_slashes_stay_letters() {
    // Fullwidth dots and slash, one dot leader, division slash, fraction slash.
    maps(&[
        ("/．．／etc", "．．／etc"),
        ("/%EF%BC%8E%EF%BC%8E/etc", "．．/etc"),
        ("/\u{2024}\u{2024}\u{2215}\u{2044}", "\u{2024}\u{2024}\u{2215}\u{2044}"),
    ]);
}

// What is refused: one attack, one test.

#[test]
fn dot_segments_are_refused_not_normalised() {
    refuses(
        MapPathError::DotSegment,
        &["/..", "/.", "/../etc/passwd", "/a/../b", "/a/./b", "/a/..", "/a/../", "//..//", "/a/..?x", "~/.."],
    );
}

#[test]
fn encoded_dot_segments_are_refused() {
    refuses(
        MapPathError::DotSegment,
        &["/%2e%2e/etc", "/%2E%2e", "/.%2e/", "/%2e./", "/a/%2e/b", "/%2e", "~/%2e%2e/"],
    );
}

#[test]
fn overlong_utf8_is_refused() {
    refuses(
        MapPathError::InvalidUtf8,
        &["/%c0%ae%c0%ae/etc", "/..%c0%af..", "/%e0%80%af", "/%f0%80%80%af", "/%c0%80"],
    );
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    // Latin-1, half a character, a character torn by a slash, a surrogate, beyond the last character.
    refuses(
        MapPathError::InvalidUtf8,
        &["/%e9", "/%e6%97", "/%e6/%97%a5", "/%ed%a0%80", "/%f4%90%80%80", "/%ff"],
    );
}

#[test]
fn double_encoding_is_refused() {
    refuses(
        MapPathError::DoubleEscape,
        &[
            "/%252e%252e/etc",
            "/%252f",
            "/%255c",
            "/%25%32%65",
            "/%2541",
            "/%25252e",
            "/%25u002e",
            "/a%2500",
            "/a%25%30%30",
        ],
    );
}

#[test]
fn percent_u_escapes_are_refused() {
    refuses(MapPathError::UnicodeEscape, &["/%u002e%u002e", "/%U2215", "/%u", "/a%u0000"]);
}

#[test]
fn malformed_escapes_are_refused() {
    refuses(
        MapPathError::BadEscape,
        &["/%", "/%4", "/%zz", "/%4/1", "/%%32e", "/% 41", "/%+41", "/100%", "/%é", "/%4é"],
    );
}

#[test]
fn backslashes_are_refused() {
    refuses(
        MapPathError::Backslash,
        &["/..\\..\\x", "/a\\b", "/%5c", "/..%5C..%5cx", "/\\\\server\\share", "/\\"],
    );
}

#[test]
fn encoded_slashes_are_refused() {
    refuses(MapPathError::EncodedSlash, &["/%2f", "/a%2Fb", "/..%2f..%2fetc", "/%2fetc", "/a/%2f/b"]);
}

#[test]
fn nul_and_control_characters_are_refused() {
    refuses(
        MapPathError::ControlCharacter,
        &[
            "/a%00",
            "/a.txt%00.jpg",
            "/a\0b",
            "/%0d%0aSet-Cookie",
            "/a\r\nb",
            "/%7f",
            "/%1b[2J",
            "/\t",
            "/%c2%85",
            "/%c2%9b",
        ],
    );
}

#[test]
fn drive_letters_are_refused() {
    refuses(MapPathError::Colon, &["/C:", "/c:/windows/win.ini", "/C%3a/x", "~/D:x", "/%43%3A"]);
    refuses(MapPathError::NotAbsolute, &["C:/windows", "C:\\windows", "c:"]);
}

#[test]
fn alternate_data_streams_are_refused() {
    refuses(
        MapPathError::Colon,
        &["/web.config::$DATA", "/a.asp%3a%3a$data", "/dir:$i30:$INDEX_ALLOCATION/x", "/a:"],
    );
}

#[test]
fn trailing_dots_and_spaces_are_refused() {
    refuses(
        MapPathError::TrailingDotOrSpace,
        &[
            "/web.config.",
            "/web.config%20",
            "/web.config ",
            "/a./b",
            "/a%20/b",
            "/...",
            "/.. ",
            "/. .",
            "/%2e%20",
            "/ ",
            "/a.%20.",
            "/x%2e",
        ],
    );
}

#[test]
fn device_names_are_refused() {
    refuses(
        MapPathError::DeviceName,
        &[
            "/con",
            "/CON",
            "/Prn.txt",
            "/aux.a.b",
            "/nul",
            "/a/NUL/b",
            "/nUl.x",
            "/CONIN$",
            "/conout$.txt",
            "/%63on",
            "/con .txt",
            "/CON%20%20.x",
        ],
    );
}

#[test]
fn ports_are_refused_superscript_digits_too() {
    for port in ["com", "COM", "lPt"] {
        for digit in
            ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³", "%C2%B9", "%c2%b2", "%C2%b3"]
        {
            refuses(
                MapPathError::DeviceName,
                &[&format!("/{port}{digit}"), &format!("/x/{port}{digit}.txt/y")],
            );
        }
    }
}

#[test]
fn names_that_only_begin_like_devices_are_allowed() {
    let names = [
        "console",
        "nul0",
        "null",
        "com",
        "com10",
        "com1a",
        "lptx",
        "com⁴",
        "auxiliary.txt",
        "xcon",
        "a.con",
        "conin",
        "co",
    ];
    for name in names {
        assert_eq!(mapped(&format!("/{name}")).1, name);
    }
}

#[test]
fn short_names_are_refused() {
    refuses(
        MapPathError::ShortName,
        &[
            "/PROGRA~1",
            "/progra~1/x",
            "/WEB~1.CON",
            "/A~10.TXT",
            "/a%7e1",
            "/TE0A1B~1.HTM",
            "/~1",
            "/~1.txt",
            "~/WEB~1.CON",
        ],
    );
    maps(&[
        ("/~user", "~user"),
        ("/file.txt~", "file.txt~"),
        ("/a~1b", "a~1b"),
        ("/a~", "a~"),
        ("/a~b1", "a~b1"),
        ("/a.txt~1~", "a.txt~1~"),
    ]);
}

#[test]
fn wildcards_are_refused() {
    refuses(
        MapPathError::Wildcard,
        &["/*", "/a%3f", "/a<b", "/a>b", "/a%7cb", "/a|b", "/\"a\"", "/%22", "/%2A.txt"],
    );
}

#[test]
fn fragments_are_refused() {
    refuses(MapPathError::Fragment, &["/a#b", "/#", "/a#?x"]);
}

#[test]
fn what_is_no_path_is_refused() {
    refuses(
        MapPathError::NotAbsolute,
        &[
            "",
            "a",
            "a/b",
            "*",
            "http://host/a",
            "~",
            "~user",
            "~user/a",
            "%7e/a",
            "~?",
            "../a",
            ".",
            " /a",
            "\\a",
            "\0",
            "é",
        ],
    );
}

#[test]
fn overlong_urls_are_refused() {
    let longest = format!("/{}", "a".repeat(MAX_URL - 1));
    assert!(map(&longest).is_ok());
    assert!(map(&format!("{longest}?{}", "q".repeat(MAX_URL))).is_ok(), "the query does not count");
    assert_eq!(map(&format!("{longest}a")), Err(MapPathError::TooLong));
    assert_eq!(map(&"/..".repeat(MAX_URL)), Err(MapPathError::TooLong));
    assert_eq!(map(&"/%".repeat(MAX_URL)), Err(MapPathError::TooLong));
}

// Applications and virtual directories.

fn in_shop(url: &str) -> Result<(String, PathBuf), MapPathError> {
    let dirs = [
        VirtualDirectory::new("/shop/images", "/data/pictures").expect("valid"),
        VirtualDirectory::new("/shop/images/big/", "/mnt/big").expect("valid"),
        VirtualDirectory::new("/Shop/IMAGES", "/never").expect("valid"),
        VirtualDirectory::new("/", "/never").expect("valid"),
        VirtualDirectory::new("/other", "/never").expect("valid"),
        VirtualDirectory::new("/shop/été à Paris", "/data/été").expect("valid"),
    ];
    resolve(url, "/shop", Path::new("/srv/shop"), &dirs)
}

#[track_caller]
fn shop_maps(rows: &[(&str, &str, &str)]) {
    for (url, decoded, path) in rows {
        assert_eq!(in_shop(url), Ok(((*decoded).into(), PathBuf::from(path))), "{url:?}");
    }
}

#[test]
fn the_application_path_is_stripped() {
    shop_maps(&[
        ("/shop", "/shop", "/srv/shop"),
        ("/shop/", "/shop/", "/srv/shop"),
        ("/shop/a", "/shop/a", "/srv/shop/a"),
        ("/SHOP/a", "/SHOP/a", "/srv/shop/a"),
        ("//sh%6Fp//a", "/shop/a", "/srv/shop/a"),
        ("/shop/shop", "/shop/shop", "/srv/shop/shop"),
    ]);
    for url in ["/", "/a", "/shopping", "/shop.txt", "/sho", "/a/shop", "/other/a", "/été"] {
        assert_eq!(in_shop(url), Err(MapPathError::OutsideApplication), "{url:?}");
    }
}

#[test]
fn a_tilde_stands_for_the_application() {
    shop_maps(&[
        ("~/", "/shop/", "/srv/shop"),
        ("~/a%20b", "/shop/a b", "/srv/shop/a b"),
        ("~//a/?q", "/shop/a/", "/srv/shop/a"),
        ("~/~/a", "/shop/~/a", "/srv/shop/~/a"),
        ("~/images/x", "/shop/images/x", "/data/pictures/x"),
    ]);
    assert_eq!(mapped("~/a"), ("/a".into(), "a".into()));
    assert_eq!(mapped("~/"), ("/".into(), String::new()));
}

#[test]
fn the_longest_virtual_directory_wins_by_whole_segments_in_any_case() {
    shop_maps(&[
        ("/shop/images", "/shop/images", "/data/pictures"),
        ("/shop/images/", "/shop/images/", "/data/pictures"),
        ("/shop/Images/a.png", "/shop/Images/a.png", "/data/pictures/a.png"),
        ("/shop/images/big/a", "/shop/images/big/a", "/mnt/big/a"),
        ("/shop/images/bigger/a", "/shop/images/bigger/a", "/data/pictures/bigger/a"),
        ("/shop/images2/a", "/shop/images2/a", "/srv/shop/images2/a"),
        ("/shop/%C3%A9t%C3%A9%20%C3%A0%20paris/a", "/shop/été à paris/a", "/data/été/a"),
        // Only ASCII letters have no case.
        ("/shop/Été à paris/a", "/shop/Été à paris/a", "/srv/shop/Été à paris/a"),
    ]);
}

#[test]
fn a_virtual_directory_is_no_way_out() {
    for url in ["/shop/images/../a", "/shop/images/%2e%2e/a", "/shop/images/..\\a", "/shop/images/c:/a"] {
        assert!(in_shop(url).is_err(), "{url:?}");
    }
}

#[test]
fn a_virtual_directory_may_replace_the_root() {
    let dirs = [VirtualDirectory::new("/shop", "/other").expect("valid")];
    let map = |url| resolve(url, "/shop", Path::new(""), &dirs).map(|(_, path)| path);
    assert_eq!(map("/shop/a"), Ok(PathBuf::from("/other/a")));
    assert_eq!(map("~/"), Ok(PathBuf::from("/other")));
}

#[test]
fn without_a_root_nothing_is_mapped() {
    assert_eq!(resolve("/a", "/", Path::new(""), &[]), Err(MapPathError::NoPhysicalPath));
    assert_eq!(VirtualDirectory::new("/a", ""), Err(MapPathError::NoPhysicalPath));
}

#[test]
fn virtual_directories_are_checked_and_normalised() {
    for (given, normal) in
        [("/", "/"), ("//", "/"), ("/a/", "/a"), ("//a//b//", "/a/b"), ("/a b", "/a b"), ("/100%", "/100%")]
    {
        assert_eq!(
            VirtualDirectory::new(given, "/x").map(|dir| dir.url_path),
            Ok(normal.into()),
            "{given:?}"
        );
    }
    let long = "/a".repeat(MAX_URL);
    for (given, error) in [
        ("", MapPathError::NotAbsolute),
        ("a", MapPathError::NotAbsolute),
        ("~/a", MapPathError::NotAbsolute),
        ("/a/../b", MapPathError::DotSegment),
        ("/a\\b", MapPathError::Backslash),
        ("/a%20b", MapPathError::DoubleEscape),
        ("/nul", MapPathError::DeviceName),
        ("/a?b", MapPathError::Wildcard),
        ("/a\0", MapPathError::ControlCharacter),
        (&long, MapPathError::TooLong),
    ] {
        assert_eq!(VirtualDirectory::new(given, "/x"), Err(error), "{given:?}");
    }
}

#[test]
fn every_status_is_400_404_or_414() {
    assert_eq!(MapPathError::TooLong.status(), StatusCode::URI_TOO_LONG);
    assert_eq!(MapPathError::ShortName.status(), StatusCode::NOT_FOUND);
    assert_eq!(MapPathError::Backslash.status(), StatusCode::BAD_REQUEST);
    assert_eq!(MapPathError::DotSegment.to_string(), "the URL has a dot segment");
}

// Whatever else somebody may send.

/// What must be true of every answer, whoever asks.
fn check(url: &str) -> Result<(), TestCaseError> {
    let dirs = [
        VirtualDirectory::new("/v", "/data/v").expect("valid"),
        VirtualDirectory::new("/v/w", "/mnt/w").expect("valid"),
        VirtualDirectory::new("/app/v", "/data/v").expect("valid"),
        VirtualDirectory::new("/a/b/v/w", "/mnt/w").expect("valid"),
    ];
    for (app_path, root) in [("/", "/srv/www"), ("/app", "/srv/app"), ("/a/b", "C:\\inetpub")] {
        let Ok((decoded, path)) = resolve(url, app_path, Path::new(root), &dirs) else { continue };
        let below = [root, "/mnt/w", "/data/v"].iter().find_map(|root| path.strip_prefix(root).ok());
        let Some(below) = below else {
            return Err(TestCaseError::fail(format!("{url:?} left its roots: {path:?}")));
        };
        for component in below.components() {
            let Component::Normal(name) = component else {
                return Err(TestCaseError::fail(format!("{url:?} gave {component:?} in {path:?}")));
            };
            let trap = name.as_encoded_bytes().iter().find(|byte| b"/\\:*?<>|\"\0".contains(byte));
            prop_assert_eq!(trap, None, "{:?} gave {:?}", url, name);
        }
        prop_assert!(strip_segments(&decoded, app_path).is_some(), "{decoded:?} left {app_path}");
        prop_assert!(
            decoded.starts_with('/') && !decoded.contains("//") && !decoded.contains(char::is_control)
        );

        // The decoded path is final: escaped again, it maps to the same place and reads the same.
        let again = utf8_percent_encode(&decoded, ESCAPED).to_string();
        if again.len() <= MAX_URL {
            prop_assert_eq!(resolve(&again, app_path, Path::new(root), &dirs), Ok((decoded, path)));
        }
    }
    Ok(())
}

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

/// Pieces of every attack above; random sequences of them reach combinations that nobody thought of.
const PIECES: [&str; 76] = [
    "/",
    "/",
    "/",
    "//",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    "%252e",
    "%252f",
    "%255c",
    "%25",
    "%",
    "%%",
    "%u002e",
    "%u2215",
    "%c0%ae",
    "%c0%af",
    "%e0%80%af",
    "%00",
    "\0",
    "%0d%0a",
    "\r\n",
    "\t",
    "%7f",
    "%c2%85",
    " ",
    "%20",
    ":",
    "%3a",
    "::$DATA",
    "C:",
    "c%3a",
    "~",
    "~/",
    "~1",
    "%7e1",
    "PROGRA~1",
    "con",
    "CON",
    "nul",
    "Aux",
    "prn.txt",
    "COM1",
    "lpt¹",
    "com%c2%b9",
    "CONIN$",
    "*",
    "?",
    "%3f",
    "<",
    ">",
    "|",
    "\"",
    "#",
    "%23",
    "a",
    "b",
    "app",
    "v",
    "w",
    "x.txt",
    "web.config",
    "é",
    "日",
    "．．",
    "∕",
    "\u{202e}",
    "%ff",
    "%ed%a0%80",
];

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![12 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    let start = prop::sample::select(&["/", "~/", "/app/", "/a/b/", "/v/w/", "~/v/", "~/v/w/", ""][..]);
    (start, prop::collection::vec(piece, 0..12))
        .prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

/// Names that every system takes as they are. None begins like a device of Windows: `Nul.@` is one.
fn plain_name() -> impl Strategy<Value = String> {
    let devices = ["aux", "com", "con", "lpt", "nul", "prn"];
    "[a-zA-Zà-ü0-9_@ -][a-zà-ü0-9_%@ .-]{0,8}[à-ü_@-]".prop_filter("it may be a device", move |name| {
        !devices.iter().any(|device| name.to_ascii_lowercase().starts_with(device))
    })
}

fn many(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), ..config }
}

proptest! {
    #![proptest_config(many(20_000))]

    #[test]
    fn any_string_stays_below_its_root(url: String) {
        check(&url)?;
        check(&format!("/{url}"))?;
        check(&format!("~/{url}"))?;
    }

    #[test]
    fn any_bytes_escaped_or_not_stay_below_their_root(bytes: Vec<u8>, escaped: Vec<bool>) {
        let mut url = String::from("/");
        for (i, byte) in bytes.iter().enumerate() {
            match byte.is_ascii() && !escaped.get(i).is_some_and(|e| *e) {
                true => url.push(char::from(*byte)),
                false => url.push_str(&format!("%{byte:02x}")),
            }
        }
        check(&url)?;
    }

    #[test]
    fn nasty_pieces_stay_below_their_root(url in nasty()) {
        check(&url)?;
    }

    #[test]
    fn nasty_virtual_directories_are_refused_or_plain(path in nasty(), url in nasty()) {
        if let Ok(dir) = VirtualDirectory::new(&path, "/data") {
            prop_assert_eq!(normalize(dir.url_path()), Ok(dir.url_path().to_owned()));
            if let Ok((_, path)) = resolve(&url, "/", Path::new(ROOT), &[dir]) {
                prop_assert!(path.starts_with(ROOT) || path.starts_with("/data"), "{path:?}");
            }
        }
    }

    #[test]
    fn plain_names_are_never_refused(names in prop::collection::vec(plain_name(), 0..5), slash: bool) {
        let plain = names.join("/");
        prop_assume!(!has_escape(&plain));
        let url = format!("/{}{}", utf8_percent_encode(&plain, ESCAPED), if slash { "/" } else { "" });
        let (decoded, below) = mapped(&url);
        prop_assert_eq!(decoded.trim_matches('/'), &plain);
        prop_assert_eq!(below, plain);
    }
}
