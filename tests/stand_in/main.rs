//! The stand-in server against the wire protocol dossier (WP).

mod rpc;
mod web_2014;
mod web_browser;
mod web_changes;
mod web_chromium;
mod web_doors;
mod web_eras;
mod web_faults;
mod web_forms;
mod web_fuzz;
mod web_habits;
mod web_hostile;
mod web_lags;
mod web_logs;
mod web_now;
mod web_order;
mod web_pages;
mod web_process;
mod web_queries;
mod web_rules;
mod web_score;
mod web_settling;
mod web_story;
mod web_submissions;
mod web_users;
mod web_words;
