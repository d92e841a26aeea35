//! Reading dataset headers: the client's JSON dumps, Parquet, a server.

pub mod json;
