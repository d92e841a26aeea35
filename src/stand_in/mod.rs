//! The stand-in: a CRDS server and the hosts around it, good enough to rehearse an upgrade on.

pub mod derive;
pub mod fits;
pub mod fleet;
pub mod host;
pub mod httpd;
pub mod server;
pub mod tools;
