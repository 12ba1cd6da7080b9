//! A page that says in a sentence why there is nothing else on it.

use askama::Template;

use super::frame::{Frame, Link};

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "refused.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    pub frame: Frame,
    pub back: Link,
    pub sentence: String,
}
