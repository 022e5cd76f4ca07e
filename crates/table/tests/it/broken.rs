//! Whatever is wrong with a file, it is an error that says so: never a panic, never rows in silence.

use forecall_table::{Cell, Kind, Sheet, Table, TableError};

fn good() -> Vec<u8> {
    let mut sheet = Sheet::new(Vec::new(), &[("at", Kind::Instant), ("name", Kind::Text)]).unwrap();
    for n in 0..2_000_i64 {
        let name = format!("{}", n * 7_919 % 1_009);
        sheet.row(&[Cell::Instant(n), Cell::Text(&name)]).unwrap();
    }
    sheet.finish().unwrap()
}

/// Reads all; how many rows came, and how it ended.
fn read(bytes: Vec<u8>) -> (u64, Result<(), TableError>) {
    let mut rows = 0;
    let result = Table::open(bytes.into()).and_then(|table| table.read(&[0, 1], &mut |_, _| rows += 1));
    (rows, result)
}

#[test]
fn what_is_no_parquet_or_cut_short_is_told_so() {
    let bytes = good();
    let said = |bytes: &[u8]| read(bytes.to_vec()).1.unwrap_err().to_string();
    assert_eq!(
        said(b"timestamp,value\n"),
        "it is no Parquet file: it doesn't begin with PAR1"
    );
    assert_eq!(said(b""), "it is no Parquet file: it doesn't begin with PAR1");
    let half = &bytes[..bytes.len() / 2];
    assert_eq!(
        said(half),
        format!(
            "it is cut short: a Parquet file ends with its footer, and this one has {} bytes without one",
            half.len()
        )
    );
    assert!(said(b"PAR1PAR1").starts_with("it is cut short"));
    // The end is there and the middle isn't: the footer names places that lie elsewhere.
    let gap = [&bytes[..300], &bytes[bytes.len() / 2..]].concat();
    let (_, result) = read(gap);
    assert!(result.is_err());
    let mut locked = bytes.clone();
    let end = locked.len() - 4;
    locked[end..].copy_from_slice(b"PARE");
    assert_eq!(said(&locked), "it is encrypted: write it without encryption");
    let mut footer = bytes;
    let end = footer.len() - 8;
    footer[end..end + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    assert!(said(&footer).starts_with("its footer can't be read: "));
}

#[test]
fn a_page_that_is_wrong_names_the_column_and_the_row() {
    let bytes = good();
    // Somewhere in the first pages.
    let mut wrong = bytes.clone();
    for byte in &mut wrong[30..200] {
        *byte ^= 0x5a;
    }
    let (_, result) = read(wrong);
    let error = result.unwrap_err();
    assert!(
        matches!(&error, TableError::Rows { row: 1, column, .. } if column == "at"),
        "{error}"
    );
}

#[test]
fn a_byte_that_is_another_gives_an_error_or_rows_and_never_a_panic() {
    let bytes = good();
    let (mut errors, mut whole) = (0, 0);
    for at in (0..bytes.len()).step_by(7) {
        for flip in [0x01_u8, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[at] ^= flip;
            match read(wrong) {
                (_, Err(_)) => errors += 1,
                (rows, Ok(())) => {
                    assert!(rows <= 4_000, "{rows} at {at}");
                    whole += 1;
                }
            }
        }
    }
    assert!(errors > 100, "{errors} errors, {whole} read");
}
