//! One value of a table.
//!
//! A catalogue is tens of thousands of rows of some forty values, read in every step, and nearly every value stands in
//! the answer as it is: so a value is a part of the answer and not a text of its own.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A text that shares the bytes of the answer it came in.
#[derive(Clone)]
pub struct Cell {
    whole: Arc<str>,
    from: usize,
    to: usize,
}

impl Cell {
    /// `part`, which is a part of `whole`; of any other text, a copy.
    pub fn within(whole: &Arc<str>, part: &str) -> Self {
        let from = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
        let place = from.and_then(|from| Some((from, from.checked_add(part.len())?)));
        if let Some((from, to)) = place
            && whole.get(from..to).is_some_and(|there| there.as_ptr() == part.as_ptr())
        {
            return Self { whole: Arc::clone(whole), from, to };
        }
        Self::from(part)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self
    }
}

impl Deref for Cell {
    type Target = str;

    fn deref(&self) -> &str {
        self.whole.get(self.from..self.to).unwrap_or(&self.whole)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self { whole: text.into(), from: 0, to: text.len() }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.as_ref().to_owned()
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::from("")
    }
}

impl AsRef<str> for Cell {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Cell {}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialEq<str> for Cell {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<Cell> for String {
    fn eq(&self, other: &Cell) -> bool {
        **self == **other
    }
}

impl PartialEq<&str> for Cell {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Cell {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_shared_and_anything_else_is_copied() {
        let whole: Arc<str> = "a\tbé\tc".into();
        let part = Cell::within(&whole, &whole[2..5]);
        assert_eq!((&*part, Arc::strong_count(&whole)), ("bé", 2));
        let other = Cell::within(&whole, "bé");
        assert_eq!((other, Arc::strong_count(&whole)), (part, 2));
        assert_eq!(Cell::within(&whole, ""), *"");
    }
}
