//! The mailbox that receives what the hosts of a site send.

use crds_upgrade::crds::Server;
use crds_upgrade::host::{Limit, Script, Shell};
use crds_upgrade::review::{self, Mail};
use crds_upgrade::run::{Step, StepError};

/// Packs a Maildir.
const PACK: Script = Script {
    name: "pack mailbox",
    shell: Shell::Sh,
    text: "cd \"$1\" || exit 3; tar -cf - $(ls -d new cur 2>/dev/null)",
};

/// All mails of the site's mailbox, oldest file name first; `None` if the site names none.
pub fn all(s: &Step, server: &Server) -> Result<Option<Vec<Mail>>, StepError> {
    let Some(maildir) = s.site().maildir.clone() else { return Ok(None) };
    let path = if maildir.starts_with('/') { maildir } else { format!("{}/{maildir}", server.paths().home) };
    let ran = server.remote().must_look_script(&PACK, &[&path], Limit::WALK)?;
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(ran.stdout.as_slice()).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes)?;
        files.insert(name, bytes);
    }
    Ok(Some(files.values().map(|bytes| review::split_mail(&review::text(bytes))).collect()))
}
