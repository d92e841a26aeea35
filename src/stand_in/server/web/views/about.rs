//! Versions, documents and the administrators' door (WP 3.2, 3.7).

use super::super::access::absolute;
use super::super::html::{esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use crate::stand_in::server::http::Response;

/// `/version_info/`: what is installed, and the environment of CRDS.
pub fn versions(visit: &Visit, _: &[String]) -> Outcome {
    let config = &visit.server.config;
    let version = &config.crds_version;
    let component = |name: &str| {
        [name, &version.text, &version.rev, &version.svnurl, &format!("{name}/__init__.py")].map(esc).to_vec()
    };
    let server = if visit.dialect().old_pages { "CRDS_server" } else { "crds_server" };
    let head = ["component", "version", "revision", "svn_url", "file"];
    let installed = table(None, &head, &[component("crds"), component(server)]);
    let facts = [
        ("CRDS_OBSERVATORY", config.observatory.clone()),
        ("CRDS_SERVER_URL", config.public_url.clone()),
        ("CRDS_SERVER_USECASE", config.use_case.clone()),
        ("CRDS_DISTRIBUTION_STATES", config.distribution_states.join(",")),
    ];
    let rows: Vec<Vec<String>> = facts.iter().map(|(name, value)| vec![esc(name), esc(value)]).collect();
    let environment = table(None, &["variable", "value"], &rows);
    Ok(visit.page(&format!("<h3>Version Info</h3>\n{installed}<h3>CRDS Environment</h3>\n{environment}")))
}

/// `/docs/<page>/`: one page exists, any other word fails.
pub fn docs(visit: &Visit, captures: &[String]) -> Outcome {
    if captures[0] != "cmdline_bestrefs" {
        return Err(Stop::failed(format!("TemplateDoesNotExist {}.html", captures[0])));
    }
    let body = "<h2>Command Line Bestrefs</h2>\n<p>Best references for datasets, from a shell:</p>\n\
        <pre>crds bestrefs --new-context &lt;context&gt; --files &lt;dataset&gt;...</pre>\n";
    Ok(visit.page(body))
}

/// `/admin/`: who is not staff is sent to its own login page.
pub fn admin(visit: &Visit, captures: &[String]) -> Outcome {
    let staff = visit.user.as_ref().is_some_and(|user| user.is_staff || user.is_superuser);
    if captures[0].starts_with("/login") {
        return super::login::login(visit, &[]);
    }
    if !captures[0].ends_with('/') {
        return Ok(Response::redirect(301, &absolute(visit, &format!("{}/", visit.request.path))));
    }
    if !staff {
        let location = format!("/admin/login/?next={}", visit.request.path);
        return Ok(Response::redirect(302, &absolute(visit, &location)));
    }
    administration(visit)
}

/// What staff may look at: users, locks, contexts. Changing rows is left to the shell of the host.
fn administration(visit: &Visit) -> Outcome {
    let catalogue = &visit.server.catalogue;
    let users: Vec<Vec<String>> = catalogue
        .accounts()?
        .into_iter()
        .map(|user| vec![esc(&user.username), esc(&user.groups.join(", ")), user.is_superuser.to_string()])
        .collect();
    let locks: Vec<Vec<String>> =
        catalogue.locks()?.into_iter().map(|lock| vec![esc(&lock.name), esc(&lock.created_on)]).collect();
    let contexts: Vec<Vec<String>> =
        catalogue.contexts()?.into_iter().map(|row| vec![esc(&row.kind), esc(&row.context)]).collect();
    let body = format!(
        "<h2>Site administration</h2>\n<h3>Users</h3>\n{}<h3>Locks</h3>\n{}<h3>Contexts</h3>\n{}",
        table(None, &["Username", "Groups", "Superuser"], &users),
        table(None, &["Lock", "Created on"], &locks),
        table(None, &["Kind", "Context"], &contexts)
    );
    Ok(visit.page(&body))
}
