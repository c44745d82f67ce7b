//! `zk://…` by hand: a host list is no authority that a URL library accepts.

use election_core::Result;
use election_core::backend::url;

use crate::config::{Config, Credentials, invalid};

pub(crate) fn parse(text: &str) -> Result<Config> {
    let rest = match text.split_once("://") {
        Some(("zk", rest)) => rest,
        Some(("zks", _)) => {
            return Err(invalid(
                "zks:// is not offered: configure a client with TLS and hand it to ZkCoordinator::with_clients",
            ));
        }
        _ => return Err(invalid("the URL does not begin with zk://")),
    };
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The last '@': an unencoded one in a password is thus forgiven.
    let (userinfo, hosts) = match authority.rsplit_once('@') {
        Some((userinfo, hosts)) => (Some(userinfo), hosts),
        None => (None, authority),
    };
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    let mut config = Config {
        endpoints: hosts.split(',').map(endpoint).collect::<Result<_>>()?,
        credentials: userinfo.map(credentials).transpose()?,
        ..Config::default()
    };
    for parameter in url::parameters(query) {
        let (name, value) = parameter?;
        set(&mut config, name, value)?;
    }
    Ok(config)
}

fn set(config: &mut Config, name: &str, value: String) -> Result<()> {
    match name {
        "timeout" => config.timeout = url::duration(name, &value)?,
        "connect_timeout" => config.connect_timeout = url::duration(name, &value)?,
        "margin" => config.margin = Some(url::duration(name, &value)?),
        "root" => config.root = value,
        "drift" => config.drift = url::part(name, &value)?,
        _ => {
            return Err(invalid(format!(
                "unknown parameter {name:?} in the URL: known are timeout, root, connect_timeout, drift, margin"
            )));
        }
    }
    Ok(())
}

/// One server; its port is 2181 if left out. An IPv6 address stands in brackets.
fn endpoint(text: &str) -> Result<String> {
    let wrong = || invalid(format!("{text:?} is no server: give host:port, with commas between several"));
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "2181"),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && sound => Ok(format!("{host}:{port}")),
        _ => Err(wrong()),
    }
}

fn credentials(userinfo: &str) -> Result<Credentials> {
    let (user, password) = userinfo
        .split_once(':')
        .ok_or_else(|| invalid("the credentials have no password: give user:password@ before the hosts"))?;
    Ok(Credentials { user: url::decode("user", user)?, password: url::decode("password", password)? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use election_core::Kind;

    #[test]
    fn everything_in_a_url_is_read() {
        let config = Config::parse(
            "zk://bob:p%40ss%3Aw@h1:2181,h2,[::1]:2183/?timeout=9s&root=/a%2Fb&connect_timeout=500ms&drift=0.02&margin=10ms",
        )
        .unwrap();
        assert_eq!(config.endpoints, ["h1:2181", "h2:2181", "[::1]:2183"]);
        assert_eq!(config.credentials, Some(Credentials { user: "bob".into(), password: "p@ss:w".into() }));
        assert_eq!(config.timeout, Duration::from_secs(9));
        assert_eq!(config.root, "/a/b");
        assert_eq!(config.connect_timeout, Duration::from_millis(500));
        assert_eq!(config.margin, Some(Duration::from_millis(10)));
        assert!((config.drift - 0.02).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        for (url, says) in [
            ("zk://", "is no server"),
            ("zk://h1:2181,,h2", "is no server"),
            ("zk://h1:port", "is no server"),
            ("zk://h1:0", "is no server"),
            ("zk://u:hush@h1/path", "is no server"),
            ("http://u:hush@h1", "does not begin with zk://"),
            ("zks://u:hush@h1", "with_clients"),
            ("zk://u:hush@h1?ttl=5s", "unknown parameter \"ttl\""),
            ("zk://u:hush@h1?timeout=5", "timeout is \"5\""),
            ("zk://u:hush@h1?timeout=5h", "timeout is \"5h\""),
            ("zk://u:hush@h1?timeout=1ms", "ttl is 1ms"),
            ("zk://u:hush@h1?root=election", "root is \"election\""),
            ("zk://u:hush@h1?drift=x", "drift is \"x\""),
            ("zk://hush@h1", "no password"),
            ("zk://u:hush%zz@h1", "password is not percent-encoded"),
            ("zk://:hush@h1", "must not be empty"),
        ] {
            let error = Config::parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidConfig, "{url}");
            assert!(error.to_string().starts_with("zk: "), "{url}: {error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(says), "{url}: {text}");
            assert!(!text.contains("hush"), "{text}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let config = Config::parse("zk://bob:hush@h1").unwrap();
        let text = format!("{config:?}");
        assert!(text.contains("bob") && !text.contains("hush"), "{text}");
    }
}
