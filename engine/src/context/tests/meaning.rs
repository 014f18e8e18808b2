//! What requests become.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Column;

const FLIGHTS: &str = include_str!("../../../../samples/nycflights13/flights.context.md");

fn columns(list: &str) -> Vec<Column> {
    list.split(' ')
        .map(|c| c.split_once(':').unwrap())
        .map(|(name, data_type)| Column::new(name, data_type))
        .collect()
}

fn entry(name: &str, list: &str) -> Entry {
    Entry { id: format!("{name} id"), name: name.to_owned(), version: 3, columns: columns(list) }
}

fn catalog() -> Catalog {
    Catalog {
        datasets: vec![
            entry(
                "flights",
                "year:int month:int day:int dep_time:int dep_delay:int arr_delay:int carrier:text flight:int tailnum:text \
                 origin:text dest:text distance:int time_hour:timestamptz",
            ),
            entry("airlines", "carrier:text name:text"),
            entry("planes", "tailnum:text year:int seats:int"),
            entry("airports", "faa:text name:text alt:int"),
            entry("weather", "origin:text wind_speed:float time_hour:timestamptz"),
        ],
    }
}

fn flights() -> Context {
    parse(FLIGHTS).unwrap_or_else(|e| panic!("{e:#?}"))
}

fn request(metrics: &[&str], dimensions: &[&str]) -> Request {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Request { metrics: owned(metrics), dimensions: owned(dimensions), ..Request::default() }
}

fn sql_of(request: &Request) -> String {
    compile(&flights(), request, &catalog()).unwrap_or_else(|e| panic!("{e:#?}")).sql
}

fn refusal(request: &Request) -> Finding {
    compile(&flights(), request, &catalog()).expect_err("refused").remove(0)
}

#[test]
fn the_sample_is_without_fault() {
    let findings = flights().validate(Level::Full, &catalog());
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(check(FLIGHTS, None, Level::Semantic, &Catalog::default()).is_empty());
}

#[test]
fn one_fact_is_one_query() {
    let mut asked = request(&["flight_count", "cancelled_share"], &["airlines.name"]);
    asked.filters = vec!["from_airport".to_owned(), "month <= 6".to_owned()];
    asked.order = vec![Order { by: "flight_count".to_owned(), descending: true }];
    asked.limit = Some(5);
    let compiled = compile(&flights(), &asked, &catalog()).unwrap();
    assert_eq!(
        compiled.sql,
        "SELECT\n  airlines.name AS name,\n  COUNT(*) AS flight_count,\n  \
         COUNT(*) FILTER (WHERE flights.dep_time IS NULL) * 1.0 / NULLIF(COUNT(*), 0) AS cancelled_share\n\
         FROM flights\nLEFT JOIN airlines ON flights.carrier = airlines.carrier\n\
         WHERE (flights.origin = 'JFK')\n  AND (flights.month <= 6)\n  AND (flights.year = 2013)\n\
         GROUP BY airlines.name\nORDER BY 2 DESC NULLS LAST\nLIMIT 5"
    );
    let read: Vec<&str> = compiled.datasets.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(read, ["flights", "airlines"]);
    assert_eq!(compiled.columns[1].format.as_deref(), Some(",d"));
    crate::sql::parse(&compiled.sql).unwrap();
}

#[test]
fn two_facts_are_added_up_apart() {
    let sql = sql_of(&request(&["flight_count", "avg_wind"], &["origin.name"]));
    assert!(sql.starts_with("WITH flights_part AS ("), "{sql}");
    assert!(sql.contains("coalesce(flights_part.flight_count, 0) AS flight_count"), "{sql}");
    assert!(sql.contains("IS NOT DISTINCT FROM weather_part.name"), "{sql}");
    crate::sql::parse(&sql).unwrap();
    let sql = sql_of(&request(&["flight_count", "seats"], &[]));
    assert!(sql.contains("CROSS JOIN"), "{sql}");
}

#[test]
fn conditions_stay_apart() {
    let sql = sql_of(&request(&["flight_count", "avg_wind"], &["origin.name", "origin.alt"]));
    assert!(sql.contains("(groups.name IS NOT DISTINCT FROM weather_part.name) AND (groups.alt"), "{sql}");
    let mut asked = request(&["flight_count"], &[]);
    asked.filters = vec![
        "flights.dest IS DISTINCT FROM flights.origin".to_owned(),
        "flights.month = 1 OR flights.month = 2".to_owned(),
    ];
    let sql = sql_of(&asked);
    assert!(
        sql.contains("(flights.dest IS DISTINCT FROM flights.origin)\n  AND (flights.month = 1 OR"),
        "{sql}"
    );
}

#[test]
fn rows_that_would_count_twice_are_refused() {
    let refused = refusal(&request(&["seats"], &["flights.carrier"]));
    assert_eq!(refused.code, Code::FanOut);
    assert!(
        refused.detail.contains("'flight_plane'") && refused.detail.contains("'seats'"),
        "{}",
        refused.detail
    );
    let sql = sql_of(&request(&["seats_flown"], &["flights.carrier"]));
    assert!(sql.contains("FROM flights\nLEFT JOIN planes"), "{sql}");
}

#[test]
fn what_cannot_be_is_told() {
    for (metrics, dimensions, filters, code, near) in [
        (vec!["flight_cont"], vec![], vec![], Code::UnknownMetric, Some("flight_count")),
        (vec!["flight_count"], vec!["carier"], vec![], Code::InvalidExpression, None),
        (vec!["flight_count"], vec!["flights.carier"], vec![], Code::ColumnNotFound, Some("carrier")),
        (vec!["flight_count"], vec!["nowhere.carrier"], vec![], Code::UnknownDatasetInRelationship, None),
        (vec!["flight_count"], vec![], vec!["from_airprt"], Code::UnknownFilter, Some("from_airport")),
        (vec!["flight_count"], vec![], vec!["at_least_late"], Code::MissingParameter, None),
        (vec!["flight_count"], vec![], vec!["avg_arr_delay > 3"], Code::InvalidExpression, None),
        (vec!["flight_count"], vec![], vec!["month = (SELECT 1)"], Code::InvalidExpression, None),
        (vec!["flight_count"], vec![], vec!["month = 1; DROP TABLE flights"], Code::InvalidExpression, None),
        (vec!["flight_count", "made_up"], vec![], vec![], Code::InvalidRequest, None),
        (vec!["flight_count", "flight_count"], vec![], vec![], Code::InvalidRequest, None),
        (vec![], vec![], vec![], Code::InvalidRequest, None),
    ] {
        let mut asked = request(&metrics, &dimensions);
        asked.filters = filters.iter().map(|f: &&str| (*f).to_owned()).collect();
        let finding = refusal(&asked);
        if dimensions == ["carier"] {
            assert!(finding.detail.contains("carier"), "{finding:?}");
            continue;
        }
        assert_eq!(finding.code, code, "{finding:?}");
        if near.is_some() {
            assert_eq!(finding.near.as_deref(), near, "{finding:?}");
        }
    }
    let mut asked = request(&["flight_count"], &[]);
    asked.filters = vec!["at_least_late".to_owned()];
    asked.params.insert("minutes".to_owned(), json!("5 OR 1=1"));
    assert_eq!(refusal(&asked).code, Code::InvalidParameter);
    asked.params.insert("minutes".to_owned(), json!(-5));
    assert!(sql_of(&asked).contains("flights.arr_delay >= (-5)"), "{}", sql_of(&asked));
    asked.params.insert("minuets".to_owned(), json!(1));
    assert_eq!(refusal(&asked).near.as_deref(), Some("minutes"));
}

#[test]
fn two_ways_have_to_be_told_apart() {
    let text = FLIGHTS.replace(
        "metrics:\n  - id: flight_count",
        "  - id: flight_origin_too\n    left_dataset: flights\n    right_dataset: origin\n    join_type: left\n    \
         cardinality: many-to-one\n    conditions: [{left_column: dest, right_column: faa}]\nmetrics:\n  - id: flight_count",
    );
    let context = parse(&text).unwrap();
    let mut asked = request(&["flight_count"], &["origin.name"]);
    let finding = compile(&context, &asked, &catalog()).unwrap_err().remove(0);
    assert_eq!(finding.code, Code::AmbiguousPath);
    assert!(finding.detail.contains("flight_origin, or flight_origin_too"), "{}", finding.detail);
    asked.via = vec!["flight_origin_too".to_owned()];
    let sql = compile(&context, &asked, &catalog()).unwrap().sql;
    assert!(sql.contains("LEFT JOIN airports AS origin ON flights.dest = origin.faa"), "{sql}");
}

#[test]
fn names_of_metrics_in_sql_are_spelt_out() {
    let expanded = |sql: &str| expand(&flights(), sql, &catalog());
    assert_eq!(
        expanded(
            "SELECT carrier, avg_arr_delay -- mean\nFROM flights GROUP BY carrier ORDER BY avg_arr_delay"
        )
        .unwrap(),
        "SELECT carrier, AVG(flights.arr_delay) AS avg_arr_delay -- mean\nFROM flights GROUP BY carrier ORDER BY avg_arr_delay"
    );
    assert_eq!(
        expanded("SELECT origin.name, round(avg_arr_delay, 1) d FROM flights f JOIN origin ON f.origin = origin.faa \
                  GROUP BY 1 HAVING flight_count > 10").unwrap(),
        "SELECT origin.name, round((AVG(f.arr_delay)), 1) d FROM flights f JOIN airports AS origin ON f.origin = origin.faa \
         GROUP BY 1 HAVING (COUNT(*)) > 10"
    );
    assert_eq!(
        expanded("SELECT made_up FROM flights WHERE made_up > 10").unwrap(),
        "SELECT flights.dep_delay - flights.arr_delay AS made_up FROM flights WHERE (flights.dep_delay - flights.arr_delay) > 10"
    );
    let plain = "SELECT  'avg_arr_delay', carrier FROM flights";
    assert_eq!(expanded(plain).unwrap(), plain);
    for (sql, code) in [
        ("SELECT seats FROM planes p", None),
        ("SELECT flight_count FROM flights JOIN planes USING (tailnum)", None),
        ("SELECT flight_count FROM flights, weather", Some(Code::FanOut)),
        ("SELECT flight_count FROM flights JOIN weather w ON w.origin = flights.origin", Some(Code::FanOut)),
        (
            "SELECT avg_wind FROM flights JOIN weather w ON w.origin = flights.origin AND w.time_hour = flights.time_hour",
            Some(Code::FanOut),
        ),
        (
            "SELECT flight_count FROM flights JOIN weather w ON w.origin = flights.origin AND w.time_hour = flights.time_hour",
            None,
        ),
        ("SELECT flight_count FROM flights JOIN (SELECT 1 AS a) x ON true", Some(Code::FanOut)),
        (
            "SELECT name, flight_count FROM airlines LEFT JOIN flights USING (carrier) GROUP BY name",
            Some(Code::FanOut),
        ),
        ("SELECT name, avg_arr_delay FROM airlines LEFT JOIN flights USING (carrier) GROUP BY name", None),
        ("SELECT flight_count FROM airlines", Some(Code::InvalidExpression)),
        ("SELECT carrier FROM flights WHERE flight_count > 1", Some(Code::InvalidExpression)),
        ("DELETE FROM flights", Some(Code::InvalidExpression)),
    ] {
        let got = expanded(sql).map_err(|e| e[0].clone());
        match code {
            Some(code) => assert_eq!(got.as_ref().map_err(|f| f.code), Err(code), "{sql}: {got:?}"),
            None => assert!(got.is_ok(), "{sql}: {got:?}"),
        }
    }
    // A dataset that came to bear a name of the context's changes nothing of what that means.
    let mut more = catalog();
    more.datasets.push(entry("origin", "faa:text flights:int"));
    let named = "SELECT origin.name FROM flights f JOIN origin ON f.origin = origin.faa";
    let wanted = "SELECT origin.name FROM flights f JOIN airports AS origin ON f.origin = origin.faa";
    for catalog in [catalog(), more] {
        assert_eq!(expand(&flights(), named, &catalog).unwrap(), wanted);
        let within = format!("SELECT flight_count FROM flights WHERE carrier IN ({named})");
        assert!(expand(&flights(), &within, &catalog).unwrap().contains(wanted));
    }
    // 'seats' is a column of planes, and a column wins.
    assert_eq!(expanded("SELECT seats FROM planes p").unwrap(), "SELECT seats FROM planes p");
}

#[test]
fn rules_become_counts() {
    let checks = rules(&flights(), &catalog());
    let ids: Vec<&str> = checks.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["distance_positive", "wind_plausible"]);
    let sql = checks[0].sql.as_ref().unwrap();
    assert!(sql.contains("FILTER (WHERE (flights.distance > 0) IS FALSE) AS broken_rows"), "{sql}");
    crate::sql::parse(sql).unwrap();
}

#[test]
fn faults_of_meaning_are_told_in_their_place() {
    for (from, to, code, near) in [
        ("right_dataset: planes", "right_dataset: plane", "UNKNOWN_DATASET_IN_RELATIONSHIP", Some("planes")),
        ("left_column: tailnum", "left_column: tailnumb", "COLUMN_NOT_FOUND", Some("tailnum")),
        ("AVG(flights.arr_delay)", "AVG(flights.arr_dely)", "COLUMN_NOT_FOUND", Some("arr_delay")),
        ("AVG(flights.arr_delay)", "AVG(avg_arr_delay + avg_wind)", "CIRCULAR_DEPENDENCY", None),
        ("AVG(flights.arr_delay)", "avg_arr_delay + 1", "CIRCULAR_DEPENDENCY", None),
        ("AVG(flights.arr_delay)", "late_share + seats_x", "COLUMN_NOT_FOUND", None),
        ("AVG(flights.arr_delay)", "AVG(flights.arr_delay) + flights.day", "INVALID_EXPRESSION", None),
        ("AVG(flights.arr_delay)", "AVG(flights.arr_delay", "INVALID_EXPRESSION", None),
        ("dataset_id: planes", "dataset_id: plains", "DATASET_NOT_FOUND", None),
        ("{minutes}", "{minute}", "MISSING_PARAMETER", Some("minutes")),
        ("name: tailnum, primary_key", "name: tail_num, primary_key", "COLUMN_NOT_FOUND", Some("tailnum")),
    ] {
        assert!(FLIGHTS.contains(from), "{from}");
        let text = FLIGHTS.replacen(from, to, 1);
        let findings = check(&text, None, Level::Full, &catalog());
        let found = findings
            .iter()
            .find(|f| f.code.as_str() == code && (near.is_none() || f.near.as_deref() == near));
        let found = found.unwrap_or_else(|| panic!("{to}: {findings:#?}"));
        let line = FLIGHTS[..FLIGHTS.find(from).unwrap()].lines().count() as u32;
        let lines = [line, line + 1];
        assert!(
            code == "CIRCULAR_DEPENDENCY" || lines.contains(&found.line.unwrap_or(0)),
            "{to}: {line} {found:?}"
        );
    }
    let circle =
        FLIGHTS.replace("COUNT(*) FILTER (WHERE flights.dep_time IS NULL)", "cancelled_share * flight_count");
    assert!(
        codes(&check(&circle, None, Level::Semantic, &Catalog::default())).contains(&"CIRCULAR_DEPENDENCY")
    );
    let loops = "name: loop\nversion: 1.0.0\ndescription: round and round\ndatasets:\n- {id: a, name: A, dataset_id: a}\n\
                 - {id: b, name: B, dataset_id: b}\nrelationships:\n- {left_dataset: a, right_dataset: b, conditions: [{left_column: x, right_column: y}]}\n\
                 - {left_dataset: b, right_dataset: a, conditions: [{left_column: z, right_column: z}]}\n\
                 - {left_dataset: b, right_dataset: a, conditions: [{left_column: y, right_column: x}]}\n";
    let found = check(loops, None, Level::Semantic, &Catalog::default());
    assert_eq!(codes(&found), ["CIRCULAR_DEPENDENCY", "DUPLICATE_RELATIONSHIP"]);
    let off = format!("{loops}settings: {{enable_circular_check: false}}\n");
    assert_eq!(codes(&check(&off, None, Level::Semantic, &Catalog::default())), ["DUPLICATE_RELATIONSHIP"]);
    let apart = &loops[..loops.find("relationships").unwrap()];
    assert_eq!(codes(&check(apart, None, Level::Semantic, &Catalog::default())), ["NO_RELATIONSHIPS"]);
}

#[test]
fn osi_there_and_back() {
    let context = flights();
    for json in [true, false] {
        let model = to_osi(&context, json).unwrap();
        let back = from_osi(&model).unwrap_or_else(|e| panic!("{e:#?}"));
        assert_eq!(Context { notes: context.notes.clone(), ..back }, context);
        // Without Weir's own extension it is read as anybody's.
        let foreign = from_osi(&model.replace("WEIR", "OTHER")).unwrap();
        assert_eq!(foreign.metrics.len(), context.metrics.len());
        assert_eq!(foreign.relationships[0].conditions, context.relationships[0].conditions);
        assert!(foreign.datasets[0].columns.iter().any(|c| c.calculation.is_some()));
    }
    let wider = "semantic_model:\n  - name: sales\n    description: What was sold\n    datasets:\n      - {name: a, source: db.a, primary_key: [id]}\n\
                 version: 0.1.0\n";
    assert_eq!(from_osi(wider).unwrap().datasets[0].dataset_id, "db.a");
    let unequal =
        FLIGHTS.replacen("{left_column: carrier, right", "{left_column: carrier, operator: '>', right", 1);
    assert!(to_osi(&parse(&unequal).unwrap(), true).is_err());
}

#[test]
fn facts_are_short_and_complete() {
    let facts = prompt_facts(&flights(), &catalog());
    for wanted in [
        "Table \"flights\"",
        "Metric avg_arr_delay = AVG(flights.arr_delay)",
        "'Cancelled' (or scrapped)",
        "Join flight_airline: flights.carrier = airlines.carrier: many-to-one",
        "Only rows where flights.year = 2013",
    ] {
        assert!(facts.contains(wanted), "{wanted}: {facts}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a parameter's value is, it stays one literal: the tokens around it are the same.
    #[test]
    fn values_stay_values(value in "[ -~'\\\\\u{e4}\n]{0,24}", extra in "('|''|\\\\'|--|;|/\\*){0,6}") {
        use datafusion::sql::sqlparser::{dialect::GenericDialect, tokenizer::{Token, Tokenizer}};
        let value = format!("{value}{extra}");
        let mut asked = request(&["flight_count"], &[]);
        asked.filters = vec!["from_airport".to_owned()];
        asked.params.insert("airport".to_owned(), json!(value));
        let sql = sql_of(&asked);
        crate::sql::parse(&sql).unwrap();
        let tokens = Tokenizer::new(&GenericDialect {}, &sql).tokenize().unwrap();
        let texts: Vec<&String> = tokens.iter().filter_map(|t| if let Token::SingleQuotedString(s) = t { Some(s) } else { None }).collect();
        prop_assert_eq!(texts, vec![&value]);
        asked.params.insert("airport".to_owned(), json!("JFK"));
        let plain = sql_of(&asked);
        prop_assert_eq!(tokens.len(), Tokenizer::new(&GenericDialect {}, &plain).tokenize().unwrap().len());
    }

    #[test]
    fn any_sql_is_expanded_or_refused(sql in "(SELECT|FROM|WHERE|GROUP BY|ORDER BY|JOIN|ON|AND|flights|weather|avg_arr_delay|flight_count|made_up|carrier|origin|f|\\(|\\)|,|\\.|=|\\*|'|\"|\u{e4}|1| |\n){0,40}") {
        let started = std::time::Instant::now();
        if let Ok(expanded) = expand(&flights(), &sql, &catalog()) {
            crate::sql::parse(&expanded).unwrap();
        }
        prop_assert!(started.elapsed().as_secs() < 30);
    }

    #[test]
    fn any_expression_is_read_or_refused(text in "(SUM|AVG|COUNT|CASE|WHEN|THEN|END|CAST|AS|INT|\\(|\\)|\\*|\\+|-|/|flights|\\.|arr_delay|flight_count|'|\"|\\{a\\}|\\$1|\\?|1|,| |\u{e4}){0,30}") {
        let mut asked = request(&["flight_count"], &[]);
        asked.filters = vec![text];
        if let Ok(compiled) = compile(&flights(), &asked, &catalog()) {
            crate::sql::parse(&compiled.sql).unwrap();
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", yaml in "([a-z_]{1,12}|: |- |\n|  |\\[|\\]|\\{|\\}|&a |\\*a|'|\"|\\||>|#|---\n|1|\t|!|\r\n){0,80}") {
        for text in [&text, &yaml, &format!("---\n{yaml}\n---\n{text}"), &format!("# T\n\n{text}\n## Relationships\n- {text}")] {
            let findings = check(text, None, Level::Full, &catalog());
            prop_assert!(findings.len() <= MAX_FINDINGS);
            if let Ok(context) = parse(text) {
                prop_assert_eq!(parse(&markdown(&context)), Ok(context.clone()));
            }
        }
    }

    /// A valid file with something cut, doubled or put in.
    #[test]
    fn any_change_is_read_or_refused(at in 0_usize..6000, length in 0_usize..40, put in "([a-z]{0,6}|:|\n|  |-|\\[|\\}|'|\"|\\|){0,4}") {
        let mut start = at.min(FLIGHTS.len());
        while !FLIGHTS.is_char_boundary(start) { start -= 1; }
        let mut end = (start + length).min(FLIGHTS.len());
        while !FLIGHTS.is_char_boundary(end) { end -= 1; }
        let text = format!("{}{put}{}", &FLIGHTS[..start], &FLIGHTS[end.max(start)..]);
        let findings = check(&text, None, Level::Full, &catalog());
        let lines = text.split('\n').count() as u32;
        for finding in &findings {
            prop_assert!(finding.line.is_none_or(|l| l >= 1 && l <= lines + 1), "{:?}", finding);
        }
        if let Ok(context) = parse(&text) {
            prop_assert_eq!(parse(&markdown(&context)), Ok(context.clone()));
            let _ = compile(&context, &request(&["flight_count"], &["airlines.name"]), &catalog());
        }
    }

    /// Whatever stands in a text comes back.
    #[test]
    fn any_text_survives(text in "\\PC{0,60}", lines in "([ -~]{0,20}\n){0,4}[ -~]{0,10}", notes in "(\\PC{0,20}\n){0,4}") {
        let mut context = parse(EXAMPLE).unwrap();
        context.category = Some(text.clone());
        context.tags = vec![text.clone(), lines.clone(), String::new(), "null".to_owned(), "~".to_owned()];
        context.datasets[0].description = Some(lines.clone());
        context.datasets[0].sample_queries[0].query = Some(lines);
        context.glossary[0].examples = Texts(vec![text]);
        context.notes = notes;
        prop_assert_eq!(parse(&markdown(&context)), Ok(context.clone()));
        let bare = Context { notes: String::new(), ..context };
        prop_assert_eq!(parse(&json(&bare)), Ok(bare.clone()));
    }
}
