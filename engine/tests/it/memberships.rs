//! `IN (SELECT ...)` against the three values of SQL's logic, computed here.

use serde_json::json;
use weir_engine::sql::Limits;

use crate::support::Bench;

/// What is true, false, or neither.
type Truth = Option<bool>;

fn not(a: Truth) -> Truth {
    a.map(|a| !a)
}

fn or(a: Truth, b: Truth) -> Truth {
    if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) }
}

fn and(a: Truth, b: Truth) -> Truth {
    not(or(not(a), not(b)))
}

/// Whether a value is among others.
fn among(value: Option<i64>, others: &[Option<i64>]) -> Truth {
    let equal = |other: &Option<i64>| value.zip(*other).map(|(a, b)| a == b);
    others.iter().map(equal).fold(Some(false), or)
}

/// A condition with `{in}` for the membership and `{not_in}` for its contrary, and what it is for a row's id.
type Form = (&'static str, fn(Truth, i64) -> Truth);

const FORMS: [Form; 13] = [
    ("{in}", |m, _| m),
    ("{not_in}", |m, _| not(m)),
    ("NOT ({in})", |m, _| not(m)),
    ("{in} OR id = 99", |m, _| m),
    ("{not_in} OR id = 3", |m, id| or(not(m), Some(id == 3))),
    ("{not_in} AND id < 3", |m, id| and(not(m), Some(id < 3))),
    ("NOT ({in} AND id <> 99)", |m, _| not(m)),
    ("NOT ({not_in} OR id = 1)", |m, id| not(or(not(m), Some(id == 1)))),
    ("({in}) IS NULL", |m, _| Some(m.is_none())),
    ("({not_in}) IS NOT TRUE", |m, _| Some(not(m) != Some(true))),
    ("coalesce({in}, true)", |m, _| Some(m.unwrap_or(true))),
    ("CASE WHEN {not_in} THEN true ELSE id = 2 END", |m, id| Some(not(m) == Some(true) || id == 2)),
    ("({in}) = (id = 1)", |m, id| m.map(|m| m == (id == 1))),
];

#[tokio::test]
async fn a_membership_is_neither_where_something_is_missing() {
    let mut bench = Bench::new();
    bench.load("l", "id,x\n1,1\n2,2\n3,\n").await;
    let left = [(1, Some(1)), (2, Some(2)), (3, None)];
    let rights: [&[Option<i64>]; 5] =
        [&[], &[Some(1)], &[Some(1), None], &[None], &[Some(2), Some(5), Some(2)]];
    for (n, right) in rights.iter().enumerate() {
        // A file has rows, so those that are in nothing are left out by the query.
        let cells = right.iter().map(|v| v.map_or(",1".to_owned(), |v| format!("{v},1")));
        let rows: Vec<String> = cells.chain(["1,0".to_owned()]).collect();
        bench.load(&format!("r{n}"), format!("y,kept\n{}\n", rows.join("\n"))).await;
        let subqueries = [
            format!("SELECT y FROM r{n} WHERE kept = 1"),
            // Of the row outside, with the same rows in the end.
            format!("SELECT r.y FROM r{n} r WHERE r.kept = 1 AND l.id > 0"),
            format!("SELECT DISTINCT y FROM r{n} WHERE kept = 1"),
        ];
        for subquery in &subqueries {
            for (form, truth) in FORMS {
                let form = form
                    .replace("{in}", &format!("x IN ({subquery})"))
                    .replace("{not_in}", &format!("x NOT IN ({subquery})"));
                let sql = format!("SELECT id FROM l WHERE {form} ORDER BY id");
                let wanted: Vec<_> = left
                    .iter()
                    .filter(|(id, x)| truth(among(*x, right), *id) == Some(true))
                    .map(|(id, _)| [*id])
                    .collect();
                match bench.try_query(&sql, &Limits::default()).await {
                    Ok(answer) => {
                        assert_eq!(
                            json!(answer.to_json_rows().unwrap()),
                            json!(wanted),
                            "{sql} over {right:?}"
                        );
                    }
                    // What the engine cannot do it says, which is no wrong answer; plain ones it can.
                    Err(error) => assert!(subquery.contains("l.id"), "{sql}: {error:?}"),
                }
            }
        }
    }
    // And where groups are chosen, and of what is computed.
    let sql =
        "SELECT id FROM l GROUP BY id HAVING NOT (sum(x) IN (SELECT y FROM r2) AND id < 99) ORDER BY id";
    assert_eq!(json!(bench.rows(sql).await), json!([]));
    let sql = "SELECT id FROM l WHERE x + 1 NOT IN (SELECT y FROM r4 WHERE kept = 1) OR id = 99";
    assert_eq!(json!(bench.rows(sql).await), json!([[2]]));
}

/// Lists are made one where two stand side by side, which what is missing in them must survive.
#[tokio::test]
async fn what_is_missing_in_a_list_counts() {
    let mut bench = Bench::new();
    bench.load("t", "id,s,c\n1,a,x\n2,b,\n3,c,a\n4,,a\n5,a,a\n").await;
    for (condition, wanted) in [
        ("s IN ('a', 'b') AND s NOT IN ('x', NULL)", json!([])),
        ("s IN ('a', 'b') AND s NOT IN ('x', c)", json!([[1]])),
        ("s IN ('a', 'b', NULL) AND s IN ('b', 'c', NULL)", json!([[2]])),
        ("s IN ('b', c)", json!([[2], [5]])),
        ("NOT (s IN ('b', c))", json!([[1], [3]])),
        ("s IN (NULL)", json!([])),
        ("(s IN ('a', NULL)) IS NULL", json!([[2], [3], [4]])),
        ("id NOT IN (1, 2) AND id NOT IN (3, NULL)", json!([])),
    ] {
        let sql = format!("SELECT id FROM t WHERE {condition} ORDER BY id");
        assert_eq!(json!(bench.rows(&sql).await), wanted, "{condition}");
    }
    let sql = "SELECT s IN ('a', c), s NOT IN ('a', NULL) FROM t ORDER BY id";
    let wanted = json!([[true, false], [null, null], [false, null], [null, null], [true, false]]);
    assert_eq!(json!(bench.rows(sql).await), wanted);
}
