//! `IN` as SQL means it, wherever it stands.
//!
//! `IN (SELECT ...)` is neither true nor false where what is looked for, or something among what it is looked for in, is missing. The
//! engine knows that where such a condition stands alone or beside others that must hold too. Anywhere else, below `OR`,
//! `NOT` or `CASE`, it takes it for false, so that `NOT` makes it true. There it is put in other words, of which each is
//! either true or false: it is among them; or, where that is not so, whether anything is missing.
//!
//! Two lists of values, `x IN (1, 2) AND x NOT IN (3, NULL)`, are made one by the engine as if nothing in them could be
//! missing. So a list keeps only what cannot be; each of the others is compared by itself.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, internal_err, not_impl_err};
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, exists,
    lit, when,
};
use datafusion::optimizer::AnalyzerRule;

/// Puts such conditions in other words where the engine would take them wrongly. It comes when types are settled.
#[derive(Debug)]
pub(super) struct Memberships;

impl AnalyzerRule for Memberships {
    fn name(&self) -> &str {
        "memberships"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                expr.transform_up(listed).map(|changed| changed.update_data(|expr| name.restore(expr)))
            })?;
            plan.transform_data(subqueries)
        })
        .map(|changed| changed.data)
    }
}

/// Memberships in what subqueries give, in a filter: elsewhere the engine knows none.
fn subqueries(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
    if !has_membership(&filter.predicate)? {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let schema = filter.input.schema();
    let conditions = split_conjunction_owned(filter.predicate).into_iter().map(|condition| {
        // The one place where its being neither is known, so that it may be turned around.
        let alone = match &condition {
            Expr::InSubquery(_) => true,
            Expr::Not(inner) => matches!(**inner, Expr::InSubquery(_)),
            _ => false,
        };
        if alone { Ok(condition) } else { holds(condition, schema) }
    });
    let Some(predicate) = conjunction(conditions.collect::<Result<Vec<_>>>()?) else {
        return internal_err!("a filter has a predicate");
    };
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
}

/// Compares what may be missing in a list by itself.
fn listed(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::InList(InList { expr: value, list, negated }) = expr else { return Ok(Transformed::no(expr)) };
    if list.iter().all(is_there) || value.is_volatile() {
        return Ok(Transformed::no(Expr::InList(InList { expr: value, list, negated })));
    }
    let (there, others): (Vec<Expr>, Vec<Expr>) = list.into_iter().partition(is_there);
    let operator = if negated { Operator::NotEq } else { Operator::Eq };
    let mut terms: Vec<Expr> =
        others.into_iter().map(|other| binary_expr(*value.clone(), operator, other)).collect();
    if !there.is_empty() {
        terms.push(Expr::InList(InList { expr: value, list: there, negated }));
    }
    Ok(Transformed::yes(together(terms, if negated { Operator::And } else { Operator::Or })))
}

/// Whether it is a value that is surely not missing.
fn is_there(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => !value.is_null(),
        Expr::Cast(cast) => is_there(&cast.expr),
        _ => false,
    }
}

/// All terms with an operator between them, no deeper than it must be.
fn together(mut terms: Vec<Expr>, operator: Operator) -> Expr {
    if terms.len() > 1 {
        let rest = terms.split_off(terms.len() / 2);
        return binary_expr(together(terms, operator), operator, together(rest, operator));
    }
    // A list has something in it.
    terms.pop().unwrap_or_else(|| lit(ScalarValue::Boolean(None)))
}

fn has_membership(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_))))
}

/// The condition where only its being true counts.
fn holds(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (holds(*left, schema)?, holds(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(condition),
        other => {
            let in_words = |expr| match expr {
                Expr::InSubquery(membership) => in_other_words(membership, schema).map(Transformed::yes),
                other => Ok(Transformed::no(other)),
            };
            other.transform_up(in_words).map(|changed| changed.data)
        }
    }
}

fn in_other_words(membership: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = membership;
    let among = subquery.subquery;
    let (qualifier, field) = among.schema().qualified_field(0);
    let (value, nullable) = (Expr::Column(Column::from((qualifier, field))), field.is_nullable());

    let those = |condition: Expr| {
        let plan = LogicalPlanBuilder::from(Arc::clone(&among)).filter(condition)?.build()?;
        Ok::<_, datafusion::common::DataFusionError>(exists(Arc::new(plan)))
    };
    let found = those(value.clone().eq(from_within(*expr.clone(), schema)?))?;
    let mut unknown = Vec::new();
    if nullable {
        unknown.push(those(value.is_null())?);
    }
    if expr.nullable(schema)? {
        unknown.push(expr.is_null().and(exists(Arc::clone(&among))));
    }
    let found = match unknown.into_iter().reduce(Expr::or) {
        Some(unknown) => found.or(when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(false))?),
        None => found,
    };
    Ok(if negated { Expr::Not(Box::new(found)) } else { found })
}

/// An expression over the rows outside as a subquery refers to it.
fn from_within(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let mut further = false;
    expr.apply(|expr| {
        further |= matches!(expr, Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_));
        Ok(TreeNodeRecursion::Continue)
    })?;
    if further {
        return not_impl_err!("IN (SELECT ...) below OR, NOT or CASE, of a value from another query");
    }
    expr.transform_up(|expr| match expr {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::new(field.as_ref().clone()), column)))
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|changed| changed.data)
}
