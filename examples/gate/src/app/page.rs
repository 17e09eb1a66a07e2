//! The page.

use axum::Extension;
use axum::response::{Html, IntoResponse};
use bivalve::User;
use http::header;

use crate::modules::request_id::RequestId;

/// `/`: who is there, and what there is.
pub(super) async fn index(user: Option<Extension<User>>, id: Option<Extension<RequestId>>) -> Html<String> {
    let page = PAGE
        .replace("{user}", &escaped(user.as_ref().map_or("nobody", |user| user.name())))
        .replace("{scheme}", &escaped(user.as_ref().map_or("no login", |user| user.authentication_type())))
        .replace("{id}", id.as_ref().map_or("none", |id| id.as_str()));
    Html(page)
}

/// `/style.css`: a file of its own, because the content security policy forbids styles in the page.
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], STYLE)
}

/// Text for a page: nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A brace could begin one of the page's own places.
            '{' => escaped.push_str("&#123;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const PAGE: &str = include_str!("../../assets/page.html");
const STYLE: &str = include_str!("../../assets/style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holds_no_markup() {
        assert_eq!(escaped(r#"<b a="1">&'{id}"#), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;&#123;id}");
        assert_eq!(escaped("zoë"), "zoë");
    }

    #[test]
    fn the_page_obeys_the_policy_and_names_every_route() {
        assert!(!PAGE.contains("<script") && !PAGE.contains("style=") && !PAGE.contains("<style"));
        for route in ["/api/time", "/events", "/echo", "/files/", "/healthz"] {
            assert!(PAGE.contains(&format!("\"{route}")), "{route}");
        }
    }
}
