//! What kind of content a file is, by its name.

use std::collections::HashMap;

use http::HeaderValue;

/// Media types by extension: those that were configured, and the list of the crate `mime_guess`.
#[derive(Debug)]
pub(crate) struct MediaTypes {
    configured: HashMap<String, HeaderValue>,
    unknown: bool,
}

impl MediaTypes {
    /// `configured`: by extensions in lower case. `unknown`: whether what nobody knows is served all the same.
    pub(crate) fn new(configured: HashMap<String, HeaderValue>, unknown: bool) -> Self {
        Self { configured, unknown }
    }

    /// `None`: not to be served.
    pub(crate) fn of(&self, extension: Option<&str>) -> Option<HeaderValue> {
        let extension = extension.unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = self.configured.get(&extension) {
            return Some(value.clone());
        }
        let known = NEWER.iter().find(|(newer, _)| *newer == extension).map(|(_, media_type)| *media_type);
        let withheld = WITHHELD.contains(&&*extension);
        let known = known.or_else(|| mime_guess::from_ext(&extension).first_raw().filter(|_| !withheld));
        match known {
            None => self.unknown.then(|| HeaderValue::from_static("application/octet-stream")),
            // Without it browsers guess by the first bytes, and for an old locale.
            Some(text) if text.starts_with("text/") => {
                HeaderValue::from_maybe_shared(format!("{text}; charset=utf-8")).ok()
            }
            Some(other) => Some(HeaderValue::from_static(other)),
        }
    }
}

/// Where the list is behind the registrations.
const NEWER: &[(&str, &str)] = &[
    ("map", "application/json"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),  // RFC 9239
    ("zst", "application/zstd"), // RFC 8878
];

/// What the list knows, IIS's `<mimeMap>` does not, and hardly anybody means to publish: settings, keys, dumps, logs, source of
/// what runs on servers.
const WITHHELD: &[&str] = &[
    "bat",
    "cfg",
    "cmd",
    "conf",
    "dmp",
    "dump",
    "ini",
    "log",
    "lua",
    "p8",
    "pem",
    "pgp",
    "py",
    "rc",
    "reg",
    "rs",
    "sql",
    "toml",
    "user",
    "vssettings",
    "yaml",
    "yml",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extension: &str) -> Option<String> {
        let types = MediaTypes::new(HashMap::new(), false);
        types.of(Some(extension)).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn text_is_utf_8_and_the_rest_is_as_registered() {
        for (extension, expected) in [
            ("html", "text/html; charset=utf-8"),
            ("HTML", "text/html; charset=utf-8"),
            ("css", "text/css; charset=utf-8"),
            ("js", "text/javascript; charset=utf-8"),
            ("mjs", "text/javascript; charset=utf-8"),
            ("txt", "text/plain; charset=utf-8"),
            ("json", "application/json"),
            ("svg", "image/svg+xml"),
            ("png", "image/png"),
            ("wasm", "application/wasm"),
            ("woff2", "font/woff2"),
            ("webp", "image/webp"),
            ("avif", "image/avif"),
            ("webmanifest", "application/manifest+json"),
            ("pdf", "application/pdf"),
            ("mp4", "video/mp4"),
        ] {
            assert_eq!(of(extension).as_deref(), Some(expected), "{extension}");
        }
    }

    #[test]
    fn what_nobody_knows_is_not_served_unless_asked_for() {
        for extension in ["", "html~", "bak", "env", "key"] {
            assert_eq!(of(extension), None, "{extension}");
        }
        let open = MediaTypes::new(HashMap::new(), true);
        assert_eq!(open.of(None), Some(HeaderValue::from_static("application/octet-stream")));
    }

    #[test]
    fn settings_keys_dumps_and_logs_are_not_known_until_they_are_configured() {
        for extension in WITHHELD {
            assert_eq!(of(extension), None, "{extension}");
            assert!(mime_guess::from_ext(extension).first_raw().is_some(), "{extension} is not known at all");
        }
        assert_eq!(of("YML"), None);
        let own = HeaderValue::from_static("application/yaml");
        let types = MediaTypes::new(HashMap::from([("yml".to_owned(), own.clone())]), false);
        assert_eq!(types.of(Some("yml")), Some(own));
        assert_eq!(types.of(Some("yaml")), None);
    }

    #[test]
    fn what_is_configured_comes_first() {
        let own = HeaderValue::from_static("text/html; charset=iso-8859-1");
        let types = MediaTypes::new(HashMap::from([("html".to_owned(), own.clone())]), false);
        assert_eq!(types.of(Some("HTML")), Some(own));
    }
}
