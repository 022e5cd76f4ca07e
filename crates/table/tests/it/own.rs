use forecall_table::{Cell, Kind, Sheet, Table, TableError};
use proptest::prelude::*;

const COLUMNS: [(&str, Kind); 5] = [
    ("at", Kind::Instant),
    ("on", Kind::Flag),
    ("count", Kind::Whole),
    ("value", Kind::Number),
    ("name", Kind::Text),
];

/// A row that owns its text.
type Row = (
    Option<i64>,
    Option<bool>,
    Option<i64>,
    Option<f64>,
    Option<String>,
);

fn cells(row: &Row) -> [Cell<'_>; 5] {
    [
        row.0.map_or(Cell::Empty, Cell::Instant),
        row.1.map_or(Cell::Empty, Cell::Flag),
        row.2.map_or(Cell::Empty, Cell::Whole),
        row.3.map_or(Cell::Empty, Cell::Number),
        row.4.as_deref().map_or(Cell::Empty, Cell::Text),
    ]
}

fn written(rows: &[Row]) -> Vec<u8> {
    let mut sheet = Sheet::new(Vec::new(), &COLUMNS).unwrap();
    for row in rows {
        sheet.row(&cells(row)).unwrap();
    }
    sheet.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read_and_the_bytes_hang_on_the_rows_alone(
        rows in prop::collection::vec(
            (
                prop::option::of(any::<i64>()),
                prop::option::of(any::<bool>()),
                prop::option::of(any::<i64>()),
                prop::option::of(any::<f64>().prop_filter("equal to itself", |v| !v.is_nan())),
                prop::option::of(".{0,12}"),
            ),
            0..60,
        )
    ) {
        let bytes = written(&rows);
        prop_assert_eq!(&bytes, &written(&rows));
        let table = Table::open(bytes.into()).unwrap();
        let kinds: Vec<(&str, Kind)> = table.columns().iter().map(|c| (c.name.as_str(), c.kind)).collect();
        prop_assert_eq!(kinds, COLUMNS.to_vec());
        prop_assert_eq!(table.rows(), rows.len() as u64);
        let mut next = 0_usize;
        table.read(&[0, 1, 2, 3, 4], &mut |row, read| {
            assert_eq!(row, next as u64 + 1);
            assert_eq!(read, cells(&rows[next]));
            next += 1;
        }).unwrap();
        prop_assert_eq!(next, rows.len());
    }
}

#[test]
fn rows_of_many_groups_and_batches_come_in_order() {
    let mut sheet = Sheet::new(Vec::new(), &[("n", Kind::Whole), ("name", Kind::Text)]).unwrap();
    for n in 0..300_000_i64 {
        let name = format!("series {}", n % 7);
        // Every third has no name.
        let name = if n % 3 == 0 {
            Cell::Empty
        } else {
            Cell::Text(&name)
        };
        sheet.row(&[Cell::Whole(n), name]).unwrap();
    }
    let table = Table::open(sheet.finish().unwrap().into()).unwrap();
    let mut seen = 0_i64;
    // In another order than the file has them.
    table
        .read(&[1, 0], &mut |row, cells| {
            assert_eq!(row, u64::try_from(seen).unwrap() + 1);
            assert_eq!(cells[1], Cell::Whole(seen));
            match cells[0] {
                Cell::Empty => assert_eq!(seen % 3, 0),
                Cell::Text(name) => assert_eq!(name, format!("series {}", seen % 7)),
                other => panic!("{other:?}"),
            }
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, 300_000);
}

#[test]
fn cells_that_do_not_fit_are_refused() {
    let mut sheet = Sheet::new(Vec::new(), &COLUMNS[..2]).unwrap();
    for bad in [
        vec![Cell::Instant(1)],
        vec![Cell::Whole(1), Cell::Flag(true)],
        vec![Cell::Instant(1), Cell::Text("x")],
        vec![Cell::Local(1), Cell::Empty],
        vec![Cell::Bad("x"), Cell::Empty],
    ] {
        assert!(
            matches!(sheet.row(&bad), Err(TableError::Shape { .. })),
            "{bad:?}"
        );
    }
    sheet.row(&[Cell::Instant(1), Cell::Empty]).unwrap();
    assert_eq!(Table::open(sheet.finish().unwrap().into()).unwrap().rows(), 1);
    assert!(matches!(
        Sheet::new(Vec::new(), &[("x", Kind::Local)]),
        Err(TableError::Write(_))
    ));
    let table = Table::open(written(&[]).into()).unwrap();
    assert!(matches!(
        table.read(&[5], &mut |_, _| {}),
        Err(TableError::NoColumn(5))
    ));
}
