//! What a cell says, judged by its bytes alone and without allocating.

/// What a cell can be read as. A column's kinds are gathered as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Kind {
    /// Fits 64 bits.
    Int,
    /// Digits beyond 64 bits.
    BigInt,
    /// A finite number with a fraction or exponent.
    Float,
    /// `NaN` or an infinity: a number only in the company of numbers.
    Special,
    Bool,
    Date,
    Timestamp,
    TimestampTz,
    Text,
}

impl Kind {
    pub(in crate::ingest) fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// A moment, as far as a cell tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) struct Moment {
    /// Days since 1970-01-01.
    pub(in crate::ingest) days: i32,
    /// Nanoseconds since midnight.
    pub(in crate::ingest) nanos: i64,
    /// Seconds east of UTC, where the cell names a zone.
    pub(in crate::ingest) zone: Option<i32>,
}

impl Moment {
    const DAY: i64 = 86_400;

    fn seconds(self) -> i64 {
        i64::from(self.days) * Self::DAY - i64::from(self.zone.unwrap_or(0))
    }

    /// Microseconds since 1970, in UTC where a zone is named.
    pub(in crate::ingest) fn micros(self) -> i64 {
        self.seconds() * 1_000_000 + self.nanos / 1000
    }

    /// The same in nanoseconds, where 64 bits hold it: 1677 to 2262.
    pub(in crate::ingest) fn nanos(self) -> Option<i64> {
        self.seconds().checked_mul(1_000_000_000)?.checked_add(self.nanos)
    }

    /// Whether microseconds would lose something.
    pub(in crate::ingest) fn is_fine(self) -> bool {
        self.nanos % 1000 != 0
    }
}

/// Takes blanks off both ends.
pub(in crate::ingest) fn trim(mut cell: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = cell {
        cell = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = cell {
        cell = rest;
    }
    cell
}

/// The kind that a moment is of.
pub(in crate::ingest) fn moment_kind(moment: Moment, has_time: bool) -> Kind {
    match (has_time, moment.zone) {
        (false, _) => Kind::Date,
        (true, Some(_)) => Kind::TimestampTz,
        (true, None) => Kind::Timestamp,
    }
}

/// The narrowest kind that a trimmed cell fits, and the moment where it is one.
pub(in crate::ingest) fn classify(cell: &[u8]) -> (Kind, Option<Moment>) {
    let kind = match cell {
        [b'0'..=b'9' | b'-' | b'.', ..] => return number_or_moment(cell),
        [b't' | b'T' | b'f' | b'F', ..] if bool_value(cell).is_some() => Kind::Bool,
        [b'n' | b'N' | b'i' | b'I', ..] if is_special(cell) => Kind::Special,
        _ => Kind::Text,
    };
    (kind, None)
}

fn number_or_moment(cell: &[u8]) -> (Kind, Option<Moment>) {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, cell),
    };
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let padded = whole > 1 && digits[0] == b'0';
    match digits.get(whole) {
        None => {
            let kind = if whole == 0 || padded {
                Kind::Text
            } else if negative && digits == b"0" {
                // Its sign would be lost as an integer.
                Kind::Float
            } else if whole <= 18 || int_value(cell).is_some() {
                Kind::Int
            } else {
                Kind::BigInt
            };
            (kind, None)
        }
        Some(b'-' | b'/') if whole == 4 && !negative => match moment(cell) {
            Some((m, has_time)) => (moment_kind(m, has_time), Some(m)),
            None => (Kind::Text, None),
        },
        Some(b'.' | b'e' | b'E') if !padded && is_float(digits, whole) => {
            // Only an exponent, or very many digits, can go beyond what a float holds.
            let plain = digits.len() < 300 && !digits.iter().any(|b| matches!(b, b'e' | b'E'));
            let fits =
                plain || float_value(cell).is_some_and(|v| v.is_finite() && (v != 0.0 || is_zero(digits)));
            (if fits { Kind::Float } else { Kind::Text }, None)
        }
        Some(_) if negative && is_special(digits) => (Kind::Special, None),
        Some(_) => (Kind::Text, None),
    }
}

/// Whether digits, of which `whole` come first, go on as the fraction and exponent of a number.
fn is_float(digits: &[u8], whole: usize) -> bool {
    let mut rest = &digits[whole..];
    let mut count = whole;
    if let [b'.', after @ ..] = rest {
        let fraction = after.iter().take_while(|b| b.is_ascii_digit()).count();
        count += fraction;
        rest = &after[fraction..];
    }
    if count == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = match exponent {
                [b'+' | b'-', rest @ ..] => rest,
                _ => exponent,
            };
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// Whether no digit before the exponent is another than zero.
fn is_zero(number: &[u8]) -> bool {
    number.iter().take_while(|b| !matches!(b, b'e' | b'E')).all(|b| matches!(b, b'0' | b'.'))
}

/// Whether a float is the very integer that the cell says, to the last digit.
pub(in crate::ingest) fn float_holds(cell: &[u8]) -> bool {
    float_value(cell).is_some_and(|value| format!("{value:.0}").as_bytes() == cell)
}

fn is_special(cell: &[u8]) -> bool {
    [b"nan".as_slice(), b"inf", b"infinity"].iter().any(|s| cell.eq_ignore_ascii_case(s))
}

/// A bool, in any case.
pub(in crate::ingest) fn bool_value(cell: &[u8]) -> Option<bool> {
    if cell.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if cell.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// An integer of the kind [`Kind::Int`]: none that is written in a way which a number would not keep.
pub(in crate::ingest) fn plain_int(cell: &[u8]) -> Option<i64> {
    match cell {
        [b'0'] => Some(0),
        [b'0', ..] | [b'-', b'0', ..] => None,
        _ => int_value(cell),
    }
}

/// An integer that fits 64 bits.
pub(in crate::ingest) fn int_value(cell: &[u8]) -> Option<i64> {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, cell),
    };
    if digits.is_empty() {
        return None;
    }
    // Gathered below zero, which reaches one further than above.
    let mut value = 0i64;
    if digits.len() <= 18 {
        for b in digits {
            if !b.is_ascii_digit() {
                return None;
            }
            value = value * 10 - i64::from(b - b'0');
        }
    } else {
        for b in digits {
            if !b.is_ascii_digit() {
                return None;
            }
            value = value.checked_mul(10)?.checked_sub(i64::from(b - b'0'))?;
        }
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A float, `NaN` and infinities included.
pub(in crate::ingest) fn float_value(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// A date alone.
pub(in crate::ingest) fn date_value(cell: &[u8]) -> Option<i32> {
    match moment(cell) {
        Some((m, false)) => Some(m.days),
        _ => None,
    }
}

/// A date, or a date and time: the moment, and whether it has a time.
pub(in crate::ingest) fn moment(cell: &[u8]) -> Option<(Moment, bool)> {
    let (date, rest) = cell.split_at_checked(10)?;
    let separator = date[4];
    if !matches!(separator, b'-' | b'/') || date[7] != separator {
        return None;
    }
    let days = days(number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?)?;
    let ([b'T' | b't', time @ ..] | [b' ', time @ ..]) = rest else {
        return rest.is_empty().then_some((Moment { days, nanos: 0, zone: None }, false));
    };
    let (clock, mut rest) = time.split_at_checked(5)?;
    if clock[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&clock[..2])?, number(&clock[3..])?);
    let mut second = 0;
    let mut fraction = 0;
    if let [b':', a, b, after @ ..] = rest {
        second = number(&[*a, *b])?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            fraction = i64::from(number(&after[..digits])?) * 10i64.pow(9 - u32::try_from(digits).ok()?);
            rest = &after[digits..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + fraction;
    Some((Moment { days, nanos, zone: zone(rest)? }, true))
}

/// Seconds east of UTC; the inner `None` where nothing is left, the outer where it is no zone.
fn zone(rest: &[u8]) -> Option<Option<i32>> {
    let (sign, offset) = match trim(rest) {
        [] => return Some(None),
        b"Z" | b"z" | b"UTC" => return Some(Some(0)),
        [b'+', offset @ ..] => (1, offset),
        [b'-', offset @ ..] => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = match offset {
        [_, _] => (number(offset)?, 0),
        [a, b, b':', c, d] | [a, b, c, d] => (number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours <= 18 && minutes < 60).then_some(Some(sign * seconds))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length || year == 0 {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let (y, m) = (i32::try_from(year).ok()? - i32::from(month <= 2), (i32::try_from(month).ok()? + 9) % 12);
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * m + 2) / 5 + i32::try_from(day).ok()? - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cell: &str) -> Kind {
        classify(trim(cell.as_bytes())).0
    }

    #[test]
    fn kinds() {
        for (cells, wanted) in [
            (&["0", "-1", "42", "9223372036854775807", "-9223372036854775808", " 7 "][..], Kind::Int),
            (&["9223372036854775808", "99999999999999999999"], Kind::BigInt),
            (&["1.5", ".5", "1.", "-0", "1e5", "1E-5", "0.1", "-2.5e+3", "0e0"], Kind::Float),
            (&["nan", "NaN", "-inf", "Infinity"], Kind::Special),
            (&["true", "FALSE", "True"], Kind::Bool),
            (&["2013-01-31", "2000/02/29"], Kind::Date),
            (&["2013-01-01T05:00", "2013-01-01 05:00:00", "2013-01-01 05:00:00.123456789"], Kind::Timestamp),
            (
                &[
                    "2013-01-01T05:00:00Z",
                    "2013-01-01 05:00:00+00",
                    "2013-01-01 05:00:00.5 -0330",
                    "2013-01-01 05:00 UTC",
                ],
                Kind::TimestampTz,
            ),
            (
                &[
                    "02134",
                    "+49151",
                    "-012",
                    "00.5",
                    "1e999",
                    "1e",
                    ".",
                    "-",
                    "1,5",
                    "x",
                    "t",
                    "yes",
                    "2013-02-29",
                    "2013-13-01",
                    "2013-01-01T25:00",
                    "2013-01-01T05:00:60",
                    "12:30",
                    "1.2.3",
                    "0x1f",
                    "1 2",
                    "2013-01-01T",
                    "2013-01-01Z",
                    "--1",
                    "0000-01-01",
                    "2013-1-1",
                    "2013-01/01",
                ],
                Kind::Text,
            ),
        ] {
            for cell in cells {
                assert_eq!(kind(cell), wanted, "{cell}");
            }
        }
    }

    #[test]
    fn values() {
        assert_eq!(date_value(b"1970-01-01"), Some(0));
        assert_eq!(date_value(b"2013-01-01"), Some(15_706));
        assert_eq!(date_value(b"1969-12-31"), Some(-1));
        assert_eq!(int_value(b"-9223372036854775808"), Some(i64::MIN));
        let (m, _) = moment(b"2013-01-01T05:00:00.25+01:00").unwrap();
        assert_eq!(m.micros(), (15_706 * 86_400 + 4 * 3600) * 1_000_000 + 250_000);
    }

    #[test]
    fn a_plain_integer_is_what_the_first_look_calls_one() {
        for cell in ["0", "7", "-1", "-0", "00", "-01", "07", "", "-", "1.", "x", "9223372036854775807"] {
            let is_int = classify(cell.as_bytes()).0 == Kind::Int;
            assert_eq!(plain_int(cell.as_bytes()).is_some(), is_int, "{cell}");
        }
        for cell in
            ["-9223372036854775808", "-9223372036854775809", "9223372036854775808", "000000000000000000001"]
        {
            let is_int = classify(cell.as_bytes()).0 == Kind::Int;
            assert_eq!(plain_int(cell.as_bytes()).is_some(), is_int, "{cell}");
        }
    }

    #[test]
    fn days_agree_with_chrono() {
        use chrono::Datelike;
        let mut day = chrono::NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        while day.year() < 2500 {
            let epoch = day.num_days_from_ce() - 719_163;
            assert_eq!(days(day.year().try_into().unwrap(), day.month(), day.day()), Some(epoch));
            day += chrono::TimeDelta::days(13);
        }
    }
}
