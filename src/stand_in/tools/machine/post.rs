//! `mail` and `sendmail`: everything ends in the fleet's Maildir.

use std::fs;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use jiff::Timestamp;

use super::{Call, here_or_complain};
use crate::stand_in::fleet::knobs::{self, Knob};
use crate::stand_in::fleet::mail::Message;

/// `mail [-s SUBJECT] [-r FROM] [-a FILE]... [-c CC] TO...`; the body is read from the input.
pub fn mail(call: &mut Call<'_>) -> i32 {
    let Some((fleet, host)) = here_or_complain(call) else { return 1 };
    let (mut subject, mut from, mut copies, mut files, mut to) =
        (String::new(), None, Vec::new(), Vec::new(), Vec::new());
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => subject = args.next().unwrap_or_default(),
            "-r" => from = args.next(),
            "-c" => copies.extend(args.next()),
            "-b" | "-S" => {
                args.next();
            }
            "-a" => files.extend(args.next()),
            "-n" | "-N" | "-v" | "-i" | "-E" | "--" => {}
            flag if flag.starts_with('-') => {
                call.complain(format_args!("mail: illegal option -- {}", flag.trim_start_matches('-')));
                return 1;
            }
            _ => to.push(arg),
        }
    }
    if to.is_empty() {
        call.complain("No mail for crds");
        return 1;
    }
    let mut body = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut body);
    if body.is_empty() {
        call.complain("Null message body; hope that's ok");
    }
    let sender = from.unwrap_or_else(|| format!("{}@{}", fleet.account, host.full_name()));
    let mut headers =
        vec![("From".to_owned(), sender), ("To".to_owned(), to.join(", ")), ("Subject".to_owned(), subject)];
    if !copies.is_empty() {
        headers.push(("Cc".to_owned(), copies.join(", ")));
    }
    headers.push(("User-Agent".to_owned(), "Heirloom mailx 12.4 7/29/08".to_owned()));
    headers.push(("MIME-Version".to_owned(), "1.0".to_owned()));
    if files.is_empty() {
        headers.push(("Content-Type".to_owned(), "text/plain; charset=us-ascii".to_owned()));
    } else {
        let boundary = format!("=_{}", blake3::hash(&body).to_hex().chars().take(24).collect::<String>());
        headers.push(("Content-Type".to_owned(), format!("multipart/mixed; boundary=\"{boundary}\"")));
        match with_attachments(&body, &files, &boundary) {
            Ok(whole) => body = whole,
            Err((file, error)) => {
                call.complain(format_args!("{file}: {}", crate::stand_in::httpd::conf::words(&error)));
                return 1;
            }
        }
    }
    if knobs::Mail::load(&host).lost {
        return 0;
    }
    match (Message { headers, body }).deliver(&fleet, &host, Timestamp::now()) {
        Ok(()) => 0,
        Err(error) => {
            call.complain(format_args!("mail: {error}\n. . . message not sent."));
            1
        }
    }
}

fn with_attachments(body: &[u8], files: &[String], boundary: &str) -> Result<Vec<u8>, (String, std::io::Error)> {
    let mut whole = format!("This is a multi-part message in MIME format.\n\n--{boundary}\nContent-Type: text/plain; charset=us-ascii\nContent-Disposition: inline\n\n").into_bytes();
    whole.extend_from_slice(body);
    for file in files {
        let bytes = fs::read(file).map_err(|error| (file.clone(), error))?;
        let name = Path::new(file).file_name().map_or_else(|| file.clone(), |name| name.to_string_lossy().into_owned());
        whole.extend_from_slice(
            format!("\n--{boundary}\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"{name}\"\n\n").as_bytes(),
        );
        let coded = base64::engine::general_purpose::STANDARD.encode(bytes);
        for line in coded.as_bytes().chunks(76) {
            whole.extend_from_slice(line);
            whole.push(b'\n');
        }
    }
    whole.extend_from_slice(format!("\n--{boundary}--\n").as_bytes());
    Ok(whole)
}

/// `sendmail [-t] [-f FROM] [TO...]`; a whole message is read from the input.
pub fn sendmail(call: &mut Call<'_>) -> i32 {
    let Some((fleet, host)) = here_or_complain(call) else { return 1 };
    let mut text = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut text);
    let split = text.windows(2).position(|pair| pair == b"\n\n").map_or(text.len(), |at| at + 2);
    let head = String::from_utf8_lossy(&text[..split]).into_owned();
    let mut headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let named = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let to: Vec<String> = call.args.iter().filter(|arg| !arg.starts_with('-') && arg.contains('@')).cloned().collect();
    if !named("to") {
        if to.is_empty() {
            call.complain("No recipient addresses found in header");
            return 65;
        }
        headers.push(("To".to_owned(), to.join(", ")));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("from")) {
        headers.insert(0, ("From".to_owned(), format!("{}@{}", fleet.account, host.full_name())));
    }
    if knobs::Mail::load(&host).lost {
        return 0;
    }
    let message = Message { headers, body: text[split..].to_vec() };
    i32::from(message.deliver(&fleet, &host, Timestamp::now()).is_err()) * 75
}
