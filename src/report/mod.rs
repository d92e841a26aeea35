//! The acceptance report of a run: `acceptance.json`, HTML and JUnit, made offline from a run folder.
