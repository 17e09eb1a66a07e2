//! A page with the names in a directory.

use std::fmt::Write as _;
use std::io;

use bivalve_core::decode_url_path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Hidden;
use crate::store::Store;

/// Names of one directory that are listed.
pub const MAX_LISTED: usize = 1000;

/// Entries of a directory that are looked at to find them.
const MAX_READ: usize = 10_000;

/// What stands for itself in a segment of a URL: RFC 3986 section 2.3.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page. `title`: the directory's URL path, decoded.
///
/// Neither what is hidden is on it, nor a name that no URL leads to, nor what is no file, directory or link.
pub(crate) fn page(store: &Store, below: &str, title: &str, hidden: &Hidden) -> io::Result<String> {
    let mut names = Vec::new();
    let mut more = false;
    for (count, entry) in store.list(below)?.enumerate() {
        if count == MAX_READ || names.len() == MAX_LISTED {
            more = true;
            break;
        }
        let entry = entry?;
        let Ok(kind) = entry.file_type() else { continue };
        let Ok(name) = entry.file_name().into_string() else { continue };
        let known = kind.is_file() || kind.is_dir() || kind.is_symlink();
        let encoded = utf8_percent_encode(&name, SEGMENT).to_string();
        let reachable = decode_url_path(&format!("/{encoded}")).is_ok_and(|path| path[1..] == name);
        if known && reachable && hidden.sub_status(&format!("{below}{name}")).is_none() {
            names.push((!kind.is_dir(), name, encoded));
        }
    }
    names.sort_unstable();
    let title = escaped(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head><body>\n<h1>{title}</h1>\n<ul>\n"
    );
    if below != "/" {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for (is_file, name, encoded) in &names {
        let slash = if *is_file { "" } else { "/" };
        // With the dot in front no name can look like a scheme or a host.
        let _ = writeln!(page, "<li><a href=\"./{encoded}{slash}\">{}{slash}</a></li>", escaped(name));
    }
    page.push_str("</ul>\n");
    if more {
        page.push_str("<p>There are more.</p>\n");
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}
