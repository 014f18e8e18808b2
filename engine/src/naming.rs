//! How people write names: plural for singular, spaces for underscores, words cut short.

/// Words that are looked at.
const WORDS: usize = 400;
/// Letters of a word that are looked at.
const LETTERS: usize = 64;

/// How well words name a thing that is called so, from 0 (not at all) to 100.
pub fn fit(wanted: &[String], name: &str) -> u32 {
    let (wanted, name) = (stems(wanted), stems(&words(name)));
    if wanted.is_empty() || name.is_empty() {
        return 0;
    }
    if wanted.concat() == name.concat() {
        return 100;
    }
    let of_wanted = wanted.iter().filter(|w| name.iter().any(|n| alike(w, n))).count();
    let of_name = name.iter().filter(|n| wanted.iter().any(|w| alike(w, n))).count();
    let extra = |all: usize, some: usize| u32::try_from(all - some).unwrap_or(u32::MAX).min(9);
    match (of_wanted == wanted.len(), of_name == name.len()) {
        (true, true) => 90,
        (true, false) => 70 - extra(name.len(), of_name),
        (false, true) => 60 - extra(wanted.len(), of_wanted),
        (false, false) => 0,
    }
}

/// The words of a text or a name, in small letters: `dep_delay` and `DepDelay` are two each.
pub fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before_small = false;
    for c in text.chars().take(WORDS * LETTERS) {
        let begins = c.is_uppercase() && before_small;
        if (!c.is_alphanumeric() || begins) && !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() && word.chars().count() < LETTERS {
            word.extend(c.to_lowercase());
        }
        before_small = c.is_lowercase();
        if found.len() >= WORDS {
            return found;
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

/// A word without its plural.
pub fn stem(word: &str) -> String {
    let cut = |end: &str| word.strip_suffix(end).filter(|rest| rest.chars().count() >= 2);
    if let Some(rest) = cut("ies") {
        return format!("{rest}y");
    }
    let hissing = cut("es").filter(|rest| ["s", "x", "z", "ch", "sh"].iter().any(|end| rest.ends_with(end)));
    let plain = cut("s").filter(|rest| !rest.ends_with('s') && !rest.ends_with('u'));
    hissing.or(plain).unwrap_or(word).to_owned()
}

pub(crate) fn stems(words: &[String]) -> Vec<String> {
    words.iter().map(|w| stem(w)).collect()
}

/// Whether two stems mean the same: one may be cut short, as `arr` for arrival.
fn alike(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    a == b || short.chars().count() >= 3 && long.starts_with(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("dep_delay"), ["dep", "delay"]);
        assert_eq!(words("DepDelay (min)"), ["dep", "delay", "min"]);
        assert_eq!(words("ÄrzteZahl"), ["ärzte", "zahl"]);
        assert_eq!(words(" -- "), Vec::<String>::new());
    }

    #[test]
    fn plurals_and_short_forms_fit() {
        let of = |wanted: &str, name: &str| fit(&words(wanted), name);
        assert_eq!(of("Cities", "city"), 100);
        assert_eq!(of("product categories", "ProductCategory"), 100);
        assert_eq!(of("arrival delay", "arr_delay"), 90);
        assert!(of("delay", "arr_delay") > of("long delay in winter", "delay"));
        assert_eq!(of("bus", "business class"), 69);
        assert_eq!(of("planet", "carrier"), 0);
        assert_eq!(stem("boxes"), "box");
        assert_eq!(stem("status"), "status");
    }

    proptest! {
        #[test]
        fn every_name_fits_itself(name in "[a-zA-Z_ 0-9]{1,40}") {
            let own = words(&name);
            prop_assert_eq!(fit(&own, &name), if own.is_empty() { 0 } else { 100 });
        }

        #[test]
        fn any_text_has_bounded_words(text in "\\PC{0,300}") {
            prop_assert!(words(&text).iter().all(|w| w.chars().count() <= LETTERS * 3));
        }
    }
}
