//! Header expressions: relevance of rmaps and parkeys, omission (RS 8).

use std::cmp::Ordering;

use super::python::repr;

/// A parsed expression over header keywords.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    root: Node,
    /// The names it mentions, each once, in order of first mention.
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Name(usize),
    Text(String),
    Number(f64),
    Bool(bool),
    None,
    Seq(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Compare(Box<Node>, Vec<(Op, Node)>),
    If { then: Box<Node>, test: Box<Node>, other: Box<Node> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Eq,
    NotEq,
    Less,
    LessEq,
    More,
    MoreEq,
    In,
    NotIn,
}

/// A value while an expression is worked out.
#[derive(Debug, Clone, PartialEq)]
pub enum Val<'a> {
    /// A text: a keyword's value or a constant.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// None.
    None,
    /// A list or tuple.
    Seq(Vec<Val<'a>>),
    /// One of Python's builtins, of which only the truth can be asked.
    Builtin,
}

/// Names that resolve to Python builtins when the header lacks them: the lower-case and exception names that could
/// stand in an expression without a call.
const BUILTINS: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytes",
    "callable",
    "chr",
    "compile",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "iter",
    "len",
    "license",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "Exception",
    "NotImplemented",
    "Ellipsis",
];

impl Expr {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it; rules with such an expression do not load.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = super::expr_parse::Parser::new(text)?;
        let root = parser.whole()?;
        let mut names = Vec::new();
        let root = Node::from_tree(root, &mut names);
        Ok(Self { root, names })
    }

    /// Works the expression out; `lookup` gives the value of the n-th of [`Expr::names`] where the header has it.
    ///
    /// # Errors
    ///
    /// The text of Python's exception.
    pub fn truth<'a>(&'a self, lookup: &dyn Fn(usize) -> Option<Val<'a>>) -> Result<bool, String> {
        Ok(self.root.eval(self, lookup)?.truthy())
    }

    /// Whether working it out cannot fail as long as every name stands for a text or a truth.
    pub fn never_fails(&self) -> bool {
        self.root.never_fails()
    }

    /// The texts that the n-th name is compared with, where nothing but being equal to one of them can matter.
    pub fn compared_with(&self, name: usize) -> Option<Vec<&str>> {
        let mut texts = Vec::new();
        self.root.compared_with(name, &mut texts).then_some(texts)
    }
}

impl Val<'_> {
    fn truthy(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(n) => *n != 0.0,
            Self::Bool(b) => *b,
            Self::None => false,
            Self::Seq(items) => !items.is_empty(),
            Self::Builtin => true,
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a == b,
            _ => match (self, other) {
                (Self::Seq(a), Self::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
                (Self::Text(a), Self::Text(b)) => a == b,
                (Self::None, Self::None) => true,
                _ => false,
            },
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "str",
            Self::Number(_) => "float",
            Self::Bool(_) => "bool",
            Self::None => "NoneType",
            Self::Seq(_) => "list",
            Self::Builtin => "builtin_function_or_method",
        }
    }
}

impl Op {
    fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::NotEq => "!=",
            Self::Less => "<",
            Self::LessEq => "<=",
            Self::More => ">",
            Self::MoreEq => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }

    fn holds(self, left: &Val<'_>, right: &Val<'_>) -> Result<bool, String> {
        match self {
            Self::Eq => Ok(left.equals(right)),
            Self::NotEq => Ok(!left.equals(right)),
            Self::In | Self::NotIn => {
                let inside = match (left, right) {
                    (_, Val::Seq(items)) => items.iter().any(|item| item.equals(left)),
                    (Val::Text(part), Val::Text(text)) => text.contains(part),
                    (_, Val::Text(_)) => {
                        let kind = left.kind();
                        return Err(format!("'in <string>' requires string as left operand, not {kind}"));
                    }
                    _ => return Err(format!("argument of type '{}' is not iterable", right.kind())),
                };
                Ok(inside == (self == Self::In))
            }
            _ => {
                let order = match (left, right) {
                    (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
                    _ => match (left.number(), right.number()) {
                        (Some(a), Some(b)) => a.partial_cmp(&b),
                        _ => {
                            return Err(format!(
                                "'{}' not supported between instances of '{}' and '{}'",
                                self.symbol(),
                                left.kind(),
                                right.kind()
                            ));
                        }
                    },
                };
                Ok(match self {
                    Self::Less => order == Some(Ordering::Less),
                    Self::LessEq => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    Self::More => order == Some(Ordering::Greater),
                    _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                })
            }
        }
    }
}

impl Node {
    fn from_tree(tree: super::expr_parse::Tree, names: &mut Vec<String>) -> Self {
        use super::expr_parse::Tree;
        let mut all = |trees: Vec<Tree>| trees.into_iter().map(|tree| Self::from_tree(tree, names)).collect::<Vec<_>>();
        match tree {
            Tree::Name(name) => {
                let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                });
                Self::Name(at)
            }
            Tree::Text(text) => Self::Text(text),
            Tree::Number(n) => Self::Number(n),
            Tree::Bool(b) => Self::Bool(b),
            Tree::None => Self::None,
            Tree::Seq(items) => Self::Seq(all(items)),
            Tree::All(items) => Self::All(all(items)),
            Tree::Any(items) => Self::Any(all(items)),
            Tree::Not(inner) => Self::Not(Box::new(Self::from_tree(*inner, names))),
            Tree::Negate(inner) => Self::Negate(Box::new(Self::from_tree(*inner, names))),
            Tree::If(parts) => {
                let (then, test, other) = *parts;
                let then = Box::new(Self::from_tree(then, names));
                let test = Box::new(Self::from_tree(test, names));
                Self::If { then, test, other: Box::new(Self::from_tree(other, names)) }
            }
            Tree::Compare(left, rest) => {
                let left = Box::new(Self::from_tree(*left, names));
                let rest = rest
                    .into_iter()
                    .map(|(op, tree)| {
                        let op = match op {
                            "==" => Op::Eq,
                            "!=" => Op::NotEq,
                            "<" => Op::Less,
                            "<=" => Op::LessEq,
                            ">" => Op::More,
                            ">=" => Op::MoreEq,
                            "in" => Op::In,
                            _ => Op::NotIn,
                        };
                        (op, Self::from_tree(tree, names))
                    })
                    .collect();
                Self::Compare(left, rest)
            }
        }
    }

    fn never_fails(&self) -> bool {
        match self {
            Self::Name(_) | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::None => true,
            Self::Seq(items) | Self::All(items) | Self::Any(items) => items.iter().all(Self::never_fails),
            Self::Not(inner) => inner.never_fails(),
            Self::Compare(left, rest) => {
                let fine = |(op, right): &(Op, Self)| match op {
                    Op::Eq | Op::NotEq => right.never_fails(),
                    Op::In | Op::NotIn => matches!(right, Self::Seq(_)) && right.never_fails(),
                    Op::Less | Op::LessEq | Op::More | Op::MoreEq => false,
                };
                left.never_fails() && rest.iter().all(fine)
            }
            Self::Negate(_) | Self::If { .. } => false,
        }
    }

    /// Collects what a name is compared with; false where it is used in any other way.
    fn compared_with<'a>(&'a self, name: usize, texts: &mut Vec<&'a str>) -> bool {
        let constants = |node: &'a Self, op: Op| -> Option<Vec<&'a str>> {
            match (op, node) {
                (Op::Eq | Op::NotEq, Self::Text(text)) => Some(vec![text]),
                (Op::In | Op::NotIn, Self::Seq(items)) => items
                    .iter()
                    .map(|item| if let Self::Text(text) = item { Some(text.as_str()) } else { None })
                    .collect(),
                _ => None,
            }
        };
        match self {
            Self::Name(at) => *at != name,
            Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::None => true,
            Self::Seq(items) | Self::All(items) | Self::Any(items) => {
                items.iter().all(|item| item.compared_with(name, texts))
            }
            Self::Not(inner) | Self::Negate(inner) => inner.compared_with(name, texts),
            Self::If { then, test, other } => [then, test, other].iter().all(|part| part.compared_with(name, texts)),
            Self::Compare(left, rest) => match (&**left, &rest[..]) {
                (Self::Name(at), [(op, right)]) if at == &name => match constants(right, *op) {
                    Some(found) => {
                        texts.extend(found);
                        true
                    }
                    None => false,
                },
                _ => left.compared_with(name, texts) && rest.iter().all(|(_, node)| node.compared_with(name, texts)),
            },
        }
    }

    fn eval<'a>(&'a self, expr: &'a Expr, lookup: &dyn Fn(usize) -> Option<Val<'a>>) -> Result<Val<'a>, String> {
        match self {
            Self::Name(at) => {
                let name = expr.names[*at].as_str();
                match lookup(*at) {
                    Some(value) => Ok(value),
                    None if BUILTINS.contains(&name) => Ok(Val::Builtin),
                    None => Err(format!("name {} is not defined", repr(name))),
                }
            }
            Self::Text(text) => Ok(Val::Text(text)),
            Self::Number(n) => Ok(Val::Number(*n)),
            Self::Bool(b) => Ok(Val::Bool(*b)),
            Self::None => Ok(Val::None),
            Self::Seq(items) => {
                Ok(Val::Seq(items.iter().map(|item| item.eval(expr, lookup)).collect::<Result<_, _>>()?))
            }
            Self::Not(inner) => Ok(Val::Bool(!inner.eval(expr, lookup)?.truthy())),
            Self::Negate(inner) => match inner.eval(expr, lookup)?.number() {
                Some(n) => Ok(Val::Number(-n)),
                None => Err("bad operand type for unary -".to_owned()),
            },
            Self::All(items) | Self::Any(items) => {
                // Short circuit matters: an unknown name behind a decided operand must not be looked at.
                let stop_at = matches!(self, Self::Any(_));
                let mut last = Val::None;
                for item in items {
                    last = item.eval(expr, lookup)?;
                    if last.truthy() == stop_at {
                        break;
                    }
                }
                Ok(last)
            }
            Self::Compare(left, rest) => {
                let mut left = left.eval(expr, lookup)?;
                for (op, right) in rest {
                    // The usual case, membership in a list of constants, needs no list of values.
                    if let (Op::In | Op::NotIn, Self::Seq(items), Val::Text(text)) = (op, right, &left)
                        && items.iter().all(|item| matches!(item, Self::Text(_)))
                    {
                        let inside = items.iter().any(|item| matches!(item, Self::Text(own) if own == text));
                        if inside != (*op == Op::In) {
                            return Ok(Val::Bool(false));
                        }
                        if rest.len() == 1 {
                            return Ok(Val::Bool(true));
                        }
                    }
                    let right = right.eval(expr, lookup)?;
                    if !op.holds(&left, &right)? {
                        return Ok(Val::Bool(false));
                    }
                    left = right;
                }
                Ok(Val::Bool(true))
            }
            Self::If { then, test, other } => {
                if test.eval(expr, lookup)?.truthy() {
                    then.eval(expr, lookup)
                } else {
                    other.eval(expr, lookup)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(text: &str, header: &[(&str, &str)]) -> Result<bool, String> {
        let expr = Expr::parse(text)?;
        let lookup = |at: usize| {
            let name = expr.names[at].as_str();
            header.iter().find(|(key, _)| *key == name).map(|(_, value)| Val::Text(value))
        };
        expr.truth(&lookup)
    }

    #[test]
    fn what_never_fails_is_known_beforehand() {
        let texts: [(&str, bool); 8] = [
            ("(A == 'X' or not L in ('3.0', 'Y')) and True", true),
            ("A", true),
            ("A != L", true),
            ("A < 'Y'", false),
            ("A in 'XYZ'", false),
            ("A in L", false),
            ("A == -1", false),
            ("A if L == 'x' else 'y'", false),
        ];
        for (text, want) in texts {
            assert_eq!(Expr::parse(text).unwrap().never_fails(), want, "{text}");
        }
    }

    #[test]
    fn expressions_follow_python() {
        let header = [("A", "X"), ("L", "3.0")];
        let cases = [
            ("(A == \"X\")", Ok(true)),
            ("((A != 'X') or L == \"3.0\")", Ok(true)),
            ("A in ['X', 'Y'] and not L in ('3.0',)", Ok(false)),
            ("A not in ('X')", Ok(false)),
            ("(A == 'X' or NOSUCH == 'Y')", Ok(true)),
            ("True", Ok(true)),
            ("A < 'Y' < 'Z'", Ok(true)),
            ("'a' if A == 'Y' else ''", Ok(false)),
            ("(len)", Ok(true)),
            ("-1 < 2", Ok(true)),
        ];
        for (text, want) in cases {
            assert_eq!(truth(text, &header), want, "{text}");
        }
        assert_eq!(truth("(NOSUCH == 'X')", &header).unwrap_err(), "name 'NOSUCH' is not defined");
        assert!(truth("A < 3", &header).unwrap_err().contains("not supported between instances"));
    }

    #[test]
    fn what_a_name_is_compared_with_is_known_where_nothing_else_matters() {
        let of = |text: &str| {
            let expr = Expr::parse(text).unwrap();
            expr.compared_with(0).map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(of("(A == 'X' and B) or A not in ['Y', 'Z']"), Some(vec!["X".into(), "Y".into(), "Z".into()]));
        for other in
            ["A", "A < 'X'", "A == B", "A in 'XYZ'", "A == 1", "'X' == A", "A == 'X' == 'Y'", "not A", "B or A"]
        {
            assert_eq!(of(&format!("({other}) or A == 'Q'")), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for bad in ["len(A)", "A.b", "A[0]", "A +", "(A", "A == ", "1 + 2", "lambda: 1", "A is B", "{1}", "A = 'X'", ""]
        {
            assert!(Expr::parse(bad).is_err(), "{bad}");
        }
        assert!(Expr::parse(&"(".repeat(100_000)).is_err());
        assert!(Expr::parse(&"not ".repeat(100_000)).is_err());
    }
}
