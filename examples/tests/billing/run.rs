//! Running the binary, and looking at what it leaves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Five processes each: more than this at once measure the machine and not the program.
static SLOTS: Semaphore = Semaphore::const_new(2);

/// Far beyond what a run takes, even on a machine with other work; a test that hangs ends here.
const LIMIT: Duration = Duration::from_secs(180);

/// What a run has printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// The number in a row of the account.
    pub(crate) fn row(&self, word: &str) -> u64 {
        let row = self.out.lines().find_map(|line| line.trim_start().strip_prefix(word));
        let number = row.and_then(|row| row.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no row {word:?} in {self:#?}"))
    }

    pub(crate) fn settled(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        assert!(self.out.contains("The account is settled"), "{self:#?}");
        assert_eq!((self.row("double charges"), self.row("missed")), (0, 0), "{self:#?}");
        self
    }
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn billing(args: &[&str]) -> Outcome {
    let _slot = SLOTS.acquire().await.unwrap();
    let output = tokio::time::timeout(LIMIT, command(args).output()).await.expect("the run hangs").unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with a file of invoices and room for a run.
pub(crate) struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    pub(crate) fn new(invoices: u32) -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap() };
        case.write(1..=invoices, "");
        case
    }

    /// Writes the file of invoices anew, with more lines after the good ones.
    pub(crate) fn write(&self, invoices: impl IntoIterator<Item = u32>, more: &str) {
        let mut text = "id,customer,amount,currency\n".to_owned();
        for number in invoices {
            text.push_str(&format!("INV-{number},C-{},{number}.50,EUR\n", number % 7));
        }
        std::fs::write(self.file(), text + more).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("invoices.csv")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs on this file and this directory, which stays.
    pub(crate) async fn run(&self, args: &[&str]) -> Outcome {
        let (file, data) = (self.file(), self.data());
        let mut all = vec!["--invoices", text(&file), "--data-dir", text(&data), "--keep"];
        all.extend(args);
        billing(&all).await
    }

    /// How often each invoice was charged, by the provider's own table: the invoices and their numbers.
    pub(crate) fn charges(&self) -> Vec<(String, i64)> {
        let provider = Connection::open(self.data().join("provider.db")).unwrap();
        let mut select = provider
            .prepare("SELECT invoice, count(*) FROM charges GROUP BY invoice ORDER BY min(id)")
            .unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Asserts that each of `invoices` was charged once, and is in the ledger, paid.
    pub(crate) fn assert_charged_once(&self, invoices: u32) {
        let expected: Vec<_> = (1..=invoices).map(|number| (format!("INV-{number}"), 1)).collect();
        let mut charges = self.charges();
        charges.sort_by_key(|(invoice, _)| invoice["INV-".len()..].parse::<u32>().unwrap());
        assert_eq!(charges, expected);
        let ledger = Connection::open(self.data().join("ledger.db")).unwrap();
        let count = |sql| ledger.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM invoices"), invoices);
        assert_eq!(count("SELECT count(*) FROM invoices WHERE state = 'paid'"), invoices);
        assert_eq!(count("SELECT count(DISTINCT invoice) FROM accepted"), invoices);
        assert_eq!(count("SELECT count(*) FROM accepted"), invoices);
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
