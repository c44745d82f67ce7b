//! The network of hosts that the clusters under fault run on.
#![forbid(unsafe_code)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use testkit::{
    need::{self, Tool},
    net::{Family, Fate, Host, Net, Rule, Weather},
    process::Process,
    until,
};

/// What this program does instead of testing, in a process of its own.
const ROLE: &str = "TESTKIT_ROLE";

const PORT: u16 = 7777;

const SOON: Duration = Duration::from_secs(20);

/// How a connection ended. A packet lost is sent again after a second, so that half of them lost is survived.
#[derive(Debug, PartialEq)]
enum Call {
    Answered,
    Refused,
    Unanswered,
}

/// Not a test: listens on a host, or makes hosts and waits to be killed.
#[test]
fn role() {
    match env::var(ROLE).as_deref() {
        Ok("listener") => listen(),
        Ok("victim") => be_killed(),
        _ => {}
    }
}

fn listen() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT));
    let listener = listener.or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))).unwrap();
    println!("listening");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 5];
            let _ = stream.read_exact(&mut bytes).and_then(|()| stream.write_all(&bytes));
        });
    }
}

fn be_killed() {
    let net = Net::new().unwrap();
    let hosts = net.hosts("host", 3).unwrap();
    let _weather = Weather::impose(Rule::around(&hosts[0], &hosts, Fate::Lost)).unwrap();
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let _child = Process::start(&hosts[1].command(&sleep), |_| {}).unwrap();
    let spaces: Vec<String> =
        hosts.iter().map(|host| host.run("readlink", &["/proc/self/ns/net"]).unwrap()).collect();
    println!("left {} {}", net.link(), spaces.iter().map(|space| space.trim()).collect::<Vec<_>>().join(" "));
    loop {
        thread::park();
    }
}

fn play(role: &str, on: Option<&Host>) -> (Process, impl BufRead) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "role", "--nocapture"]).env(ROLE, role);
    let command = on.map_or(command, |host| {
        let mut inner = Command::new(env::current_exe().unwrap());
        inner.args(["--exact", "role", "--nocapture"]).env(ROLE, role);
        host.command(&inner)
    });
    let process = Process::start(&command, |command| {
        command.stdout(Stdio::piped());
    })
    .unwrap();
    let output = BufReader::new(process.take(|child| child.stdout.take()).unwrap());
    (process, output)
}

/// A process that answers on that host.
fn listener(host: &Host) -> Process {
    let (process, output) = play("listener", Some(host));
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("listening")));
    process
}

/// Says something from one host to the other.
fn call(from: &Host, to: &Host, patience: u32) -> Call {
    let talk = format!(
        "exec 3<>/dev/tcp/{}/{PORT} || exit 7; echo ping >&3; read -r word <&3; [ \"$word\" = ping ]",
        to.address()
    );
    let mut command = Command::new("timeout");
    command.args([&patience.to_string(), "bash", "-c", &talk]);
    let status = from.command(&command).stderr(Stdio::null()).status().unwrap();
    match status.code() {
        Some(0) => Call::Answered,
        Some(124) => Call::Unanswered,
        _ => Call::Refused,
    }
}

fn two_hosts() -> Option<(Net, Arc<Host>, Arc<Host>)> {
    two_hosts_of(Family::V4)
}

fn two_hosts_of(family: Family) -> Option<(Net, Arc<Host>, Arc<Host>)> {
    let tool = if family == Family::V6 { Tool::Ipv6 } else { Tool::Namespaces };
    need::has(tool).then(|| {
        let net = Net::of(family).unwrap();
        let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
        (net, a, b)
    })
}

#[test]
fn hosts_talk_until_the_weather_turns_and_again_afterwards() {
    the_weather_turns(Family::V4);
}

#[test]
fn the_same_over_ipv6() {
    the_weather_turns(Family::V6);
}

fn the_weather_turns(family: Family) {
    let Some((_net, a, b)) = two_hosts_of(family) else { return };
    let _b = listener(&b);
    assert_eq!(call(&a, &b, 10), Call::Answered);

    // Not both ways: the refusal has to find its way back.
    let lost = Weather::impose([Rule::new(&a, &b, Fate::Lost)]).unwrap();
    assert_eq!(call(&a, &b, 1), Call::Unanswered);
    for fate in [Fate::Refused, Fate::Forbidden] {
        let refused = Weather::impose([Rule::new(&a, &b, fate)]).unwrap();
        assert_eq!(call(&a, &b, 10), Call::Refused);
        assert!(refused.lift().unwrap() > 0);
    }
    assert_eq!(call(&a, &b, 1), Call::Unanswered, "the other weather goes on");
    assert!(lost.lift().unwrap() > 0);
    assert_eq!(call(&a, &b, 10), Call::Answered);
}

#[test]
fn half_a_link_carries_one_way() {
    let Some((_net, a, b)) = two_hosts() else { return };
    let (_a, _b) = (listener(&a), listener(&b));
    let weather = Weather::impose([Rule::new(&a, &b, Fate::Lost)]).unwrap();
    assert_eq!(call(&a, &b, 1), Call::Unanswered);
    // One attempt to connect, perhaps its repetition after a second, and nothing that went the other way.
    assert!((1..=2).contains(&weather.hits().unwrap()));
    assert_eq!(call(&b, &a, 1), Call::Unanswered, "the answer to the attempt goes the way that is cut");
    assert!(weather.lift().unwrap() > 1);
}

#[test]
fn a_lossy_link_loses_some_and_carries_some() {
    let Some((_net, a, b)) = two_hosts() else { return };
    let _b = listener(&b);
    let weather = Weather::impose(Rule::between(&a, &b, Fate::Lossy(50))).unwrap();
    let answered = thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| call(&a, &b, 10))).collect();
        calls.into_iter().filter_map(|call| call.join().ok()).filter(|call| *call == Call::Answered).count()
    });
    assert!(answered > 0, "nothing came through");
    assert!(weather.lift().unwrap() > 0, "nothing was lost");
    assert!(Weather::impose([Rule::new(&a, &b, Fate::Lossy(101))]).is_err());
}

#[test]
fn a_disk_is_seen_by_its_host_alone_and_fills_up() {
    let Some((_net, a, b)) = two_hosts() else { return };
    let folder = testkit::WorkDir::new("disk-").unwrap();
    a.mount_disk(folder.path(), 1).unwrap();
    let file = folder.path().join("file");
    let write = |host: &Host, size: &str| host.run("fallocate", &["-l", size, &file.display().to_string()]);
    write(&a, "1KiB").unwrap();
    assert!(!file.exists(), "the mount got out");
    assert!(b.run("cat", &[&file.display().to_string()]).is_err(), "another host sees it");
    let full = write(&a, "2MiB").unwrap_err();
    assert!(full.to_string().contains("No space left"), "{full}");
}

#[tokio::test]
async fn a_killed_test_process_leaves_no_link_and_no_namespace() {
    if !need::has(Tool::Namespaces) {
        return;
    }
    let (victim, output) = play("victim", None);
    let left = output.lines().map_while(Result::ok).find_map(|line| {
        let (_, left) = line.split_once("left ")?;
        Some(left.split(' ').map(str::to_owned).collect::<Vec<_>>())
    });
    let left = left.expect("the victim tells what it made");
    let (link, spaces) = left.split_first().unwrap();
    let link = Path::new("/sys/class/net").join(link);
    assert!(link.exists());
    assert!(spaces.iter().all(|space| is_inhabited(space)), "{spaces:?}");
    victim.kill().unwrap();
    let gone = || async {
        let gone = !link.exists() && !spaces.iter().any(|space| is_inhabited(space));
        Ok(gone.then_some(()))
    };
    until("the end of the link and of all processes", SOON, gone).await.unwrap();
}

/// True when some process is in that network namespace. Without one, and without a name, there is no such namespace.
fn is_inhabited(space: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("ns/net")).ok())
        .any(|other| other.as_os_str() == space)
}
