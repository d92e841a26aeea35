//! Compiled selectors: what one rmap's `selector` becomes (RS 9).
//!
//! Selectors are nodes of one arena; a reference to a node is a number. Keys of date tables lie in one text arena with
//! a fixed-width prefix beside them, so that a search compares three words instead of two texts.

use super::element::Element;
use super::syntax::Selector;

/// A node of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// What a selector leads to in the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Terminal {
    /// A file name, as written.
    File(String),
    /// One of the special values that mean "not applicable".
    NotApplicable(String),
    /// One of the special values that mean "leave the type out".
    Omit(String),
    /// Several names at once, as written in a tuple or list.
    Many(Vec<String>),
    /// Anything else a mapping may hold there, as text.
    Other(String),
}

impl Terminal {
    /// Classifies a terminal text (RS 4: exact spellings only).
    pub fn of(text: &str) -> Self {
        match text {
            "N/A" | "TEMP_N/A" | "n/a" | "temp_n/a" => Self::NotApplicable(text.to_owned()),
            "OMIT" | "TEMP_OMIT" | "omit" => Self::Omit(text.to_owned()),
            _ => Self::File(text.to_owned()),
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::File(text) | Self::NotApplicable(text) | Self::Omit(text) => Some(text),
            Self::Many(_) | Self::Other(_) => None,
        }
    }
}

/// Whether a file name stays itself (but for its case) when answers are compared (RS 15.3).
pub fn is_plain_name(name: &str) -> bool {
    const POINT: u8 = 1;
    const ODD: u8 = 2;
    const KINDS: [u8; 256] = {
        let mut kinds = [0; 256];
        kinds[b'.' as usize] = POINT;
        kinds[b'$' as usize] = ODD;
        kinds[b' ' as usize] = ODD;
        // Only a scheme has one.
        kinds[b':' as usize] = ODD;
        kinds
    };
    name.len() > 4 && name.bytes().fold(0, |kinds, b| kinds | KINDS[usize::from(b)]) == POINT
}

/// One compiled selector or terminal.
#[derive(Debug)]
pub enum Node {
    /// A terminal.
    Terminal(Terminal),
    /// A `Match`.
    Match(Box<MatchNode>),
    /// A table searched by order: `UseAfter`, `VersionAfter`, `ClosestTime`.
    Table(Box<TableNode>),
    /// A table of numbers or versions that no HST, JWST or Roman rule uses.
    Rare(Box<RareNode>),
}

/// A `Match`: cases in sorted key order.
#[derive(Debug)]
pub struct MatchNode {
    /// One per parkey of the level.
    pub params: Vec<MatchParam>,
    /// What each case leads to.
    pub choices: Vec<NodeId>,
    /// The conditioned key of each case, for witnesses.
    pub keys: Vec<Vec<String>>,
    /// Number among the `Match` nodes of its rmap: the index of its cache.
    pub cache: usize,
}

/// One parkey of a `Match`.
#[derive(Debug)]
pub struct MatchParam {
    /// Index among [`Tree::params`].
    pub param: usize,
    /// The distinct elements of all cases.
    pub elements: Vec<Element>,
    /// Which element each case has.
    pub of_case: Vec<u32>,
    /// The values that the rules mention, sorted; empty means that nothing is checked.
    pub valid: Vec<String>,
    /// What the substitution table of this parkey says about a value (RS 9.4, rule 7).
    pub substitutions: Vec<(String, Substitute)>,
}

/// What a substitution table puts in the place of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Substitute {
    /// A text.
    Text(String),
    /// Something else: the name of its Python type, and its text.
    Other(&'static str, String),
}

/// A table searched by order.
#[derive(Debug)]
pub struct TableNode {
    /// Which selector.
    pub kind: Selector,
    /// Indexes among [`Tree::params`].
    pub params: Vec<usize>,
    /// The entries in ascending order of keys.
    pub entries: Vec<Entry>,
}

/// One entry of a table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// First 24 bytes of the key, as numbers that compare like the text.
    pub prefix: [u64; 3],
    /// Where the key lies in [`Tree::text`].
    pub at: u32,
    /// Its length in bytes.
    pub len: u32,
    /// What it leads to.
    pub choice: NodeId,
}

/// A selector that only test observatories use.
#[derive(Debug)]
pub struct RareNode {
    /// Which selector.
    pub kind: Selector,
    /// Indexes among [`Tree::params`].
    pub params: Vec<usize>,
    /// Conditioned keys in the client's order, and what they lead to.
    pub entries: Vec<(String, NodeId)>,
}

/// The compiled selectors of one rmap.
#[derive(Debug, Default)]
pub struct Tree {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// The texts of table keys.
    pub text: String,
    /// The distinct parkey names, as written.
    pub params: Vec<String>,
    /// How many `Match` nodes there are.
    pub matches: usize,
}

impl Tree {
    /// The node behind a number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The key of a table's entry.
    pub fn key(&self, entry: &Entry) -> &str {
        let at = entry.at as usize;
        &self.text[at..at + entry.len as usize]
    }

    pub(super) fn push(&mut self, node: Node) -> Result<NodeId, String> {
        let id = u32::try_from(self.nodes.len()).map_err(|_| "too many selectors in one mapping".to_owned())?;
        self.nodes.push(node);
        Ok(NodeId(id))
    }

    pub(super) fn param(&mut self, name: &str) -> usize {
        self.params.iter().position(|known| known == name).unwrap_or_else(|| {
            self.params.push(name.to_owned());
            self.params.len() - 1
        })
    }

    /// Compares two keys of tables as texts, the prefixes first.
    #[inline]
    pub(super) fn key_order(&self, one: &Entry, other: &Entry) -> std::cmp::Ordering {
        prefix_order(&one.prefix, &other.prefix).then_with(|| self.key(one).cmp(self.key(other)))
    }
}

/// Compares two prefixes.
#[inline]
pub fn prefix_order([a, b, c]: &[u64; 3], [x, y, z]: &[u64; 3]) -> std::cmp::Ordering {
    a.cmp(x).then(b.cmp(y)).then(c.cmp(z))
}

/// Compares two tails. Nearly all are empty, and comparing nothing with nothing byte by byte is slow on some processors.
#[inline]
pub fn tail_order(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    if one.is_empty() && other.is_empty() { std::cmp::Ordering::Equal } else { one.cmp(other) }
}

/// What of a text [`prefix`] does not tell. Of texts without the character NUL, those with the same prefix and tail are the
/// same.
pub fn tail(text: &[u8]) -> &[u8] {
    text.get(24..).unwrap_or_default()
}

/// The first 24 bytes of a text as three numbers that order like the text.
pub fn prefix(text: &[u8]) -> [u64; 3] {
    let mut padded = [0_u8; 24];
    let len = text.len().min(24);
    padded[..len].copy_from_slice(&text[..len]);
    let word = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&padded[at..at + 8]);
        u64::from_be_bytes(eight)
    };
    [word(0), word(8), word(16)]
}
