//! Rust source told apart into code and comments, line by line.

/// The same lines twice: once only the code, once only the comments, the rest blanked out.
///
/// Literals count as neither, so that a rule's own examples in a string are no offence against it.
pub(super) struct Source {
    pub(super) code: Vec<String>,
    pub(super) comments: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn parse(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let kinds = kinds(&chars);
        let only = |wanted: Kind| -> Vec<String> {
            let kept: String = chars
                .iter()
                .zip(&kinds)
                .map(|(&c, &kind)| if c == '\n' || kind == wanted { c } else { ' ' })
                .collect();
            kept.lines().map(|line| line.trim_end().to_owned()).collect()
        };
        Self { code: only(Kind::Code), comments: only(Kind::Comment) }
    }

    /// The lines before the file's own unit tests, when these are its last item.
    pub(super) fn lines_without_tests(&self) -> usize {
        let all = self.code.len();
        let Some(tests) = self.code.iter().rposition(|line| line.starts_with("mod tests {")) else {
            return all;
        };
        let ends_the_file = self.code[tests + 1..].iter().rposition(|line| !line.is_empty())
            == self.code[tests + 1..].iter().position(|line| line == "}");
        let attributes = self.code[..tests].iter().rev().take_while(|line| line.starts_with("#[")).count();
        let start = tests - attributes;
        let for_tests = self.code[start..tests].iter().any(|line| line == "#[cfg(test)]");
        if ends_the_file && for_tests { start } else { all }
    }
}

fn kinds(chars: &[char]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = token(chars, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

/// The kind of what begins at `at`, and where it ends. Code goes on one character or word at a time.
fn token(chars: &[char], at: usize) -> (Kind, usize) {
    let rest = &chars[at..];
    if rest.starts_with(&['/', '/']) {
        return (Kind::Comment, at + position(rest, '\n'));
    }
    if rest.starts_with(&['/', '*']) {
        return (Kind::Comment, at + block_comment(rest));
    }
    match rest[0] {
        '"' => (Kind::Literal, at + quoted(rest, '"')),
        '\'' => character(rest).map_or((Kind::Code, at + 1), |length| (Kind::Literal, at + length)),
        c if is_word(c) => {
            let word = rest.iter().position(|&c| !is_word(c)).unwrap_or(rest.len());
            let prefix: String = rest[..word].iter().collect();
            match raw_string(&rest[word..]) {
                Some(length) if matches!(prefix.as_str(), "r" | "br" | "cr") => {
                    (Kind::Literal, at + word + length)
                }
                _ => (Kind::Code, at + word),
            }
        }
        _ => (Kind::Code, at + 1),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// The length of a literal that begins and ends with `quote`.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', ..] => Some(quoted(rest, '\'')),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// The length of `"…"` with any number of `#` around it, after the prefix.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|&&c| c == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let body = &rest[hashes + 1..];
    let length = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    Some((hashes + 1 + length + end.len()).min(rest.len()))
}

fn position(rest: &[char], wanted: char) -> usize {
    rest.iter().position(|&c| c == wanted).unwrap_or(rest.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::parse(text).code.join("\n")
    }

    #[test]
    fn comments_are_not_code() {
        let source = Source::parse("a(); // one\n/* two /* nested */ still */ b();\n");
        assert_eq!(source.code, ["a();", "                             b();"]);
        assert_eq!(source.comments, ["     // one", "/* two /* nested */ still */"]);
    }

    #[test]
    fn strings_are_neither_code_nor_comments() {
        let source = Source::parse(r##"f("// no \" note", r#"unsafe { "quoted" }"#, b"x", 'c', '\'');"##);
        assert_eq!(source.comments, [""]);
        assert!(!source.code[0].contains("unsafe"), "{}", source.code[0]);
        assert!(source.code[0].ends_with(");"), "{}", source.code[0]);
    }

    #[test]
    fn lifetimes_do_not_open_a_literal() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> &'a str { x }"), "fn f<'a>(x: &'a str) -> &'a str { x }");
    }

    #[test]
    fn strings_over_several_lines_keep_the_line_count() {
        assert_eq!(Source::parse("let a = \"x\ny\nz\";\nb();\n").code.len(), 4);
    }

    #[test]
    fn an_unclosed_literal_ends_with_the_file() {
        for text in ["\"never", "'\\", "r#\"never", "/* never", "\"\\"] {
            assert_eq!(
                Source::parse(text).code.join("").trim().trim_start_matches(['r', '\'']),
                "",
                "{text}"
            );
        }
    }

    #[test]
    fn trailing_tests_are_not_counted() {
        let source = Source::parse("a();\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n");
        assert_eq!(source.lines_without_tests(), 2);
    }

    #[test]
    fn tests_with_code_after_them_are_counted() {
        let source = Source::parse("#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n\nfn after() {\n}\n");
        assert_eq!(source.lines_without_tests(), 7);
    }

    #[test]
    fn a_module_named_tests_that_always_compiles_is_counted() {
        assert_eq!(Source::parse("pub mod x;\nmod tests {\n}\n").lines_without_tests(), 3);
    }
}
