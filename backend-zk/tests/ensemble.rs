//! Three servers: the death of their leader, and the hard one, a server that is cut off from it.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{campaign, connect, elector, patiently};
use election_core::{Elector, LeadershipHandle, Loss};
use testkit::need::{self, Tool};
use testkit::ports::Port;
use testkit::proxy::Proxy;
use testkit::zk::{Zk, ZkOptions};
use testkit::{Launch, Node, READY_WITHIN, WorkDir, until};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_outlives_the_death_of_the_ensembles_leader_or_is_lost_in_time() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().fast().nodes(3)).await.unwrap();
    let coordinator = connect(&zk.authority(), 2000).await;
    let leader = campaign(&elector(&coordinator, "death"), "a").await;
    let dead = zk.leader().await.unwrap();
    zk.kill(dead).unwrap();
    let other = connect(&zk.authority(), 2000).await;
    // Either it kept its session (every new leader grants a full timeout), or it lost it before another one led.
    let waiting = tokio::spawn({
        let elector = elector(&other, "death");
        async move { campaign(&elector, "b").await }
    });
    let handle = leader.handle();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let kept = handle.check().is_ok();
    assert!(!(kept && waiting.is_finished()), "two leaders");
    println!("kept its leadership: {kept}");
    drop(leader);
    patiently("the successor", waiting).await.unwrap().check().unwrap();
    zk.restart(dead).await.unwrap();
}

/// The leader pauses for longer than the sessions' timeout, so that its clients' sessions expire when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_ensemble_leader_never_makes_two_leaders() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = Zk::start(ZkOptions::new().fast().nodes(3)).await.unwrap();
    let coordinator = connect(&zk.authority(), 600).await;
    let other = connect(&zk.authority(), 600).await;
    let watch = tokio::spawn(contend(elector(&coordinator, "paused"), elector(&other, "paused")));
    for _ in 0..3 {
        let paused = zk.leader().await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        zk.pause(paused).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        zk.resume(paused).unwrap();
        zk.wait_ready().await.unwrap();
    }
    watch.abort();
    if let Err(error) = watch.await {
        assert!(error.is_cancelled(), "{error}");
    }
}

/// Both campaign again and again, and are asked all the time: never do both say yes.
async fn contend(a: std::sync::Arc<dyn Elector>, b: std::sync::Arc<dyn Elector>) {
    let (hands, mut handles) = tokio::sync::mpsc::unbounded_channel::<(usize, LeadershipHandle)>();
    let mut tasks = tokio::task::JoinSet::new();
    for (i, elector) in [a, b].into_iter().enumerate() {
        let hands = hands.clone();
        tasks.spawn(async move {
            loop {
                if let Ok(leadership) = elector.campaign(common::candidate("x")).await {
                    let _ = hands.send((i, leadership.handle()));
                    leadership.lost().await;
                }
            }
        });
    }
    let mut last: [Option<LeadershipHandle>; 2] = [None, None];
    loop {
        while let Ok((i, handle)) = handles.try_recv() {
            last[i] = Some(handle);
        }
        // The first is asked again, so that both were valid at the moment between.
        if let [Some(a), Some(b)] = &last {
            assert!(
                a.check().is_err() || b.check().is_err() || a.check().is_err(),
                "two leaders: {a:?} {b:?}"
            );
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// Three servers, the first of which reaches the others' quorum ports through proxies only.
struct Bridged {
    nodes: Vec<Node>,
    clients: Vec<Port>,
    _quorum: Vec<Port>,
    _election: Vec<Port>,
    proxies: Vec<Proxy>,
    _folder: WorkDir,
}

impl Bridged {
    async fn start(tick: Duration, sync_limit: u32) -> Self {
        let folder = WorkDir::new("zk-bridged-").unwrap();
        let lease = || (0..3).map(|_| Port::lease().unwrap()).collect::<Vec<_>>();
        let (clients, quorum, election) = (lease(), lease(), lease());
        let mut proxies = Vec::new();
        for port in &quorum[1..] {
            proxies.push(Proxy::to(&port.address().to_string()).await.unwrap());
        }
        let mut nodes = Vec::new();
        // The last first: it has the highest id and leads, or the second does. The first one never does, as it
        // joins an ensemble that has a leader.
        for i in [2, 1, 0] {
            let home = folder.path().join(format!("n{i}"));
            std::fs::create_dir_all(home.join("data")).unwrap();
            std::fs::write(home.join("data/myid"), (i + 1).to_string()).unwrap();
            let mut lines = vec![
                format!("tickTime={}", tick.as_millis()),
                "initLimit=100".into(),
                format!("syncLimit={sync_limit}"),
                format!("dataDir={}", home.join("data").display()),
                "clientPortAddress=127.0.0.1".into(),
                format!("clientPort={}", clients[i].number()),
                "4lw.commands.whitelist=*".into(),
                "admin.enableServer=false".into(),
            ];
            for j in 0..3 {
                let port = if i == 0 && j > 0 { proxies[j - 1].address().port() } else { quorum[j].number() };
                lines.push(format!("server.{}=127.0.0.1:{port}:{}", j + 1, election[j].number()));
            }
            std::fs::write(home.join("zoo.cfg"), lines.join("\n")).unwrap();
            let jars = ["zookeeper", "log4j-1.2", "slf4j-log4j12"].into_iter().filter_map(need::jar);
            let class_path: Vec<String> = jars.map(|jar| jar.display().to_string()).collect();
            let args = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"].map(str::to_owned);
            let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned();
            let config = home.join("zoo.cfg").display().to_string();
            let launch = Launch {
                name: format!("zookeeper-{i}"),
                program: PathBuf::from("java"),
                args: args.into_iter().chain([class_path.join(":"), main, config]).collect(),
                env: Vec::new(),
                log: folder.path().join(format!("n{i}.log")),
                site: testkit::Site::Loopback,
            };
            nodes.insert(0, Node::start(launch).unwrap());
            if i == 1 {
                mode(&clients[1], "follower").await;
            }
        }
        mode(&clients[0], "follower").await;
        Self { nodes, clients, _quorum: quorum, _election: election, proxies, _folder: folder }
    }
}

/// Waits until a server says that it is in that mode.
async fn mode(port: &Port, mode: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    until(&format!("{} to be a {mode}", port.address()), READY_WITHIN, || async {
        let Ok(mut stream) = tokio::net::TcpStream::connect(port.address()).await else { return Ok(None) };
        let mut answer = String::new();
        if stream.write_all(b"srvr").await.is_err() || stream.read_to_string(&mut answer).await.is_err() {
            return Ok(None);
        }
        Ok(answer.contains(&format!("Mode: {mode}")).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_server_is_cut_off_stops_before_its_successor_starts() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    // The follower holds on to its leader for 20 s, ten times the session's timeout, and answers pings.
    let zk = Bridged::start(Duration::from_millis(200), 100).await;
    for round in 0..5_u64 {
        let cut_off = connect(&zk.clients[0].address().to_string(), 2000).await;
        let other = connect(&zk.clients[1].address().to_string(), 2000).await;
        let leader = campaign(&elector(&cut_off, "hard"), "a").await;
        // At different phases of the renewals.
        tokio::time::sleep(Duration::from_millis(1200 + 180 * round)).await;
        leader.check().unwrap();
        let successor = tokio::spawn({
            let elector = elector(&other, "hard");
            async move {
                let leadership = campaign(&elector, "b").await;
                leadership.check().unwrap();
                (Instant::now(), leadership)
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        zk.proxies.iter().for_each(Proxy::sever);
        let cut = Instant::now();
        let mut last_valid = cut;
        while leader.check().is_ok() {
            last_valid = Instant::now();
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let (began, successor) = patiently("the successor", successor).await.unwrap();
        assert_eq!(leader.check(), Err(Loss::Unproven));
        println!(
            "round {round}: valid for {:?} after the cut, successor after {:?}",
            last_valid - cut,
            began - cut
        );
        assert!(last_valid < began, "two leaders for {:?}", last_valid - began);
        // The run counts only if the client's link to its server was up all the while.
        zk.nodes[0].expect_running().unwrap();
        let status = tokio::net::TcpStream::connect(zk.clients[0].address()).await;
        assert!(status.is_ok());
        for proxy in &zk.proxies {
            proxy.heal().await.unwrap();
        }
        drop((leader, successor, cut_off, other));
        mode(&zk.clients[0], "follower").await;
    }
}
