//! `memcached`: the text protocol on a socket of the host, in memory.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Call, here};
use crate::stand_in::fleet::keeper;

/// Longest key and largest value, as with the real one.
const KEY: usize = 250;
const VALUE: usize = 1 << 20;

#[derive(Default)]
struct Store {
    values: HashMap<String, (u32, Vec<u8>)>,
    flushes: u64,
}

/// `memcached [-d] [-u USER] [-m MEGABYTES] [-s SOCKET] [-p PORT] [-l ADDRESS]`; in the foreground but with `-d`.
///
/// Beside its socket it keeps `SOCKET.epoch`, whose bytes change at each start and flush: what the server's own emulation
/// of cached answers goes by.
pub fn memcached(call: &mut Call<'_>) -> i32 {
    let mut socket = None;
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => socket = args.next().map(PathBuf::from),
            "-h" | "-V" => {
                call.say("memcached 1.4.4");
                return 0;
            }
            "-u" | "-m" | "-p" | "-l" | "-c" | "-t" | "-U" | "-a" | "-P" | "-I" => {
                args.next();
            }
            "-d" | "-v" | "-vv" | "-k" | "-M" => {}
            other => {
                call.complain(format_args!(
                    "memcached: invalid option -- '{}'\nIllegal argument \"?\"",
                    other.trim_start_matches('-')
                ));
                return 1;
            }
        }
    }
    let store = Arc::new(Mutex::new(Store::default()));
    watch_keeper();
    match socket {
        Some(path) => on_socket(call, &path, &store),
        None => on_port(call, &store),
    }
}

/// Ends this process when the fleet's keeper is gone.
fn watch_keeper() {
    let Some((fleet, _)) = here() else { return };
    std::thread::spawn(move || {
        let mut missed = 0;
        while missed < 10 {
            std::thread::sleep(Duration::from_millis(500));
            missed = if keeper::running(&fleet).is_some() { 0 } else { missed + 1 };
        }
        // SAFETY: ends the process; nothing has to be put in order.
        unsafe { libc::_exit(0) }
    });
}

fn on_socket(call: &mut Call<'_>, path: &Path, store: &Arc<Mutex<Store>>) -> i32 {
    let _ = std::fs::remove_file(path);
    let listener = match UnixListener::bind(path) {
        Ok(listener) => listener,
        Err(error) => {
            call.complain(format_args!("failed to listen on UNIX socket: {}: {error}", path.display()));
            return 71;
        }
    };
    let epoch = PathBuf::from(format!("{}.epoch", path.display()));
    mark(&epoch, 0);
    for stream in listener.incoming().flatten() {
        let (store, epoch) = (Arc::clone(store), epoch.clone());
        std::thread::spawn(move || {
            let Ok(reader) = stream.try_clone() else { return };
            let _ = talk(BufReader::new(reader), &stream, &store, &epoch);
        });
    }
    0
}

fn on_port(call: &mut Call<'_>, store: &Arc<Mutex<Store>>) -> i32 {
    let Some((_, host)) = here() else { return 71 };
    let listener = match TcpListener::bind((host.address, 11211)) {
        Ok(listener) => listener,
        Err(error) => {
            call.complain(format_args!("failed to listen on TCP port 11211: {error}"));
            return 71;
        }
    };
    let epoch = host.run().join("memcached.epoch");
    mark(&epoch, 0);
    for stream in listener.incoming().flatten() {
        let (store, epoch) = (Arc::clone(store), epoch.clone());
        std::thread::spawn(move || {
            let Ok(reader) = stream.try_clone() else { return };
            let _ = talk(BufReader::new(reader), &stream, &store, &epoch);
        });
    }
    0
}

fn mark(epoch: &Path, flushes: u64) {
    // Only a flush from outside would go unnoticed.
    let _ = std::fs::write(epoch, format!("{} {flushes}\n", std::process::id()));
}

fn talk(mut from: impl BufRead, mut to: impl Write, store: &Mutex<Store>, epoch: &Path) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        if from.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let quiet = words.last() == Some(&"noreply");
        let store = || store.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match words.as_slice() {
            ["get" | "gets", keys @ ..] => {
                for key in keys {
                    let found = store().values.get(*key).cloned();
                    if let Some((flags, value)) = found {
                        write!(to, "VALUE {key} {flags} {}\r\n", value.len())?;
                        to.write_all(&value)?;
                        to.write_all(b"\r\n")?;
                    }
                }
                "END".to_owned()
            }
            [verb @ ("set" | "add" | "replace"), key, flags, _, length, ..] => {
                let length = length.parse::<usize>().unwrap_or(usize::MAX);
                if length > VALUE || key.len() > KEY {
                    to.write_all(b"SERVER_ERROR object too large for cache\r\n")?;
                    return Ok(());
                }
                let mut value = vec![0; length + 2];
                from.read_exact(&mut value)?;
                value.truncate(length);
                let mut store = store();
                let there = store.values.contains_key(*key);
                if (*verb == "add" && there) || (*verb == "replace" && !there) {
                    "NOT_STORED".to_owned()
                } else {
                    store.values.insert((*key).to_owned(), (flags.parse().unwrap_or(0), value));
                    "STORED".to_owned()
                }
            }
            ["delete", key, ..] => {
                if store().values.remove(*key).is_some() { "DELETED" } else { "NOT_FOUND" }.to_owned()
            }
            ["flush_all", ..] => {
                let mut store = store();
                store.values.clear();
                store.flushes += 1;
                mark(epoch, store.flushes);
                "OK".to_owned()
            }
            ["version"] => "VERSION 1.4.4".to_owned(),
            ["stats", ..] => {
                let store = store();
                format!(
                    "STAT pid {}\r\nSTAT curr_items {}\r\nSTAT cmd_flush {}\r\nEND",
                    std::process::id(),
                    store.values.len(),
                    store.flushes
                )
            }
            ["quit"] => return Ok(()),
            _ => "ERROR".to_owned(),
        };
        if !quiet {
            write!(to, "{answer}\r\n")?;
            to.flush()?;
        }
    }
}
