//! Reading and writing.

use super::*;

#[test]
fn reads_every_key() {
    let context = parse(EXAMPLE).unwrap();
    assert_eq!((context.name.as_str(), context.version.as_str()), ("Sales 2013", "1.2.3"));
    assert_eq!(context.status(), Status::Active);
    assert_eq!(context.context_type(), ContextType::MultiDataset);
    assert_eq!(context.tags, ["sales", "orders"]);
    let orders = &context.datasets[0];
    assert_eq!(orders.sql_alias(), "o");
    assert_eq!(orders.columns[2].example_values, ["2013-01-31", "2013-02-01"]);
    assert_eq!(orders.columns[0].nullable, Some(false));
    assert_eq!(orders.catalog.as_ref().unwrap().compliance, ["GDPR"]);
    assert!(orders.sample_queries[0].query.as_ref().unwrap().ends_with("GROUP BY ordered_on\n"));
    assert_eq!(orders.quality_metrics[0].target.as_deref(), Some("0.99"));
    let short = &context.relationships[1];
    assert_eq!((short.left_dataset.as_str(), short.right_dataset.as_str()), ("orders", "customers"));
    assert_eq!(short.cardinality, Some(Cardinality::ManyToOne));
    assert_eq!(short.conditions[0].left_column, "customer_id");
    assert_eq!(context.filters[0].parameters[0].data_type(), ParameterType::Date);
    assert_eq!(context.glossary[0].examples, Texts(vec!["Order 17".to_owned()]));
    assert_eq!(context.data_model.as_ref().unwrap().entities[1].entity_type, Some(EntityType::Dimension));
    assert_eq!((context.max_join_depth(), context.cache_ttl_seconds()), (5, 600));
    assert_eq!(context.notes, "# Sales 2013\n\nNotes that nobody checks.\n");
    assert!(context.validate(Level::Schema, &Catalog::default()).is_empty());
}

#[test]
fn every_container_says_the_same() {
    let context = parse(EXAMPLE).unwrap();
    assert_eq!(
        parse(&EXAMPLE.replace('\n', "\r\n")).map(|c| Context { notes: context.notes.clone(), ..c }),
        Ok(context.clone())
    );
    assert_eq!(parse(&format!("\u{feff}\n\n{EXAMPLE}")).as_ref(), Ok(&context));
    let bare = EXAMPLE.trim_start_matches("---\n").split("\n---\n").next().unwrap();
    let without = Context { notes: String::new(), ..context.clone() };
    assert_eq!(parse(bare).as_ref(), Ok(&without));
    assert_eq!(parse(&format!("# A remark\n{bare}")).as_ref(), Ok(&without));
    assert_eq!(parse(&format!("---\n{bare}")).as_ref(), Ok(&without));
    assert_eq!(parse(&format!("---\n{bare}\n---")).as_ref(), Ok(&without));
    assert_eq!(parse(&json(&context)).as_ref(), Ok(&without));
    assert_eq!(parse(&yaml(&context)).as_ref(), Ok(&without));
    assert_eq!(parse(&markdown(&context)).as_ref(), Ok(&context));
}

#[test]
fn plain_markdown_is_enough() {
    let text = "# Flights out of New York\n\nAll flights of 2013\nand their airlines.\n\nMore text.\n\n## Datasets\n\n\
                - Flights (id: 7d0a2f39-0a5b-4c55-9a27-0c3f2a0e9d11)\n- Air lines (id: airlines)\n\n\
                ## Relationships\n- Flights -> Air lines via carrier\n- Flights \u{2192} Air lines via origin = code\n";
    let context = parse(text).unwrap();
    assert_eq!((context.name.as_str(), context.version.as_str()), ("Flights out of New York", "1.0.0"));
    assert_eq!(context.description, "All flights of 2013 and their airlines.");
    let datasets: Vec<_> = context.datasets.iter().map(|d| (d.id.as_str(), d.dataset_id.as_str())).collect();
    assert_eq!(datasets, [("flights", "7d0a2f39-0a5b-4c55-9a27-0c3f2a0e9d11"), ("air_lines", "airlines")]);
    let joins: Vec<_> = context
        .relationships
        .iter()
        .map(|r| (r.id.as_str(), r.right_dataset.as_str(), r.conditions[0].right_column.as_str()))
        .collect();
    assert_eq!(
        joins,
        [("flights_air_lines", "air_lines", "carrier"), ("flights_air_lines_2", "air_lines", "code")]
    );
    assert_eq!(parse(&markdown(&context)).as_ref(), Ok(&context));

    let single = "# Planes\n\nEvery plane there is.\n\n## Dataset: Planes (id: planes)\n";
    assert_eq!(parse(single).unwrap().datasets[0].dataset_id, "planes");
    let none = "# Planes\n\nEvery plane there is.\n";
    assert_eq!(codes(&refused(none)), ["MISSING_DATASET_ID"]);
    assert_eq!(parse_for(none, Some("planes")).unwrap().datasets[0].dataset_id, "planes");
    let long = format!("# Planes\n\n{}\n\n## Dataset: Planes (id: planes)\n", "word ".repeat(60));
    let description = parse(&long).unwrap().description;
    assert!(description.len() <= 200 && description.ends_with("word"), "{description}");
    let findings =
        refused("# Planes\n\nEvery plane there is.\n\n## Dataset: P (id: p)\n## Relationships\n- A and B\n");
    assert_eq!((findings[0].line, findings[0].column), (Some(7), Some(3)));
}

#[test]
fn tells_everything_at_once_and_where() {
    let text = "---\nname: a!\nversion: one\ndescription: [a, b]\ncontext_type: some\ndatsets: []\ndatasets:\n  - id: a\n    \
                name: A\n  - id: b\n    name: B\n    dataset_id: ''\n    colums: []\nrelationships:\n  - left_dataset: a\n    \
                right_dataset: b\n    join_type: innner\nbusiness_rules:\n  - id: r\n    condition: ''\n    severity: eror\n    \
                rule_type: check\nmetrics:\n  - id: m\n    expression: count(*)\n  - id: M\n    expression: 1\n---\n";
    let findings = refused(text);
    let told: Vec<_> = findings
        .iter()
        .map(|f| (f.code.as_str(), f.line.unwrap(), f.column.unwrap(), f.near.as_deref()))
        .collect();
    for wanted in [
        ("INVALID_NAME", 2, 7, None),
        ("INVALID_VERSION", 3, 10, None),
        ("INVALID_VALUE", 4, 14, None),
        ("INVALID_CONTEXT_TYPE", 5, 15, None),
        ("UNKNOWN_KEY", 6, 1, Some("datasets")),
        ("MISSING_DATASET_ID", 8, 5, None),
        ("MISSING_DATASET_ID", 12, 17, None),
        ("UNKNOWN_KEY", 13, 5, Some("columns")),
        ("INVALID_JOIN_TYPE", 17, 16, Some("inner")),
        ("EMPTY_RULE_CONDITION", 20, 16, None),
        ("INVALID_SEVERITY", 21, 15, Some("error")),
        ("INVALID_RULE_TYPE", 22, 16, None),
        ("DUPLICATE_ID", 26, 9, None),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} in {told:#?}");
    }
    let mut places: Vec<_> = told.iter().map(|t| (t.1, t.2)).collect();
    places.sort_unstable();
    assert_eq!(places, told.iter().map(|t| (t.1, t.2)).collect::<Vec<_>>());
}

#[test]
fn what_is_no_context_is_refused() {
    for (text, code) in [
        ("", "INVALID_SYNTAX"),
        ("just a sentence", "INVALID_SYNTAX"),
        ("- a\n- b\n", "INVALID_SYNTAX"),
        ("name: [\n", "INVALID_SYNTAX"),
        ("name: a\nname: b\n", "INVALID_SYNTAX"),
        ("a: 1\n---\nb: 2\n", "INVALID_SYNTAX"),
        ("name: *nowhere\n", "INVALID_SYNTAX"),
        ("name: &a [*a]\n", "INVALID_SYNTAX"),
    ] {
        let findings = refused(text);
        assert!(codes(&findings).contains(&code), "{text}: {findings:?}");
        assert!(findings[0].line.is_some(), "{text}: {findings:?}");
    }
}

#[test]
fn what_is_made_to_hurt_is_refused_soon() {
    let started = std::time::Instant::now();
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let last = format!("*a{}", i - 1);
        laughs.push_str(&format!("a{i}: &a{i} [{}]\n", [last.as_str(); 9].join(", ")));
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 1000].join(", "));
    let keys: String = (0..60_000).map(|i| format!("k{i}: 1\n")).collect();
    for text in [
        laughs,
        long,
        keys,
        "[".repeat(200_000),
        "{a: ".repeat(200_000),
        "- ".repeat(300_000),
        "x".repeat(MAX_BYTES + 1),
        format!("tags: [{}]", "a, ".repeat(100_000)),
    ] {
        let at = std::time::Instant::now();
        let findings = refused(&text);
        eprintln!("{:?} {}", at.elapsed(), &text[..20]);
        assert!(!findings.is_empty() && findings.len() <= MAX_FINDINGS);
        let known = ["TOO_LARGE", "INVALID_SYNTAX"];
        assert!(codes(&findings).iter().any(|c| known.contains(c)), "{:?}", &findings[..1]);
    }
    let wrong: String = (0..5000).map(|i| format!("  - {{id: {i}, nme: x}}\n")).collect();
    let at = std::time::Instant::now();
    assert!(refused(&format!("metrics:\n{wrong}")).len() <= MAX_FINDINGS);
    eprintln!("{:?} wrong", at.elapsed());
    // Seconds where nothing is optimised and the machine is busy; hours for what is not bounded.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn the_version_is_changed_in_its_place() {
    let context = parse(EXAMPLE).unwrap();
    let next = bump_patch(&version(&context.version).unwrap());
    assert_eq!(next.to_string(), "1.2.4");
    let changed = with_version(EXAMPLE, &next).unwrap();
    assert_eq!(changed, EXAMPLE.replace("version: 1.2.3   #", "version: 1.2.4   #"));
    let dos = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert_eq!(with_version(&dos, &next).unwrap(), dos.replace("1.2.3", "1.2.4"));
    let quoted = EXAMPLE.replace("1.2.3 ", "'1.2.3' ");
    assert_eq!(with_version(&quoted, &next).unwrap(), quoted.replace("1.2.3", "1.2.4"));
    let draft = version("2.0.0-draft.1+build").unwrap();
    assert_eq!(bump_patch(&draft).to_string(), "2.0.0");
    assert_eq!(with_version("# Planes\n\nEvery plane there is.\n", &next), None);
    for wrong in ["1", "1.0", "v1.0.0", "01.0.0", "", "1.0.0.0", "a.b.c"] {
        assert_eq!(version(wrong).unwrap_err().code, Code::InvalidVersion, "{wrong}");
    }
}
