//! Reaching a host: run, read, write, stream, each bounded in time. Knows nothing of CRDS.
