//! The rules engine against the real rules and the real client's answers.

mod conform;
mod contexts;
mod data;
mod examples;
mod golden;
mod properties;
