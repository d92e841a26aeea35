//! Reading and judging `site.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use super::read::{self, Reader};
use super::site::{
    Access, Allow, Change, Credential, Era, Host, Identity, Layout, Role, SITE_SCHEMA, Site, SiteKind, Ssh, Waiting,
};
use super::{LoadError, Observatory, SecretRef};

/// Paths of a layout that a site may override.
const PATHS: [&str; 8] = ["home", "data1", "crds", "ifs", "grp", "backups", "maildir", "tmp"];

/// Programs that a site may replace; everything else is run by its usual name.
const COMMANDS: [&str; 16] = [
    "sh", "tcsh", "svn", "crontab", "atq", "ps", "ss", "tar", "gzip", "find", "stat", "sha1sum", "sleep", "date", "df",
    "manage",
];

/// The observatories by their words.
pub(super) const OBSERVATORIES: [(&str, Observatory); 3] =
    [("hst", Observatory::Hst), ("jwst", Observatory::Jwst), ("roman", Observatory::Roman)];

impl Site {
    /// Reads the site file at `path` and judges it whole. Reaches no host. Relative paths start at its directory.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; [`LoadError::Invalid`] holds every problem.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let (mut site, digest) = read::load(path, build)?;
        site.source = path.to_owned();
        site.digest = digest;
        Ok(site)
    }

    /// As [`Self::load`], of bytes at hand; `path` is only named.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, LoadError> {
        let mut site = read::parse(path, bytes, build)?;
        site.source = path.to_owned();
        site.digest = blake3::hash(bytes).to_hex().to_string();
        Ok(site)
    }
}

fn build(r: &Reader<'_>) -> Site {
    let schema = r.shaped("schema", |text| text == SITE_SCHEMA, "this version reads `crds-upgrade/site/1`");
    let name = r.shaped("name", is_word, "1-64 letters, digits, `.`, `_`, `-`");
    let kinds = [("real", SiteKind::Real), ("embedded", SiteKind::Embedded), ("containers", SiteKind::Containers)];
    let kind = r.choice("kind", &kinds);
    let observatory = r.choice("observatory", &OBSERVATORIES);
    let waiting = r.opt_choice("waiting", &[("real", Waiting::Real), ("host", Waiting::Host)]);
    let waiting = waiting.unwrap_or(Waiting::Real);
    if kind == SiteKind::Real && waiting == Waiting::Host {
        r.wrong("waiting", "a real site's clock cannot be stepped", "write \"real\" or leave it out");
    }
    let time_zone = r.text("time_zone");
    if !time_zone.is_empty() && jiff::tz::TimeZone::get(&time_zone).is_err() {
        r.wrong("time_zone", "is no IANA time zone", "such as \"America/New_York\"");
    }
    let repositories = repositories(r);
    let hosts = hosts(r, kind);
    let credentials = credentials(r);
    Site {
        schema,
        name,
        kind,
        observatory,
        archive_dir: r.path("archive_dir"),
        waiting,
        time_zone,
        maildir: r.opt_shaped("maildir", is_absolute, "an absolute path on the hosts"),
        submissions_dir: r.opt_path("submissions_dir"),
        repositories,
        hosts,
        credentials,
        source: Default::default(),
        digest: String::new(),
    }
}

fn repositories(r: &Reader<'_>) -> BTreeMap<String, String> {
    let entries = r.entries("repositories", |package, entry| {
        if !["crds", "crds_server"].contains(&package) {
            entry.wrong_key("is no package of CRDS", "the packages are `crds` and `crds_server`");
        }
        let url = entry.text()?;
        if !["https://", "http://", "svn://", "svn+ssh://", "ssh://", "file:///"].iter().any(|s| url.starts_with(s))
            || has_userinfo(&url)
        {
            let help =
                "an https, svn, ssh or file URL without user name and password; end it before `trunk` and `branches`";
            entry.wrong("is no URL of a repository", help);
        }
        Some(url.trim_end_matches('/').to_owned())
    });
    let entries: BTreeMap<_, _> = entries.into_iter().collect();
    for package in ["crds", "crds_server"] {
        if !entries.contains_key(package) {
            r.wrong(
                "repositories",
                format!("`{package}` is missing"),
                format!("add `{package} = \"URL\"` to [repositories]"),
            );
        }
    }
    entries
}

fn hosts(r: &Reader<'_>, kind: SiteKind) -> BTreeMap<Role, Host> {
    let read = r.entries("hosts", |key, entry| {
        let role = Role::from_key(key);
        if role.is_none() {
            let hint = super::names::nearest(key, Role::ALL.map(Role::key));
            let hint = hint.map_or(String::new(), |word| format!("; did you mean `{word}`?"));
            entry.wrong_key("is no role of a host", format!("ops, test, dev or scratch{hint}"));
        }
        let role_or_ops = role.unwrap_or(Role::Ops);
        entry.table(|table| host(table, role_or_ops, kind)).zip(role)
    });
    let hosts: BTreeMap<Role, Host> = read.into_iter().map(|(_, (host, role))| (role, host)).collect();
    if !hosts.contains_key(&Role::Ops) {
        r.wrong("hosts", "there is no `ops`", "add a table `[hosts.ops]`; without OPS there is nothing to upgrade");
    }
    distinct(r, &hosts);
    hosts
}

/// Two hosts that share an identity would let a change reach the wrong one.
fn distinct(r: &Reader<'_>, hosts: &BTreeMap<Role, Host>) {
    let same = |what: &str, value: fn(&Host) -> Option<&str>| {
        let mut seen: BTreeMap<&str, Role> = BTreeMap::new();
        for (role, host) in hosts {
            let Some(value) = value(host).filter(|value| !value.is_empty()) else { continue };
            if let Some(other) = seen.insert(value, *role) {
                let message = format!("`{other}` and `{role}` have the same {what}, `{value}`");
                r.wrong("hosts", message, "each host has its own; a change meant for one would reach the other");
            }
        }
    };
    same("identity.uname", |host| Some(&host.identity.uname));
    same("identity.database", |host| Some(&host.identity.database));
    same("identity.direct_url", |host| host.identity.direct_url.as_deref());
    same("identity.hidden_url", |host| host.identity.hidden_url.as_deref());
    same("identity.proxy_url", |host| host.identity.proxy_url.as_deref());
}

fn host(r: &Reader<'_>, role: Role, kind: SiteKind) -> Host {
    let layout = r.choice("layout", &[("2014", Layout::Y2014), ("2019", Layout::Y2019)]);
    let era = r.choice("era", &[("2014", Era::Y2014), ("2019", Era::Y2019), ("now", Era::Now)]);
    let root =
        r.opt_shaped("root", is_absolute, "an absolute path, or leave it out on a real host").unwrap_or_default();
    if kind == SiteKind::Real && !root.is_empty() {
        r.wrong("root", "a real host has no other root", "leave it out");
    }
    let access = access(r, kind);
    let said = r.opt_text("role");
    if said.is_some_and(|said| said != role.key()) {
        r.wrong("role", format!("contradicts the table's name `{role}`"), "leave it out");
    }
    Host {
        layout,
        era,
        root: root.trim_end_matches('/').to_owned(),
        access,
        identity: r.table("identity", |r| identity(r, role)),
        paths: paths(r),
        commands: commands(r),
        allow: r.opt_table("allow", |r| allow(r, role)).unwrap_or_default(),
    }
}

fn access(r: &Reader<'_>, kind: SiteKind) -> Access {
    let transport = r.choice("transport", &[("local", 0), ("ssh", 1), ("container", 2)]);
    if transport == 0 {
        if kind == SiteKind::Real {
            r.wrong("transport", "a real host is not a process of this machine", "write \"ssh\"");
        }
        let enter = r.texts("enter");
        if enter.is_empty() {
            r.wrong("enter", "names no program", "write `enter = [\"/path/to/enter\"]`");
        }
        return Access::Local { enter };
    }
    let help = "a host name, an address or an alias of the ssh configuration; it must not begin with `-`";
    let ssh = Ssh {
        address: r.shaped("address", |text| is_word(text) && !text.starts_with('-'), help),
        port: r.opt_number("port", 1..=65535).and_then(|port| u16::try_from(port).ok()),
        user: r.opt_shaped("user", is_account, "an account name"),
        config: r.opt_path("config"),
        known_hosts: r.opt_path("known_hosts"),
        r#become: r.texts("become"),
    };
    if transport == 1 { Access::Ssh(ssh) } else { Access::Container(ssh) }
}

impl Default for Identity {
    fn default() -> Self {
        let empty = String::new;
        Self {
            uname: empty(),
            account: empty(),
            use_case: empty(),
            database: empty(),
            direct_url: None,
            hidden_url: None,
            proxy_url: None,
            ca_file: None,
        }
    }
}

fn identity(r: &Reader<'_>, role: Role) -> Identity {
    let server = role != Role::Scratch;
    let url = |key: &'static str| {
        let help = "https://HOST[:PORT]/ without user name, query and fragment";
        let url = r.opt_shaped(key, is_base_url, help);
        if server && url.is_none() && !r.has(key) {
            r.wrong(
                key,
                format!("`{key}` is missing"),
                format!("add `{key} = \"https://.../\"`; only scratch has none"),
            );
        }
        url.map(|url| if url.ends_with('/') { url } else { url + "/" })
    };
    let identity = Identity {
        uname: r.shaped("uname", is_host_label, "what `uname -n` says up to the first dot"),
        account: r.shaped("account", is_account, "the account that everything runs as, such as \"crds\""),
        use_case: r.shaped("use_case", is_account, "the word of the host's configuration, such as \"ops\""),
        database: r.shaped("database", is_database, "letters, digits and `_`, such as \"crds_hst\""),
        direct_url: url("direct_url"),
        hidden_url: url("hidden_url"),
        proxy_url: url("proxy_url"),
        ca_file: r.opt_path("ca_file"),
    };
    if role != Role::Scratch && role.key() != identity.use_case && !identity.use_case.is_empty() {
        // Integration strings (b5it, cit ...) may stand in for TEST and DEV, but never for OPS.
        if role == Role::Ops || identity.use_case == Role::Ops.key() {
            let message = format!("use case `{}` on the host of role `{role}`", identity.use_case);
            r.wrong("use_case", message, "only OPS has, and must have, the use case \"ops\"");
        }
    }
    if identity.direct_url.is_some() && identity.direct_url == identity.hidden_url {
        r.wrong("hidden_url", "is the operational URL", "the backup port is the operational one plus 1 (SO 5)");
    }
    identity
}

fn paths(r: &Reader<'_>) -> BTreeMap<String, String> {
    let entries = r.entries("paths", |name, entry| {
        if !PATHS.contains(&name) {
            entry.wrong_key("is no path of a layout", format!("known: {}", PATHS.join(", ")));
        }
        let path = entry.text()?;
        if !is_absolute(&path) {
            entry.wrong("is no absolute path", "begin with `/`, without `..`");
        }
        Some(path)
    });
    entries.into_iter().collect()
}

fn commands(r: &Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let entries = r.entries("commands", |name, entry| {
        if !COMMANDS.contains(&name) {
            entry.wrong_key("is no command that the suite runs", format!("known: {}", COMMANDS.join(", ")));
        }
        let argv = entry.texts()?;
        if argv.is_empty() {
            entry.wrong("names no program", "write a list of the program and its arguments");
        }
        Some(argv)
    });
    entries.into_iter().collect()
}

fn allow(r: &Reader<'_>, role: Role) -> Allow {
    let words = Change::ALL.map(Change::word);
    let help = format!("some of {}", words.join(", "));
    let said = r.shaped_texts("changes", |word| words.contains(&word), &help);
    let changes: Vec<Change> =
        Change::ALL.into_iter().filter(|change| said.iter().any(|s| s == change.word())).collect();
    if role == Role::Ops && changes.contains(&Change::MirrorInto) {
        r.wrong("changes", "`mirror_into` on OPS", "mirrors go downward only: OPS to TEST to DEV (SO 12)");
    }
    if role != Role::Scratch && changes.contains(&Change::RestoreInto) {
        r.wrong("changes", format!("`restore_into` on {role}"), "archives are proven on the scratch host only");
    }
    Allow { changes }
}

fn credentials(r: &Reader<'_>) -> BTreeMap<String, Credential> {
    let entries = r.entries("credentials", |name, entry| {
        if !is_word(name) {
            entry.wrong_key("is no name", "1-64 letters, digits, `.`, `_`, `-`");
        }
        entry.table(|r| Credential {
            username: r.shaped("username", is_user, "1-30 letters, digits and `@ . + - _`"),
            password: password(r),
        })
    });
    entries.into_iter().collect()
}

fn password(r: &Reader<'_>) -> SecretRef {
    let help = "a reference: { env = \"NAME\" }, { file = \"PATH\" } of mode 0600, or { command = [\"program\", ...] }";
    let read = r.opt_table("password", |r| {
        let env = r.opt_shaped("env", is_variable, "the name of an environment variable").map(SecretRef::Env);
        let file = r.opt_path("file").map(SecretRef::File);
        let command = r.has("command").then(|| SecretRef::Command(r.texts("command")));
        r.texts("command");
        let mut given: Vec<SecretRef> = [env, file, command].into_iter().flatten().collect();
        if given.len() != 1 {
            r.wrong("", "is not exactly one reference to a secret", help);
        }
        given.pop()
    });
    if read.is_none() && !r.has("password") {
        r.wrong("password", "`password` is missing", help);
    }
    read.flatten().unwrap_or(SecretRef::Env(String::new()))
}

pub(super) fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

pub(super) fn is_account(text: &str) -> bool {
    is_host_label(text) && !text.starts_with('-')
}

fn is_user(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@.+-_".contains(&b))
}

fn is_database(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_variable(text: &str) -> bool {
    is_database(text) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Absolute, without `..` and without characters that a shell or a listing could mistake.
pub(super) fn is_absolute(text: &str) -> bool {
    text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@,=".contains(&b))
        && !text.split('/').any(|part| part == "..")
}

fn is_base_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let host = rest.split('/').next().unwrap_or("");
    !host.is_empty() && !host.starts_with('-') && !has_userinfo(text) && !rest.contains(['?', '#', ' ', '\\'])
}

/// Whether a URL holds `user:password@`, which would end up in logs and process arguments.
fn has_userinfo(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or("");
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
schema = "crds-upgrade/site/1"
name = "three"
kind = "real"
observatory = "hst"
archive_dir = "archives"
time_zone = "America/New_York"
repositories = { crds = "https://svn.example/crds", crds_server = "https://svn.example/crds_server/" }
[hosts.ops]
transport = "ssh"
address = "ops.example"
layout = "2014"
era = "2014"
[hosts.ops.identity]
uname = "plhstcrdsv1"
account = "crds"
use_case = "ops"
database = "crds_hst"
direct_url = "https://ops.example:8001"
hidden_url = "https://ops.example:8002/"
proxy_url = "https://hst-crds.example/"
[hosts.ops.allow]
changes = ["cron", "server"]
[credentials.submitter]
username = "jdoe"
password = { env = "CRDS_PASSWORD" }
"#;

    fn problems(text: &str) -> Vec<String> {
        match Site::parse(Path::new("dir/site.toml"), text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(error) => {
                error.problems().iter().map(|p| format!("{}:{} {} | {}", p.line, p.key, p.message, p.help)).collect()
            }
        }
    }

    #[test]
    fn a_good_site_is_read_and_written_back_the_same() {
        let site = Site::parse(Path::new("/x/site.toml"), GOOD.as_bytes()).unwrap();
        let ops = site.host(Role::Ops).unwrap();
        assert_eq!(ops.identity.direct_url.as_deref(), Some("https://ops.example:8001/"));
        assert_eq!(site.archive_dir, Path::new("/x/archives"));
        assert!(ops.allow.permits(Change::Cron) && !ops.allow.permits(Change::Wipe));
        let again = Site::parse(Path::new("/x/site.toml"), site.to_toml().unwrap().as_bytes()).unwrap();
        assert_eq!(site.to_toml().unwrap(), again.to_toml().unwrap());
    }

    #[test]
    fn every_problem_is_found_at_once_with_its_line() {
        let text = GOOD
            .replace("observatory = \"hst\"", "obsevatory = \"hst\"")
            .replace("use_case = \"ops\"", "use_case = \"test\"")
            .replace("password = { env = \"CRDS_PASSWORD\" }", "password = \"hunter2\"")
            .replace("\"server\"]", "\"mirror_into\", \"reboot\"]");
        let found = problems(&text);
        let has = |what: &str| assert!(found.iter().any(|p| p.contains(what)), "{what} in {found:#?}");
        has("obsevatory is not known here | did you mean `observatory`?");
        has("observatory is missing");
        has("use case `test` on the host of role `ops`");
        has("`reboot` is not acceptable here");
        has("`mirror_into` on OPS");
        has("password is string, not a table");
        let shown = Site::parse(Path::new("s"), text.as_bytes()).unwrap_err().to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(found.iter().any(|p| p.starts_with("5:obsevatory")), "{found:#?}");
    }

    #[test]
    fn two_hosts_with_one_identity_are_refused() {
        let second = GOOD[GOOD.find("[hosts.ops]").unwrap()..GOOD.find("[credentials").unwrap()]
            .replace("hosts.ops", "hosts.test")
            .replace("\"ops\"", "\"test\"");
        let found = problems(&format!("{GOOD}{second}"));
        assert!(found.iter().any(|p| p.contains("same identity.database")), "{found:#?}");
        assert!(found.iter().any(|p| p.contains("same identity.uname")), "{found:#?}");
    }

    #[test]
    fn hostile_files_give_problems_and_no_panic() {
        for text in ["", "[", "a=1\na=2", "hosts = 3", "[[hosts]]", "hosts.ops = 1", "\u{feff}schema=1", "x = [[[[[[[["]
        {
            assert!(!problems(text).is_empty(), "{text:?}");
        }
        assert!(!problems(&format!("a = {}", "[".repeat(100_000))).is_empty());
        assert!(!problems(&format!("{} = 1", "k".repeat(900_000))).is_empty());
        assert!(Site::parse(Path::new("s"), b"\xff\xfe").is_err());
    }
}
