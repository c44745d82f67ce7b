//! `leader_worker` and `observer`, run as they are.
#![cfg(feature = "raft")]

use std::process::Stdio;
use std::time::Duration;

use election::{Candidate, ElectorExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

struct Program {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(path: &str, args: &[&str]) -> Self {
        let mut process =
            Command::new(path).args(args).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Reads on until a line has one of `words`.
    async fn says(&mut self, words: &[&str]) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if words.iter().any(|word| line.contains(word)) {
                    return line;
                }
            }
            panic!("the program ended without {words:?}");
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("no {words:?}"))
    }

    async fn interrupt(mut self) {
        kill_process(Pid::from_raw(self.process.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
        let status = tokio::time::timeout(Duration::from_secs(20), self.process.wait()).await;
        assert!(status.expect("it goes on").unwrap().success());
    }
}

/// A Raft group of one node: its address and the URL of the node.
fn alone(data: &std::path::Path) -> (String, String) {
    let port = testkit::ports::Port::lease().unwrap();
    let members = format!("raft://{}", port.address());
    let node = format!("{members}?node=1&data={}", data.display());
    (members, node)
}

#[tokio::test]
async fn the_worker_to_copy_works_and_an_interrupt_hands_over() {
    let data = tempfile::tempdir().unwrap();
    let (members, node) = alone(data.path());
    let mut worker = Program::start(env!("CARGO_BIN_EXE_leader_worker"), &[&node]);
    worker.says(&["working under token"]).await;
    let mut observer = Program::start(env!("CARGO_BIN_EXE_observer"), &[&members, "copied-worker"]);
    let seen = observer.says(&["leads with token"]).await;
    assert!(seen.starts_with("worker-") && seen.contains("127.0.0.1:8080"), "{seen}");
    worker.interrupt().await;
    // It resigns, and takes the whole group of one with it: the observer may miss the first.
    observer.says(&["nobody leads", "out of reach"]).await;
    observer.interrupt().await;
}

#[tokio::test]
async fn the_observer_forwards_to_whoever_leads() {
    let data = tempfile::tempdir().unwrap();
    let (members, node) = alone(data.path());
    let coordinator = election::connect(&node).await.unwrap();
    let elector = coordinator.elector("routed").unwrap();
    let mut observer = Program::start(env!("CARGO_BIN_EXE_observer"), &[&members, "routed", "127.0.0.1:0"]);
    let forwarding = observer.says(&["forwarding"]).await;
    let front = forwarding.split_whitespace().nth(1).unwrap().to_owned();

    for greeting in [b"first!", b"second"] {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = service.local_addr().unwrap().to_string();
        let candidate = Candidate::new("service").unwrap().with_value(address).unwrap();
        // The client comes before there is a leader: it waits.
        let client = tokio::spawn({
            let front = front.clone();
            async move {
                let mut answer = [0; 6];
                TcpStream::connect(front).await.unwrap().read_exact(&mut answer).await.unwrap();
                answer
            }
        });
        let answer = elector.lead(candidate, |_| async {
            let (mut connection, _) = service.accept().await.unwrap();
            connection.write_all(greeting).await.unwrap();
            client.await.unwrap()
        });
        let answer =
            tokio::time::timeout(Duration::from_secs(30), answer).await.expect("not routed").unwrap();
        assert_eq!(&answer, greeting);
        observer.says(&["nobody leads"]).await;
    }
    observer.interrupt().await;
    coordinator.close().await.unwrap();
}
