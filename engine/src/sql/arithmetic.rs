//! Sums, differences and products of integers that fail where they would wrap around.
//!
//! The planner's own operators wrap, wherever they stand and also when it works out constants. So all
//! of them become functions as soon as their types are known, before anything is worked out. What
//! `sum` does about it is in [`sum`](super::sum); the other operators and types fail by themselves.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Puts the function in an operator's place.
pub(super) fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match function(op) {
            // Both are of one type by now. To ask the one that is no chain itself keeps long ones quick.
            Some(function)
                if (if is_leaf(&left) { &left } else { &right }).get_type(schema)?.is_integer() =>
            {
                Ok(Transformed::yes(function.call(vec![*left, *right])))
            }
            _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        Expr::Negative(of) if of.get_type(schema)?.is_integer() => {
            Ok(Transformed::yes(MINUS.call(vec![*of])))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_leaf(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_) | Expr::Literal(..) | Expr::Cast(_))
}

/// Does the same for the arguments of table functions, which are worked out while the SQL is still
/// being read. There are no columns there.
#[derive(Debug)]
pub(super) struct CheckedConstants;

impl ExprPlanner for CheckedConstants {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Some(function), true) = (function(op), schema.fields().is_empty() && short(&expr.left)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let (Some(left), Some(right)) = (constant(&expr.left, schema), constant(&expr.right, schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        match BinaryTypeCoercer::new(&left, &op, &right).get_input_types() {
            Ok((left, right)) if left.is_integer() && right.is_integer() => {
                Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right])))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// Whether a chain of these calls is short. Types of calls within calls are found out anew at each level, so a
/// long chain would take minutes to plan; what is behind a short one stays an operator, which is settled with
/// all others ([`checked`]).
fn short(mut expr: &Expr) -> bool {
    for _ in 0..16 {
        match expr {
            Expr::ScalarFunction(call) if call.func.inner().is::<Arithmetic>() => match call.args.first() {
                Some(left) => expr = left,
                None => return true,
            },
            Expr::BinaryExpr(BinaryExpr { left, .. }) => expr = left,
            _ => return true,
        }
    }
    false
}

/// The type of an operand. That of a call of one of these functions is that of its leaves, since all have to
/// be integers: to ask each call of a chain for the types of those inside would take ever longer.
fn constant(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Arithmetic>() => Some(DataType::Int64),
        other => other.get_type(schema).ok(),
    }
}

static PLUS: LazyLock<ScalarUDF> = LazyLock::new(|| Arithmetic::new(Operator::Plus).into());
static MINUS: LazyLock<ScalarUDF> = LazyLock::new(|| Arithmetic::new(Operator::Minus).into());
static TIMES: LazyLock<ScalarUDF> = LazyLock::new(|| Arithmetic::new(Operator::Multiply).into());

fn function(op: Operator) -> Option<&'static ScalarUDF> {
    match op {
        Operator::Plus => Some(&PLUS),
        Operator::Minus => Some(&MINUS),
        Operator::Multiply => Some(&TIMES),
        _ => None,
    }
}

/// `+`, `-` and `*` as functions of two numbers, `-` also of one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    op: Operator,
    name: String,
    signature: Signature,
}

impl Arithmetic {
    fn new(op: Operator) -> Self {
        Self { op, name: op.to_string(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Columns are called as they are without this function.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [of] => Ok(Expr::Negative(Box::new(of.clone())).schema_name().to_string()),
            [left, right] => Ok(format!("{} {} {}", left.schema_name(), self.op, right.schema_name())),
            _ => plan_err!("{} takes two numbers", self.op),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [of] => Ok(vec![of.clone()]),
            [left, right] => {
                let (left, right) = BinaryTypeCoercer::new(left, &self.op, right).get_input_types()?;
                Ok(vec![left, right])
            }
            _ => plan_err!("{} takes two numbers", self.op),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [of] => Ok(of.clone()),
            [left, right] => BinaryTypeCoercer::new(left, &self.op, right).get_result_type(),
            _ => plan_err!("{} takes two numbers", self.op),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.op, args.args.as_slice()) {
            (Operator::Plus, [left, right]) => apply(left, right, numeric::add),
            (Operator::Minus, [left, right]) => apply(left, right, numeric::sub),
            (Operator::Multiply, [left, right]) => apply(left, right, numeric::mul),
            (Operator::Minus, [ColumnarValue::Array(of)]) => Ok(ColumnarValue::Array(numeric::neg(of)?)),
            (Operator::Minus, [ColumnarValue::Scalar(of)]) => {
                let negative = numeric::neg(&of.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&negative, 0)?))
            }
            _ => plan_err!("{} takes two numbers", self.op),
        }
    }
}
