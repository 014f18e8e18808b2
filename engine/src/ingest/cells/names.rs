//! Names of columns.

/// Names for the columns: trimmed, never empty, each once.
pub(in crate::ingest) fn unique_names(raw: &[String]) -> Vec<String> {
    let mut taken: std::collections::HashSet<String> = raw.iter().map(|n| tidy(n)).collect();
    let mut seen = std::collections::HashSet::new();
    let mut names = Vec::with_capacity(raw.len());
    for (i, raw) in raw.iter().enumerate() {
        let mut name = tidy(raw);
        if name.is_empty() {
            name = format!("column_{}", i + 1);
        }
        if !seen.insert(name.clone()) {
            let mut n = 2;
            while taken.contains(&format!("{name}_{n}")) || seen.contains(&format!("{name}_{n}")) {
                n += 1;
            }
            name = format!("{name}_{n}");
            seen.insert(name.clone());
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// One line, single blanks, at most 200 characters.
fn tidy(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.chars().take(200).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names = |raw: &[&str]| unique_names(&raw.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(names(&["a", "a", "", " b \n c", "a"]), ["a", "a_2", "column_3", "b c", "a_3"]);
        assert_eq!(names(&["a_2", "a", "a"]), ["a_2", "a", "a_3"]);
        assert_eq!(names(&["column_2", ""]), ["column_2", "column_2_2"]);
    }
}
