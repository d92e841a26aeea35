//! The frame around every page, in both eras, and the pages that say no.

use super::form_data::quote;
use super::html::esc;

/// What the frame shows.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Observatory in lower case.
    pub observatory: String,
    /// Use case in lower case; `ops` is not shown.
    pub use_case: String,
    /// The markup of 2014.
    pub old_pages: bool,
    /// Who is logged in.
    pub user: Option<String>,
    /// The instrument that the visitor has locked.
    pub locked: Option<String>,
    /// Path with query, for the link to the login page.
    pub current_path: String,
    /// The script is escaped and so does nothing, as after a change of the template library (a fault knob).
    pub script_escaped: bool,
}

const SCRIPT: &str = include_str!("assets/site.js");
const STYLE: &str = include_str!("assets/site.css");

impl Frame {
    /// `<OBS> Calibration Reference Data System (CRDS)`, text of `<title>` and `<h1>` (WP 3.1).
    pub fn title(&self) -> String {
        format!("{} Calibration Reference Data System (CRDS)", self.observatory.to_uppercase())
    }

    /// A whole page around `body`, which is markup.
    pub fn wrap(&self, body: &str) -> String {
        let title = esc(&self.title());
        let use_case = self.use_case.to_lowercase();
        let badge = if use_case.is_empty() || use_case == "ops" {
            String::new()
        } else if self.old_pages {
            format!(" <span class='green tiny'>({})</span>", esc(&use_case))
        } else {
            format!(" <span class=\"label label-sm label-success\">{}</span>", esc(&use_case))
        };
        let script = if self.script_escaped { esc(SCRIPT) } else { SCRIPT.to_owned() };
        let session = match &self.user {
            Some(user) => {
                let locked = match &self.locked {
                    Some(instrument) => format!(" <span class='locked_instrument'>{}</span>", esc(instrument)),
                    None => String::new(),
                };
                format!("<span class=\"user\">{}</span>{locked} <a href=\"/logout/\">logout</a>", esc(user))
            }
            None => format!("<a href=\"/login/?next={}\">login</a>", esc(&quote(&self.current_path))),
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<script>{script}</script>\n</head>\n<body>\n\
             <div id=\"page_header\"><h1>{title}{badge}</h1></div>\n\
             <div id=\"header_menu\"><a href=\"/\">home</a> {session}</div>\n\
             <div id=\"contents\">\n{body}\n</div>\n</body>\n</html>\n"
        )
    }

    /// The block that tells an error: `text` is what follows `ERROR: `, not yet escaped (WP 3.1).
    pub fn error_block(&self, text: &str) -> String {
        if self.old_pages {
            format!("<div class=\"error\">\nERROR: {}\n</div>\n", esc(text))
        } else {
            format!("<div id=\"error_message\" class=\"panel-body\"><pre>ERROR: {}</pre></div>\n", esc(text))
        }
    }

    /// An address that the site does not have.
    pub fn not_found(&self) -> String {
        self.wrap("<p>Page not found</p>\n<p>The address is not one of this server.</p>")
    }
}

/// What a changing request without its token gets (WP 3.1).
pub fn forbidden(reason: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta http-equiv=\"content-type\" content=\"text/html; \
         charset=utf-8\">\n<title>403 Forbidden</title>\n</head>\n<body>\n<h1>Forbidden <span>(403)</span></h1>\n\
         <p>CSRF verification failed. Request aborted.</p>\n<p>{}</p>\n</body>\n</html>\n",
        esc(reason)
    )
}

/// What a server shows that fails: 2014 always, later ones on a few addresses (WP 3.1, 3.2).
pub const FAILURE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Server Error</title></head>\n<body>\n\
    <h1>Server Error (500)</h1>\n</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_shows_no_use_case_and_errors_are_escaped() {
        let mut frame = Frame { observatory: "hst".into(), use_case: "ops".into(), ..Frame::default() };
        assert!(frame.wrap("").contains("<h1>HST Calibration Reference Data System (CRDS)</h1>"));
        frame.use_case = "TEST".into();
        assert!(frame.wrap("").contains("<span class=\"label label-sm label-success\">test</span>"));
        frame.old_pages = true;
        assert!(frame.wrap("").contains("<span class='green tiny'>(test)</span>"));
        assert!(!frame.error_block("<script>").contains("<script>"));
    }
}
