//! The state of a host: capture, normalise, compare, and claim each difference by a declared change.
