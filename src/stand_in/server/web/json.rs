//! JSON as the site writes it: Python's spacing, ASCII only.

use std::fmt::Write as _;

use serde_json::Value;

/// A value as Python's `json.dumps` writes it: a blank after comma and colon, everything else escaped.
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            for (at, (key, member)) in map.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_text(key, out);
                out.push_str(": ");
                write(member, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0x20..=0x7e => out.push(char::from(unit as u8)),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_is_spelled_as_python_spells_it() {
        let value = serde_json::json!({"a": [1, "é\n"], "b": null});
        assert_eq!(super::dumps(&value), "{\"a\": [1, \"\\u00e9\\n\"], \"b\": null}");
    }
}
