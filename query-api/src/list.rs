//! Lists, paged by key instead of by offset, so that rows which come in between two pages neither
//! push one out of sight nor show one twice.

use tokio_postgres::Row;
use uuid::Uuid;
use weir_infra::http::{Code, List, Page, Problem};

use crate::reader::{self, Decoded, Param, Reader};

/// A column that a list can be sorted by.
#[derive(Debug)]
pub(crate) struct Key {
    /// As in `sort=`.
    pub(crate) name: &'static str,
    /// The SQL expression.
    pub(crate) expression: &'static str,
    /// Its SQL type.
    pub(crate) kind: Kind,
    /// What makes the order total.
    pub(crate) tie: Tie,
}

/// The SQL types of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `bigint`.
    Number,
    /// `text`.
    Text,
    /// `timestamptz`.
    Time,
}

/// What makes the order of a list total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// The key is unique.
    Unique,
    /// The id decides among equal keys.
    Id,
    /// The id decides among equal keys, and rows without a key come last. They are read apart, so that an index
    /// `(workspace_id, key DESC NULLS LAST, id DESC)` gives both orders, also where it has only rows with a key.
    IdNullsLast,
}

/// Which rows of a list are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Those that have the key; all, where none lacks it.
    Keyed,
    /// Those that lack it.
    Keyless,
}

/// A list's statement: a template in a `.sql` file with `{key}`, `{after}` and `{order}`, which
/// only ever become fixed text of the keys named here.
///
/// Parameters: `$1` the workspace, `$2` and `$3` key and id of the cursor, `$4` the number of rows,
/// the filters from `$5` on.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The template.
    pub(crate) template: &'static str,
    /// The id column that [`Tie`] speaks of, as `table.column`.
    pub(crate) id: &'static str,
    /// What it can be sorted by.
    pub(crate) keys: &'static [Key],
    /// What it is sorted by where nothing is asked for, as in `sort=`.
    pub(crate) default: &'static str,
}

/// A place in a list: the last row's key as text, and its id.
type Place = (Option<String>, Option<Uuid>);

/// The part of a list that was asked for.
pub(crate) struct Request {
    statement: &'static Statement,
    key: &'static Key,
    page: Page,
    sort: weir_infra::http::Sort,
    after: Option<Place>,
    /// Whether it always asks for the same: the first page without filters.
    always_same: bool,
}

impl Kind {
    fn sql(self) -> &'static str {
        match self {
            Self::Number => "bigint",
            Self::Text => "text",
            Self::Time => "timestamptz",
        }
    }

    /// Whether PostgreSQL can read it, so that it is never given what somebody made up.
    fn reads(self, text: &str) -> bool {
        match self {
            Self::Number => text.parse::<i64>().is_ok(),
            Self::Text => !text.contains('\0'),
            Self::Time => text.len() < 40 && chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        }
    }
}

impl Key {
    fn takes(&self, (key, id): &Place) -> bool {
        let key = match key {
            None => self.tie == Tie::IdNullsLast,
            Some(text) => self.kind.reads(text),
        };
        key && id.is_some() == (self.tie != Tie::Unique)
    }
}

impl Statement {
    /// What `page` asks of this list.
    ///
    /// # Errors
    /// 422 for an order that the list does not have, or a cursor of another order.
    pub(crate) fn request(&'static self, page: Page) -> Result<Request, Problem> {
        let mut allowed = vec![self.default];
        allowed.extend(
            self.keys.iter().map(|k| k.name).filter(|name| *name != self.default.trim_start_matches('-')),
        );
        let sort = page.sort_by(&allowed)?;
        let key = self.keys.iter().find(|k| k.name == sort.key).ok_or_else(|| {
            Problem::internal(format!("the list is not sorted by its default {}", self.default))
        })?;
        let after = page.after::<Place>(&sort)?;
        if after.as_ref().is_some_and(|place| !key.takes(place)) {
            let detail = "The cursor does not belong to this list with these filters in this order; begin without one.";
            return Err(Problem::new(Code::InvalidCursor, detail).field("cursor", "invalid", detail));
        }
        Ok(Request { statement: self, key, page, sort, after, always_same: false })
    }

    /// The first `limit` items in the default order, to be read without filters.
    ///
    /// # Errors
    /// When the default is not among the keys.
    pub(crate) fn first(&'static self, limit: u32) -> Result<Request, Problem> {
        let page = Page { limit, cursor: None, fields: None, sort: None, list: String::new() };
        Ok(Request { always_same: true, ..self.request(page)? })
    }

    fn sql(&self, key: &Key, descending: bool, part: Part) -> String {
        let Key { expression, kind, tie, .. } = key;
        let (id, ty) = (self.id, kind.sql());
        let (cmp, dir) = if descending { ("<", "DESC") } else { (">", "ASC") };
        let behind = format!("($3::uuid IS NULL OR ({expression}, {id}) {cmp} ($2::text::{ty}, $3::uuid))");
        let (after, order) = match (tie, part) {
            (Tie::Unique, _) => (
                format!("($2::text IS NULL OR {expression} {cmp} $2::text::{ty}) AND $3::uuid IS NULL"),
                format!("{expression} {dir}"),
            ),
            (Tie::Id, _) => (behind, format!("{expression} {dir}, {id} {dir}")),
            (Tie::IdNullsLast, Part::Keyed) => {
                // There are no nulls in this part. Where they would be is said so that one index gives both orders.
                let nulls = if descending { "LAST" } else { "FIRST" };
                (
                    format!("{expression} IS NOT NULL AND {behind}"),
                    format!("{expression} {dir} NULLS {nulls}, {id} {dir}"),
                )
            }
            (Tie::IdNullsLast, Part::Keyless) => (
                format!(
                    "{expression} IS NULL AND $2::text IS NULL AND ($3::uuid IS NULL OR {id} {cmp} $3::uuid)"
                ),
                format!("{id} {dir}"),
            ),
        };
        let text = match kind {
            // Every digit, whatever the session's settings.
            Kind::Time => {
                format!("to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            }
            Kind::Number | Kind::Text => format!("({expression})::text"),
        };
        self.template.replace("{key}", &text).replace("{after}", &after).replace("{order}", &order)
    }

    /// The SQL of every order, as `sort=` names it, for the tests that look at them all.
    pub(crate) fn variants(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for key in self.keys {
            for (sign, descending) in [("", false), ("-", true)] {
                let name = format!("{sign}{}", key.name);
                if key.tie == Tie::IdNullsLast {
                    all.push((format!("{name}, none"), self.sql(key, descending, Part::Keyless)));
                }
                all.push((name, self.sql(key, descending, Part::Keyed)));
            }
        }
        all
    }
}

impl Request {
    /// Reads the page. `filters` are `$5` and on.
    ///
    /// # Errors
    /// As [`Reader::rows`].
    pub(crate) async fn read<T>(
        &self,
        db: &Reader<'_>,
        filters: &[Param<'_>],
        item: impl Fn(&Row) -> Decoded<T>,
    ) -> Result<List<T>, Problem> {
        let limit = usize::try_from(self.page.limit).unwrap_or(usize::MAX);
        // One more than asked for tells whether there is another page.
        let wanted = i64::from(self.page.limit) + 1;
        let nullable = self.key.tie == Tie::IdNullsLast;
        let mut rows = Vec::new();
        let mut place = self.after.clone().unwrap_or_default();
        // Behind a row without a key there is none with one.
        if !(nullable && matches!(place, (None, Some(_)))) {
            rows = self.part(db, Part::Keyed, &place, wanted, filters).await?;
            place = Place::default();
        }
        let missing = wanted - i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if nullable && missing > 0 {
            rows.extend(self.part(db, Part::Keyless, &place, missing, filters).await?);
        }
        let kept = &rows[..rows.len().min(limit)];
        let next_cursor = match kept.last() {
            Some(last) if rows.len() > kept.len() => self.page.cursor_after(&self.sort, &self.place(last)?),
            _ => None,
        };
        let items = kept.iter().map(item).collect::<Decoded<_>>().map_err(reader::unreadable)?;
        Ok(List { items, next_cursor })
    }

    async fn part(
        &self,
        db: &Reader<'_>,
        part: Part,
        (key, id): &Place,
        limit: i64,
        filters: &[Param<'_>],
    ) -> Result<Vec<Row>, Problem> {
        let sql = self.statement.sql(self.key, self.sort.descending, part);
        let mut params: Vec<Param<'_>> = vec![key, id, &limit];
        params.extend_from_slice(filters);
        match self.always_same {
            true => db.rows(&sql, &params).await,
            // Which index serves depends on which filters there are, and on whether there is a cursor.
            false => db.rows_planned_for(&sql, &params).await,
        }
    }

    fn place(&self, row: &Row) -> Result<Place, Problem> {
        let key = row.try_get("cursor_key").map_err(reader::unreadable)?;
        let column = self.statement.id.rsplit('.').next().unwrap_or_default();
        let id = match self.key.tie {
            Tie::Unique => None,
            Tie::Id | Tie::IdNullsLast => Some(row.try_get(column).map_err(reader::unreadable)?),
        };
        Ok((key, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LIST: Statement = Statement {
        template: "SELECT id, {key} AS cursor_key FROM t WHERE workspace_id = $1 AND {after} ORDER BY {order} LIMIT $4",
        id: "t.id",
        keys: &[
            Key { name: "created_at", expression: "t.created_at", kind: Kind::Time, tie: Tie::Id },
            Key { name: "used", expression: "t.used", kind: Kind::Number, tie: Tie::IdNullsLast },
        ],
        default: "-created_at",
    };

    fn request(query: &str) -> Result<Request, Problem> {
        LIST.request(Page::parse("/things", query).unwrap())
    }

    fn cursor(sort: &str, place: &Place) -> String {
        let page = Page::parse("/things", &format!("sort={sort}")).unwrap();
        page.cursor_after(page.sort.as_ref().unwrap(), place).unwrap()
    }

    #[test]
    fn the_default_order_is_taken_as_it_is_written() {
        let request = request("").unwrap();
        assert!(request.sort.descending);
        assert_eq!(request.key.name, "created_at");
    }

    #[test]
    fn made_up_cursors_are_refused() {
        let moment = Some("2026-01-02T03:04:05.000006Z".to_owned());
        let good = cursor("-created_at", &(moment.clone(), Some(Uuid::nil())));
        assert!(request(&format!("cursor={good}")).is_ok());
        for bad in [
            "zz".to_owned(),
            cursor("used", &(Some("1".to_owned()), Some(Uuid::nil()))),
            cursor("-created_at", &(Some("now".to_owned()), Some(Uuid::nil()))),
            cursor("-created_at", &(None, Some(Uuid::nil()))),
            cursor("-created_at", &(moment, None)),
        ] {
            let problem = request(&format!("cursor={bad}")).err().unwrap();
            assert_eq!(problem.code(), Code::InvalidCursor, "{bad}");
        }
    }

    #[test]
    fn only_listed_columns_sort() {
        for text in ["sort=id", "sort=--used", "sort=used%20desc"] {
            assert!(request(text).is_err(), "{text}");
        }
        let ascending = LIST.sql(&LIST.keys[1], false, Part::Keyed);
        assert!(ascending.contains("ORDER BY t.used ASC NULLS FIRST, t.id ASC"), "{ascending}");
        let rest = LIST.sql(&LIST.keys[1], false, Part::Keyless);
        assert!(rest.contains("t.used IS NULL") && rest.contains("ORDER BY t.id ASC"), "{rest}");
    }
}
