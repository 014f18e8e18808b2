//! The index of statements, for the test that prepares each against a real database.

use crate::{
    http::{activity, dashboard, datasets, insights, queries, runs, usage, visualizations},
    list::Statement,
    memberships, reader,
};

/// Every statement by name, with all orders of the lists.
pub fn statements() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        ("snapshot", reader::SNAPSHOT),
        ("datasets/get", datasets::get::GET),
        ("queries/get", queries::get::GET),
        ("runs/get", runs::get::GET),
        ("visualizations/get", visualizations::get::GET),
        ("dashboard/overview", dashboard::OVERVIEW),
        ("usage/days", usage::DAYS),
        ("usage/users", usage::USERS),
        ("insights/most_used", insights::MOST_USED),
        ("insights/patterns", insights::PATTERNS),
        ("insights/failing", insights::FAILING),
        ("insights/datasets", insights::DATASETS),
    ]
    .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
    .into();
    let lists: [(&str, &Statement); 6] = [
        ("datasets/list", &datasets::list::LIST),
        ("datasets/versions", &datasets::versions::LIST),
        ("queries/list", &queries::list::LIST),
        ("runs/list", &runs::list::LIST),
        ("visualizations/list", &visualizations::list::LIST),
        ("activity/list", &activity::LIST),
    ];
    for (name, list) in lists {
        all.extend(list.variants().into_iter().enumerate().map(|(n, sql)| (format!("{name} {n}"), sql)));
    }
    all.push(("member".to_owned(), memberships::MEMBER.to_owned()));
    all
}
