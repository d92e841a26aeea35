//! The server's mode, the complete one, and why the two lists differ: each class with its witness.

use std::collections::BTreeSet;

use crds_upgrade::rules::affected::{self, Affected, Class, Mode};
use crds_upgrade::rules::input::json::Entry;
use crds_upgrade::rules::{Header, HeaderValue, context_diff};

use crate::small::{Small, header};

/// Products by what happens to them.
fn datasets() -> Vec<(String, Entry)> {
    let one = |id: &str, header: Header| (format!("{id}:{id}"), Entry::Header(header));
    vec![
        one("PLAIN", header("WFC", "A", "2012-01-01")),
        one("EARLY", header("HRC", "A", "2005-01-01")),
        one("HIDDEN", header("WFC", "Z", "2012-01-01")),
        one("BLIND", header("OTH", "A", "2012-01-01")),
        one("TIED", header("WFC", "T", "2012-01-01")),
        one("NOBODY", [("INSTRUME", "NOSUCH")].into_iter().collect()),
    ]
}

fn compute(small: &Small, mode: &Mode) -> Affected {
    affected::compute(&small.load(1), &small.load(2), datasets(), mode).expect("loads")
}

fn products(affected: &Affected) -> Vec<String> {
    affected.products().into_iter().collect()
}

#[test]
fn the_server_sees_what_its_mode_lets_it_see() {
    let small = Small::story();
    let server = compute(&small, &Mode::server());
    assert_eq!(products(&server), ["plain"]);
    assert_eq!(server.cut, 1, "the one of 2005");
    let errors: Vec<&str> = server.errors.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(errors, ["NOBODY:NOBODY", "TIED:TIED"]);
    // Without the cut and without `--diffs-only` the command lists more.
    assert_eq!(products(&compute(&small, &Mode::default())), ["blind", "early", "plain"]);
}

#[test]
fn a_list_of_which_nothing_is_left_stands_for_all_types() {
    let small = Small::story();
    let listed = |types: &[&str], skipped: &str| {
        let mut mode = Mode::default();
        let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
        mode.comparison.types = Some(types).filter(|types| !types.is_empty());
        mode.comparison.skip_types = vec![skipped.to_owned()];
        products(&compute(&small, &mode))
    };
    assert_eq!(listed(&[], "darkfile"), ["blind", "plain"]);
    assert_eq!(listed(&[], "DARKFILE"), ["blind", "plain"]);
    assert_eq!(listed(&["darkfile"], "darkfile"), ["blind", "plain"]);
    // In capitals it leaves the type out, but not off the list.
    assert_eq!(listed(&["darkfile"], "DARKFILE"), [""; 0]);
}

#[test]
fn the_complete_mode_tells_what_hides_a_dataset() {
    let small = Small::story();
    let complete = compute(&small, &Mode::complete());
    let of =
        |id: &str| complete.changed.iter().find(|dataset| dataset.id.starts_with(id)).map(|dataset| &dataset.change);
    let updates = |id: &str| -> Vec<String> {
        let updates = of(id).into_iter().flat_map(|change| &change.updates);
        updates.map(|update| format!("{} {} {}", update.filekind, update.old, update.new)).collect()
    };
    assert_eq!(updates("PLAIN"), ["darkfile DARK_WFC.FITS DARK_NEW.FITS", "npolfile N/A NPOL.FITS"]);
    assert_eq!(updates("EARLY"), ["darkfile DARK_HRC.FITS DARK_SBC.FITS"]);
    assert_eq!(updates("BLIND"), ["npolfile N/A NPOL.FITS"]);
    let hidden = of("HIDDEN").expect("a change");
    assert_eq!(updates("HIDDEN").len(), 2);
    assert_eq!(hidden.killed[0].filekind, "biasfile");
    assert_eq!(hidden.killed[0].reason, "NOT FOUND  PARAMETER='CCDAMP' VALUE='Z' IS NOT IN ['A', 'B', 'T']");
    assert!(!hidden.is_listed());
    let tied = of("TIED").expect("a change");
    assert_eq!(tied.ties, [("mdriztab".to_owned(), true, "mdz.fits | mdz_t.fits".to_owned())]);
    assert_eq!(complete.cut, 0);
}

#[test]
fn every_class_is_explained_with_a_witness() {
    let small = Small::story();
    let theirs: BTreeSet<String> = ["plain".to_owned()].into();
    let explain = |theirs: &BTreeSet<String>| {
        let explained = affected::explain(&small.load(1), &small.load(2), datasets(), theirs).expect("loads");
        explained.into_iter().map(|one| (one.product, one.class, one.witness)).collect::<Vec<_>>()
    };
    let explained = explain(&theirs);
    let products: Vec<(&str, Class)> = explained.iter().map(|(product, class, _)| (product.as_str(), *class)).collect();
    assert_eq!(
        products,
        [
            ("blind", Class::BlindSpot),
            ("early", Class::DateCut),
            ("hidden", Class::HiddenByFailingType),
            ("tied", Class::Tie),
        ]
    );
    assert!(products.iter().all(|(_, class)| class.is_known()));
    let says = |at: usize, parts: &[&str]| {
        for part in parts {
            assert!(explained[at].2.contains(part), "no `{part}` in {}", explained[at].2);
        }
    };
    says(0, &["BLIND:BLIND", "npolfile goes from `N/A` to `hst_acs_npolfile_0002.rmap`"]);
    says(1, &["EARLY:EARLY", "`2005-01-01 00:00:00`", "`2010-01-01 00:00:00`", "hst_acs_darkfile_0002.rmap:"]);
    says(2, &["HIDDEN:HIDDEN", "biasfile fails", "VALUE='Z'", "hst_acs_darkfile_0002.rmap:", "'dark_new.fits'"]);
    says(3, &["TIED:TIED", "mdriztab", "mdz.fits | mdz_t.fits"]);
    // What nothing explains is said to be unexplained, on either side.
    let explained = explain(&["early", "hidden", "blind", "tied", "other"].map(str::to_owned).into());
    let rest: Vec<(&str, Class)> = explained.iter().map(|(product, class, _)| (product.as_str(), *class)).collect();
    assert_eq!(rest, [("other", Class::SurplusAtServer), ("plain", Class::MissingAtServer)]);
    assert!(!rest[0].1.is_known() && !rest[1].1.is_known());
    assert!(explained[1].2.contains("nothing hides it"), "{}", explained[1].2);
    // A dataset without an answer is no surplus that went unnoticed.
    let explained = explain(&["plain", "nobody", "early", "hidden", "blind", "tied"].map(str::to_owned).into());
    assert_eq!((explained[0].0.as_str(), explained[0].1), ("nobody", Class::NoAnswer));
    assert!(explained[0].2.contains("Unknown instrument 'nosuch'"), "{}", explained[0].2);
    assert_eq!(explained.len(), 1);
}

#[test]
fn what_the_archive_gives_no_id_of_is_cut_by_its_own_date() {
    let small = Small::story();
    // By the date of its header it is late enough; by the archive's, which `get_dataset_ids` goes by, it is not.
    let with_start = |start: &str| {
        let mut header = header("WFC", "A", "2012-01-01");
        header.set("EXPSTART", HeaderValue::Text(start.to_owned()));
        vec![("LATE:LATE".to_owned(), Entry::Header(header))]
    };
    let explain = |start: &str| {
        affected::explain(&small.load(1), &small.load(2), with_start(start), &BTreeSet::new()).expect("loads")
    };
    let cut = explain("2009-12-31 23:59:59");
    assert_eq!((cut[0].product.as_str(), cut[0].class), ("late", Class::DateCut));
    for part in ["the exposure began `2009-12-31 23:59:59`", "`2010-01-01 00:00:00`", "gives ids of acs"] {
        assert!(cut[0].witness.contains(part), "no `{part}` in {}", cut[0].witness);
    }
    assert_eq!(explain("2010-01-01 00:00:00")[0].class, Class::MissingAtServer);
}

#[test]
fn no_match_that_becomes_not_applicable_is_a_change_to_the_server_only() {
    let small = Small::empty();
    // No reference comes or goes, so that no date is cut.
    let rules = |choice: &str| {
        format!("('WFC','N/A') : {choice}, ('HRC','N/A') : UseAfter({{'1990-01-01 00:00:00' : 'late.fits'}}),")
    };
    small.rmap("hst_acs_atodtab_0001.rmap", "atodtab", &rules("UseAfter({'2020-01-01 00:00:00' : 'late.fits'})"));
    small.rmap("hst_acs_atodtab_0002.rmap", "atodtab", &rules("'N/A'"));
    small.context(1, &[("ATODTAB", "hst_acs_atodtab_0001.rmap")]);
    small.context(2, &[("ATODTAB", "hst_acs_atodtab_0002.rmap")]);
    let data = || vec![("P:P".to_owned(), Entry::Header(header("WFC", "A", "2012-01-01")))];
    let (old, new) = (small.load(1), small.load(2));
    let list = |mode: &Mode| affected::compute(&old, &new, data(), mode).expect("loads").products();
    assert_eq!(list(&Mode::server()), ["p".to_owned()].into());
    assert!(list(&Mode::complete()).is_empty());
    let explained = affected::explain(&old, &new, data(), &["p".to_owned()].into()).expect("loads");
    assert_eq!(explained[0].class, Class::UndefinedOnly);
    assert!(explained[0].witness.contains("atodtab `NOT FOUND NO MATCH FOUND.` -> `N/A`"), "{}", explained[0].witness);
}

#[test]
fn a_type_that_both_contexts_leave_out_hides_nothing() {
    let small = Small::empty();
    let after = |file: &str| format!("('N/A','N/A') : UseAfter({{'1990-01-01 00:00:00' : '{file}.fits'}}),");
    small.rmap("hst_acs_darkfile_0001.rmap", "darkfile", &after("one"));
    small.rmap("hst_acs_darkfile_0002.rmap", "darkfile", &after("two"));
    small.rmap_with(
        "hst_acs_idctab_0001.rmap",
        "idctab",
        "(('DETECTOR',),)",
        &[("rmap_omit", "'(True)'")],
        "Match({'WFC' : 'i.fits'})",
    );
    for number in [1, 2] {
        let dark = format!("hst_acs_darkfile_{number:04}.rmap");
        small.context(number, &[("DARKFILE", &dark), ("IDCTAB", "hst_acs_idctab_0001.rmap"), ("CCDTAB", "OMIT")]);
    }
    let data = vec![("P:P".to_owned(), Entry::Header(header("WFC", "A", "2012-01-01")))];
    let mut mode = Mode::default();
    mode.comparison.undefined_matters = true;
    let affected = affected::compute(&small.load(1), &small.load(2), data, &mode).expect("loads");
    assert_eq!(products(&affected), ["p"]);
}

#[test]
fn differences_of_contexts_are_told_by_meaning() {
    let small = Small::story();
    let difference = context_diff::context_diff(&small.load(1), &small.load(2)).expect("loads");
    let seen: BTreeSet<String> = difference.client_affected().into_values().flatten().collect();
    assert_eq!(seen, ["biasfile", "darkfile", "mdriztab"].map(str::to_owned).into(), "npolfile is the blind spot");
    assert!(!difference.client_takes_all_dates(), "nothing is deleted, no header changes");
    let between: Vec<&str> =
        difference.types.iter().filter(|one| one.between_rules_and_special).map(|one| one.filekind.as_str()).collect();
    assert_eq!(between, ["npolfile"]);
}
