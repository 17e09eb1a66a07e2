//! What somebody probably meant.

use crate::table::METHODS;

/// The choice that `written` is a misspelling of, if it is near enough to one.
pub(crate) fn nearest<'c>(written: &str, choices: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Few letters may be wrong: a guess far from the text says more about us than about the text.
    let limit = 1 + written.len() / 8;
    choices
        .into_iter()
        .map(|choice| (distance(&written.to_lowercase(), &choice.to_lowercase()), choice))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}

/// The notification method that a name comes near to: misspelt, in another case, without `on_`, or with words
/// left out.
pub(crate) fn nearest_method(written: &str) -> Option<&'static str> {
    let written = snake_case(written);
    let names = || METHODS.iter().map(|entry| entry.method);
    let prefixed = format!("on_{written}");
    names()
        .find(|name| *name == written || *name == prefixed)
        .or_else(|| with_words_left_out(&written))
        .or_else(|| nearest(&written, names()))
}

/// `OnBeginRequest`, as IIS writes it, is `on_begin_request`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `on_execute_request` for `on_execute_request_handler`: the shortest name that has all words in order, unless
/// there are several.
fn with_words_left_out(written: &str) -> Option<&'static str> {
    let has_all = |name: &str| {
        let mut words = name.split('_');
        written.split('_').all(|wanted| words.any(|word| word == wanted))
    };
    let mut matches: Vec<_> = METHODS.iter().map(|entry| entry.method).filter(|name| has_all(name)).collect();
    matches.sort_by_key(|name| name.split('_').count());
    match *matches.as_slice() {
        [only] => Some(only),
        [first, second, ..] if first.split('_').count() < second.split('_').count() => Some(first),
        _ => None,
    }
}

/// How many letters must be added, removed, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                    changed.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_method_is_found() {
        for (written, meant) in [
            ("on_begin_requst", Some("on_begin_request")),
            ("on_authorise_request", Some("on_authorize_request")),
            ("OnBeginRequest", Some("on_begin_request")),
            ("OnPostLogRequest", Some("on_post_log_request")),
            ("log_request", Some("on_log_request")),
            ("on_execute_request", Some("on_execute_request_handler")),
            ("on_custom_notification", Some("on_custom_request_notification")),
            ("on_begin", Some("on_begin_request")),
            ("on_request", None),
            ("on_post_request", None),
            ("on_handle", None),
            ("on_shutdown", None),
        ] {
            assert_eq!(nearest_method(written), meant, "{written}");
        }
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(distance("hihg", "high"), 1);
        assert_eq!(distance("", "low"), 3);
        assert_eq!(distance("last", "first"), 3);
    }
}
