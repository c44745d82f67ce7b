//! Reading invoices from CSV: what is good is taken, what is bad is reported with its line and column.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};

use super::money::{Currency, Money};

/// One invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its number: the unit of work.
    pub id: String,
    /// Who pays.
    pub customer: String,
    /// How much.
    pub amount: Money,
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The column at fault, if it is one.
    pub column: Option<&'static str>,
    /// What is wrong with it, and what to give.
    pub reason: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Import {
    /// The invoices, in the order of the file.
    pub invoices: Vec<Invoice>,
    /// The rows that were not taken.
    pub bad: Vec<BadRow>,
}

const COLUMNS: [&str; 4] = ["id", "customer", "amount", "currency"];
const HINT: &str = "the first line must name the columns id,customer,amount,currency (in any order)";
/// What fits into an idempotency key with room to spare.
const MAX_ID: usize = 100;

/// Reads a file.
///
/// A row is one line (a quoted field may hold commas but no line break), so that one stray quote costs one
/// row and not the rest of the file.
///
/// # Errors
/// If the file cannot be read, is empty, or has no usable header. Bad rows are no error: see [`Import::bad`].
pub fn read(path: &Path) -> anyhow::Result<Import> {
    let file = File::open(path).with_context(|| format!("cannot open the invoices {}", path.display()))?;
    let import = parse(BufReader::new(file)).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(import)
}

/// Reads from anything.
///
/// # Errors
/// As [`read`].
pub fn parse(mut input: impl BufRead) -> anyhow::Result<Import> {
    let mut import = Import::default();
    let mut header: Option<Header> = None;
    let mut first_seen = HashMap::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let content = content_of(&bytes, line == 1);
        if content.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let Some(header) = &header else {
            header = Some(Header::parse(content)?);
            continue;
        };
        match header.row(content).and_then(|invoice| first_time(&mut first_seen, invoice, line)) {
            Ok(invoice) => import.invoices.push(invoice),
            Err((column, reason)) => import.bad.push(BadRow { line, column, reason }),
        }
    }
    if header.is_none() {
        bail!("the file is empty: {HINT}");
    }
    Ok(import)
}

/// The line without its end, and the file without the mark that some spreadsheets begin it with.
fn content_of(bytes: &[u8], first: bool) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if first { bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes) } else { bytes }
}

type Fault = (Option<&'static str>, String);

fn first_time(seen: &mut HashMap<String, u64>, invoice: Invoice, line: u64) -> Result<Invoice, Fault> {
    match seen.insert(invoice.id.clone(), line) {
        None => Ok(invoice),
        Some(earlier) => {
            seen.insert(invoice.id.clone(), earlier);
            Err((
                Some("id"),
                format!("{:?} was already given on line {earlier}; the first one counts", invoice.id),
            ))
        }
    }
}

/// Where each of [`COLUMNS`] is.
struct Header {
    places: [usize; 4],
    width: usize,
}

impl Header {
    fn parse(line: &[u8]) -> anyhow::Result<Self> {
        let names = split(line).map_err(|reason| anyhow::anyhow!("line 1: {reason}"))?;
        let mut places = [0; 4];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let mut found = names.iter().enumerate().filter(|(_, name)| {
                std::str::from_utf8(name).is_ok_and(|name| name.trim().eq_ignore_ascii_case(column))
            });
            match (found.next(), found.next()) {
                (Some((at, _)), None) => *place = at,
                (None, _) => bail!("the header has no column {column:?}: {HINT}"),
                (Some(_), Some(_)) => bail!("the header has the column {column:?} twice: {HINT}"),
            }
        }
        Ok(Self { places, width: names.len() })
    }

    fn row(&self, line: &[u8]) -> Result<Invoice, Fault> {
        let fields = split(line).map_err(|reason| (None, reason))?;
        if fields.len() != self.width {
            return Err((None, format!("{} fields, the header has {}", fields.len(), self.width)));
        }
        let field = |column: usize| {
            std::str::from_utf8(&fields[self.places[column]])
                .map(|text| text.trim().to_owned())
                .map_err(|_| (Some(COLUMNS[column]), "not UTF-8: save the file as UTF-8".to_owned()))
        };
        let (id, customer, amount, code) = (field(0)?, field(1)?, field(2)?, field(3)?);
        if id.is_empty() || id.len() > MAX_ID || id.contains(char::is_control) {
            return Err((
                Some("id"),
                format!("{id:?} is no invoice number: give 1 to {MAX_ID} bytes of text"),
            ));
        }
        if customer.is_empty() {
            return Err((Some("customer"), "is missing".into()));
        }
        let currency = Currency::parse(&code).map_err(|reason| (Some("currency"), reason))?;
        let amount = Money::parse(&amount, currency).map_err(|reason| (Some("amount"), reason))?;
        Ok(Invoice { id, customer, amount })
    }
}

/// The fields of one line.
///
/// By hand and not with a CSV library: those read a quoted field on beyond the end of the line, which turns one
/// stray quote into a file of which nothing more is read.
fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut fields = vec![Vec::new()];
    let mut quoted = false;
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let field = fields.last_mut().expect("there is always a present field");
        match byte {
            b'"' if quoted && rest.next_if_eq(&b'"').is_some() => field.push(b'"'),
            b'"' if quoted => quoted = false,
            b'"' if field.is_empty() => quoted = true,
            b',' if !quoted => fields.push(Vec::new()),
            byte => field.push(byte),
        }
    }
    if quoted {
        return Err("a quote is not closed: a row is one line, a quote inside a field is doubled".into());
    }
    Ok(fields)
}
