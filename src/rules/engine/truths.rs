//! What expressions came to: a few keywords decide each, and their values repeat.

use super::plan::{Name, Names};
use super::state::{ShortMap, State};

/// The numbers of more values than this do not fit into a key.
const MOST_NAMES: usize = 4;

/// What every expression of a session came to, by the numbers of the values it names.
#[derive(Debug, Default)]
pub struct Truths {
    memos: Vec<ShortMap<u128, bool>>,
    kept: usize,
}

impl Truths {
    /// Makes room for one more expression; its number.
    pub(super) fn add(&mut self) -> usize {
        self.memos.push(ShortMap::default());
        self.memos.len() - 1
    }

    /// How many answers are kept.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Forgets all answers; the numbers of values mean something else from now on.
    pub(super) fn forget(&mut self) {
        self.memos.iter_mut().for_each(ShortMap::clear);
        self.kept = 0;
    }

    /// What an expression comes to for the header at hand; failures are not remembered.
    pub(super) fn get(
        &mut self,
        names: &Names,
        state: &State,
        work_out: impl FnOnce() -> Result<bool, String>,
    ) -> Result<bool, String> {
        let Some(key) = key(names, state) else { return work_out() };
        if let Some(known) = self.memos[names.memo].get(&key) {
            return Ok(*known);
        }
        let truth = work_out()?;
        self.memos[names.memo].insert(key, truth);
        self.kept += 1;
        Ok(truth)
    }
}

/// The numbers of the values; nothing where these do not last or are too many.
fn key(names: &Names, state: &State) -> Option<u128> {
    if names.names.len() > MOST_NAMES {
        return None;
    }
    let mut key = 0;
    for name in &names.names {
        if let Name::Key(kid) = name {
            if state.is_volatile(*kid) {
                return None;
            }
            key = (key << 32) | u128::from(state.number(*kid));
        }
    }
    Some(key)
}
