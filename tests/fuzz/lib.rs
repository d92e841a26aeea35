//! The rules engine without its input from Parquet and servers, for the fuzz targets.
#![allow(dead_code, missing_docs)]

pub mod rules;
