//! `rafts://h1:7001,h2:7001,h3:7001?node=1&data=/var/lib/x&ca=ca.pem&cert=node-1.pem&key=node-1.key`.

use std::path::PathBuf;

use election_core::Result;
use election_core::backend::url;

use crate::config::{Join, NodeConfig, Profile, RaftConfig, invalid};
use crate::error::BACKEND;
use crate::transport::{TlsFiles, Transport};

/// The parameters, for the message about an unknown one.
const KNOWN: &str = "node, data, listen, join, replaces, cluster, profile, ttl, drift, patience, snapshot_every, \
                     keep_entries, ca, cert, key, plaintext";

impl RaftConfig {
    /// Reads `rafts://HOST:PORT,…` (TLS) or `raft://HOST:PORT,…` (not encrypted) with these parameters:
    ///
    /// | parameter | meaning | default |
    /// | --- | --- | --- |
    /// | `node` | the id of the member that this process embeds: its place, from 1, or as in `4@h4:7001` | none: a client |
    /// | `data` | that member's data directory | required with `node` |
    /// | `listen` | where it listens | its address in the list |
    /// | `join` | `yes`: it joins a group that exists; `wait`: when an administrator adds it; see [`Join`] | `no` |
    /// | `replaces` | with `join=yes`: the id of the member whose place it takes | none |
    /// | `cluster` | the group's name | `election` |
    /// | `profile` | `lan`, `default` or `wan`, see [`Profile`] | `default` |
    /// | `ttl` | the session's TTL: `400ms`, `5s` | the profile's |
    /// | `drift` | by what part our clock may run slower than the members' | `0.01` |
    /// | `patience` | how long connecting may take | `5s` |
    /// | `snapshot_every`, `keep_entries` | see [`NodeConfig`] | 10000, 1000 |
    /// | `ca`, `cert`, `key` | files in PEM form, see [`TlsFiles`] | required with `rafts://` |
    /// | `plaintext` | `yes`: `raft://` beyond loopback, see [`Transport::Plaintext`] | `no` |
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`](election_core::Kind::InvalidConfig), naming the parameter and what it may be.
    pub fn from_url(text: &str) -> Result<Self> {
        Self::read(text).map_err(|error| error.backend(BACKEND))
    }

    fn read(text: &str) -> Result<Self> {
        let (secure, rest) = match text.split_once("://") {
            Some(("raft", rest)) => (false, rest),
            Some(("rafts", rest)) => (true, rest),
            _ => return invalid(format!("{text:?} does not begin with raft:// or rafts://")),
        };
        let (members, query) = rest.split_once('?').unwrap_or((rest, ""));
        let members = members.trim_end_matches('/').split(',').filter(|member| !member.is_empty());
        let mut config = Self::new(members);
        let mut node = None;
        let mut ttl = None;
        let mut drift = None;
        let mut of_node = Vec::new();
        let mut of_transport = Vec::new();
        for parameter in url::parameters(query) {
            let (key, value) = parameter?;
            match key {
                "node" => node = Some(number(key, &value)?),
                "data" | "listen" | "snapshot_every" | "keep_entries" | "join" | "replaces" => {
                    of_node.push((key, value));
                }
                "ca" | "cert" | "key" | "plaintext" => of_transport.push((key, value)),
                "cluster" => config.cluster = value,
                "profile" => config = config.with_profile(profile(&value)?),
                "ttl" => ttl = Some(url::duration(key, &value)?),
                "drift" => drift = Some(url::part(key, &value)?),
                "patience" => config.patience = url::duration(key, &value)?,
                other => return invalid(format!("{text:?} has the parameter {other:?}: known are {KNOWN}")),
            }
        }
        // After the profile, wherever it stands in the URL.
        if let Some(ttl) = ttl {
            config = config.with_ttl(ttl);
        }
        if let Some(drift) = drift {
            config.session = config.session.with_drift(drift);
        }
        config.node = embedded(node, of_node)?;
        config.transport = transport(secure, of_transport)?;
        config.validate()?;
        Ok(config)
    }
}

fn embedded(id: Option<u64>, parameters: Vec<(&str, String)>) -> Result<Option<NodeConfig>> {
    let Some(id) = id else {
        return match parameters.first() {
            None => Ok(None),
            Some((key, _)) => {
                invalid(format!("{key} is given without node: give node, this member's place in the list"))
            }
        };
    };
    let mut node = NodeConfig::new(id, PathBuf::new());
    let mut replaces = None;
    for (key, value) in parameters {
        match key {
            "data" => node.data = value.into(),
            "listen" => node.listen = Some(value),
            "replaces" => replaces = Some(number(key, &value)?),
            "join" => {
                node.join = match value.as_str() {
                    "no" => Join::Form,
                    "yes" => Join::Ask,
                    "wait" => Join::Wait,
                    other => return invalid(format!("join is {other:?}: give yes, wait or no")),
                }
            }
            "snapshot_every" => node.snapshot_every = number(key, &value)?,
            _ => node.keep_entries = number(key, &value)?,
        }
    }
    match (replaces, node.join) {
        (None, _) => {}
        (Some(old), Join::Ask) => node.join = Join::Replace(old),
        (Some(old), _) => {
            return invalid(format!("replaces is {old} without join=yes: give both, or neither"));
        }
    }
    Ok(Some(node))
}

fn transport(secure: bool, parameters: Vec<(&str, String)>) -> Result<Transport> {
    let mut files = TlsFiles { ca: PathBuf::new(), cert: PathBuf::new(), key: PathBuf::new() };
    let mut plaintext = false;
    for (key, value) in parameters {
        match (key, value.as_str()) {
            ("plaintext", "yes") if secure => {
                return invalid(
                    "plaintext=yes is for raft://: take it out, or give raft:// for rafts://".into(),
                );
            }
            ("plaintext", "yes") => plaintext = true,
            ("plaintext", "no") => plaintext = false,
            ("plaintext", other) => return invalid(format!("plaintext is {other:?}: give yes or no")),
            (name, _) if !secure => {
                return invalid(format!("{name}= is for TLS: give rafts:// instead of raft://"));
            }
            ("ca", file) => files.ca = file.into(),
            ("cert", file) => files.cert = file.into(),
            (_, file) => files.key = file.into(),
        }
    }
    Ok(match (secure, plaintext) {
        (true, _) => Transport::Tls(files),
        (false, true) => Transport::Plaintext,
        (false, false) => Transport::Loopback,
    })
}

fn profile(value: &str) -> Result<Profile> {
    match value {
        "lan" => Ok(Profile::Lan),
        "default" => Ok(Profile::Default),
        "wan" => Ok(Profile::Wan),
        other => invalid(format!("profile is {other:?}: give lan, default or wan")),
    }
}

fn number(key: &str, value: &str) -> Result<u64> {
    url::number(key, value, "give a whole number")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_drift_bound_is_read_and_changes_the_renewals() {
        let config = |drift| RaftConfig::from_url(&format!("raft://[::1]:1?drift={drift}&ttl=2s"));
        let (usual, large) = (config("0.01").unwrap().session, config("0.35").unwrap().session);
        assert_eq!(large.drift, 0.35);
        assert!(large.renew_every < usual.renew_every);
        for bad in ["1.5", "much"] {
            assert!(config(bad).unwrap_err().to_string().contains("drift is"));
        }
    }

    #[test]
    fn a_full_url_is_read() {
        let url = "raft://h1:1,h2:2,h3:3?ttl=1s&node=2&data=%2Fvar%2Flib%2Fx&profile=lan&cluster=c&listen=0.0.0.0:2\
                   &snapshot_every=50&keep_entries=5&patience=2m&plaintext=yes";
        let config = RaftConfig::from_url(url).unwrap();
        assert_eq!(config.members, ["h1:1", "h2:2", "h3:3"]);
        assert_eq!(config.session.ttl, Duration::from_secs(1));
        assert_eq!(config.raft, Profile::Lan.raft());
        let node = config.node.unwrap();
        assert_eq!((node.id, node.data.to_str()), (2, Some("/var/lib/x")));
        assert_eq!((node.snapshot_every, node.keep_entries), (50, 5));
        assert_eq!(config.patience, Duration::from_secs(120));
        assert_eq!(config.transport, Transport::Plaintext);
    }

    #[test]
    fn a_member_has_its_place_as_its_id_or_the_one_that_is_written() {
        let url = "raft://127.0.0.1:1,4@127.0.0.1:2,127.0.0.1:3?node=4&data=x&join=yes&replaces=2";
        let config = RaftConfig::from_url(url).unwrap();
        let ids: Vec<_> = config.by_id().into_iter().collect();
        let address = |port| format!("127.0.0.1:{port}");
        assert_eq!(ids, [(1, address(1)), (3, address(3)), (4, address(2))]);
        assert_eq!(config.node.unwrap().join, Join::Replace(2));
    }

    #[test]
    fn tls_has_its_files() {
        let url = "rafts://h1:1?ca=/c.pem&cert=%2Fx%20y+.pem&key=/k.pem";
        let files = TlsFiles { ca: "/c.pem".into(), cert: "/x y+.pem".into(), key: "/k.pem".into() };
        let config = RaftConfig::from_url(url).unwrap();
        assert_eq!(config.transport, Transport::Tls(files));
        assert_eq!(config, RaftConfig::new(["h1:1"]).with_tls("/c.pem", "/x y+.pem", "/k.pem"));
    }

    #[test]
    fn plaintext_needs_no_word_on_loopback_only() {
        for url in ["raft://127.0.0.1:1,localhost:2,[::1]:3,127.9.9.9:4", "raft://10.0.0.1:1?plaintext=yes"] {
            RaftConfig::from_url(url).unwrap();
        }
    }

    #[test]
    fn a_url_without_a_node_is_a_client() {
        assert_eq!(RaftConfig::from_url("raft://[::1]:1").unwrap().node, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, says) in [
            ("zk://h:1", "does not begin with raft:// or rafts://"),
            ("raft://h1:1", "\"h1:1\" is not a loopback address"),
            ("raft://127.0.0.1:1,[fe80::1]:2", "\"[fe80::1]:2\" is not a loopback address"),
            ("raft://127.0.0.1:1?node=1&data=x&listen=0.0.0.0:1", "\"0.0.0.0:1\" is not a loopback address"),
            ("raft://localhost.evil.org:1", "plaintext=yes if the network keeps strangers out"),
            ("raft://h1:1?plaintext=true", "plaintext is \"true\": give yes or no"),
            ("raft://h1:1?ca=x", "give rafts:// instead of raft://"),
            ("rafts://h1:1?plaintext=yes", "plaintext=yes is for raft://"),
            ("rafts://h1:1", "ca is missing"),
            ("rafts://h1:1?ca=x&key=z", "cert is missing"),
            ("rafts://h1:1?ca=x&cert=y", "key is missing"),
            ("rafts://h1:1?ca=x&cert=y&key=z&cluster=a.b", "cluster is \"a.b\": with TLS"),
            ("raft://", "members is empty"),
            ("raft://h1", "give host:port"),
            ("raft://h1:0", "give host:port"),
            ("raft://h1:1,h1:1", "twice"),
            ("raft://[::1]:1?node=2&data=x", "node is 2, which is not in the list"),
            ("raft://7@[::1]:1?node=1&data=x", "node is 1, which is not in the list"),
            ("raft://x@[::1]:1", "give id@host:port"),
            ("raft://0@[::1]:1", "give id@host:port"),
            ("raft://[::1]:1,1@[::1]:2", "members has the id 1 twice"),
            ("raft://3@[::1]:1,4@[::1]:1", "twice: give every member its own address"),
            ("raft://4@10.0.0.1:1", "is not a loopback address"),
            ("raft://[::1]:1?node=1&data=x&join=yes", "list a member of the group, too"),
            ("raft://[::1]:1,[::1]:2?node=1&data=x&join=maybe", "give yes, wait or no"),
            ("raft://[::1]:1,[::1]:2?node=1&data=x&replaces=2", "without join=yes"),
            ("raft://[::1]:1,[::1]:2?node=1&data=x&join=yes&replaces=1", "a new member has a new id"),
            ("raft://h1:1?node=1", "data is empty"),
            ("raft://h1:1?data=x", "data is given without node"),
            ("raft://h1:1?node=one", "give a whole number"),
            ("raft://h1:1?ttl=5", "ttl is \"5\""),
            ("raft://h1:1?ttl=1ms", "ttl is 1ms"),
            ("raft://h1:1?profile=fast", "give lan, default or wan"),
            ("raft://h1:1?colour=red", "known are node"),
            ("raft://h1:1?cluster=", "cluster has 0 bytes"),
            ("raft://h1:1?node=1&data=x&snapshot_every=0", "snapshot_every is 0"),
        ] {
            let error = RaftConfig::from_url(url).unwrap_err().to_string();
            assert!(error.starts_with("raft: ") && error.contains(says), "{url}: {error}");
        }
    }

    #[test]
    fn every_profile_is_valid() {
        for profile in [Profile::Lan, Profile::Default, Profile::Wan] {
            RaftConfig::new(["[::1]:1"]).with_profile(profile).validate().unwrap();
        }
    }
}
