//! Reading regression logs, nightly mail and server logs: parse, compare, classify.
