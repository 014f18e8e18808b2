//! Exact fields whatever the order and the batches, sketches within what their docs say, and no type
//! that a profiler cannot see.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array, new_empty_array,
    new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type, IntervalUnit, TimeUnit};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::random::{Random, mixed};
use super::{ColumnProfile, Profile, Profiler};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn profiled(batch: &RecordBatch, rows: usize) -> Profile {
    let mut profiler = Profiler::new(&batch.schema());
    let mut at = 0;
    while at < batch.num_rows() {
        let length = rows.min(batch.num_rows() - at);
        profiler.add(&batch.slice(at, length));
        at += length;
    }
    profiler.finish()
}

fn one(array: impl Array + 'static) -> ColumnProfile {
    profiled(&batch(vec![("a", Arc::new(array))]), 1000).columns.remove(0)
}

#[test]
fn a_small_table_is_known_exactly() {
    let table = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![3, 1, 2, 5, 4]))),
        (
            "city",
            Arc::new(StringArray::from(vec![Some("Köln"), Some("Aachen"), None, Some("Köln"), Some("")])),
        ),
        ("share", Arc::new(Float64Array::from(vec![0.5, f64::NAN, -1.5, f64::INFINITY, 1.0]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(1), Some(1), None, Some(365)]))),
        ("open", Arc::new(BooleanArray::from(vec![true, true, false, true, true]))),
    ]);
    let profile = profiled(&table, 2);
    assert_eq!(profile.rows, 5);
    assert_eq!(profile.likely_keys, ["id"]);
    assert_eq!(profile.duplicate_rows, Some(0.0));
    let [id, city, share, day, open] = &profile.columns[..] else { panic!() };

    assert_eq!((id.count, id.nulls, id.distinct, id.distinct_exact), (5, 0, Some(5), true));
    assert_eq!((&id.min, &id.max), (&Some(json!(1)), &Some(json!(5))));
    assert_eq!((id.mean, id.deviation), (Some(3.0), Some(2_f64.sqrt())));
    let bins: Vec<_> = id.histogram.iter().map(|bin| (bin.from.clone(), bin.to.clone(), bin.count)).collect();
    assert_eq!(bins, [1, 2, 3, 4, 5].map(|n| (json!(n), json!(n), 1)));

    assert_eq!((city.count, city.nulls, city.distinct), (4, 1, Some(3)));
    assert_eq!(city.duplicates, Some(0.25));
    assert_eq!((&city.min, &city.max), (&Some(json!("")), &Some(json!("Köln"))));
    let lengths = city.lengths.clone().unwrap();
    assert_eq!((lengths.min, lengths.max, lengths.mean), (0, 6, 3.5));
    assert_eq!((city.top[0].value.clone(), city.top[0].count), (json!("Köln"), 2));

    assert_eq!((share.count, share.nan, share.infinite), (5, 1, 1));
    assert_eq!((&share.min, &share.max), (&Some(json!(-1.5)), &Some(json!("Infinity"))));
    assert_eq!(share.mean, Some(0.0));
    assert_eq!(share.histogram.iter().map(|bin| bin.count).sum::<u64>(), 3);
    assert_eq!((&share.histogram[0].from, &share.histogram[19].to), (&json!(-1.5), &json!(1.0)));

    assert_eq!((&day.min, &day.max), (&Some(json!("1970-01-01")), &Some(json!("1971-01-01"))));
    assert_eq!(day.quantiles[3].value, json!("1970-01-02"));
    assert_eq!(day.mean, None);
    assert_eq!((open.mean, &open.max), (Some(0.8), &Some(json!(true))));
}

#[test]
fn what_is_no_number_survives_json() {
    let huge = [f64::MAX, f64::MAX, f64::NEG_INFINITY, f64::NAN, f64::MAX, f64::MAX];
    let table = batch(vec![("a", Arc::new(Float64Array::from(huge.to_vec())))]);
    // The sum is beyond all floats.
    let profile = profiled(&table, 10);
    assert_eq!(
        (profile.columns[0].mean, profile.columns[0].deviation),
        (Some(f64::INFINITY), Some(f64::INFINITY))
    );
    assert_eq!(serde_json::from_str::<Profile>(&serde_json::to_string(&profile).unwrap()).unwrap(), profile);
    // Two such sums have no difference.
    let profile = profiled(&table, 3);
    assert!(profile.columns[0].mean.unwrap().is_nan());
    assert_eq!(profile.columns[0].min, Some(json!("-Infinity")));
    let text = serde_json::to_string(&profile).unwrap();
    let back: Profile = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    assert!(back.columns[0].mean.unwrap().is_nan());
    assert!(back.columns[0].deviation.unwrap().is_nan());
}

#[test]
fn long_texts_are_cut_and_told_apart() {
    let texts: Vec<String> = (0..10).map(|n| format!("{}{n}", "ü".repeat(1000))).collect();
    let column = one(StringArray::from(texts));
    assert_eq!(column.distinct, Some(10));
    assert_eq!(column.max, Some(json!("ü".repeat(64))));
    assert_eq!(column.lengths.unwrap().max, 1001);
    assert!(column.top.iter().all(|top| top.value == json!("ü".repeat(64)) && top.count == 1));
}

#[test]
fn numbers_at_the_ends_of_their_types() {
    let column = one(Int64Array::from(vec![i64::MIN, i64::MAX, 0]));
    assert_eq!((&column.min, &column.max), (&Some(json!(i64::MIN)), &Some(json!(i64::MAX))));
    assert_eq!(column.histogram.len(), 20);
    assert_eq!(column.histogram[19].to, json!(i64::MAX));
    assert_eq!(column.histogram.iter().map(|bin| bin.count).sum::<u64>(), 3);
    let column = one(UInt64Array::from(vec![u64::MAX, 0]));
    assert_eq!(column.max, Some(json!(u64::MAX)));
    let most = 10_i128.pow(38) - 1;
    let decimals = Decimal128Array::from(vec![most, -most, 12_345]).with_precision_and_scale(38, 2).unwrap();
    let column = one(decimals);
    assert_eq!(column.max, Some(json!("999999999999999999999999999999999999.99")));
    assert_eq!(column.quantiles[3].value, json!("123.45"));
    // No 128 bits hold the distance of the ends.
    assert!(column.histogram.is_empty());
    let column = one(Float64Array::from(vec![f64::MIN, f64::MAX]));
    assert_eq!((column.histogram[0].count, column.histogram[19].count), (1, 1));
    let column = one(TimestampMicrosecondArray::from(vec![i64::MIN, 0]).with_timezone("Europe/Berlin"));
    assert_eq!((column.min, column.max), (Some(Value::Null), Some(json!("1970-01-01T00:00:00Z"))));
}

#[test]
fn dictionaries_are_their_values() {
    let values: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    let column = one(values);
    assert_eq!((column.data_type.as_str(), column.count, column.nulls), ("text", 3, 1));
    assert_eq!((column.distinct, column.top[0].count), (Some(2), 2));
    // A null among the values, and one that no key refers to.
    let keys = datafusion::arrow::array::Int32Array::from(vec![0, 1, 1]);
    let values = StringArray::from(vec![Some("x"), None, Some("unused")]);
    let column = one(DictionaryArray::new(keys, Arc::new(values)));
    assert_eq!((column.count, column.nulls, column.distinct), (1, 2, Some(1)));
}

#[test]
fn lists_have_lengths() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(1); 4]),
    ]);
    let column = one(lists);
    let lengths = column.lengths.unwrap();
    assert_eq!((column.count, column.nulls, lengths.min, lengths.max, lengths.mean), (3, 1, 0, 4, 2.0));
}

/// Every type there is, as far as it has a form of its own.
fn types() -> Vec<DataType> {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let fields = Fields::from(vec![Field::new("x", DataType::Utf8, true)]);
    let mut types = vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time32(TimeUnit::Millisecond),
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(3),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::List(item.clone()),
        DataType::LargeList(item.clone()),
        DataType::ListView(item.clone()),
        DataType::LargeListView(item.clone()),
        DataType::FixedSizeList(item, 2),
        DataType::Struct(fields.clone()),
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, -2),
        DataType::Decimal128(38, 10),
        DataType::Decimal256(76, 20),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Decimal128(10, 1))),
    ];
    for bits in [DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64] {
        types.push(bits);
    }
    for bits in [DataType::UInt8, DataType::UInt16, DataType::UInt32, DataType::UInt64] {
        types.push(bits);
    }
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        types.push(DataType::Timestamp(unit, None));
        types.push(DataType::Timestamp(unit, Some("+02:00".into())));
        types.push(DataType::Duration(unit));
    }
    for unit in [IntervalUnit::YearMonth, IntervalUnit::DayTime, IntervalUnit::MonthDayNano] {
        types.push(DataType::Interval(unit));
    }
    types
}

#[test]
fn all_types_empty_missing_and_at_random() {
    let mut random = Random::new(7);
    for data_type in types() {
        for array in [new_empty_array(&data_type), new_null_array(&data_type, 10)] {
            let length = array.len() as u64;
            let table = batch(vec![("a", array)]);
            let profile = profiled(&table, 3);
            let column = &profile.columns[0];
            assert_eq!((column.count, column.nulls), (0, length), "{data_type}");
            assert_eq!((&column.min, &column.mean), (&None, &None), "{data_type}");
            assert_eq!(column.histogram, [], "{data_type}");
            assert_eq!(profile.likely_keys, Vec::<String>::new());
        }
        let Some(width) = data_type.primitive_width() else { continue };
        let bytes: Vec<u8> = (0..300 * width.max(1)).map(|_| random.next() as u8).collect();
        let data = datafusion::arrow::array::ArrayData::builder(data_type.clone());
        let mut aligned = datafusion::arrow::buffer::MutableBuffer::new(bytes.len());
        aligned.extend_from_slice(&bytes);
        let array =
            datafusion::arrow::array::make_array(data.len(300).add_buffer(aligned.into()).build().unwrap());
        let column = profiled(&batch(vec![("a", array)]), 100).columns.remove(0);
        assert_eq!(column.count, 300, "{data_type}");
        let distinct = column.distinct.unwrap();
        assert!(column.distinct_exact && distinct > 60 && distinct <= 300, "{data_type}: {distinct}");
        // The finite ones are all in the histogram, where there is one.
        let sum: u64 = column.histogram.iter().map(|bin| bin.count).sum();
        let finite = column.count - column.nan - column.infinite;
        assert!(sum == finite || column.histogram.is_empty(), "{data_type}: {sum} of {finite}");
    }
}

#[test]
fn many_values_within_the_stated_errors() {
    const ROWS: u64 = 400_000;
    let rows = 0..ROWS;
    let table = batch(vec![
        ("key", Arc::new(Int64Array::from_iter_values(rows.clone().map(|n| mixed(n) as i64)))),
        ("name", Arc::new(StringArray::from_iter_values(rows.clone().map(|n| format!("name {}", mixed(n)))))),
        // One in a hundred is there twice.
        ("nearly", Arc::new(Int64Array::from_iter_values(rows.clone().map(|n| (n - n % 100 / 99) as i64)))),
        // Fifty thousand different ones, of which 7 is a tenth of all.
        (
            "some",
            Arc::new(Int64Array::from_iter_values(
                rows.clone()
                    .map(|n| if mixed(n).is_multiple_of(10) { 7 } else { (mixed(n + ROWS) % 50_000) as i64 }),
            )),
        ),
        (
            "even",
            Arc::new(Float64Array::from_iter_values(
                rows.map(|n| (mixed(n) >> 11) as f64 / (1_u64 << 53) as f64),
            )),
        ),
    ]);
    // The slices in two halves, as two writers would see them.
    let mut halves = [Profiler::new(&table.schema()), Profiler::new(&table.schema())];
    for (n, at) in (0..ROWS as usize).step_by(10_000).enumerate() {
        halves[n % 2].add(&table.slice(at, 10_000));
    }
    let [mut merged, other] = halves;
    merged.merge(other);
    for profile in [profiled(&table, 8192), merged.finish()] {
        assert_eq!(profile.likely_keys, ["key", "name"]);
        assert_eq!(profile.duplicate_rows, Some(0.0));
        let [key, name, nearly, some, even] = &profile.columns[..] else { panic!() };
        for unique in [key, name] {
            assert_eq!((unique.distinct, unique.distinct_exact), (Some(ROWS), false));
            assert_eq!(unique.top, []);
        }
        // Five standard errors.
        let near = |found: u64, wanted: f64, error: f64| (found as f64 / wanted - 1.0).abs() < 5.0 * error;
        assert!(near(nearly.distinct.unwrap(), 0.99 * ROWS as f64, 0.0081), "{:?}", nearly.distinct);
        assert!(near(some.distinct.unwrap(), 50_000.0, 0.0081), "{:?}", some.distinct);
        assert_eq!(some.top[0].value, json!(7));
        assert!(near(some.top[0].count, 0.1 * ROWS as f64, 0.02), "{:?}", some.top[0]);
        assert!(!even.quantiles_exact);
        for quantile in &even.quantiles {
            let found = quantile.value.as_f64().unwrap();
            let error = (quantile.share * (1.0 - quantile.share) / 8192.0).sqrt();
            assert!((found - quantile.share).abs() < 5.0 * error, "{quantile:?}");
        }
        for bin in &even.histogram {
            assert!(near(bin.count, ROWS as f64 / 20.0, (20.0_f64 / 8192.0).sqrt()), "{bin:?}");
        }
        assert!((even.deviation.unwrap() - 12_f64.sqrt().recip()).abs() < 0.002);
        assert_eq!(even.examples.len(), 5);
    }
}

/// Where few values come time and again among many that do not, none of the sampled ones need be among them.
#[test]
fn a_value_that_comes_back_is_not_taken_for_different_ones() {
    for (often, others) in [(100_000, 5_001), (2_900, 2_100), (40_000, 900_000)] {
        let numbers: Int64Array = (0..often).map(|_| 1).chain((0..others).map(|n| 1_000 + n)).collect();
        let texts: StringArray = numbers.iter().flatten().map(|n| Some(format!("s{n}"))).collect();
        let rows = (often + others) as f64;
        for column in [Arc::new(numbers) as ArrayRef, Arc::new(texts)] {
            let profile = profiled(&batch(vec![("a", column)]), 16_384);
            let found = profile.columns[0].distinct.unwrap() as f64;
            assert!((found / f64::from(others as i32 + 1) - 1.0).abs() < 0.041, "{found} of {others}");
            assert_eq!(profile.likely_keys, Vec::<String>::new());
            // Of whole rows no frequent ones are remembered: what is less than a few in a hundred does not show.
            if f64::from(often as i32) / rows > 0.05 {
                assert!(profile.duplicate_rows.unwrap() > 0.0);
            }
        }
    }
}

/// What must be the same in whatever order and batches the values come.
fn exact(profile: &Profile) -> Value {
    let column = |column: &ColumnProfile| {
        let counts = json!([column.count, column.nulls, column.nan, column.infinite, column.min, column.max]);
        let tops: Vec<Value> = column.top.iter().map(|top| json!([top.value, top.count])).collect();
        let sketch = json!([column.distinct, column.distinct_exact, column.duplicates]);
        let lengths = column.lengths.as_ref().map(|l| json!([l.min, l.max, l.mean]));
        let quantiles: Vec<Value> = column.quantiles.iter().map(|q| q.value.clone()).collect();
        json!([counts, tops, sketch, lengths, quantiles])
    };
    let columns: Vec<Value> = profile.columns.iter().map(column).collect();
    json!([profile.rows, profile.duplicate_rows, profile.likely_keys, columns])
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1000.0..1000.0_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e-300]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_and_batches_make_no_difference(
        rows in prop::collection::vec(
            (prop::option::of(any::<i64>()), prop::option::of(floats()), prop::option::of(".{0,12}")), 1..200),
        size in 1..50_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let table = |rows: &[(Option<i64>, Option<f64>, Option<String>)]| batch(vec![
            ("a", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("b", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())),
            ("c", Arc::new(rows.iter().map(|row| row.2.as_deref()).collect::<StringArray>())),
        ]);
        let whole = profiled(&table(&rows), rows.len());
        let mut reversed = rows.clone();
        reversed.reverse();
        let (first, second) = reversed.split_at(cut.index(rows.len()));
        let mut merged = Profiler::new(&table(&rows).schema());
        for part in second.chunks(size) {
            merged.add(&table(part));
        }
        let mut other = Profiler::new(&table(&rows).schema());
        for part in first.chunks(size) {
            other.add(&table(part));
        }
        merged.merge(other);
        let merged = merged.finish();
        prop_assert_eq!(exact(&whole), exact(&merged));
        for (one, other) in whole.columns.iter().zip(&merged.columns) {
            let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) if a.is_finite() && b.is_finite() => {
                    (a - b).abs() <= 1e-6 * (1e-3 + a.abs().max(b.abs()).max(one.deviation.unwrap_or(0.0).abs()))
                }
                // Sums beyond all floats may or may not get there in parts.
                (a, b) => a.is_some() == b.is_some(),
            };
            prop_assert!(near(one.mean, other.mean), "{:?} {:?}", one.mean, other.mean);
            prop_assert!(near(one.deviation, other.deviation), "{:?} {:?}", one.deviation, other.deviation);
        }
        let text = serde_json::to_string(&whole).unwrap();
        let back: Profile = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_definition(
        values in prop::collection::vec(-1e9..1e9_f64, 1..500), size in 1..100_usize,
    ) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        let table = batch(vec![("a", Arc::new(Float64Array::from(values)))]);
        let column = profiled(&table, size).columns.remove(0);
        prop_assert!((column.mean.unwrap() - mean).abs() <= 1e-9 * (1.0 + deviation));
        prop_assert!((column.deviation.unwrap() - deviation).abs() <= 1e-9 * (1.0 + deviation));
    }
}
