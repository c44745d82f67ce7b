//! What is in `deploy/` works: it can be read, and the members that it starts are those of one group.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use backend_raft::{RaftConfig, Transport};
use saphyr::{LoadableYamlNode, Yaml};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn text<'a>(node: &'a Yaml<'_>) -> &'a str {
    node.as_str().unwrap_or_else(|| panic!("no text: {node:?}"))
}

/// The URL with which the pod of this name starts its member: by the very script that Kubernetes runs.
fn url_of(script: &str, pod: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("raft-node");
    std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let ran =
        Command::new("/bin/sh").args(["-c", script]).env("HOSTNAME", pod).env("PATH", path).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let said = String::from_utf8(ran.stdout).unwrap();
    let arguments: Vec<&str> = said.lines().collect();
    assert_eq!(arguments[..3], ["run", "--metrics", "0.0.0.0:9100"]);
    assert_eq!(arguments.len(), 4);
    arguments[3].to_owned()
}

#[test]
fn the_pods_of_the_stateful_set_are_the_members_of_one_group() {
    let documents = Yaml::load_from_str(&file("kubernetes.yaml")).unwrap();
    let of_kind = |kind: &str| {
        let found = documents.iter().find(|document| text(&document["kind"]) == kind);
        found.unwrap_or_else(|| panic!("there is no {kind}"))
    };
    let (set, service) = (of_kind("StatefulSet"), of_kind("Service"));
    let spec = &set["spec"];
    let container = &spec["template"]["spec"]["containers"][0];
    let script = text(&container["command"][2]);
    let replicas = spec["replicas"].as_integer().unwrap();
    assert_eq!(text(&spec["serviceName"]), text(&service["metadata"]["name"]));
    let port = service["spec"]["ports"][0]["port"].as_integer().unwrap();
    assert_eq!(container["ports"][0]["containerPort"].as_integer(), Some(port));
    for ordinal in 0..replicas {
        let pod = format!("{}-{ordinal}", text(&set["metadata"]["name"]));
        let config = RaftConfig::from_url(&url_of(script, &pod)).unwrap();
        let node = config.node.unwrap();
        assert_eq!((node.id, config.members.len() as i64), (ordinal as u64 + 1, replicas));
        let expected = format!("{pod}.{}:{port}", text(&service["metadata"]["name"]));
        assert_eq!(config.members[ordinal as usize], expected);
        let mounts = container["volumeMounts"].as_vec().unwrap();
        let mounted = |path: &Path| mounts.iter().any(|mount| path.starts_with(text(&mount["mountPath"])));
        let Transport::Tls(files) = &config.transport else { panic!("not encrypted") };
        assert!(
            mounted(&node.data) && [&files.ca, &files.cert, &files.key].into_iter().all(|file| mounted(file))
        );
        assert!(files.cert.ends_with(format!("node-{}.pem", node.id)));
    }
    // A majority stays, whatever is drained.
    assert_eq!(of_kind("PodDisruptionBudget")["spec"]["maxUnavailable"].as_integer(), Some(1));
}

#[test]
fn the_unit_starts_a_member_where_it_may_write() {
    let (unit, env) = (file("raft-node.service"), file("raft-node.env"));
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}=")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {key}"))
    };
    let config = RaftConfig::from_url(&value(&env, "RAFT_URL")).unwrap();
    let state = Path::new("/var/lib").join(value(&unit, "StateDirectory"));
    assert!(config.node.unwrap().data.starts_with(state));
    assert!(matches!(config.transport, Transport::Tls(_)));
    assert!(value(&unit, "ExecStart").ends_with("raft-node ${RAFT_URL}"));
}

/// systemd's own opinion, where there is one.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/raft-node.service");
    let Ok(ran) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else {
        eprintln!("skipped: no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    // The program is not installed where the tests run.
    let about_us =
        said.lines().filter(|line| line.contains("raft-node.service") && !line.contains("is not executable"));
    assert_eq!(about_us.collect::<Vec<_>>(), Vec::<&str>::new());
}
