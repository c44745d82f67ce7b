//! Bad input: what is good is taken, what is bad is named with its line, and nothing is guessed.

use std::io::Write;

use examples::billing::invoices::{self, Import};

const HEADER: &str = "id,customer,amount,currency\n";

fn parse(text: impl AsRef<[u8]>) -> anyhow::Result<Import> {
    invoices::parse(text.as_ref())
}

fn rejected(import: &Import) -> Vec<String> {
    import.bad.iter().map(ToString::to_string).collect()
}

#[test]
fn the_sample_is_good() {
    let sample = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/invoices.csv")).unwrap();
    let import = parse(sample).unwrap();
    assert_eq!((import.invoices.len(), rejected(&import)), (300, vec![]));
}

#[test]
fn bad_rows_are_named_and_do_not_stop_the_rest() {
    let mut file = HEADER.as_bytes().to_vec();
    file.extend_from_slice(
        b"A,C,12.50,EUR\n\
          ,C,1,EUR\n\
          B,,1,EUR\n\
          C,C,-1,EUR\n\
          D,C,1.005,EUR\n\
          E,C,1,XXX\n\
          A,C,12.50,EUR\n\
          \n\
          F,C,1\n\
          G,C,1,EUR,more\n\
          H,C\xFFC,1,EUR\n\
          I,\"C,1,EUR\n\
          J,\"C, \"\"and\"\" company\",1,EUR\r\n\
          K,C,nine,EUR\n\
          L,C,1,JPY",
    );
    let import = parse(file).unwrap();
    let taken: Vec<_> = import.invoices.iter().map(|invoice| invoice.id.as_str()).collect();
    assert_eq!(taken, ["A", "J", "L"]);
    assert_eq!(import.invoices[1].customer, "C, \"and\" company");
    let expected = [
        ("line 3, column id: ", "no invoice number"),
        ("line 4, column customer: ", "missing"),
        ("line 5, column amount: ", "negative"),
        ("line 6, column amount: ", "3 decimals, EUR has 2"),
        ("line 7, column currency: ", "unknown currency \"XXX\""),
        ("line 8, column id: ", "already given on line 2"),
        ("line 10: ", "3 fields, the header has 4"),
        ("line 11: ", "5 fields, the header has 4"),
        ("line 12, column customer: ", "not UTF-8"),
        ("line 13: ", "a quote is not closed"),
        ("line 15, column amount: ", "no amount"),
    ];
    let rejected = rejected(&import);
    assert_eq!(rejected.len(), expected.len(), "{rejected:#?}");
    for (line, (place, reason)) in rejected.iter().zip(expected) {
        assert!(
            line.starts_with(place) && line.contains(reason),
            "{line:?} should be {place:?} … {reason:?}"
        );
    }
}

#[test]
fn columns_may_be_in_any_order_beside_others_and_after_a_byte_order_mark() {
    let import = parse("\u{FEFF}Currency, amount ,note,ID,Customer\r\nEUR, 3.20 ,hello,A,C\r\n").unwrap();
    assert_eq!(import.invoices[0].amount.to_string(), "3.20 EUR");
}

#[test]
fn a_file_without_a_usable_header_is_refused() {
    for (file, says) in [
        ("", "empty"),
        ("\n \n", "empty"),
        ("A,C,12.50,EUR\n", "no column \"id\""),
        ("id,customer,amount\nA,C,1\n", "no column \"currency\""),
        ("id,customer,amount,currency,id\n", "column \"id\" twice"),
        ("id,\"customer,amount,currency\n", "quote is not closed"),
    ] {
        let error = format!("{:#}", parse(file).unwrap_err());
        assert!(error.contains(says), "{file:?}: {error}");
    }
    assert!(parse(HEADER).unwrap().invoices.is_empty());
}

#[test]
fn a_file_that_is_not_there_or_is_a_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.csv");
    for path in [missing.as_path(), dir.path()] {
        let error = format!("{:#}", invoices::read(path).unwrap_err());
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_hundred_thousand_rows_are_no_trouble() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut text = HEADER.to_owned();
    for row in 0..100_000 {
        text.push_str(&format!("INV-{row},C-{},{}.{:02},EUR\n", row % 97, row % 1000 + 1, row % 100));
    }
    file.write_all(text.as_bytes()).unwrap();
    assert_eq!(invoices::read(file.path()).unwrap().invoices.len(), 100_000);
}
