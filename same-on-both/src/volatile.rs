//! What is another value each time, in any host, and what stands for it in a comparison.
//!
//! | what | becomes |
//! |---|---|
//! | the id in `x-request-id`, wherever it stands | `ID` |
//! | a duration in `server-timing` | `N` |
//! | `date`, `time` and `time-taken` of a log's line | `N` |

use crate::{Answer, Seen};

/// The same without them. What is left of a module that writes a log is `field=value` for each field, with spaces between.
#[must_use]
pub fn without(mut seen: Seen) -> Seen {
    let Answer::Response { headers, .. } = &mut seen.answer else { return seen };
    let id = headers.iter().find(|(name, _)| name == "x-request-id").map(|(_, id)| id.clone());
    // One that is none stays, and is seen.
    let id = id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for (name, value) in headers.iter_mut() {
        if name == "server-timing" {
            *value = durations(value);
        }
        if let Some(id) = &id {
            *value = value.replace(id, "ID");
        }
    }
    seen.left = seen.left.map(|left| {
        let left = left.split(' ').map(field).collect::<Vec<_>>().join(" ");
        id.map_or(left.clone(), |id| left.replace(&id, "ID"))
    });
    seen
}

/// `total;dur=0.125, module;dur=3.5`
fn durations(value: &str) -> String {
    let parts = value.split("dur=").enumerate().map(|(index, part)| match index {
        0 => part.to_owned(),
        _ => match part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.') {
            // One that is none stays, and is seen.
            rest if rest.len() == part.len() => format!("dur={part}"),
            rest => format!("dur=N{rest}"),
        },
    });
    parts.collect()
}

fn field(field: &str) -> String {
    let is_digits = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b":-.".contains(&byte))
    };
    match field.split_once('=') {
        Some((name @ ("date" | "time" | "time-taken"), value)) if is_digits(value) => format!("{name}=N"),
        _ => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_itself_wherever_it_is() {
        let id = "0123456789abcdef0123456789abcdef";
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let seen = Seen {
            answer: Answer::Response {
                status: http::StatusCode::OK,
                headers: vec![
                    header("server-timing", "total;dur=12.345, a;dur=0;desc=x"),
                    header("x-request-id", id),
                ],
                body: bytes::Bytes::new(),
                trailers: Vec::new(),
                complete: true,
            },
            events: Vec::new(),
            left: Some(format!("date=2026-11-22 time-taken=3 sc-status=200 x-request-id={id}")),
        };
        let seen = without(seen);
        let Answer::Response { headers, .. } = &seen.answer else { unreachable!("as above") };
        assert_eq!(headers[0].1, "total;dur=N, a;dur=N;desc=x");
        assert_eq!(headers[1].1, "ID");
        assert_eq!(seen.left.as_deref(), Some("date=N time-taken=N sc-status=200 x-request-id=ID"));
    }

    #[test]
    fn what_is_no_number_and_no_id_stays() {
        assert_eq!(field("time-taken=soon"), "time-taken=soon");
        assert_eq!(field("time-taken=-"), "time-taken=-");
        assert_eq!(field("date="), "date=");
        assert_eq!(durations("total;dur=, a;dur=x"), "total;dur=, a;dur=x");
        assert_eq!(field("sc-status=200"), "sc-status=200");
        assert_eq!(durations("total"), "total");
    }
}
