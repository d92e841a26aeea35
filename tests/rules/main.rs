//! The rules engine against the real rules and the real client's answers.

mod command;
mod conform;
mod contexts;
mod data;
mod examples;
mod golden;
mod modes;
mod properties;
mod quick;
mod small;
