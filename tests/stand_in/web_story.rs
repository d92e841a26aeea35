//! The web story of 2019 and shorter ones of 2014 and of today: every step tests a statement of WP, cited where it is
//! tested.
//!
//! Scenes stand on servers of their own and read from WP, not from the stand-in, what must be seen. Those that change
//! nothing are also carried out in reverse and in shuffled order: no answer may depend on the order of the questions.

use crds_upgrade::stand_in::server::Era;

use super::web_browser::Site;
use super::web_changes::{bad_files, contexts, history_texts};
use super::web_doors::{addresses, doors, escaping, referers, titles, tokens};
use super::web_forms::{fields, forms_2019};
use super::web_order::Dice;
use super::web_pages::{best_references, differences, files, gets, histories, home, tables};
use super::web_queries::{activity, catalogue};
use super::web_refusals::refusals;
use super::web_score::Score;
use super::web_users::{channels, locks, logins, passwords, uploads};
use super::{
    web_2014, web_eras, web_habits, web_hostile, web_lags, web_now, web_settling, web_sources, web_submissions,
    web_words,
};

type Scene = fn(&mut Score, &Site);

/// Scenes that change nothing that another one looks at.
const LOOKING: &[Scene] = &[
    addresses,
    doors,
    titles,
    home,
    tables,
    histories,
    files,
    gets,
    activity,
    catalogue,
    forms_2019,
    differences,
    best_references,
];

/// Scenes that change something, each on a server of its own.
const CHANGING: &[Scene] = &[
    tokens,
    referers,
    logins,
    locks,
    uploads,
    refusals,
    channels,
    passwords,
    fields,
    contexts,
    bad_files,
    history_texts,
    escaping,
];

#[test]
fn web_story_of_2019() {
    let mut score = Score::default();
    let site = Site::open(Era::Y2019);
    for scene in LOOKING {
        scene(&mut score, &site);
    }
    // Backwards and in two shuffled orders, each on one server.
    let other = Site::open(Era::Y2019);
    for scene in LOOKING.iter().rev() {
        scene(&mut score, &other);
    }
    for seed in [1, 2] {
        let mut scenes = LOOKING.to_vec();
        Dice::new(seed).shuffle(&mut scenes);
        let site = Site::open(Era::Y2019);
        for scene in scenes {
            scene(&mut score, &site);
        }
    }
    let changing = web_submissions::SCENES.iter().chain(web_settling::SCENES).chain(CHANGING).chain(web_lags::SCENES);
    for scene in changing
        .chain(web_hostile::SCENES)
        .chain(web_habits::SCENES)
        .chain(web_words::SCENES)
        .chain(web_sources::SCENES)
    {
        scene(&mut score, &Site::open(Era::Y2019));
    }
    score.finish("2019", 1_900);
}

#[test]
fn web_story_of_2014() {
    let mut score = Score::default();
    for scene in web_eras::OF_2014.iter().chain(web_2014::SCENES) {
        scene(&mut score, &Site::open(Era::Y2014));
    }
    score.finish("2014", 150);
}

#[test]
fn web_story_of_now() {
    let mut score = Score::default();
    for scene in web_eras::OF_NOW.iter().chain(web_now::SCENES) {
        scene(&mut score, &Site::open(Era::Now));
    }
    score.finish("now", 55);
}
