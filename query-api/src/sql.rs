//! The index of statements, for the tests that prepare each against a real database and look at its plan.

use crate::{
    http::{activity, contexts, dashboard, datasets, insights, queries, runs, usage, visualizations},
    list::Statement,
    memberships, reader,
};

/// Every statement about a workspace by the name of its file, with all orders of the lists: `runs/list sort=-position`.
pub fn statements() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        ("snapshot", reader::SNAPSHOT),
        ("datasets/get", datasets::get::GET),
        ("contexts/get", contexts::get::GET),
        ("contexts/version", contexts::export::VERSION),
        ("datasets/words", datasets::list::WORDS),
        ("contexts/words", contexts::list::WORDS),
        ("queries/words", queries::list::WORDS),
        ("visualizations/words", visualizations::list::WORDS),
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
        ("insights/dismissed", insights::DISMISSED),
    ]
    .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
    .into();
    let lists: [(&str, &Statement); 8] = [
        ("datasets/list", &datasets::list::LIST),
        ("datasets/versions", &datasets::versions::LIST),
        ("contexts/list", &contexts::list::LIST),
        ("contexts/versions", &contexts::versions::LIST),
        ("queries/list", &queries::list::LIST),
        ("runs/list", &runs::list::LIST),
        ("visualizations/list", &visualizations::list::LIST),
        ("activity/list", &activity::LIST),
    ];
    for (name, list) in lists {
        all.extend(list.variants().into_iter().map(|(sort, sql)| (format!("{name} sort={sort}"), sql)));
    }
    all.push(("member".to_owned(), memberships::MEMBER.to_owned()));
    all
}
