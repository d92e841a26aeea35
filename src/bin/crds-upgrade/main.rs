//! `crds-upgrade`: the operator's command. Argument parsing and printing only.

fn main() {}
