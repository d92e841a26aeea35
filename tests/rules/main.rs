//! The rules engine against the real rules and the real client's answers.
//!
//! Where each statement of the project's notes on rules semantics (RS) is put to the test. Everything that the real rules
//! make use of is compared once more in `golden` and `conform`, lookup by lookup and print by print.
//!
//! | RS | about | tests |
//! | --- | --- | --- |
//! | 1, 2, 4 | files, grammar, tree | `contexts` (as Python parses, byte for byte), `properties`, `rules::syntax` |
//! | 2.1 | checksum | `contexts`, `rules::syntax::checksum` |
//! | 3, 6, 7 | header keys, lookup header, order inside an rmap | `examples`, `golden`, `conform` |
//! | 5 | conditioning | `rules::condition`, `rules::python`, `properties` |
//! | 8 | expressions | `rules::expr`, `examples` |
//! | 9.1 to 9.5 | keys, substitutions, elements, validity, ranks | `examples`, `rules::element`, `rules::glob`, `quick` (ties) |
//! | 9.6, 10 | dates | `rules::dates`, `examples` |
//! | 9.7 | rare selectors | `examples` only: no published rule of HST, JWST or Roman has one but `VersionAfter` |
//! | 11 | hooks | `examples`; version 3 of the ACS hooks, which no public context names, `rules::hooks` |
//! | 12 | observatories | `rules::jwst`, `conform` (calibration versions); Roman in `contexts` only |
//! | 13 | texts of failures | `golden`, `conform`, to the letter |
//! | 15.1 | sources and shapes of headers | `command`, `rules::input`, `properties` |
//! | 15.2, 15.3 | types, comparison | `modes`, `quick`, `conform` (under switches) |
//! | 15.4 | outputs | `golden` (`.cli` files), `conform`, `command` |
//! | 15.5, 15.6 | `--diffs-only`, date cut | `modes`, `golden`, `conform` |
//! | 20 | what the client cannot report | `modes` |

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
