//! Names that were probably meant.

/// The candidates closest to what was written, best first, at most three; none that differ in more
/// than about a third of their letters.
pub(crate) fn near<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = fold(written);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate);
            let distance = distance(&wanted, &folded);
            let longest = wanted.len().max(folded.len());
            let contained = wanted.len() >= 3 && contains(&folded, &wanted);
            (distance * 3 <= longest.max(3) || contained).then_some((distance, candidate))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// ` Did you mean 'a' or 'b'?`, or nothing where no name is near.
pub fn hint<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = near(written, candidates).into_iter().map(|n| format!("'{n}'")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [head @ .., last] => format!(" Did you mean {} or {last}?", head.join(", ")),
    }
}

/// Case, spaces and underscores are what people get wrong without noticing. Long names are cut, so
/// that the comparison stays cheap whatever comes in.
fn fold(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).filter(|c| !matches!(c, ' ' | '_' | '-')).take(64).collect()
}

fn contains(whole: &[char], part: &[char]) -> bool {
    whole.windows(part.len()).any(|w| w == part)
}

/// Edits between two words: insert, delete, replace, swap neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["flights", "airlines", "airports", "arr_delay"];
        assert_eq!(near("flihgts", names), ["flights"]);
        assert_eq!(near("Arr Delay", names), ["arr_delay"]);
        assert_eq!(near("flight", names), ["flights"]);
        assert!(near("zebra", names).is_empty());
        assert_eq!(hint("airline", names), " Did you mean 'airlines'?");
        assert_eq!(hint("zebra", names), "");
    }
}
