//! Ways out, all closed.

use weir_engine::sql::{Code, parse};

use crate::support::Bench;

#[tokio::test]
async fn nothing_but_the_given_tables_can_be_read() {
    let bench = Bench::flights().await;
    let outside = bench.dir.path().join("secret.csv");
    std::fs::write(&outside, "a\n1\n").unwrap();
    let outside = outside.display().to_string();
    let key = bench.keys[0].clone();
    let stored = bench.dir.path().join("blobs").join(&key).display().to_string();
    for sql in [
        format!("SELECT * FROM '{outside}'"),
        format!("SELECT * FROM \"{outside}\""),
        format!("SELECT * FROM '{key}'"),
        format!("SELECT * FROM '{stored}'"),
        format!("SELECT * FROM \"../{key}\""),
        format!("SELECT * FROM 'weir://blobs/{key}'"),
        format!("SELECT * FROM \"file://{outside}\""),
        format!("SELECT * FROM read_csv('{outside}')"),
        format!("SELECT * FROM read_parquet('{stored}')"),
        format!("SELECT * FROM parquet_metadata('{stored}')"),
        format!("SELECT * FROM TABLE(read_csv('{outside}'))"),
        "SELECT * FROM information_schema.tables".into(),
        "SELECT * FROM information_schema.df_settings".into(),
        "SELECT * FROM pg_catalog.pg_tables".into(),
        "SELECT * FROM datafusion.public.flights".into(),
        "SELECT * FROM system.public.flights".into(),
        "SELECT * FROM metadata_cache()".into(),
        "SELECT * FROM statistics_cache()".into(),
        "SELECT input_file_name() FROM flights".into(),
        "SELECT @@version".into(),
        "SELECT pg_read_file('/etc/passwd')".into(),
        "SELECT current_setting('x')".into(),
        "SELECT * FROM flights WHERE carrier IN (SELECT * FROM \"/etc/passwd\")".into(),
        "SELECT (SELECT count(*) FROM information_schema.tables)".into(),
        format!("COPY flights TO '{outside}'"),
        format!("COPY (SELECT 1) TO '{outside}' STORED AS CSV"),
        format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{outside}'"),
        "CREATE TABLE x AS SELECT 1".into(),
        "CREATE VIEW x AS SELECT 1".into(),
        "INSERT INTO flights SELECT * FROM flights".into(),
        "SET datafusion.catalog.information_schema = true".into(),
        "SHOW ALL".into(),
        "SHOW TABLES".into(),
        "SELECT 1; DROP TABLE flights".into(),
        "LOAD DATA INPATH '/etc/passwd' INTO TABLE flights".into(),
        "ATTACH 'x.db' AS y".into(),
        "PRAGMA database_list".into(),
    ] {
        let error = match parse(&sql) {
            Err(error) => error,
            Ok(statement) => {
                let answer = bench.engine.query(&statement, &bench.tables, &Default::default()).await;
                answer.expect_err(&sql)
            }
        };
        let refused = matches!(
            error.code,
            Code::StatementNotAllowed
                | Code::FunctionNotAllowed
                | Code::UnknownTable
                | Code::UnknownFunction
                | Code::SyntaxError
                | Code::InvalidQuery
                | Code::NotSupported
        );
        assert!(refused, "{sql}: {error:?}");
        assert!(!error.detail.contains("a\n1"), "{sql}: {error:?}");
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "a\n1\n");
}

#[tokio::test]
async fn a_table_that_was_not_given_is_unknown() {
    let bench = Bench::flights().await;
    let statement = parse("SELECT count(*) FROM flights").unwrap();
    let error = bench.engine.query(&statement, &bench.tables[1..2], &Default::default()).await.unwrap_err();
    assert_eq!(error.code, Code::UnknownTable);
    assert!(!error.detail.contains("airports"), "{error:?}");
}
