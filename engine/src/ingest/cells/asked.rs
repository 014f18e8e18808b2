//! What a cell says when it is asked for a type: more is understood than when types are found out, since a
//! person has said what is meant. Cells come trimmed.

use super::cell::{Moment, bool_value, float_value, int_value, moment};

/// Also with a plus, leading zeros, and a fraction of nothing but zeros.
pub(super) fn int(cell: &[u8]) -> Option<i64> {
    let cell = cell.strip_prefix(b"+").filter(|rest| rest.first() != Some(&b'-')).unwrap_or(cell);
    let dot = cell.iter().position(|b| *b == b'.').unwrap_or(cell.len());
    let (whole, fraction) = cell.split_at(dot);
    let nothing = fraction.len() != 1 && fraction.iter().skip(1).all(|b| *b == b'0');
    nothing.then(|| int_value(whole))?
}

/// Any number that a float can hold, `NaN` and infinities included where they are written so.
pub(super) fn float(cell: &[u8]) -> Option<f64> {
    let value = float_value(cell)?;
    // Digits beyond all floats would be infinite.
    (!value.is_infinite() || !cell.iter().any(u8::is_ascii_digit)).then_some(value)
}

/// Also `yes`, `no`, their first letters, and the digits.
pub(super) fn boolean(cell: &[u8]) -> Option<bool> {
    let is = |words: [&[u8]; 4]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is([b"t", b"yes", b"y", b"1"]) {
        Some(true)
    } else if is([b"f", b"no", b"n", b"0"]) {
        Some(false)
    } else {
        bool_value(cell)
    }
}

/// Also a date and time that is midnight.
pub(super) fn date(cell: &[u8]) -> Option<i32> {
    let (m, _) = moment(cell)?;
    (m.nanos == 0 && m.zone.is_none()).then_some(m.days)
}

/// A moment without zone, or one in UTC; what names no zone is in UTC then.
fn of_zone(cell: &[u8], zoned: bool) -> Option<Moment> {
    let (m, _) = moment(cell)?;
    (zoned || m.zone.is_none()).then_some(m)
}

pub(super) fn micros(cell: &[u8], zoned: bool) -> Option<i64> {
    of_zone(cell, zoned).filter(|m| !m.is_fine()).map(Moment::micros)
}

pub(super) fn nanos(cell: &[u8], zoned: bool) -> Option<i64> {
    of_zone(cell, zoned).and_then(Moment::nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_understood() {
        for (cell, wanted) in [
            ("5", Some(5)),
            ("+05", Some(5)),
            ("-5.00", Some(-5)),
            ("5.", None),
            ("5.5", None),
            ("+-5", None),
        ] {
            assert_eq!(int(cell.as_bytes()), wanted, "{cell}");
        }
        assert_eq!(int(b""), None);
        assert_eq!(int(b".0"), None);
        assert_eq!(
            (float(b"1e999"), float(b"-inf"), float(b"007")),
            (None, Some(f64::NEG_INFINITY), Some(7.0))
        );
        assert_eq!((boolean(b"Yes"), boolean(b"0"), boolean(b"2")), (Some(true), Some(false), None));
        assert_eq!((date(b"2013-01-01 00:00"), date(b"2013-01-01 05:00")), (Some(15_706), None));
        assert_eq!(micros(b"1970-01-01T01:00+01:00", true), Some(0));
        assert_eq!(micros(b"1970-01-01T01:00+01:00", false), None);
        assert_eq!(micros(b"1970-01-01 00:00:00.000000001", false), None);
        assert_eq!(nanos(b"1970-01-01 00:00:00.000000001", false), Some(1));
    }
}
