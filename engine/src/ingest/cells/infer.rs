//! Every cell's part in what a column is.

use std::collections::BTreeMap;

use super::Type;
use super::cell::{
    Kind, Moment, bool_value, classify, float_holds, float_value, moment, moment_kind, plain_int, trim,
};
use crate::ingest::types::add;
use crate::ingest::{DEFAULT_MISSING, ReadOptions};

/// The texts that mean 'missing'.
#[derive(Debug, Clone)]
pub(in crate::ingest) struct Markers {
    texts: Vec<String>,
    /// The first bytes that any marker has, to pass over most cells at once.
    first: [bool; 256],
    /// Whether the empty cell is one of them.
    empty: Option<usize>,
    longest: usize,
}

impl Markers {
    pub(in crate::ingest) fn new(options: &ReadOptions) -> Self {
        Self::of(match &options.missing {
            Some(own) => own.clone(),
            None => DEFAULT_MISSING.map(str::to_owned).to_vec(),
        })
    }

    pub(in crate::ingest) fn of(mut texts: Vec<String>) -> Self {
        texts.sort();
        texts.dedup();
        let mut first = [false; 256];
        for text in texts.iter().filter(|t| !t.is_empty()) {
            first[usize::from(text.as_bytes()[0])] = true;
        }
        let empty = texts.iter().position(String::is_empty);
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        Self { texts, first, empty, longest }
    }

    pub(in crate::ingest) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Which marker a cell is. `cell` is trimmed unless it was quoted.
    pub(in crate::ingest) fn find(&self, cell: &[u8]) -> Option<usize> {
        let Some(first) = cell.first() else { return self.empty };
        if !self.first[usize::from(*first)] || cell.len() > self.longest {
            return None;
        }
        self.texts.iter().position(|t| t.as_bytes() == cell)
    }
}

/// A cell without the blanks around it, unless quotes keep them.
pub(in crate::ingest) fn bare(cell: &[u8], quoted: bool) -> &[u8] {
    if quoted { cell } else { trim(cell) }
}

/// What became of a cell in a column of which the type was promised.
pub(super) enum Promised<'c> {
    Missing,
    Int(i64),
    Float(f64),
    Bool(bool),
    /// And whether it has a time.
    Moment(Moment, bool),
    Text(&'c [u8]),
    /// It is of another type.
    Broken,
}

/// An integer that no float holds.
const LONG: u16 = 1 << 13;
const FINE: u16 = 1 << 14;
const FAR: u16 = 1 << 15;

/// Integers up to this one are all floats, too.
const FLOAT_HOLDS_TO: u64 = 1 << f64::MANTISSA_DIGITS;

/// What has been seen in a column so far.
#[derive(Debug, Clone)]
pub(in crate::ingest) struct Profile {
    kinds: u16,
    /// Cells per marker, unquoted and quoted.
    counts: Vec<[u64; 2]>,
    /// Empty cells where the empty cell is no marker, unquoted and quoted.
    blank: [u64; 2],
}

impl Profile {
    pub(in crate::ingest) fn new(markers: &Markers) -> Self {
        Self { kinds: 0, counts: vec![[0; 2]; markers.texts.len()], blank: [0; 2] }
    }

    /// Takes in one more cell.
    pub(in crate::ingest) fn see(&mut self, cell: &[u8], quoted: bool, markers: &Markers) {
        let cell = bare(cell, quoted);
        if let Some(marker) = markers.find(cell) {
            self.counts[marker][usize::from(quoted)] += 1;
            return;
        }
        if cell.is_empty() {
            self.blank[usize::from(quoted)] += 1;
            return;
        }
        self.see_value(cell);
    }

    /// Takes in one more cell that is no marker and not empty.
    fn see_value(&mut self, cell: &[u8]) {
        if self.kinds & Kind::Text.bit() != 0 {
            return;
        }
        let (kind, moment) = classify(trim(cell));
        self.kinds |= kind.bit();
        // Fifteen digits are always held.
        if cell.len() > 15 && matches!(kind, Kind::Int | Kind::BigInt) && !float_holds(trim(cell)) {
            self.kinds |= LONG;
        }
        if let Some(m) = moment {
            self.see_moment(m);
        }
    }

    /// Takes in one more cell, in a column of which the first rows promised a type, and gives what to make of it.
    /// The cell is told what it is and what it says at once.
    pub(super) fn see_promised<'c>(
        &mut self,
        cell: &'c [u8],
        quoted: bool,
        markers: &Markers,
        plan: &Plan,
    ) -> Promised<'c> {
        let content = bare(cell, quoted);
        let text = plan.data_type == Type::Text;
        if let Some(marker) = markers.find(content) {
            self.counts[marker][usize::from(quoted)] += 1;
            return if plan.counts[marker][usize::from(quoted)] {
                Promised::Missing
            } else {
                Promised::Text(cell)
            };
        }
        if content.is_empty() {
            self.blank[usize::from(quoted)] += 1;
            return if text { Promised::Text(cell) } else { Promised::Missing };
        }
        if text {
            self.see_value(content);
            return Promised::Text(cell);
        }
        let content = trim(content);
        match plan.data_type {
            Type::Int => {
                if let Some(value) = plain_int(content) {
                    self.kinds |= Kind::Int.bit();
                    if value.unsigned_abs() > FLOAT_HOLDS_TO && !float_holds(content) {
                        self.kinds |= LONG;
                    }
                    return Promised::Int(value);
                }
            }
            Type::Date | Type::Timestamp { .. } => {
                if let Some((moment, has_time)) = moment(content) {
                    self.kinds |= moment_kind(moment, has_time).bit();
                    self.see_moment(moment);
                    return Promised::Moment(moment, has_time);
                }
            }
            Type::Float => {
                self.see_value(content);
                if let Some(value) = float_value(content) {
                    return Promised::Float(value);
                }
            }
            Type::Bool => {
                if let Some(value) = bool_value(content) {
                    self.kinds |= Kind::Bool.bit();
                    return Promised::Bool(value);
                }
            }
            Type::Text => {}
        }
        self.see_value(content);
        Promised::Broken
    }

    fn see_moment(&mut self, moment: Moment) {
        if moment.is_fine() {
            self.kinds |= FINE;
        }
        if moment.nanos().is_none() {
            self.kinds |= FAR;
        }
    }

    /// Takes in as many empty cells, unquoted.
    pub(in crate::ingest) fn see_empty(&mut self, cells: u64, markers: &Markers) {
        match markers.empty {
            Some(marker) => self.counts[marker][0] += cells,
            None => self.blank[0] += cells,
        }
    }

    /// Takes in what another profile of the same column has seen.
    pub(in crate::ingest) fn merge(&mut self, other: &Self) {
        self.kinds |= other.kinds;
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            mine[0] += theirs[0];
            mine[1] += theirs[1];
        }
        self.blank[0] += other.blank[0];
        self.blank[1] += other.blank[1];
    }

    /// Whether any cell held more than a marker.
    pub(in crate::ingest) fn is_known(&self) -> bool {
        self.kinds != 0
    }

    /// Whether all that was seen is `NaN` and infinities.
    pub(in crate::ingest) fn is_special(&self) -> bool {
        self.kinds == Kind::Special.bit()
    }

    /// Whether moments need nanoseconds, and all can be said in them.
    fn is_fine(&self) -> bool {
        self.kinds & FINE != 0 && self.kinds & FAR == 0
    }

    /// The narrowest type that loses nothing of any cell.
    pub(in crate::ingest) fn resolve(&self) -> Type {
        let has = |kind: Kind| self.kinds & kind.bit() != 0;
        let only = |kinds: &[Kind]| {
            let allowed = kinds.iter().fold(LONG | FINE | FAR, |bits, k| bits | k.bit());
            self.kinds != 0 && self.kinds & !allowed == 0
        };
        let fine = self.kinds & FINE != 0;
        let far = self.kinds & FAR != 0;
        if only(&[Kind::Int]) {
            Type::Int
        } else if self.kinds & LONG == 0
            && (only(&[Kind::Int, Kind::Float, Kind::Special]) && (has(Kind::Int) || has(Kind::Float))
                || only(&[Kind::Int, Kind::Float, Kind::Special, Kind::BigInt]) && has(Kind::Float))
        {
            // Fractions are rounded, as everywhere; an integer is never, it may be somebody's number.
            Type::Float
        } else if only(&[Kind::Bool]) {
            Type::Bool
        } else if only(&[Kind::Date]) {
            Type::Date
        } else if only(&[Kind::Date, Kind::Timestamp]) && !(fine && far) {
            Type::Timestamp { zoned: false, nanos: fine }
        } else if only(&[Kind::TimestampTz]) && !(fine && far) {
            Type::Timestamp { zoned: true, nanos: fine }
        } else {
            Type::Text
        }
    }
}

/// A column's type, and which of its cells are missing.
#[derive(Debug, Clone)]
pub(in crate::ingest) struct Plan {
    pub(in crate::ingest) data_type: Type,
    /// By marker: whether it counts, unquoted and quoted. Empty cells in a column of another type
    /// than text count always, since they cannot be anything else.
    pub(in crate::ingest) counts: Vec<[bool; 2]>,
    /// How many cells each marker takes.
    pub(in crate::ingest) missing: BTreeMap<String, u64>,
    /// Whether the type was asked for and is another than was found, so that a cell may not fit.
    pub(in crate::ingest) asked: bool,
}

impl Plan {
    /// Whether cells become the same under both, however many of them are missing.
    pub(in crate::ingest) fn makes_the_same(&self, other: &Self) -> bool {
        self.data_type == other.data_type && self.counts == other.counts && self.asked == other.asked
    }
}

/// Decides on all columns together: a text column's markers depend on the others. `wanted` are the types
/// asked for, by column; `found` those found out.
pub(in crate::ingest) fn decide(
    profiles: &[Profile],
    found: &[Type],
    markers: &Markers,
    in_text: Option<&[String]>,
    wanted: &[Option<Type>],
) -> Vec<Plan> {
    let types: Vec<Type> = (profiles.iter().zip(found).enumerate())
        .map(|(at, (profile, found))| match (wanted.get(at).copied().flatten(), found) {
            (Some(Type::Timestamp { zoned, .. }), Type::Timestamp { zoned: also, .. }) if zoned == *also => {
                *found
            }
            (Some(Type::Timestamp { zoned, .. }), _) => Type::Timestamp { zoned, nanos: profile.is_fine() },
            (Some(wanted), _) => wanted,
            (None, found) => *found,
        })
        .collect();
    let mut used = vec![[false; 2]; markers.texts.len()];
    for (profile, _) in profiles.iter().zip(&types).filter(|(_, t)| **t != Type::Text) {
        for (used, counts) in used.iter_mut().zip(&profile.counts) {
            used[0] |= counts[0] > 0;
            used[1] |= counts[1] > 0;
        }
    }
    let text: Vec<[bool; 2]> = (markers.texts.iter().zip(&used))
        .map(|(text, used)| match in_text {
            // A quoted nothing was written on purpose, unless the file quotes everything.
            Some(own) => {
                let named = own.contains(text);
                [named, named && (!text.is_empty() || used[1])]
            }
            None => [used[0] || text.is_empty(), used[1]],
        })
        .collect();
    let plan = |((profile, data_type), found): ((&Profile, Type), &Type)| {
        let counts =
            if data_type == Type::Text { text.clone() } else { vec![[true; 2]; markers.texts.len()] };
        let mut missing = BTreeMap::new();
        for ((text, counts), seen) in markers.texts.iter().zip(&counts).zip(&profile.counts) {
            let cells = if counts[0] { seen[0] } else { 0 } + if counts[1] { seen[1] } else { 0 };
            add(&mut missing, text, cells);
        }
        let blank: u64 = profile.blank.iter().sum();
        if data_type != Type::Text {
            add(&mut missing, "", blank);
        }
        Plan { data_type, counts, missing, asked: data_type != *found && data_type != Type::Text }
    };
    profiles.iter().zip(types).zip(found).map(plan).collect()
}

/// Whether the first row names the columns, judged against all rows after it.
///
/// It does where some column of numbers, dates and the like begins with something else. Where the
/// first row fits its columns everywhere and some column is not text, it is data. A file of nothing
/// but text is taken to have a header, as most have, unless a cell of its first row comes back below.
pub(in crate::ingest) fn is_header(first: &[Profile], rest: &[Profile], comes_back: bool) -> bool {
    let mut all_text = true;
    for (cell, column) in first.iter().zip(rest) {
        let column_type = column.resolve();
        if column_type == Type::Text {
            if column.is_known() && cell.is_known() && cell.resolve() != Type::Text {
                // A number on top of texts: more a value than a name.
                all_text = false;
            }
            continue;
        }
        all_text = false;
        let mut both = column.clone();
        both.merge(cell);
        if cell.is_known() && both.resolve() == Type::Text {
            return true;
        }
    }
    // Alone, or above columns with nothing in them, names are texts and data are not.
    all_text && !comes_back && first.iter().all(|c| !c.is_known() || c.resolve() == Type::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(cells: &[&str]) -> Profile {
        let markers = Markers::new(&ReadOptions::default());
        let mut profile = Profile::new(&markers);
        for cell in cells {
            match cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
                Some(inner) => profile.see(inner.as_bytes(), true, &markers),
                None => profile.see(cell.as_bytes(), false, &markers),
            }
        }
        profile
    }

    #[test]
    fn narrowest_type_without_loss() {
        let stamp = |zoned, nanos| Type::Timestamp { zoned, nanos };
        for (cells, wanted) in [
            (&["1", "NA", "-3", ""][..], Type::Int),
            (&["1", "2.5"], Type::Float),
            (&["1", "NaN"], Type::Float),
            (&["NaN", "NaN"], Type::Text),
            (&["1", "02134"], Type::Text),
            (&["1", "99999999999999999999"], Type::Text),
            (&["1.5", "99999999999999999999"], Type::Text),
            (&["1.5", "100000000000000000000"], Type::Float),
            (&["true", "False", "N/A"], Type::Bool),
            (&["true", "1"], Type::Text),
            (&["2013-01-01", "2013-01-01 05:00"], stamp(false, false)),
            (&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00.123456789Z"], stamp(true, true)),
            (&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00"], Type::Text),
            (&["1500-01-01 00:00", "2013-01-01T05:00:00.123456789"], Type::Text),
            (&["NA", ""], Type::Text),
        ] {
            assert_eq!(profile(cells).resolve(), wanted, "{cells:?}");
        }
    }

    #[test]
    fn a_marker_is_missing_in_text_only_where_a_typed_column_uses_it_so() {
        let markers = Markers::new(&ReadOptions::default());
        let decide = |columns: &[&[&str]], own: Option<&[String]>| {
            let profiles: Vec<Profile> = columns.iter().map(|c| profile(c)).collect();
            let found: Vec<Type> = profiles.iter().map(Profile::resolve).collect();
            decide(&profiles, &found, &markers, own, &[]).into_iter().map(|p| p.missing).collect::<Vec<_>>()
        };
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(k, n)| (k.to_string(), *n)).collect();

        // Namibia stays where no number is NA.
        let seen = decide(&[&["NA", "DE", ""], &["1", "2", ""]], None);
        assert_eq!(seen, [counts(&[("", 1)]), counts(&[("", 1)])]);
        // Where one is, NA means missing.
        let seen = decide(&[&["NA", "DE", ""], &["1", "NA", ""]], None);
        assert_eq!(seen, [counts(&[("", 1), ("NA", 1)]), counts(&[("", 1), ("NA", 1)])]);
        // Unless quotes tell the two apart.
        let seen = decide(&[&["\"NA\"", "DE", "\"\""], &["1", "NA", "3"]], None);
        assert_eq!(seen, [counts(&[]), counts(&[("NA", 1)])]);
        // And it can be said either way.
        let seen = decide(&[&["NA", "DE", ""], &["1", "NA", ""]], Some(&[String::new()]));
        assert_eq!(seen[0], counts(&[("", 1)]));
        let seen = decide(&[&["NA", "DE", ""], &["1", "2", ""]], Some(&["NA".to_owned()]));
        assert_eq!(seen[0], counts(&[("NA", 1)]));
    }

    #[test]
    fn headers() {
        let row = |cells: &[&str]| cells.iter().map(|c| profile(&[c])).collect::<Vec<_>>();
        let header = |first: &[&str], rest: &[&str]| is_header(&row(first), &row(rest), false);
        assert!(header(&["id", "name"], &["1", "x"]));
        assert!(!header(&["1", "x"], &["2", "y"]));
        assert!(header(&["id", "name"], &["a", "b"]));
        assert!(header(&["id", ""], &["1", "x"]));
        assert!(header(&["id", "name"], &["", ""]));
        assert!(!is_header(&row(&["a", "b"]), &row(&["a", "c"]), true));
    }
}
