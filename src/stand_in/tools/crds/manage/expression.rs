//! The small expressions in the server's tests: literals, lists, dictionaries, `self.name`, `+`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A call `self.NAME(arguments)`.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfCall {
    /// What is called.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// Reads `self.name(...)`; `facts` are the values of `self.x`. None for anything else.
pub fn call(text: &str, facts: &BTreeMap<&str, String>) -> Option<SelfCall> {
    let rest = text.trim().strip_prefix("self.")?;
    let (name, inner) = rest.split_once('(')?;
    let inner = inner.strip_suffix(')')?;
    let mut reader = Reader { text: inner, facts };
    let mut arguments = Vec::new();
    reader.skip();
    while !reader.text.is_empty() {
        arguments.push(reader.sum()?);
        reader.skip();
        reader.eat(',');
        reader.skip();
    }
    Some(SelfCall { name: name.to_owned(), arguments })
}

struct Reader<'a> {
    text: &'a str,
    facts: &'a BTreeMap<&'a str, String>,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.text = self.text.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip();
        match self.text.strip_prefix(c) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<Value> {
        let mut value = self.term()?;
        while self.eat('+') {
            let more = self.term()?;
            value = Value::String(format!("{}{}", value.as_str()?, more.as_str()?));
        }
        Some(value)
    }

    fn term(&mut self) -> Option<Value> {
        self.skip();
        if self.eat('[') {
            let mut items = Vec::new();
            while !self.eat(']') {
                items.push(self.sum()?);
                self.eat(',');
            }
            return Some(Value::Array(items));
        }
        if self.eat('{') {
            let mut items = Map::new();
            while !self.eat('}') {
                let key = self.sum()?.as_str()?.to_owned();
                if !self.eat(':') {
                    return None;
                }
                items.insert(key, self.sum()?);
                self.eat(',');
            }
            return Some(Value::Object(items));
        }
        if self.eat('"') {
            let (inner, rest) = self.text.split_once('"')?;
            self.text = rest;
            return Some(Value::String(inner.to_owned()));
        }
        let end =
            self.text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '-')).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        match word {
            "" => None,
            "None" => Some(Value::Null),
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            word => match word.strip_prefix("self.") {
                Some(name) => Some(Value::String(self.facts.get(name)?.clone())),
                None => word.parse::<i64>().ok().map(Value::from),
            },
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_of_the_tests_are_read() {
        let facts = BTreeMap::from([("observatory", "hst".to_owned())]);
        let read = call("self.rpc(\"m\", [self.observatory + \"_x\", None, [\"a\"]], {\"k\": True})", &facts).unwrap();
        assert_eq!(read.arguments, [json!("m"), json!(["hst_x", null, ["a"]]), json!({"k": true})]);
        assert_eq!(call("self.page(self.nosuch)", &facts), None);
        assert_eq!(call("pass", &facts), None);
    }
}
