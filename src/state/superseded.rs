//! Rules that another context has others in place of: the catalogue says by which they were replaced (WP 4.1).

use std::collections::BTreeSet;

/// The instrument mappings and rules of `was` whose successor in `is` the catalogue does not name as such; `link` tells
/// what it does name. References follow their rules' differences and are not looked at.
pub fn unlinked(was: &BTreeSet<String>, is: &BTreeSet<String>, link: impl Fn(&str) -> String) -> Vec<String> {
    let kind = |name: &str| Some((name.rsplit_once('_')?.0.to_owned(), name.rsplit_once('.')?.1.to_owned()));
    let rules = |name: &&String| name.ends_with(".imap") || name.ends_with(".rmap");
    was.difference(is)
        .filter(rules)
        .filter_map(|old| {
            let new = is.iter().filter(rules).find(|new| kind(new) == kind(old))?;
            let said = link(old);
            (said != *new).then(|| format!("{old} was replaced by {new}, the catalogue says `{said}`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_that_the_catalogue_does_not_name_is_told() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let was = names(&["hst_0279.pmap", "hst_acs_0250.imap", "hst_acs_darkfile_0250.rmap", "hst_cos_0250.imap"]);
        let is = names(&["hst_0280.pmap", "hst_acs_0251.imap", "hst_cos_0250.imap", "a_drk.fits"]);
        let none = unlinked(&was, &is, |_| "hst_acs_0251.imap".to_owned());
        assert_eq!(none, Vec::<String>::new());
        let lost = unlinked(&was, &is, |_| String::new());
        assert_eq!(lost, ["hst_acs_0250.imap was replaced by hst_acs_0251.imap, the catalogue says ``"]);
    }
}
