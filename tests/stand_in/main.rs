//! The stand-in server against the wire protocol dossier (WP).

mod rpc;
mod web_browser;
mod web_chromium;
mod web_eras;
mod web_rules;
mod web_score;
mod web_story;
mod web_submissions;
