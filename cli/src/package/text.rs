//! Writing into PowerShell, XML and templates.

/// A string of PowerShell in which nothing is expanded. Control characters and typographic quotes were refused before.
pub(super) fn powershell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text within an attribute or an element of XML.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Puts values into a template, where it says `@KEY@`. What is put in is not looked at again: a module may be called
/// `@SITES@`. A key that nobody gave stays; the tests look for those.
pub(super) fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let value =
            values.iter().find(|(key, _)| after.strip_prefix(key).is_some_and(|end| end.starts_with('@')));
        if let Some((key, value)) = value {
            filled.push_str(value);
            rest = &after[key.len() + 1..];
        } else {
            filled.push('@');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

/// Lines as Windows ends them. A byte order mark goes first where it is needed: Windows PowerShell takes a script
/// without one for the machine's code page.
pub(super) fn for_windows(text: &str) -> Vec<u8> {
    let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let mark = if lines.is_ascii() { "" } else { "\u{FEFF}" };
    format!("{mark}{lines}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_for_powershell() {
        assert_eq!(powershell("Ann's $(bad) `n"), "'Ann''s $(bad) `n'");
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(xml(r#"<a b="c">&'"#), "&lt;a b=&quot;c&quot;&gt;&amp;&apos;");
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let values = [("A", "@B@".into()), ("B", "b".into())];
        assert_eq!(fill("@A@-@B@ @start @C@", &values), "@B@-b @start @C@");
    }

    #[test]
    fn lines_end_as_windows_ends_them() {
        assert_eq!(for_windows("a\nb\r\n"), b"a\r\nb\r\n");
        assert_eq!(for_windows("ä\n"), b"\xef\xbb\xbf\xc3\xa4\r\n");
    }
}
