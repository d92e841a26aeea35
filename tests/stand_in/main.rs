//! The stand-in server against the wire protocol dossier (WP).

mod rpc;
mod web_browser;
mod web_changes;
mod web_chromium;
mod web_doors;
mod web_eras;
mod web_forms;
mod web_pages;
mod web_queries;
mod web_rules;
mod web_score;
mod web_settling;
mod web_story;
mod web_submissions;
mod web_users;
