//! SQL that counts the rows which break a rule.

use super::catalog::Catalog;
use super::compile::{Compiler, UsedDataset};
use super::finding::Finding;
use super::model::{Context, RuleSeverity, RuleType};
use super::on_stack;

/// How to find out whether a rule holds.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCheck {
    /// The rule's id.
    pub id: String,
    /// How bad it is when rows break it.
    pub severity: RuleSeverity,
    /// What the rule is for.
    pub rule_type: RuleType,
    /// What to tell people then.
    pub message: Option<String>,
    /// One query with one row: `total_rows`, `broken_rows`, and `undecided_rows` in which a value is
    /// missing that would tell. As with a CHECK in SQL, those do not break it. Or why there is none.
    pub sql: Result<String, Finding>,
    /// The datasets that it reads.
    pub datasets: Vec<UsedDataset>,
}

/// The rules of a context that are reported: all but those that leave rows out of answers anyway.
pub fn rules(context: &Context, catalog: &Catalog) -> Vec<RuleCheck> {
    let work = || {
        let compiler = Compiler::new(context, catalog);
        let reported = context.business_rules.iter().enumerate().filter(|(_, r)| !r.constrains());
        reported
            .map(|(number, rule)| {
                let (sql, datasets) = match compiler.rule(number) {
                    Ok((sql, datasets)) => (Ok(sql), datasets),
                    Err(finding) => (Err(finding), Vec::new()),
                };
                RuleCheck {
                    id: rule.id.clone(),
                    severity: rule.severity(),
                    rule_type: rule.rule_type(),
                    message: rule.error_message.clone(),
                    sql,
                    datasets,
                }
            })
            .collect()
    };
    on_stack(work).unwrap_or_default()
}
