//! Counting what libtest and rustdoc print.

use std::fmt;

/// The sum over all test binaries.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that found their server missing (and passed, because this is not CI).
    skipped: u64,
    /// The binary whose tests run now.
    binary: String,
    failures: Vec<String>,
    /// Failures that a second run took back.
    flaky: Vec<String>,
    /// Cargo's own verdict. It also fails when something does not build, or a test binary dies without a word.
    exit_success: bool,
}

impl Tally {
    /// Takes note of one line of output.
    pub(super) fn add(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(binary) = line.strip_prefix("Running ").or_else(|| line.strip_prefix("Doc-tests ")) {
            // `unittests src/lib.rs (target/debug/deps/testkit-0123456789abcdef)`
            let name = binary.rsplit(['/', ' ']).next().unwrap_or(binary).trim_end_matches(')');
            self.binary = name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned();
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.add_result(counts);
        } else if let Some(test) =
            line.strip_prefix("test ").and_then(|test| test.strip_suffix(" ... FAILED"))
        {
            self.failures.push(format!("{}: {test}", self.binary));
        } else if line.contains("skipped: no ") {
            self.skipped += 1;
        }
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.53s`
    fn add_result(&mut self, counts: &str) {
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    pub(super) fn set_exit(&mut self, success: bool) {
        self.exit_success = success;
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn flaky(&self) -> &[String] {
        &self.flaky
    }

    /// Whether something failed, and all of it is a test that can be asked for: not a binary that died, not a
    /// build error.
    pub(super) fn every_failure_has_a_name(&self) -> bool {
        !self.failures.is_empty() && u64::try_from(self.failures.len()) == Ok(self.failed)
    }

    /// The names of the failed tests, without their binaries.
    pub(super) fn failed_tests(&self) -> impl Iterator<Item = &str> {
        self.failures.iter().map(|failure| failure.rsplit(": ").next().unwrap_or(failure))
    }

    /// Takes back the failures, if a second run of exactly those tests went without one.
    pub(super) fn forgive(&mut self, again: Self) {
        if again.is_success() && again.passed >= self.failed {
            self.passed += self.failed;
            self.failed = 0;
            self.flaky = std::mem::take(&mut self.failures);
            self.exit_success = true;
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.exit_success && self.failed == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        if self.skipped > 0 {
            write!(f, ", {} of the passed skipped themselves for want of a server", self.skipped)?;
        }
        if !self.exit_success && self.failed == 0 {
            write!(f, "; cargo failed: a build error, or a test binary that died (see above)")?;
        }
        Ok(())
    }
}

/// The line without terminal escapes.
fn without_colour(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.add(line));
        tally
    }

    #[test]
    fn results_are_summed_and_failures_named() {
        let mut tally = tally(
            "     \x1b[1m\x1b[92mRunning\x1b[0m unittests src/lib.rs (target/debug/deps/testkit-0123456789abcdef)
test ports::tests::a ... ok
test ports::tests::b ... FAILED
test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.53s
   Doc-tests election_core
skipped: no etcd (apt-get install etcd-server)
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.53s",
        );
        assert_eq!(tally.failures(), ["testkit: ports::tests::b"]);
        assert!(!tally.is_success());
        tally.set_exit(true);
        assert!(!tally.is_success());
        assert_eq!(
            tally.to_string(),
            "15 passed, 1 failed, 2 ignored, 1 of the passed skipped themselves for want of a server"
        );
    }

    #[test]
    fn a_run_that_cargo_calls_a_failure_is_one() {
        let tally = tally("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        assert!(!tally.is_success());
        assert!(tally.to_string().contains("cargo failed"));
    }

    #[test]
    fn a_second_run_takes_back_only_what_it_has_run() {
        let failed = "Running tests/a.rs (target/debug/deps/a-0123456789abcdef)\ntest x ... FAILED\n\
                      test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let one = |passed: u64| Tally { passed, exit_success: true, ..Tally::default() };
        for (again, taken_back) in [(one(1), true), (one(0), false), (Tally::default(), false)] {
            let mut first = tally(failed);
            first.set_exit(false);
            assert!(first.every_failure_has_a_name());
            assert_eq!(first.failed_tests().collect::<Vec<_>>(), ["x"]);
            first.forgive(again);
            assert_eq!(first.is_success(), taken_back, "{first}");
            assert_eq!(first.flaky().len(), usize::from(taken_back));
        }
    }
}
