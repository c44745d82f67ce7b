//! The comparison that is kept in the documents, between two markers.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

/// The documents that hold it.
const DOCUMENTS: &[&str] = &["README.md", "docs/choosing.md"];

const BEGIN: &str = "<!-- report:begin (written by cargo xtask report --update-docs; do not edit) -->\n";
const END: &str = "<!-- report:end -->";

/// Puts the text between the markers of every document.
///
/// # Errors
///
/// When a document cannot be read or written, or has no markers.
pub(crate) fn update(text: &str) -> Result<()> {
    for document in DOCUMENTS {
        let old = read(document)?;
        let new = replaced(&old, text).with_context(|| format!("in {document}"))?;
        fs::write(document, new).with_context(|| format!("writing {document}"))?;
        println!("updated {document}");
    }
    Ok(())
}

/// That every document has the markers, and something between them.
///
/// # Errors
///
/// When one has not.
pub(crate) fn check() -> Result<()> {
    for document in DOCUMENTS {
        let text = read(document)?;
        let (_, between, _) = split(&text).with_context(|| format!("in {document}"))?;
        ensure!(between.contains("| --- |"), "{document} has no table between its markers: {CURE}");
    }
    Ok(())
}

const CURE: &str = "run cargo xtask report --update-docs";

fn read(document: &str) -> Result<String> {
    fs::read_to_string(Path::new(document)).with_context(|| format!("reading {document}"))
}

/// What stands before the text, the text, and what follows; the markers belong to the outer two.
fn split(document: &str) -> Result<(&str, &str, &str)> {
    let missing = || format!("there must be one line {:?} and, below it, one line {END:?}", BEGIN.trim_end());
    let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (between, after) = rest.split_once(END).with_context(missing)?;
    ensure!(!after.contains(BEGIN) && !after.contains(END) && !before.contains(END), missing());
    let outer = document.len() - rest.len();
    Ok((&document[..outer], between, &document[document.len() - after.len() - END.len()..]))
}

fn replaced(document: &str, text: &str) -> Result<String> {
    let (before, _, after) = split(document)?;
    Ok(format!("{before}\n{}\n\n{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("a\n{BEGIN}old\n{END}\nb\n");
        let once = replaced(&document, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
    }

    #[test]
    fn a_document_without_its_markers_is_refused() {
        for document in ["", BEGIN, END, &format!("{END}{BEGIN}"), &format!("{BEGIN}{END}{BEGIN}{END}")] {
            let refusal = replaced(document, "new").unwrap_err().to_string();
            assert!(refusal.contains("report:begin"), "{refusal}");
        }
    }
}
