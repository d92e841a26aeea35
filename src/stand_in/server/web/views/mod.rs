//! The views: what each address does once the visitor is admitted.

pub mod about;
pub mod activity;
pub mod bestrefs;
pub mod browse;
pub mod browse_db;
pub mod certify;
pub mod channel;
pub mod common;
pub mod contexts;
pub mod deliveries;
pub mod difference;
pub mod display;
pub mod history;
pub mod home;
pub mod login;
pub mod redcat;
pub mod submit;
pub mod table;
pub mod uploads;
