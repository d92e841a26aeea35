//! The catalogue of shapes: what a healthy server writes into its error log, and the words that no healthy one writes.
//!
//! From SO 7, 15, 16, 18, 20 and WP 3.9. A line that is in neither list is new, and somebody has to look at it.

use std::sync::LazyLock;

use regex::RegexSet;

/// Shapes of a healthy server: pattern at the beginning of the message, and what it is.
const KNOWN: [(&str, &str); 38] = [
    (r"^\s*$", "a blank message"),
    (r"^REQUEST: \S", "a request"),
    (r"^crds_cached \S.* (MISS|HIT)\s*$", "a look into the cache"),
    (r"^(crds_cached|Clearing|Cleared) .*cache", "the cache is cleared"),
    (r#"^push_status: ".*"$"#, "a message of the status channel"),
    (r"^Setting '\w+' default '\w+' context to '[\w.]+'", "a context is set"),
    (r"^(Linking|Copying) \S.* --> \S", "a file goes into the cache"),
    (r"^Adding slow fields for ", "a file is catalogued"),
    (r"^Latest name for \(", "a name is drawn"),
    (r"^Creating contexts ", "contexts are derived"),
    (r"^Resolved (final derivation pmap from pmap_mode|old rmap as) ", "the base of a derivation"),
    (r"^Skipping '[^']*' in state ", "a file is not yet distributable"),
    (r"^(Certifying|Processing|Renaming|Differencing|Doing trial insertion) ", "a submission is processed"),
    (
        r"^(Starting submission processing|Checking for derivation collisions|Computing file differences)",
        "a submission",
    ),
    (r"^Generating new (rmap|imap|pmap) ", "a mapping is derived"),
    (r"^(Inserting|Deleting) \S+ (into|from) ", "an rmap is changed"),
    (r"^(Replaced|Added) '[^']+' ", "an imap or pmap is changed"),
    (r"^(Adding|Added) file '", "a file is catalogued"),
    (r"^\d+ (errors|warnings|infos)$", "closing counters"),
    (r"^#{20,}$", "a rule of certify"),
    (r"^FITS file '.*' conforms to FITS standards\.$", "certify"),
    (r"^\[\d+\] \w", "a card shown by certify"),
    (
        r"^(Rmap reffile_format is not|Table unique-row-keys defined as|No predecessor for|No file corresponding to)",
        "certify",
    ),
    (r"^(Checking (derivation )?diffs from|Comparing) ", "certify"),
    (
        r"^(Missing keyword '|No equivalent filekind in|Rule change at|Deletion at|No comparison reference for)",
        "certify",
    ),
    (r"^(Delivering|Delivered|Making catalog|Created catalog|Linked) ", "a delivery"),
    (r"^File '[^']*' has an unusual CRDS file state '(delivered|submitted|archiving)'", "a pending delivery"),
    (r"^Marking (file )?'", "a file is marked"),
    (r"^(User|Lock|Releasing|Acquired|Acquiring|Released|Created) .*lock", "a lock"),
    (r"^(Login|Logout|User '?\w+'? logged)", "a login"),
    (r"^(JSON-?RPC|RPC|Calling) ", "a call"),
    (r"^Apache/\S+ .* configured -- resuming normal operations$", "the server started"),
    (r"^AH\d{5}: .* (configured -- resuming normal operations|caught SIGTERM, shutting down)$", "the server"),
    (r"^AH00094: Command line: ", "the server started"),
    (r"^(caught SIGTERM, shutting down|SIGHUP received\.|Graceful restart requested)", "the server was stopped"),
    (
        r"^(Digest: |suEXEC mechanism enabled|mod_wsgi \(pid=\d+\): (Attach|Create|Initializ|Shutdown|Cleanup|Destroy))",
        "start",
    ),
    (
        r"^(Init: |\w+: )?(Name-based SSL|Session Cache is not configured|RSA server certificate is a CA certificate)",
        "the server started",
    ),
    (r"^Moving edit context ", "the edit context moves"),
];

/// Words that no healthy server writes, wherever they stand in a message.
const ABNORMAL: [(&str, &str); 22] = [
    (r"^EXCEPTION (REPR|STR|TRACEBACK)", "an exception that no page handled"),
    (r"Traceback \(most recent call last\)", "a traceback"),
    (r"\b(ImportError|SyntaxError|IndentationError|AttributeError|KeyError|NameError|TypeError)\b", "a Python error"),
    (r"\b(OperationalError|ProgrammingError|InternalError|IntegrityError|DatabaseError)\b", "a database error"),
    (r"Got error -?\d+ from storage engine", "a database error"),
    (r"TransactionManagementError", "a database error"),
    (r"mod_wsgi \(pid=\d+\): (Exception occurred|Target WSGI script|Unable to|Failed to)", "mod_wsgi failed"),
    (r"Error in CRDS wsgi handler", "the application did not start"),
    (r"MaxClients|MaxRequestWorkers", "out of workers"),
    (r"Address already in use|could not bind|no listening sockets", "a port was taken"),
    (r"child pid \d+ exit signal|Segmentation fault|seg fault", "a worker died"),
    (r"File name too long", "Apache refused a path"),
    (r"No space left on device", "a disk is full"),
    (r"Permission denied|Read-only file system|Stale (NFS )?file handle|Input/output error", "the file system failed"),
    (r"no longer holds lock|BROKEN LOCK|Locking error", "a lock was lost"),
    (r"Submission Discarded|Cleanup failed submission|DESTROYING", "a submission was thrown away"),
    (r"Generation of new rmaps failed|Rules update failure", "a derivation failed"),
    (r"is identical to existing files", "a submission was refused"),
    (r"CSRF|Forbidden", "a request without its token"),
    (r"certificate (has )?expired|SSL .* failed|SSL handshake failed", "TLS"),
    (r"Premature end of script headers|Script timed out|Timeout waiting", "a request died"),
    (r"Cannot load .*mod_wsgi|undefined symbol|cannot open shared object", "the stack is broken"),
];

static KNOWN_SET: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(KNOWN.map(|(pattern, _)| pattern)).expect("constant patterns"));
static ABNORMAL_SET: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(ABNORMAL.map(|(pattern, _)| pattern)).expect("constant patterns"));

/// What kind of healthy message this is, if it is one.
pub(super) fn known_shape(text: &str) -> Option<&'static str> {
    KNOWN_SET.matches(text).iter().next().map(|index| KNOWN[index].1)
}

/// Why this message is abnormal, if it is. Names that a request asks for do not count: only the message's own words.
pub(super) fn abnormal_words(text: &str) -> Option<&'static str> {
    if text.starts_with("REQUEST: ") {
        return None;
    }
    ABNORMAL_SET.matches(text).iter().next().map(|index| ABNORMAL[index].1)
}
