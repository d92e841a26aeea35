//! The stand-in for Apache with mod_wsgi: what it serves, how and whether at all is decided by the configuration and
//! by what is installed when a worker starts.

pub mod python;
