//! Lists: `limit`, `cursor`, `fields`, `sort`, and `{items, next_cursor}`.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Code, Problem, params::MIN_POSITION};

/// Items per page where the caller asks for no number.
const DEFAULT_LIMIT: u32 = 50;
/// Items per page at most.
const MAX_LIMIT: u32 = 200;
/// Fields that can be selected at most.
const MAX_FIELDS: usize = 100;
/// A cursor's form; one of another form is refused.
const CURSOR_VERSION: u8 = 2;
/// The parameters that may differ from page to page, or have their own word in the cursor.
const OF_A_PAGE: [&str; 5] = ["limit", "cursor", "fields", "sort", MIN_POSITION];

/// The parameters of a list, for the API's description.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Items per page, at most 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// The fields to answer, separated by commas; `a.b` is field `b` inside `a`.
    pub fields: Option<String>,
    /// The field to sort by, with `-` before it for descending order.
    pub sort: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct List<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// What gives the next page as `cursor`; null where this one is the last.
    pub next_cursor: Option<String>,
}

/// Which page of a list, and how.
#[derive(Debug, Clone)]
pub struct Page {
    /// Items at most.
    pub limit: u32,
    /// Where to go on: see [`Page::after`].
    pub cursor: Option<String>,
    /// The fields to answer; all where `None`.
    pub fields: Option<Fields>,
    /// The order asked for: see [`Page::sort_by`].
    pub sort: Option<Sort>,
    /// Stands for the list and its filters: a cursor goes on in no other.
    pub list: String,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The field.
    pub key: String,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Sort {
    fn text(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.key)
    }
}

#[derive(Serialize, Deserialize)]
struct Cursor<T> {
    v: u8,
    /// The order that it belongs to: a place in one order says nothing about another.
    s: String,
    /// The list and the filters that it belongs to.
    l: String,
    k: T,
}

fn invalid(field: &str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::new(Code::InvalidParameter, detail.clone()).field(field, "invalid", detail)
}

/// A time as text that sorts as times do.
pub fn sortable_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The first value of a query parameter, decoded.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query).ok()?.into_inner();
    pairs.into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

/// A short text for a list, which its path names, under its filters.
fn digest(path: &str, pairs: &[(String, String)]) -> String {
    let mut filters: Vec<_> = pairs.iter().filter(|(name, _)| !OF_A_PAGE.contains(&name.as_str())).collect();
    filters.sort();
    let mut hash = Sha256::new();
    for part in [path].into_iter().chain(filters.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()])) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}

impl Page {
    /// Reads it from the path and the query string of a request; other parameters are filters.
    ///
    /// # Errors
    /// When one of its parameters makes no sense.
    pub fn parse(path: &str, query: &str) -> Result<Self, Problem> {
        // What cannot be read at all is refused by those who read the other parameters.
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
        let pairs = pairs.map(web::Query::into_inner).unwrap_or_default();
        let parameter = |name| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let limit = match parameter("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MAX_LIMIT) => limit,
                _ => {
                    return Err(invalid(
                        "limit",
                        format!("The limit is a whole number from 1 to {MAX_LIMIT}."),
                    ));
                }
            },
        };
        let sort = match parameter("sort") {
            None => None,
            Some(text) => {
                let (key, descending) =
                    text.strip_prefix('-').map_or((text.as_str(), false), |key| (key, true));
                if key.is_empty() {
                    return Err(invalid("sort", "The order names a field, with - before it for descending."));
                }
                Some(Sort { key: key.to_owned(), descending })
            }
        };
        let fields = parameter("fields").map(|text| Fields::parse(&text)).transpose()?;
        Ok(Self { limit, cursor: parameter("cursor"), fields, sort, list: digest(path, &pairs) })
    }

    /// The order asked for, or the first of `allowed`, which are written like the parameter
    /// (`-created_at` for descending). A field that stands there can be sorted both ways.
    ///
    /// # Errors
    /// When the list cannot be sorted so.
    pub fn sort_by(&self, allowed: &[&str]) -> Result<Sort, Problem> {
        let split = |text: &str| match text.strip_prefix('-') {
            Some(key) => Sort { key: key.to_owned(), descending: true },
            None => Sort { key: text.to_owned(), descending: false },
        };
        match &self.sort {
            None => Ok(split(allowed.first().copied().unwrap_or("id"))),
            Some(sort) if allowed.iter().any(|a| a.trim_start_matches('-') == sort.key) => Ok(sort.clone()),
            Some(sort) => {
                let names: Vec<_> = allowed.iter().map(|a| a.trim_start_matches('-')).collect();
                Err(invalid(
                    "sort",
                    format!("This list has no order {:?}; it has {}.", sort.key, names.join(", ")),
                ))
            }
        }
    }

    /// The place after which to go on, as [`Page::cursor_after`] wrote it for the same list, filters
    /// and order.
    ///
    /// # Errors
    /// When the cursor is not one of this list in this order.
    pub fn after<T: DeserializeOwned>(&self, sort: &Sort) -> Result<Option<T>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor: Option<Cursor<T>> = bytes.and_then(|b| serde_json::from_slice(&b).ok());
        match cursor {
            Some(c) if c.v == CURSOR_VERSION && c.s == sort.text() && c.l == self.list => Ok(Some(c.k)),
            _ => {
                let detail = "The cursor does not belong to this list with these filters in this order; begin without one.";
                Err(Problem::new(Code::InvalidCursor, detail).field("cursor", "invalid", detail))
            }
        }
    }

    /// The cursor that goes on after a place: the sort key's value and whatever breaks ties.
    pub fn cursor_after<T: Serialize>(&self, sort: &Sort, place: &T) -> Option<String> {
        let cursor = Cursor { v: CURSOR_VERSION, s: sort.text(), l: self.list.clone(), k: place };
        Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).ok()?))
    }

    /// The page of a list that is in memory as a whole. `place` gives an item's value under the
    /// order and what breaks ties.
    ///
    /// # Errors
    /// When the cursor is not one of this list in this order.
    pub fn part_of<T>(
        &self,
        mut items: Vec<T>,
        sort: &Sort,
        place: impl Fn(&T) -> (String, Uuid),
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let after: Option<(String, Uuid)> = self.after(sort)?;
        items.sort_by_cached_key(&place);
        if sort.descending {
            items.reverse();
        }
        if let Some(after) = after {
            let begin = items.partition_point(|item| match sort.descending {
                false => place(item) <= after,
                true => place(item) >= after,
            });
            items.drain(..begin);
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.and_then(|last| self.cursor_after(sort, &place(last)));
        Ok((items, next))
    }

    /// The answer, with the fields asked for.
    ///
    /// # Errors
    /// When an item has no JSON form.
    pub fn answer<T: Serialize>(&self, items: &[T], next_cursor: Option<String>) -> Result<Value, Problem> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = serde_json::to_value(item).map_err(Problem::internal)?;
            values.push(match &self.fields {
                Some(fields) => fields.apply(value),
                None => value,
            });
        }
        Ok(serde_json::json!({ "items": values, "next_cursor": next_cursor }))
    }
}

impl FromRequest for Page {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(req.path(), req.query_string()))
    }
}

/// A selection of fields: `a,b.c`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Self>);

impl Fields {
    /// Reads it.
    ///
    /// # Errors
    /// When it is empty, too long or has empty names.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut fields = Self::default();
        let paths: Vec<&str> = text.split(',').map(str::trim).collect();
        if paths.len() > MAX_FIELDS {
            return Err(invalid("fields", format!("At most {MAX_FIELDS} fields can be selected.")));
        }
        for path in paths {
            let names: Vec<&str> = path.split('.').collect();
            if names.len() > 8 || names.iter().any(|n| n.is_empty()) {
                return Err(invalid(
                    "fields",
                    "The fields are names separated by commas, such as id,columns.name.",
                ));
            }
            fields.insert(&names);
        }
        Ok(fields)
    }

    /// Whether a field at the top is among them, or part of it.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn insert(&mut self, names: &[&str]) {
        let Some((first, rest)) = names.split_first() else { return };
        match self.0.get_mut(*first) {
            // Already there as a whole.
            Some(inner) if inner.0.is_empty() => {}
            Some(inner) if rest.is_empty() => inner.0.clear(),
            Some(inner) => inner.insert(rest),
            None => {
                let mut inner = Self::default();
                inner.insert(rest);
                self.0.insert((*first).to_owned(), inner);
            }
        }
    }

    /// What is left of a value: in objects the fields selected, in arrays the same of each element.
    pub fn apply(&self, value: Value) -> Value {
        match value {
            _ if self.0.is_empty() => value,
            Value::Object(map) => map
                .into_iter()
                .filter_map(|(name, value)| {
                    let inner = self.0.get(&name)?;
                    Some((name, inner.apply(value)))
                })
                .collect(),
            Value::Array(items) => items.into_iter().map(|item| self.apply(item)).collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(query: &str) -> Result<Page, Problem> {
        Page::parse("/things", query)
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(page("").unwrap().limit, 50);
        assert_eq!(page("limit=200&other=x").unwrap().limit, 200);
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=many", "limit="] {
            assert_eq!(page(bad).unwrap_err().code(), Code::InvalidParameter, "{bad}");
        }
    }

    #[test]
    fn cursors_belong_to_an_order() {
        let first = page("sort=-name").unwrap();
        let sort = first.sort_by(&["-created_at", "name"]).unwrap();
        assert_eq!(sort, Sort { key: "name".into(), descending: true });
        let cursor = first.cursor_after(&sort, &("flights", 7)).unwrap();

        let next = page(&format!("sort=-name&cursor={cursor}")).unwrap();
        assert_eq!(next.after::<(String, u64)>(&sort).unwrap(), Some(("flights".into(), 7)));

        let other = page(&format!("cursor={cursor}")).unwrap();
        let default = other.sort_by(&["-created_at", "name"]).unwrap();
        assert_eq!(default, Sort { key: "created_at".into(), descending: true });
        assert_eq!(other.after::<(String, u64)>(&default).unwrap_err().code(), Code::InvalidCursor);
        assert_eq!(
            page("cursor=%%%").unwrap().after::<u64>(&default).unwrap_err().code(),
            Code::InvalidCursor
        );
        assert!(page("sort=shoe_size").unwrap().sort_by(&["name"]).is_err());
    }

    #[test]
    fn cursors_belong_to_a_list_and_its_filters() {
        let first = Page::parse("/things", "sort=name&colour=red&limit=3").unwrap();
        let sort = first.sort_by(&["name"]).unwrap();
        let cursor = first.cursor_after(&sort, &"door").unwrap();
        for (path, query, fits) in [
            ("/things", "sort=name&colour=red", true),
            ("/things", "colour=red&limit=9&fields=id&min_position=4", true),
            ("/things", "sort=name&colour=blue", false),
            ("/things", "sort=name", false),
            ("/things", "sort=name&colour=red&size=1", false),
            ("/others", "sort=name&colour=red", false),
        ] {
            let next = Page::parse(path, &format!("{query}&cursor={cursor}")).unwrap();
            assert_eq!(next.after::<String>(&sort).is_ok(), fits, "{path}?{query}");
        }
    }

    #[test]
    fn pages_of_a_list_in_memory_cover_it_once() {
        let items: Vec<u32> = (0..25).collect();
        for order in ["n", "-n"] {
            let mut seen = Vec::new();
            let mut query = format!("limit=10&sort={order}");
            loop {
                let page = page(&query).unwrap();
                let sort = page.sort_by(&["n"]).unwrap();
                // Many items share a value; the id keeps them apart.
                let place = |n: &u32| (format!("{:02}", n / 7), Uuid::from_u128(u128::from(*n)));
                let (part, next) = page.part_of(items.clone(), &sort, place).unwrap();
                assert!(part.len() <= 10);
                seen.extend(part);
                let Some(next) = next else { break };
                query = format!("limit=10&sort={order}&cursor={next}");
            }
            if order == "-n" {
                seen.reverse();
            }
            assert_eq!(seen, items, "{order}");
        }
    }

    #[test]
    fn fields_select() {
        let value = json!({"id": 1, "name": "a", "columns": [{"name": "x", "type": "int"}, {"name": "y", "type": "text"}]});
        let fields = Fields::parse("id,columns.name").unwrap();
        assert_eq!(fields.apply(value.clone()), json!({"id": 1, "columns": [{"name": "x"}, {"name": "y"}]}));
        let whole = Fields::parse("columns.name,columns,nothing").unwrap();
        assert_eq!(whole.apply(value.clone()), json!({"columns": value["columns"]}));
        for bad in ["", "a,,b", "a.", ".a"] {
            assert!(Fields::parse(bad).is_err(), "{bad:?}");
        }
    }
}
