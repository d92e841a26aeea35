//! Best references of single datasets: the whole way from a header to answers (RS 6, 15.2).

use std::sync::Arc;

use super::answer::{Best, BestReferences};
use super::dataset::{self, Conditioned, Header, HeaderValue};
use super::engine::{Outcome, Session, SideId, TypeRef};
use super::error::RulesError;
use super::jwst::{EXCEPTION_KEYWORDS, Exposure};
use super::load::{Context, Imap, TypeEntry};
use super::python::repr;
use super::rmap::Rmap;

impl From<RulesError> for DatasetError {
    fn from(error: RulesError) -> Self {
        Self::Rules { error }
    }
}

/// Why a dataset has no answer at all.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The header does not say which instrument.
    #[error("Failed loading source: {0}")]
    Instrument(String),
    /// The context does not have the instrument.
    #[error("Unknown instrument {} for context {}", repr(instrument), repr(context))]
    UnknownInstrument {
        /// Lower case.
        instrument: String,
        /// The pmap.
        context: String,
    },
    /// The context asks for the instrument by a keyword that the header lacks.
    #[error("Missing {} keyword in header for determining instrument.", repr(keyword))]
    InstrumentLost {
        /// The keyword.
        keyword: String,
    },
    /// The context has a special value where an imap should be.
    #[error("'str' object has no attribute 'get_required_parkeys': instrument {instrument} is `{value}` in {context}")]
    SpecialInstrument {
        /// Lower case.
        instrument: String,
        /// The special value.
        value: String,
        /// The pmap.
        context: String,
    },
    /// The rules of the instrument cannot be loaded.
    #[error("rules of the instrument cannot be loaded: {}{}", error, source_text(error))]
    Rules {
        /// Why.
        error: RulesError,
    },
    /// A tie of several references, on which the client's comparison fails.
    #[error("'tuple' object has no attribute 'startswith': {instrument} {filekind} has several best references")]
    Tuple {
        /// Lower case.
        instrument: String,
        /// Lower case.
        filekind: String,
    },
    /// The header itself is not one.
    #[error("Failed to fetch header: {0}")]
    Header(String),
}

fn source_text(error: &RulesError) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}

/// Answers for datasets under contexts; remembers what it has worked out. One per thread.
#[derive(Debug, Default)]
pub struct Lookup {
    session: Session,
    /// The calibration version taken for JWST headers that name none; without it such headers get all types, as the
    /// client does where no calibration software is installed.
    pub calibration_version: Option<String>,
}

impl Lookup {
    /// A lookup that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A lookup that chooses as the libraries of the servers of 2014 and 2019 do, which lack the "do not reprocess" rule.
    pub fn of_older_library() -> Self {
        let mut lookup = Self::default();
        lookup.session.older_library = true;
        lookup
    }

    /// The best references of a dataset: for the types named, else for those that its exposure needs, else for all.
    ///
    /// # Errors
    ///
    /// A dataset that the client fails as a whole.
    pub fn best_references(
        &mut self,
        context: &Context,
        header: &Header,
        types: Option<&[String]>,
    ) -> Result<BestReferences, DatasetError> {
        let instrument = dataset::instrument(header).map_err(DatasetError::Instrument)?;
        let conditioned = Conditioned::new(header, context.observatory(), &instrument);
        let wanted: Vec<String> = match types {
            Some(types) => types.iter().map(|name| name.to_lowercase()).collect(),
            None => self.exposure_types(context, header).iter().map(|name| (*name).to_owned()).collect(),
        };
        let rules = rules_instrument(context, &conditioned, &instrument);
        let side = side(&mut self.session, context, &rules)?;
        still_named(context, &conditioned, &rules)?;
        self.fill(side, &conditioned);
        let wanted = if wanted.is_empty() {
            self.session.types(side).map(|(name, _)| name.to_owned()).collect()
        } else {
            wanted
        };
        let mut answers = BestReferences::new();
        for name in wanted {
            if let Some(best) = self.one(side, &name) {
                answers.insert(name, best);
            }
        }
        self.session.trim();
        Ok(answers)
    }

    /// The best reference of one rmap on its own, without pmap and imap; nothing where the type is left out.
    ///
    /// The header is conditioned and reduced to what this rmap asks for.
    pub fn under_rmap(&mut self, rmap: &Arc<Rmap>, header: &Header) -> Option<Best> {
        let imap = Imap {
            name: String::new(),
            sha1sum: String::new(),
            header: super::syntax::Value::Dict(Vec::new()),
            types: [(rmap.filekind.clone(), TypeEntry::Rmap(Arc::clone(rmap)))].into(),
            keys: rmap.required.clone(),
        };
        let conditioned = Conditioned::new(header, &rmap.observatory, &rmap.instrument.to_uppercase());
        let side = self.session.side_of(Arc::new(imap), "INSTRUME");
        self.fill(side, &conditioned);
        self.one(side, &rmap.filekind)
    }

    /// The types that the client would ask for without `--types`: sorted, or empty for all.
    pub fn exposure_types(&mut self, context: &Context, header: &Header) -> Arc<[&'static str]> {
        if context.observatory() != "jwst" {
            return Arc::from([]);
        }
        let exposure = exposure(header, self.calibration_version.as_deref());
        exposure.types()
    }

    /// Makes a header the one at hand, reduced to what the side's rules ask for.
    fn fill(&mut self, side: SideId, header: &Conditioned) {
        let kids = self.session.keys(side).to_vec();
        self.session.state.begin(kids.iter().copied());
        for kid in kids {
            if let Some(value) = header.get(&self.session.keywords()[kid.0 as usize]) {
                let value = value.to_owned();
                self.session.state.put(kid, &value);
            }
        }
    }

    fn one(&mut self, side: SideId, name: &str) -> Option<Best> {
        let outcome = match self.session.type_ref(side, name) {
            None => return Some(Best::Failed(format!("Unknown reference type {}", repr(name)))),
            Some(TypeRef::NotApplicable) => Outcome::NotApplicable,
            Some(TypeRef::Omit) => Outcome::Omit,
            Some(TypeRef::Rules(plan)) => {
                let plan = *plan;
                self.session.lookup(side, plan)
            }
        };
        self.session.answer(&outcome)
    }
}

/// The best references of one dataset given as plain texts; for many datasets keep a [`Lookup`].
///
/// # Errors
///
/// As [`Lookup::best_references`].
pub fn best_references(
    context: &Context,
    header: &std::collections::BTreeMap<String, String>,
    types: Option<&[String]>,
) -> Result<BestReferences, DatasetError> {
    Lookup::new().best_references(context, &header.iter().map(|(key, value)| (key, value.as_str())).collect(), types)
}

/// The instrument (lower case) whose rules apply: what the conditioned header says, in the client's order.
pub(super) fn rules_instrument(context: &Context, header: &Conditioned, instrument: &str) -> String {
    let key = context.instrument_key();
    let lower = key.to_lowercase();
    let names = [key, lower.as_str()].into_iter().chain(dataset::INSTRUMENT_KEYWORDS);
    let named = names.filter_map(|key| header.get(key)).find(|value| value.to_uppercase() != "UNDEFINED");
    let instrument = named.unwrap_or(instrument).to_lowercase();
    if instrument == "wfii" { "wfpc2".to_owned() } else { instrument }
}

/// Checks that the header still names its instrument when it is reduced to what the rules ask for: all other keywords
/// that may name it are dropped there (RS 6, step 5).
pub(super) fn still_named(context: &Context, header: &Conditioned, instrument: &str) -> Result<(), DatasetError> {
    let own = context.instrument_key();
    let Some(Ok(imap)) = context.imap(instrument) else { return Ok(()) };
    let kept = |key: &str| key == own || imap.keys.iter().any(|name| name == key);
    let lower = own.to_lowercase();
    let mut names = [own, lower.as_str()].into_iter().chain(dataset::INSTRUMENT_KEYWORDS).filter(|key| kept(key));
    if names.any(|key| header.get(key).is_some_and(|value| value.to_uppercase() != "UNDEFINED")) {
        return Ok(());
    }
    Err(DatasetError::InstrumentLost { keyword: own.to_owned() })
}

/// Plans an instrument of a context.
pub(super) fn side(session: &mut Session, context: &Context, instrument: &str) -> Result<SideId, DatasetError> {
    if let Some(side) = session.side(context, instrument) {
        return Ok(side?);
    }
    let special = context.instruments().find(|(name, _)| *name == instrument).map(|(_, value)| value.to_owned());
    let (instrument, context) = (instrument.to_owned(), context.name().to_owned());
    Err(match special {
        Some(value) => DatasetError::SpecialInstrument { instrument, value, context },
        None => DatasetError::UnknownInstrument { instrument, context },
    })
}

/// What of a header decides the types of a JWST exposure.
pub fn exposure<'a>(header: &'a Header, version: Option<&'a str>) -> Exposure<'a> {
    let get = |key: &str| header.get(key);
    let exposure_type = match get("META.EXPOSURE.TYPE").or_else(|| get("EXP_TYPE")) {
        None => Some("UNDEFINED"),
        Some(value) => value.text(),
    };
    let version = match get("META.CALIBRATION_SOFTWARE_VERSION").or_else(|| get("CAL_VER")) {
        None | Some(HeaderValue::Null) => version,
        Some(value) => value.text(),
    };
    Exposure { exposure_type, version, exceptions: EXCEPTION_KEYWORDS.map(|key| get(key).map(HeaderValue::text)) }
}
