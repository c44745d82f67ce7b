//! Starting again, stopping early, and leaving nothing behind.

#[cfg(feature = "raft")]
mod on_raft {
    use std::path::Path;
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::process::Child;

    use crate::run::{Case, command, text};

    #[tokio::test]
    async fn a_second_run_charges_only_what_is_new() {
        let case = Case::new(10);
        case.run(&["--rounds", "0"]).await.settled();
        case.assert_charged_once(10);

        case.write(1..=15, "");
        let outcome = case.run(&["--rounds", "1", "--seed", "1"]).await;
        outcome.settled();
        assert!(
            outcome.out.contains("5 new invoices, 10 known, 0 rows rejected, 10 settled earlier"),
            "{outcome:#?}"
        );
        case.assert_charged_once(15);

        let outcome = case.run(&["--workers", "5"]).await;
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        assert!(outcome.err.contains("a Raft group of 3 nodes"), "{outcome:#?}");
    }

    #[tokio::test]
    async fn a_run_without_keep_leaves_only_what_was_not_its_own() {
        let case = Case::new(3);
        let (data, file) = (case.data(), case.data().join("notes.txt"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(&file, "the user's").unwrap();
        crate::run::billing(&["--rounds", "0", "--data-dir", text(&data)]).await.settled();
        let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [file]);
    }

    /// The processes that have `data` on their command line.
    fn processes_of(data: &Path) -> Vec<(i32, Vec<String>)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line);
            if line.contains(text(data)) {
                found.push((pid, line.split('\0').map(str::to_owned).collect()));
            }
        }
        found
    }

    async fn until_none_is_left(data: &Path) {
        let none = async {
            while !processes_of(data).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), none)
            .await
            .unwrap_or_else(|_| panic!("still there: {:?}", processes_of(data)));
    }

    /// Starts a run and waits until it has a leader.
    async fn under_way(case: &Case) -> Child {
        let data = case.data();
        let mut run =
            command(&["--data-dir", text(&data), "--rounds", "200"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let led = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("leads with token") {
                    return;
                }
            }
            panic!("the run ended early");
        };
        tokio::time::timeout(Duration::from_secs(60), led).await.expect("nobody leads");
        // Read on, so that the run does not end by a closed pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        run
    }

    #[tokio::test]
    async fn an_interrupt_ends_every_process_and_removes_the_files() {
        let case = Case::new(0);
        let mut run = under_way(&case).await;
        assert!(processes_of(&case.data()).len() >= 4, "the parent and its children");
        kill_process(Pid::from_raw(run.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
        let status =
            tokio::time::timeout(Duration::from_secs(20), run.wait()).await.expect("it goes on").unwrap();
        assert_eq!(status.code(), Some(130));
        until_none_is_left(&case.data()).await;
        assert!(!case.data().exists());
    }

    #[tokio::test]
    async fn children_end_with_their_parent_even_if_it_is_killed_and_they_are_stopped() {
        let case = Case::new(0);
        let mut run = under_way(&case).await;
        let children: Vec<_> = processes_of(&case.data())
            .into_iter()
            .filter(|(_, line)| line.iter().any(|word| word == "worker" || word == "provider"))
            .collect();
        assert!(children.len() >= 3, "{children:?}");
        for (pid, _) in &children {
            // One may just have been killed by the run.
            kill_process(Pid::from_raw(*pid).unwrap(), Signal::STOP).ok();
        }
        run.start_kill().unwrap();
        run.wait().await.unwrap();
        until_none_is_left(&case.data()).await;
    }

    #[tokio::test]
    async fn two_runs_do_not_share_a_directory() {
        let case = Case::new(5);
        let mut first = under_way(&case).await;
        let outcome = case.run(&[]).await;
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        assert!(outcome.err.contains("another run uses"), "{outcome:#?}");
        first.start_kill().unwrap();
        first.wait().await.unwrap();
        until_none_is_left(&case.data()).await;
    }
}

#[cfg(not(feature = "etcd"))]
#[tokio::test]
async fn a_backend_whose_feature_is_off_names_it() {
    let outcome = crate::run::billing(&["--backend", "etcd"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.err.contains("--features etcd"), "{outcome:#?}");
}
