//! Sessions of the web site: whoever knows the key of one is its user until it ends.

use crds_upgrade::crds::Server;
use crds_upgrade::run::StepError;

/// Django ends a session after two weeks; one that ends later than this was made by hand.
const LONGEST_DAYS: i64 = 90;

/// Sessions that end later than any login's.
///
/// # Errors
///
/// The database cannot be asked.
pub fn endless(server: &Server) -> Result<Vec<String>, StepError> {
    let last = server.local_now()?.datetime().saturating_add(jiff::Span::new().days(LONGEST_DAYS)).date();
    let rows = server.ask(&format!("select expire_date from django_session where expire_date > '{last}'"))?.rows;
    let ends = rows.iter().filter_map(|row| row.first()?.as_deref());
    Ok(ends
        .map(|end| format!("a session of the web site is valid until {end}: whoever has its key is logged in"))
        .collect())
}
