//! The CRDS server: catalogue, JSON-RPC, web pages, downloads, in the dialects of three eras.
