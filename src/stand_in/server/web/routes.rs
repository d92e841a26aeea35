//! The addresses of the site (WP 3.2): which eras have them, who may use them, what shows their errors.

use std::sync::LazyLock;

use regex::Regex;

use super::forms::{GROUP, HISTORIANS, LOCK_ONLY, LOGIN, Needs, OPEN, SUBMIT, SUPER, SUPER_LOCK};
use super::views;
use super::visit::{Outcome, Visit};
use crate::stand_in::server::Era;

/// A view: the visit and what the address captured.
pub type View = fn(&Visit, &[String]) -> Outcome;
/// Shows a page's form again with an error.
pub type ErrorForm = fn(&Visit, &[String], Option<&str>) -> Outcome;

/// Where a page's errors stand (WP 3.1).
#[derive(Clone, Copy)]
pub enum OnError {
    /// On the bare base page.
    Base,
    /// On the page's own form.
    Form(ErrorForm),
}

/// One address.
pub struct Route {
    pattern: Regex,
    eras: fn(Era) -> bool,
    /// Who may use it.
    pub needs: fn(Era) -> Needs,
    /// What it does.
    pub view: View,
    /// What shows its errors.
    pub on_error: OnError,
    /// Its failures are real HTTP 500 in every era.
    pub fails_hard: bool,
}

const FILE: &str = r"([A-Za-z0-9._\- ]{1,128})";
const UUID: &str = r"([A-Za-z0-9]{8}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{12})";

fn all(_: Era) -> bool {
    true
}
fn only_2014(era: Era) -> bool {
    era == Era::Y2014
}
fn since_2019(era: Era) -> bool {
    era != Era::Y2014
}
fn only_now(era: Era) -> bool {
    era == Era::Now
}

fn open(_: Era) -> Needs {
    OPEN
}
fn login(_: Era) -> Needs {
    LOGIN
}
fn group(_: Era) -> Needs {
    GROUP
}
fn submit(_: Era) -> Needs {
    SUBMIT
}
fn super_user(_: Era) -> Needs {
    SUPER
}
fn login_in_2014(era: Era) -> Needs {
    if era == Era::Y2014 { LOGIN } else { OPEN }
}
fn login_since_2019(era: Era) -> Needs {
    if era == Era::Y2014 { OPEN } else { LOGIN }
}
fn password(era: Era) -> Needs {
    if era == Era::Y2014 { GROUP } else { LOGIN }
}
fn confirm(era: Era) -> Needs {
    if era == Era::Y2014 { GROUP } else { SUBMIT }
}
fn deletion(era: Era) -> Needs {
    if era == Era::Y2014 { SUPER_LOCK } else { LOCK_ONLY }
}
fn historian(_: Era) -> Needs {
    Needs { group: Some(HISTORIANS), ..LOGIN }
}

fn route(pattern: &str, eras: fn(Era) -> bool, needs: fn(Era) -> Needs, view: View, on_error: OnError) -> Route {
    let whole = format!("\\A{}\\z", pattern.replace("<file>", FILE).replace("<uuid>", UUID));
    Route {
        pattern: Regex::new(&whole).expect("the patterns of this file are fixed"),
        eras,
        needs,
        view,
        on_error,
        fails_hard: false,
    }
}

fn hard(route: Route) -> Route {
    Route { fails_hard: true, ..route }
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    use OnError::{Base, Form};
    vec![
        route("/", all, open, views::home::index, Base),
        route("/login/", all, open, views::login::login, Base),
        route("/logout/", all, login_since_2019, views::login::logout, Base),
        route("/set_password/", all, password, views::login::set_password, Form(views::login::password_form)),
        route("/lock_status/", all, login_in_2014, views::login::own_lock, Base),
        route("/lock_status/([a-z_]+)/", since_2019, open, views::login::lock_of, Base),
        route("/upload/list/", all, login, views::uploads::list, Base),
        route("/upload/new/", all, login, views::uploads::new, Base),
        route("/upload/delete/<file>", all, login, views::uploads::delete, Base),
        route("/upload/chunked/", only_now, login, views::uploads::chunked, Base),
        hard(route("/jpoll/open_channel/", all, login, views::channel::open, Base)),
        hard(route("/jpoll/pull_messages/", only_2014, login, views::channel::pull_own, Base)),
        hard(route("/jpoll/pull_messages/<uuid>/(-?[0-9]+)/", since_2019, login, views::channel::pull, Base)),
        route("/monitor/<uuid>/", since_2019, login, views::channel::monitor, Base),
        route("/set_default_context/", all, group, views::contexts::set_default, Base),
        route("/mark_bad/", all, group, views::contexts::mark_bad, Form(views::contexts::mark_bad_form)),
        route("/create_contexts/", all, super_user, views::submit::create, Form(views::submit::create_form)),
        route("/submit/(mapping)/", all, submit, views::submit::files, Form(views::submit::files_form)),
        route("/submit/(reference)/", all, submit, views::submit::files, Form(views::submit::files_form)),
        route("/batch_submit_references/", all, submit, views::submit::batch, Form(views::submit::batch_form)),
        route("/delete/reference/", all, deletion, views::submit::delete, Form(views::submit::delete_form)),
        route("/add_existing/reference/", all, deletion, views::submit::add, Form(views::submit::add_form)),
        route("/submission_form/redcat_submit/", since_2019, submit, views::redcat::submit, Form(views::redcat::form)),
        route("/submission_form/redcat_list/", since_2019, open, views::redcat::list, Base),
        route("/submission_form/([0-9]{1,18})/", since_2019, open, views::redcat::one, Base),
        route("/submission_form/redcat_description.yml", only_now, open, views::redcat::description, Base),
        route("/submit_confirm/", all, confirm, views::submit::confirm, Base),
        route("/submit_confirm_pipeline/", only_now, confirm, views::submit::confirm, Base),
        route("/certify/", all, login, views::certify::certify, Form(views::certify::form)),
        route("/display_result/<uuid>", since_2019, open, views::display::result, Base),
        route("/display_result/([0-9]{1,18})", only_2014, login, views::display::result, Base),
        route("/authenticated_result/<uuid>", since_2019, login, views::display::result, Base),
        route("/old_results/", since_2019, open, views::display::old_results, Base),
        route("/display_context_history/", all, open, views::history::history, Base),
        route(
            "/edit_context_history/([0-9]{1,18})/<file>/",
            all,
            historian,
            views::history::edit,
            Form(views::history::edit_form),
        ),
        // The pattern is open at its end.
        route(
            "/edit_context_history/([0-9]{1,18})/<file>(?:[^A-Za-z0-9._\\- ].*)?",
            since_2019,
            historian,
            views::history::edit,
            Form(views::history::edit_form),
        ),
        route("/display_all_contexts/", since_2019, open, views::history::all_contexts, Base),
        route("/delivery_status/", all, login, views::deliveries::status, Base),
        route("/version_info/", all, super_user, views::about::versions, Base),
        route("/docs/([A-Za-z0-9_.]+)/", since_2019, open, views::about::docs, Base),
        route("/admin(/.*)", all, open, views::about::admin, Base),
        route("/recent_activity/", only_2014, open, views::activity::both, Form(views::activity::form)),
        route("/recent_activity_input/", since_2019, open, views::activity::input, Form(views::activity::form)),
        route("/recent_activity_query/", since_2019, open, views::activity::query, Form(views::activity::form)),
        route("/browse_db/", all, open, views::browse_db::browse, Form(views::browse_db::form)),
        route("/browse/<file>", all, open, views::browse::file, Base),
        hard(route("/uses/<file>", since_2019, open, views::browse::uses, Base)),
        route("/get/<file>/?", all, open, views::browse::get, Base),
        route("/context_table/<file>(?:/|/([0-9]+))?", all, open, views::table::table, Base),
        route("/bestrefs/", all, open, views::bestrefs::dataset, Form(views::bestrefs::dataset_form)),
        route("/bestrefs_explore/", all, open, views::bestrefs::explore, Form(views::bestrefs::explore_form)),
        route("/bestrefs_explore_compute/", all, open, views::bestrefs::compute, Base),
        route("/difference/", all, open, views::difference::difference, Base),
        // This one is open at its end too, and its alternatives `N/A` and `OMIT/` at their beginnings.
        route("/difference/<file>.*", since_2019, open, views::difference::difference, Base),
        route(".*(?:N/A|OMIT/[A-Za-z0-9._\\- ]).*|.*OMIT/", since_2019, open, views::difference::difference, Base),
    ]
});

/// The address's route in an era, with what its pattern captured.
pub fn find(path: &str, era: Era) -> Option<(&'static Route, Vec<String>)> {
    ROUTES.iter().filter(|route| (route.eras)(era)).find_map(|route| {
        let found = route.pattern.captures(path)?;
        let captured = (1..found.len())
            .map(|at| found.get(at).map_or_else(String::new, |part| part.as_str().to_owned()))
            .collect();
        Some((route, captured))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(path: &str, era: Era) -> bool {
        find(path, era).is_some()
    }

    #[test]
    fn eras_have_their_own_addresses() {
        assert!(known("/recent_activity/", Era::Y2014) && !known("/recent_activity/", Era::Y2019));
        assert!(known("/display_result/17", Era::Y2014) && !known("/display_result/17", Era::Y2019));
        assert!(known("/upload/chunked/", Era::Now) && !known("/upload/chunked/", Era::Y2019));
        assert!(!known("/lock_status/UPPER/", Era::Y2019) && known("/lock_status/a_b/", Era::Y2019));
        for path in ["/difference/a.rmap/b.rmap/", "/difference/x", "/browse/N/A", "/edit_context_history/1/hst.pmap/x"]
        {
            assert!(known(path, Era::Y2019) && !known(path, Era::Y2014), "{path}");
        }
        assert!(known("/context_table/hst.pmap/", Era::Y2019) && !known("/admin", Era::Y2019));
    }

    #[test]
    fn file_patterns_are_whole() {
        assert!(known("/browse/a b-c_d.fits", Era::Y2019));
        for path in ["/browse/a%b", "/browse/a/b", "/browse/", "/browse/a\n", "/nowhere/"] {
            assert!(!known(path, Era::Y2019), "{path:?}");
        }
    }
}
