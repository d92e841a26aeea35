//! The commands that read plan and site and touch nothing, as an operator gives them.

mod plans;
mod printing;
