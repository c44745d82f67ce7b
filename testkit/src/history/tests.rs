use std::fs;
use std::path::Path;

use super::*;

fn who(incarnation: u32) -> Who {
    Who { id: "a".into(), incarnation, election: "e".into() }
}

fn write(path: &Path, incarnation: u32, checks: usize) {
    let recorder = Recorder::open(path, who(incarnation)).unwrap();
    for _ in 0..checks {
        recorder.record(Event { token: Some(7), ..Event::new(Op::Check, Phase::Ok) }).unwrap();
    }
}

#[test]
fn what_is_recorded_is_read_in_the_order_of_its_stamps() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("b.jsonl"), 1, 3);
    write(&folder.path().join("a.jsonl"), 1, 2);
    let history = History::read_dir(folder.path()).unwrap();
    assert_eq!(history.events.len(), 7);
    assert!(history.events.is_sorted_by_key(|event| event.mono_ns));
    assert!(history.torn.is_empty());
    assert_eq!(history.events[1].token, Some(7));
}

#[test]
fn a_kill_tears_the_last_line_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    write(&path, 1, 3);
    let whole = fs::read(&path).unwrap();
    for cut in 1..40 {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let history = History::read_dir(folder.path()).unwrap();
        // One byte less is the line's end only.
        assert_eq!(history.torn.len(), usize::from(cut > 1), "cut {cut}");
        assert_eq!(history.events.len(), if cut > 1 { 3 } else { 4 });
        write(&path, 2, 1);
        let history = History::read_dir(folder.path()).unwrap();
        assert_eq!(history.torn.len(), usize::from(cut > 1));
        assert_eq!(history.events.last().unwrap().incarnation, 2);
    }
}

#[test]
fn a_file_that_lost_lines_in_the_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    write(&path, 1, 4);
    let whole = fs::read_to_string(&path).unwrap();
    let without_third: Vec<&str> =
        whole.lines().enumerate().filter(|(i, _)| *i != 2).map(|(_, line)| line).collect();
    fs::write(&path, without_third.join("\n")).unwrap();
    let error = History::read_dir(folder.path()).unwrap_err().to_string();
    assert!(error.contains("lines are missing"), "{error}");

    let torn_inside = whole.replacen("\"op\":\"check\"", "", 1);
    fs::write(&path, torn_inside).unwrap();
    assert!(History::read_dir(folder.path()).is_err());
}
