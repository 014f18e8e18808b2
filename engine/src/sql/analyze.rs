//! Plans of which the expressions are guarded.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::optimizer::AnalyzerRule;

use super::growth::Allowance;
use super::{arithmetic, gather, growth};

/// Puts checked arithmetic and counted texts into the place of the plain ones. It comes when types are
/// settled, and before anything is worked out.
#[derive(Debug)]
pub(super) struct Guarded;

impl AnalyzerRule for Guarded {
    fn name(&self) -> &str {
        "guarded_expressions"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let Some(allowance) = Allowance::of(config) else {
            return internal_err!("a query has an allowance");
        };
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|expr| {
                    arithmetic::checked(expr, &schema)?
                        .transform_data(|expr| growth::bounded(expr, &schema))?
                        .transform_data(|expr| gather::gathered(expr, &schema, allowance))
                })?;
                Ok(changed.update_data(|expr| name.restore(expr)))
            })
        })
        .map(|changed| changed.data)
    }
}
