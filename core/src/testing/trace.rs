//! Comparing what happened with what was expected.

use std::fmt::Write as _;

use super::TestRequest;

impl TestRequest {
    /// Asserts what happened, line by line; nested lines are indented by two spaces for each level.
    ///
    /// ```
    /// use bivalve_core::testing::{TestHost, block_on};
    /// # use bivalve_core::{Context, Flow, Module, Notification, Outcome, Registration};
    /// # struct Hello;
    /// # impl Module for Hello {
    /// #     fn registration(&self) -> Registration { Registration::new().on(Notification::BeginRequest) }
    /// #     fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
    /// #         Outcome::Ready(cx.response_mut().write("Hello World!").map(|()| Flow::Finish))
    /// #     }
    /// # }
    ///
    /// let mut req = TestHost::new().mount(Hello).get("/");
    /// block_on(req.finish());
    /// req.assert_trace(["BeginRequest Hello -> Finish", "Send 12 bytes, success"]);
    /// ```
    ///
    /// # Panics
    ///
    /// When it happened otherwise: the text shows both, `-` for what is missing and `+` for what was not expected. And as
    /// [`trace`](Self::trace).
    #[track_caller]
    pub fn assert_trace<L: AsRef<str>>(&self, expected: impl IntoIterator<Item = L>) {
        let expected: Vec<L> = expected.into_iter().collect();
        let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
        let lines = self.trace().lines();
        let actual: Vec<&str> = lines.iter().map(String::as_str).collect();
        if expected != actual {
            panic!(
                "it happened otherwise (- expected, + happened):\n{}\nas the test would write it: {lines:#?}",
                diff(&expected, &actual)
            );
        }
    }
}

/// Both lists in one, by their longest common subsequence.
fn diff(expected: &[&str], actual: &[&str]) -> String {
    let mut common = vec![vec![0_usize; actual.len() + 1]; expected.len() + 1];
    for (i, line) in expected.iter().enumerate().rev() {
        for (j, other) in actual.iter().enumerate().rev() {
            common[i][j] =
                if line == other { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < expected.len() || j < actual.len() {
        let same = i < expected.len() && j < actual.len() && expected[i] == actual[j];
        let missing = j == actual.len() || (i < expected.len() && common[i + 1][j] >= common[i][j + 1]);
        let (sign, line) = match (same, missing) {
            (true, _) => (' ', expected[i]),
            (false, true) => ('-', expected[i]),
            (false, false) => ('+', actual[j]),
        };
        i += usize::from(same || missing);
        j += usize::from(same || !missing);
        let _ = writeln!(text, "  {sign} {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_is_missing_and_what_was_not_expected() {
        assert_eq!(diff(&["a", "b", "c"], &["a", "x", "c", "d"]), "    a\n  - b\n  + x\n    c\n  + d\n");
        assert_eq!(diff(&[], &["a"]), "  + a\n");
        assert_eq!(diff(&["a"], &[]), "  - a\n");
    }
}
