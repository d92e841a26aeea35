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

/// References of one context that another does not have, of which the catalogue names a successor that cannot be: one that the
/// other context does not have either, or one of another kind. A reference may leave a context without a successor.
pub fn misled(was: &BTreeSet<String>, is: &BTreeSet<String>, link: impl Fn(&str) -> String) -> Vec<String> {
    let reference = |name: &&String| !name.ends_with("map");
    was.difference(is)
        .filter(reference)
        .filter_map(|old| {
            let new = link(old);
            let why = match () {
                () if new.is_empty() => return None,
                () if !is.contains(&new) => "which the context does not have",
                () if kind_of_reference(&new) != kind_of_reference(old) => "which is of another kind",
                () => return None,
            };
            Some(format!("the catalogue says that {old} was replaced by `{new}`, {why}"))
        })
        .collect()
}

/// What a reference's name says of its kind: the suffix of HST (`x5h1320ei_idc.fits`), else all but the number.
fn kind_of_reference(name: &str) -> &str {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    match stem.rsplit_once('_') {
        Some((kind, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => kind,
        Some((_, last)) => last,
        None => stem,
    }
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

    #[test]
    fn a_reference_s_successor_is_of_its_kind_and_in_the_context() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let was = names(&[
            "a1_idc.fits",
            "b1_d2i.fits",
            "c1_drk.fits",
            "d1_flt.fits",
            "hst_acs_0250.imap",
            "jwst_a_dark_0001.fits",
        ]);
        let is = names(&["a2_idc.fits", "b2_d2i.fits", "jwst_a_dark_0002.fits"]);
        let link = |name: &str| match name {
            "a1_idc.fits" => "b2_d2i.fits",
            "b1_d2i.fits" => "b2_d2i.fits",
            "c1_drk.fits" => "c2_drk.fits",
            "jwst_a_dark_0001.fits" => "jwst_a_dark_0002.fits",
            _ => "",
        };
        let told = misled(&was, &is, |name| link(name).to_owned());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("a1_idc") && told[0].contains("another kind"), "{told:?}");
        assert!(told[1].contains("c1_drk") && told[1].contains("does not have"), "{told:?}");
    }
}
