//! Kinds that our own tables don't have, as other programs write them.

use std::sync::Arc;

use forecall_table::{Cell, Kind, Table, TableError};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A table of one column.
pub(crate) fn one<T: DataType>(column: &str, values: &[T::T], levels: Option<&[i16]>) -> Vec<u8> {
    packed::<T>(column, values, levels, Compression::UNCOMPRESSED)
}

fn packed<T: DataType>(column: &str, values: &[T::T], levels: Option<&[i16]>, by: Compression) -> Vec<u8> {
    let schema = parse_message_type(&format!("message schema {{ {column}; }}")).unwrap();
    let properties = WriterProperties::builder().set_compression(by).build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut writer = group.next_column().unwrap().unwrap();
    let repeats = vec![0; levels.map_or(0, <[i16]>::len)];
    let repeats = column.contains("repeated").then_some(repeats.as_slice());
    writer.typed::<T>().write_batch(values, levels, repeats).unwrap();
    writer.close().unwrap();
    group.close().unwrap();
    file.into_inner().unwrap()
}

fn check(bytes: Vec<u8>, kind: Kind, wanted: &[Cell<'_>]) {
    let table = Table::open(bytes.into()).unwrap();
    assert_eq!(table.columns()[0].kind, kind, "{table:?}");
    let mut place = 0;
    table
        .read(&[0], &mut |_, cells| {
            assert_eq!(cells, [wanted[place]], "row {}", place + 1);
            place += 1;
        })
        .unwrap();
    assert_eq!(place, wanted.len());
}

#[test]
fn times_know_their_unit_and_their_zone() {
    for (kind, each) in [("MILLIS", 1_000_000), ("MICROS", 1_000), ("NANOS", 1)] {
        let column = format!("required int64 t (TIMESTAMP({kind},true))");
        check(
            one::<Int64Type>(&column, &[1_700_000_000], None),
            Kind::Instant,
            &[Cell::Instant(1_700_000_000 * each)],
        );
    }
    check(
        one::<Int64Type>(
            "required int64 t (TIMESTAMP(MILLIS,false))",
            &[-5, i64::MAX],
            None,
        ),
        Kind::Local,
        &[
            Cell::Local(-5_000_000),
            Cell::Bad("the time lies beyond the years 1677 to 2262"),
        ],
    );
    check(
        one::<Int64Type>("required int64 t (TIMESTAMP_MILLIS)", &[3], None),
        Kind::Instant,
        &[Cell::Instant(3_000_000)],
    );
    check(
        one::<Int32Type>("required int32 t (DATE)", &[20_513], None),
        Kind::Local,
        &[Cell::Local(20_513 * 86_400_000_000_000)],
    );
    // 2026-03-01 is the Julian day 2461101; an hour later.
    let mut old = Int96::new();
    let hour: u64 = 3_600_000_000_000;
    old.set_data(
        u32::try_from(hour & 0xffff_ffff).unwrap(),
        u32::try_from(hour >> 32).unwrap(),
        2_461_101,
    );
    check(
        one::<Int96Type>("required int96 t", &[old], None),
        Kind::Instant,
        &[Cell::Instant(1_772_326_800_000_000_000)],
    );
}

#[test]
fn numbers_are_what_they_were_written_as() {
    check(
        one::<FloatType>("optional float v", &[0.1, 2.5], Some(&[1, 0, 1])),
        Kind::Number,
        &[Cell::Number(0.1), Cell::Empty, Cell::Number(2.5)],
    );
    check(
        one::<Int32Type>("required int32 v (DECIMAL(9,2))", &[12_345, -1], None),
        Kind::Number,
        &[Cell::Number(123.45), Cell::Number(-0.01)],
    );
    let fixed = |bytes: &[u8]| FixedLenByteArray::from(ByteArray::from(bytes.to_vec()));
    check(
        one::<FixedLenByteArrayType>(
            "required fixed_len_byte_array(3) v (DECIMAL(6,1))",
            &[fixed(&[0, 1, 4]), fixed(&[0xff, 0xff, 0xfe])],
            None,
        ),
        Kind::Number,
        &[Cell::Number(26.0), Cell::Number(-0.2)],
    );
    let halves = [0x3c00_u16, 0xc500, 0x7c00, 0x0001, 0x3555];
    let halves: Vec<_> = halves.iter().map(|h| fixed(&h.to_le_bytes())).collect();
    check(
        one::<FixedLenByteArrayType>("required fixed_len_byte_array(2) v (FLOAT16)", &halves, None),
        Kind::Number,
        &[
            Cell::Number(1.0),
            Cell::Number(-5.0),
            Cell::Number(f64::INFINITY),
            Cell::Number(2.0_f64.powi(-24)),
            Cell::Number(0.333_251_953_125),
        ],
    );
    check(
        one::<Int64Type>("required int64 v (INTEGER(64,false))", &[7, -1], None),
        Kind::Whole,
        &[Cell::Whole(7), Cell::Number(18_446_744_073_709_551_615.0)],
    );
    check(
        one::<Int32Type>("required int32 v (INTEGER(32,false))", &[-1], None),
        Kind::Whole,
        &[Cell::Whole(4_294_967_295)],
    );
}

#[test]
fn texts_are_text_or_bad_cells_and_lists_are_refused() {
    let words = [ByteArray::from("تهران"), ByteArray::from(vec![0xff_u8, 0xfe])];
    for column in ["required byte_array s", "required byte_array s (STRING)"] {
        check(
            one::<ByteArrayType>(column, &words, None),
            Kind::Text,
            &[Cell::Text("تهران"), Cell::Bad("the text is not UTF-8")],
        );
    }
    let lists = one::<Int32Type>("repeated int32 l", &[1], Some(&[1]));
    let table = Table::open(lists.into()).unwrap();
    let error = table.read(&[0], &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, TableError::Column { .. }));
    assert_eq!(
        error.to_string(),
        "column `l` holds lists or maps, of which nothing here can be made"
    );
}

#[test]
fn packed_pages_are_read_and_an_unknown_packing_is_named() {
    let values: Vec<i64> = (0..5_000).map(|i| i % 13).collect();
    let wanted: Vec<Cell<'_>> = values.iter().map(|v| Cell::Whole(*v)).collect();
    for by in [
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let bytes = packed::<Int64Type>("required int64 v", &values, None, by);
        check(bytes, Kind::Whole, &wanted);
    }
}
