//! The web site: pages, forms and their answers.

use super::{
    Server,
    http::{Request, Response},
};

/// Answers one request for a page.
pub fn handle(_server: &Server, _request: &Request) -> Response {
    Response::html(404, "<h1>Page not found</h1>")
}
