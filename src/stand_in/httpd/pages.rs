//! The pages that come from Apache and Django themselves.

use std::path::Path;

use crate::stand_in::server::http::Response;

/// The `Server` header.
pub const SERVER: &str = "Apache/2.2.15 (Red Hat)";

/// An error page of Apache.
pub fn apache(status: u16, path: &str) -> Response {
    let path = escape(path);
    let (title, text) = match status {
        400 => ("Bad Request", "Your browser sent a request that this server could not understand.<br />\n".to_owned()),
        403 => ("Forbidden", format!("You don't have permission to access {path}\non this server.")),
        404 => ("Not Found", format!("The requested URL {path} was not found on this server.")),
        405 => ("Method Not Allowed", format!("The requested method is not allowed for the URL {path}.")),
        413 => (
            "Request Entity Too Large",
            format!("The requested resource<br />{path}<br />\ndoes not allow request data with this request, or the amount of data provided in\nthe request exceeds the capacity limit."),
        ),
        502 => (
            "Bad Gateway",
            "The proxy server received an invalid\nresponse from an upstream server.<br />\n".to_owned(),
        ),
        503 => (
            "Service Temporarily Unavailable",
            "The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.".to_owned(),
        ),
        504 => ("Gateway Time-out", "The gateway did not receive a timely response\nfrom the upstream server or application.".to_owned()),
        _ => (
            "Internal Server Error",
            "The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour request.</p>\n<p>Please contact the server administrator,\n root@localhost and inform them of the time the error occurred,\nand anything you might have done that may have\ncaused the error.</p>\n<p>More information about this error may be available\nin the server error log.".to_owned(),
        ),
    };
    let page = format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{status} {title}</title>\n</head><body>\n<h1>{title}</h1>\n<p>{text}</p>\n<hr>\n<address>{SERVER} Server</address>\n</body></html>\n"
    );
    Response::new(status).with_header("content-type", "text/html; charset=iso-8859-1").with_body(page)
}

/// Django's page for an address that the installed release does not have.
pub fn django_not_found(path: &str, debug: bool) -> Response {
    let path = escape(path);
    if debug {
        return Response::html(
            404,
            format!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Page not found at {path}</title></head>\n<body><h1>Page not found <span>(404)</span></h1>\n<p>The current URL, <code>{path}</code>, didn't match any of these.</p>\n</body></html>\n"
            ),
        );
    }
    Response::html(404, format!("<h1>Not Found</h1><p>The requested URL {path} was not found on this server.</p>"))
}

/// The type that Apache would give a file.
pub fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("js") => "application/javascript",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("json") => "application/json",
        _ => "text/plain",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
