//! How a CRDS server makes rules from submissions: insertion, deletion, contexts, names, certification, differences.
