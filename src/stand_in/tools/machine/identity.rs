//! Who the host is: `hostname`.

use super::{Call, here_or_complain};

/// `hostname [-s|-f]`.
pub fn hostname(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let short = call.args.iter().any(|arg| arg == "-s");
    let name = if short { host.uname.clone() } else { host.full_name() };
    call.say(name);
    0
}
