//! A cell's value, told as text.

use std::io::Write;

use calamine::{Data, DataRef, ExcelDateTime};

/// Beyond this, neighbouring integers are the same float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a cell holds.
pub(super) enum Value<'a> {
    Empty,
    Text(&'a str),
    Number(f64),
    Bool(bool),
    Moment(ExcelDateTime),
    /// The name of an error.
    Error(String),
}

impl<'a> From<&'a DataRef<'_>> for Value<'a> {
    fn from(data: &'a DataRef<'_>) -> Self {
        match data {
            DataRef::Int(n) => Self::Number(*n as f64),
            DataRef::Float(n) => Self::Number(*n),
            DataRef::String(s) | DataRef::DateTimeIso(s) | DataRef::DurationIso(s) => Self::Text(s),
            DataRef::SharedString(s) => Self::Text(s),
            DataRef::Bool(b) => Self::Bool(*b),
            DataRef::DateTime(moment) => Self::Moment(*moment),
            DataRef::Error(e) => Self::Error(e.to_string()),
            DataRef::Empty => Self::Empty,
        }
    }
}

impl<'a> From<&'a Data> for Value<'a> {
    fn from(data: &'a Data) -> Self {
        match data {
            Data::Int(n) => Self::Number(*n as f64),
            Data::Float(n) => Self::Number(*n),
            Data::String(s) | Data::DateTimeIso(s) | Data::DurationIso(s) => Self::Text(s),
            Data::Bool(b) => Self::Bool(*b),
            Data::DateTime(moment) => Self::Moment(*moment),
            Data::Error(e) => Self::Error(e.to_string()),
            Data::Empty => Self::Empty,
        }
    }
}

impl Value<'_> {
    /// Whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty | Self::Text(""))
    }

    /// Puts the text behind `out`; of an error nothing.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty | Self::Error(_) => {}
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Self::Number(n) => number(*n, out),
            Self::Moment(m) => moment(*m, out),
        }
    }
}

// Writing to memory does not fail.
macro_rules! put {
    ($out:expr, $($what:tt)*) => { let _ = write!($out, $($what)*); };
}

fn number(n: f64, out: &mut Vec<u8>) {
    if n.fract() == 0.0 && n.abs() < EXACT {
        put!(out, "{}", n as i64);
    } else {
        put!(out, "{n:?}");
    }
}

fn moment(m: ExcelDateTime, out: &mut Vec<u8>) {
    let value = m.as_f64();
    // Before the first day there is only a time, and beyond the last one only a number.
    if m.is_duration() || (0.0..1.0).contains(&value) {
        return duration(value, out);
    }
    if !(0.0..2_958_466.0).contains(&value) {
        return number(value, out);
    }
    let (year, month, day, hour, minute, second, milli) = m.to_ymd_hms_milli();
    put!(out, "{year:04}-{month:02}-{day:02}");
    if (hour, minute, second, milli) != (0, 0, 0, 0) {
        put!(out, "T{hour:02}:{minute:02}:{second:02}");
        if milli > 0 {
            put!(out, ".{milli:03}");
        }
    }
}

/// Days as hours, minutes and seconds.
fn duration(days: f64, out: &mut Vec<u8>) {
    let millis = (days.abs() * 86_400_000.0).round();
    if millis >= EXACT {
        return number(days, out);
    }
    let millis = millis as u64;
    let (seconds, milli) = (millis / 1000, millis % 1000);
    let sign = if days < 0.0 && millis > 0 { "-" } else { "" };
    put!(out, "{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if milli > 0 {
        put!(out, ".{milli:03}");
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    fn text(value: Value<'_>) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers() {
        for (n, wanted) in [
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e20, "1e20"),
            (9e15, "9000000000000000"),
            (-0.0, "0"),
        ] {
            assert_eq!(text(Value::Number(n)), wanted);
        }
    }

    #[test]
    fn moments() {
        let of = |value, kind, since_1904| text(Value::Moment(ExcelDateTime::new(value, kind, since_1904)));
        let (date, delta) = (ExcelDateTimeType::DateTime, ExcelDateTimeType::TimeDelta);
        assert_eq!(of(41_305.0, date, false), "2013-01-31");
        assert_eq!(of(39_843.0, date, true), "2013-01-31");
        assert_eq!(of(41_305.25, date, false), "2013-01-31T06:00:00");
        assert_eq!(of(45_943.541, date, false), "2025-10-13T12:59:02.400");
        assert_eq!(of(0.5, date, false), "12:00:00");
        assert_eq!(of(26.5 / 24.0, delta, false), "26:30:00");
        assert_eq!(of(-0.25, delta, false), "-06:00:00");
        assert_eq!(of(1e300, date, false), "1e300");
        assert_eq!(of(1e300, delta, false), "1e300");
    }
}
