//! Filters that are handed down to scans, as far as names say which column is meant.
//!
//! The engine carries a filter of a physical plan from node to node by the names of its columns. Above a join of tables
//! with equal names of columns it finds the wrong one, and rows are lost in silence (apache/datafusion#25244). So only
//! those parts of a plan are looked at in which every node's columns have names of their own. That costs nothing but in
//! plans that the logical optimizer left a filter in above such a join: all others lie on their scans by then.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

/// The engine's rules, those among them that hand filters down held to what names tell apart.
pub(super) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let hold = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| {
        if rule.name().starts_with("FilterPushdown") { Arc::new(Unambiguous(rule)) } else { rule }
    };
    PhysicalOptimizer::new().rules.into_iter().map(hold).collect()
}

#[derive(Debug)]
struct Unambiguous(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for Unambiguous {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if has_own_names(&plan)? {
            return self.0.optimize(plan, config);
        }
        let children = plan.children().into_iter().map(|child| self.optimize(Arc::clone(child), config));
        let children = children.collect::<Result<Vec<_>>>()?;
        replace_children_if_necessary(plan, children)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Whether no node of the plan has two columns of one name.
fn has_own_names(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut own = true;
    plan.apply(|node| {
        let schema = node.schema();
        let mut names = HashSet::new();
        own = schema.fields().iter().all(|field| names.insert(field.name().as_str()));
        Ok(if own { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(own)
}
