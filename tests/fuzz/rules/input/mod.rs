//! The readers of text.

#[path = "../../../../src/rules/input/json.rs"]
pub mod json;
#[path = "../../../../src/rules/input/scan.rs"]
pub mod scan;
#[path = "../../../../src/rules/input/marks.rs"]
pub mod marks;
