//! A name for a dataset that came without one: its file's, without folders and endings.

use crate::domain::validate::NAME_MAX;

/// Endings that say what a file is, not what is in it.
const ENDINGS: [&str; 19] = [
    ".gz", ".zst", ".csv", ".tsv", ".tab", ".txt", ".psv", ".json", ".jsonl", ".ndjson", ".geojson", ".xlsx",
    ".xlsm", ".xls", ".parquet", ".pq", ".arrow", ".arrows", ".feather",
];

/// The name that a file's name suggests; `None` where nothing is left of it.
pub(super) fn suggested(file_name: &str) -> Option<String> {
    let file = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut stem = file.trim();
    while let Some(ending) = ENDINGS.iter().find(|e| {
        let at = stem.len().checked_sub(e.len());
        at.is_some_and(|at| stem.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(e)))
    }) {
        stem = &stem[..stem.len() - ending.len()];
    }
    let name: String = stem.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    Some(name.trim().to_owned()).filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_folders_are_cut_off() {
        assert_eq!(suggested("flights.csv").as_deref(), Some("flights"));
        assert_eq!(suggested("C:\\data\\Flights 2013.CSV.GZ").as_deref(), Some("Flights 2013"));
        assert_eq!(suggested("Book 1.xlsx").as_deref(), Some("Book 1"));
        assert_eq!(suggested("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(suggested("v1.2.csv").as_deref(), Some("v1.2"));
        assert_eq!(suggested("é.csv").as_deref(), Some("é"));
        assert_eq!(suggested(".csv"), None);
        assert_eq!(suggested(""), None);
    }
}
