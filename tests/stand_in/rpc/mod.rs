//! JSON-RPC of the stand-in server. Expectations are written from the dossier; each case names its section.

mod affected;
mod arguments;
mod bench;
mod bestrefs;
mod contexts;
mod counts;
mod datasets;
mod envelope;
mod faults;
mod files;
mod info;
mod jwst;
mod library;
mod loads;
mod mini;
mod misc;
mod robust;
mod sequences;
mod statements;
