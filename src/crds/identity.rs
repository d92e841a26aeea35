//! Who a host says it is, asked before anything else.

use serde::Serialize;

use crate::host::{Limit, Script, Shell};
use crate::plan::Role;

use super::{CrdsError, Server};

/// What a host says about itself. Compared with the site's [`crate::plan::Identity`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Who {
    /// `uname -n` up to the first dot.
    pub uname: String,
    /// Account of the login.
    pub account: String,
    /// `$CRDS_PROJECT` of a clean login.
    pub observatory: String,
    /// `$CRDS_USECASE` of a clean login.
    pub use_case: String,
    /// Name of the database in the checkout's configuration.
    pub database: String,
    /// Boot id of the host, if it has one.
    pub boot: String,
}

/// One fact a line; the configuration is asked without running any of it.
const WHO: Script = Script {
    name: "who are you",
    shell: Shell::LoginSh,
    text: r#"
echo "uname=$(uname -n | cut -d. -f1)"
echo "account=$(id -un)"
echo "observatory=${CRDS_PROJECT-}"
echo "use_case=${CRDS_USECASE-}"
echo "boot=$(cat "$HOST_ROOT/proc/sys/kernel/random/boot_id" 2>/dev/null || cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
if [ -r "$1" ]; then sed -n "s/^ *['\"]NAME['\"] *: *['\"]\([A-Za-z0-9_]*\)['\"].*/database=\1/p" "$1" | head -n 1; fi
"#,
};

impl Server {
    /// Asks the host who it is.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or leaves a line out.
    pub fn who_are_you(&self) -> Result<Who, CrdsError> {
        let file = format!(
            "{}/sources/configs/database.{}.{}.py",
            self.paths.server_sources, self.host.identity.use_case, self.observatory
        );
        let ran = self.remote.must_look_script(&WHO, &[&file], Limit::QUICK)?;
        let text = ran.text();
        let value = |key: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            values.next().map(|value| value.trim().to_owned())
        };
        let must = |key: &str| value(key).ok_or_else(|| self.shape("the answer to \"who are you\"", &text));
        Ok(Who {
            uname: must("uname")?,
            account: must("account")?,
            observatory: must("observatory")?,
            use_case: must("use_case")?,
            database: value("database").unwrap_or_default(),
            boot: value("boot").unwrap_or_default(),
        })
    }

    /// Where `who` differs from what the site says, one line for each; empty = it is the host meant.
    ///
    /// A scratch host has neither rc switch nor server: only its name and account are compared.
    pub fn differs(&self, who: &Who) -> Vec<String> {
        let expected = &self.host.identity;
        let mut pairs = vec![("host name", &expected.uname, &who.uname), ("account", &expected.account, &who.account)];
        let observatory = self.observatory.word().to_owned();
        if self.role() != Role::Scratch {
            pairs.push(("observatory", &observatory, &who.observatory));
            pairs.push(("use case", &expected.use_case, &who.use_case));
            pairs.push(("database", &expected.database, &who.database));
        }
        let wrong = pairs.into_iter().filter(|(_, expected, said)| expected != said);
        wrong
            .map(|(what, expected, said)| {
                format!("{what} of {}: expected `{expected}`, seen `{}`", self.role(), super::error::cut(said))
            })
            .collect()
    }
}
