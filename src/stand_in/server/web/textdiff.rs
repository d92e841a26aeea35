//! Text differences as `diff -b -u -FUseAfter` prints them (RD 8).

use std::fmt::Write as _;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

/// Longest part of a function line that `diff` shows, characters.
const SHOWN_CHARS: usize = 40;

/// The unified difference of two texts; empty if they differ in blanks alone.
pub fn unified(old: (&str, &str), new: (&str, &str)) -> String {
    let (old_name, old_text) = old;
    let (new_name, new_text) = new;
    let old_lines: Vec<&str> = old_text.lines().collect();
    let new_lines: Vec<&str> = new_text.lines().collect();
    let folded = |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| fold(line)).collect() };
    let ops = capture_diff_slices(Algorithm::Myers, &folded(&old_lines), &folded(&new_lines));
    let groups = group_diff_ops(ops, 3);
    if groups.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (old_range, new_range) =
            (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        let function = old_lines[..old_range.start].iter().rev().find(|line| line.contains("UseAfter"));
        let function: String =
            function.map(|line| line.trim_start().chars().take(SHOWN_CHARS).collect()).unwrap_or_default();
        let _ = write!(out, "@@ -{} +{} @@", place(&old_range), place(&new_range));
        if function.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, " {}", function.trim_end());
        }
        for op in &group {
            lines(op, &old_lines, &new_lines, &mut out);
        }
    }
    out
}

/// What `-b` compares: runs of blanks are one blank, blanks at the end do not count.
fn fold(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for ch in line.trim_end().chars() {
        let blank = ch == ' ' || ch == '\t';
        if !(blank && out.ends_with(' ')) {
            out.push(if blank { ' ' } else { ch });
        }
    }
    out
}

fn place(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}

fn lines(op: &DiffOp, old: &[&str], new: &[&str], out: &mut String) {
    let mut add = |sign: char, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(out, "{sign}{line}");
        }
    };
    match *op {
        DiffOp::Equal { old_index, len, .. } => add(' ', &old[old_index..old_index + len]),
        DiffOp::Delete { old_index, old_len, .. } => add('-', &old[old_index..old_index + old_len]),
        DiffOp::Insert { new_index, new_len, .. } => add('+', &new[new_index..new_index + new_len]),
        DiffOp::Replace { old_index, old_len, new_index, new_len } => {
            add('-', &old[old_index..old_index + old_len]);
            add('+', &new[new_index..new_index + new_len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn hunks_are_as_diff_prints_them() {
        let old = "a\n('X',) : UseAfter({\nb\nc\nd\ne\n";
        let new = "a\n('X',) : UseAfter({\nb\nc\nd\nf\n";
        let wanted = "--- o\n+++ n\n@@ -3,4 +3,4 @@ ('X',) : UseAfter({\n b\n c\n d\n-e\n+f\n";
        assert_eq!(unified(("o", old), ("n", new)), wanted);
    }

    #[test]
    fn blanks_alone_are_no_difference() {
        assert_eq!(unified(("o", "a  b \n"), ("n", "a b\n")), "");
        assert!(unified(("o", ""), ("n", "x\n")).contains("@@ -0,0 +1 @@\n+x"));
    }
}
