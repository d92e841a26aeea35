//! `wget`, as far as the scripts of a host use it.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use super::clocks::{REAL_PATIENCE, lose_patience};
use super::{Call, here_or_complain};

/// `wget [-q] [-O FILE] [--no-check-certificate] [-T SECONDS] [-t TRIES] URL...`.
pub fn wget(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let (mut quiet, mut output, mut check, mut limit_s, mut urls) = (false, None, true, 900, Vec::new());
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-q" | "--quiet" => quiet = true,
            "-nv" | "--no-verbose" | "--no-proxy" | "-N" => {}
            "-O" | "--output-document" => output = args.next(),
            "--no-check-certificate" => check = false,
            "-T" | "--timeout" => limit_s = args.next().and_then(|text| text.parse().ok()).unwrap_or(limit_s),
            "-t" | "--tries" | "-o" | "--output-file" => {
                args.next();
            }
            long if long.starts_with("--") => {
                if let Some((name, value)) = long.split_once('=') {
                    match name {
                        "--output-document" => output = Some(value.to_owned()),
                        "--timeout" => limit_s = value.parse().unwrap_or(limit_s),
                        _ => {}
                    }
                }
            }
            flags if flags.starts_with('-') && flags.len() > 1 => {
                quiet |= flags.contains('q');
                if flags.ends_with('O') {
                    output = args.next();
                }
            }
            _ => urls.push(arg),
        }
    }
    if urls.is_empty() {
        call.complain("wget: missing URL\nUsage: wget [OPTION]... [URL]...");
        return 1;
    }
    // Another provider may be there already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = std::fs::read(host.root().join("opt/SSL/DigiCertCA.crt")).ok();
    let authority = authority.and_then(|pem| reqwest::Certificate::from_pem(&pem).ok());
    let client = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(limit_s))
        .connect_timeout(REAL_PATIENCE)
        .tls_certs_only(authority)
        .tls_danger_accept_invalid_certs(!check)
        .no_proxy()
        .user_agent("Wget/1.12 (linux-gnu)")
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            call.complain(format_args!("wget: {error}"));
            return 1;
        }
    };
    let mut status = 0;
    for url in urls {
        let ended = fetch(call, &client, &url, output.as_deref(), quiet, Duration::from_secs(limit_s));
        if ended != 0 {
            status = ended;
        }
    }
    status
}

fn fetch(
    call: &mut Call<'_>,
    client: &reqwest::blocking::Client,
    url: &str,
    output: Option<&str>,
    quiet: bool,
    limit: Duration,
) -> i32 {
    let answer = match client.get(url).send() {
        Ok(answer) => answer,
        Err(error) => {
            if error.is_connect() && error.is_timeout() {
                lose_patience(limit);
            }
            let tls = format!("{error:?}").to_ascii_lowercase().contains("certificate");
            if !quiet {
                call.complain(format_args!(
                    "wget: {url}: {}",
                    if tls { "cannot verify the server's certificate" } else { "failed: Connection refused." }
                ));
            }
            return if tls { 5 } else { 4 };
        }
    };
    let code = answer.status();
    if !code.is_success() {
        if !quiet {
            let reason = code.canonical_reason().unwrap_or("Unknown");
            call.complain(format_args!("{url}:\nERROR {}: {reason}.", code.as_u16()));
        }
        return 8;
    }
    let name = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
    let name = output.unwrap_or(name.unwrap_or("index.html"));
    let bytes = match answer.bytes() {
        Ok(bytes) => bytes,
        Err(error) => {
            call.complain(format_args!("wget: {url}: {error}"));
            return 4;
        }
    };
    let written = if name == "-" {
        call.out.write_all(&bytes)
    } else {
        File::create(name).and_then(|mut file| file.write_all(&bytes))
    };
    if let Err(error) = written {
        call.complain(format_args!("{name}: {}", crate::stand_in::httpd::conf::words(&error)));
        return 3;
    }
    0
}
