//! `crds-stand-in`: the rehearsal server, its fleet and the tools of its hosts. Argument parsing and printing only.

fn main() {}
