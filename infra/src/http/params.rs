//! Query parameters, read strictly: one that is unknown, given twice or has no sense is refused
//! with its name, all of them at once.

use std::{
    collections::BTreeMap,
    fmt::Write,
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Code, Problem};

/// The parameters of a request, taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub struct Params {
    given: BTreeMap<String, String>,
    errors: Vec<(String, &'static str, String)>,
    canonical: String,
}

impl Params {
    /// Splits a query string.
    pub fn parse(query: &str) -> Self {
        let mut params = Self { given: BTreeMap::new(), errors: Vec::new(), canonical: String::new() };
        match web::Query::<Vec<(String, String)>>::from_query(query) {
            Ok(pairs) => {
                for (name, value) in pairs.into_inner() {
                    let again = params.given.contains_key(&name);
                    if again {
                        params.refuse(&name, "given_twice", "is given more than once");
                    } else if value.contains('\0') {
                        // PostgreSQL has no text with it, so nothing could match.
                        params.refuse(&name, "invalid", "has a NUL character in it");
                    } else {
                        params.given.insert(name, value);
                    }
                }
            }
            Err(_) => params.refuse("query", "malformed", "the query string cannot be read"),
        }
        let mut canonical = String::new();
        for (name, value) in &params.given {
            // The same view read at another minimum position is the same view.
            if name != MIN_POSITION {
                let _ = write!(canonical, "{}:{name}={}:{value};", name.len(), value.len());
            }
        }
        params.canonical = canonical;
        params
    }

    /// A single one.
    pub fn of(name: &str, value: impl Into<String>) -> Self {
        let given = BTreeMap::from([(name.to_owned(), value.into())]);
        Self { given, errors: Vec::new(), canonical: String::new() }
    }

    /// All parameters that say what is asked for, in one form whatever their order.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Notes that a parameter is wrong.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push((name.to_owned(), code, detail.into()));
    }

    /// The parameter as text, an empty one as none.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).filter(|v| !v.is_empty())
    }

    /// The parameter as any type that can be read from text.
    pub fn take<T: FromStr>(&mut self, name: &str, what: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => {
                self.refuse(name, "invalid", format!("`{}` is not {what}", shorten(&text)));
                None
            }
        }
    }

    /// The parameter as `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "true or false")
    }

    /// The parameter as one of a few words.
    pub fn one_of(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(name)?;
        let found = words.iter().find(|w| **w == text).copied();
        if found.is_none() {
            self.refuse(name, "invalid", format!("`{}` is none of {}", shorten(&text), words.join(", ")));
        }
        found
    }

    /// The parameter as a moment, RFC 3339 or a date (its first moment in UTC).
    pub fn moment(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let moment = DateTime::parse_from_rfc3339(&text).map(|t| t.to_utc()).ok().or_else(|| {
            text.parse::<NaiveDate>().ok().and_then(|d| d.and_hms_opt(0, 0, 0)).map(|t| t.and_utc())
        });
        let Some(moment) = moment else {
            let detail = format!("`{}` is neither an RFC 3339 time nor a date", shorten(&text));
            self.refuse(name, "invalid", detail);
            return None;
        };
        // Neither the event log nor the database takes every year that can be written.
        if !(1970..=9999).contains(&moment.year()) {
            self.refuse(name, "out_of_range", "must be in the years 1970 to 9999");
            return None;
        }
        // A leap second is the end of the one before, which everything knows.
        Some(moment.with_nanosecond(moment.nanosecond().min(999_999_999)).unwrap_or(moment))
    }

    /// The parameter as a number within bounds.
    pub fn number(&mut self, name: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let number = self.take::<i64>(name, "a whole number")?;
        if bounds.contains(&number) {
            return Some(number);
        }
        self.refuse(name, "out_of_range", format!("must be from {} to {}", bounds.start(), bounds.end()));
        None
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 that names each parameter that is unknown or wrong.
    pub fn finish(&mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.given).into_keys() {
            self.refuse(&shorten(&name), "unknown_parameter", "there is no such parameter here");
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        let wrong: Vec<_> =
            self.errors.iter().map(|(name, _, detail)| format!("`{name}`: {detail}")).collect();
        let detail = format!("These query parameters cannot be used: {}.", wrong.join("; "));
        let problem = Problem::new(Code::InvalidParameter, detail);
        Err(self.errors.drain(..).fold(problem, |p, (name, code, detail)| p.field(name, code, detail)))
    }
}

/// Refuses every parameter, for what has none.
#[derive(Debug, Clone, Copy)]
pub struct NoParams;

impl FromRequest for NoParams {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Params::parse(req.query_string()).finish().map(|()| Self))
    }
}

/// The parameters of a single thing, for the API's description.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub struct Common {
    /// The fields to answer, separated by commas; `a.b` is field `b` inside `a`.
    fields: Option<String>,
    /// Waits until the models have seen the event at this position; the same as the header
    /// `Weir-Min-Position`.
    #[param(minimum = 0)]
    min_position: Option<u64>,
}

/// The parameter that a list has beside those of its page, for the API's description.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub struct Fresh {
    /// Waits until the models have seen the event at this position; the same as the header
    /// `Weir-Min-Position`.
    #[param(minimum = 0)]
    min_position: Option<u64>,
}

/// The parameter that asks for a model at least as new as a position.
pub const MIN_POSITION: &str = "min_position";

/// Long input is not repeated whole in an answer.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_minimum_position_do_not_make_another_view() {
        let a = Params::parse("sort=name&limit=5&min_position=7");
        let b = Params::parse("limit=5&sort=name");
        assert_eq!(a.canonical(), b.canonical());
        assert_ne!(a.canonical(), Params::parse("limit=5&sort=nam").canonical());
    }

    #[test]
    fn values_cannot_imitate_other_parameters() {
        let a = Params::parse("a=1%3B1%3Ab%3D1%3A2");
        let b = Params::parse("a=1&b=2");
        assert_ne!(a.canonical(), b.canonical());
    }

    #[test]
    fn whatever_is_left_or_wrong_is_named() {
        let mut params = Params::parse("limit=x&colour=red&limit=2");
        assert_eq!(params.number("limit", 1..=200), None);
        assert!(params.finish().is_err());
        assert!(Params::parse("").finish().is_ok());
    }
}
