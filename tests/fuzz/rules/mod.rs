//! The modules of `src/rules` that the targets need, by path.

#[path = "../../../src/rules/syntax/mod.rs"]
pub mod syntax;

#[path = "../../../src/rules/answer.rs"]
pub mod answer;
#[path = "../../../src/rules/compile.rs"]
mod compile;
#[path = "../../../src/rules/condition.rs"]
pub mod condition;
#[path = "../../../src/rules/dataset.rs"]
pub mod dataset;
#[path = "../../../src/rules/dates.rs"]
pub mod dates;
#[path = "../../../src/rules/element.rs"]
pub mod element;
#[path = "../../../src/rules/ends.rs"]
mod ends;
#[path = "../../../src/rules/engine/mod.rs"]
pub mod engine;
#[path = "../../../src/rules/error.rs"]
mod error;
#[path = "../../../src/rules/expr.rs"]
pub mod expr;
#[path = "../../../src/rules/expr_parse.rs"]
mod expr_parse;
#[path = "../../../src/rules/glob.rs"]
mod glob;
#[path = "../../../src/rules/hooks.rs"]
mod hooks;
#[path = "../../../src/rules/jwst.rs"]
pub mod jwst;
#[path = "../../../src/rules/load.rs"]
mod load;
#[path = "../../../src/rules/lookup.rs"]
pub mod lookup;
#[path = "../../../src/rules/python.rs"]
pub mod python;
#[path = "../../../src/rules/rare.rs"]
mod rare;
#[path = "../../../src/rules/rmap.rs"]
pub mod rmap;
#[path = "../../../src/rules/tree.rs"]
mod tree;

pub mod input;
