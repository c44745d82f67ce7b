//! URLs: `etcd://user:pass@host:2379,host2:2379?ttl=5s&root=/election`, and `etcds://` for TLS.
//!
//! Parsed by hand: the usual URL grammar knows one host only.

use std::fmt;
use std::path::PathBuf;

use election_core::backend::url;
use election_core::{Error, Result};

use crate::BACKEND;
use crate::config::Config;

const DEFAULT_PORT: &str = "2379";

/// The parameters that [`Address::parse`] knows, for the message about one that it does not.
const KNOWN: &str = "root, ttl, drift, margin, timeout, ca, cert, key, domain";

/// Where the servers are and how to speak to them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Address {
    /// `host:port`, in the order given.
    pub(crate) hosts: Vec<String>,
    pub(crate) user: Option<(String, Secret)>,
    /// Present for `etcds://`.
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
}

/// Files and names for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: PathBuf,
    /// Certificate and key of the client, where the server asks for one.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) domain: Option<String>,
}

/// A password: it shows in no Debug output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|error| error.backend(BACKEND))
    }

    fn read(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid("the URL has no scheme"))?;
        let secure = match scheme {
            "etcd" => false,
            "etcds" => true,
            _ => return Err(invalid("the scheme of the URL is unknown: give etcd:// or etcds://")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(invalid(format!("the URL has the path {path:?}: give the root as ?root=/{path}")));
        }
        // The last '@': what lies before it is never printed.
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(credentials(user)?), hosts),
            None => (None, authority),
        };
        let hosts = hosts.split(',').map(host).collect::<Result<Vec<_>>>()?;
        let mut parameters = Parameters::default();
        for parameter in url::parameters(query) {
            let (name, value) = parameter?;
            parameters.set(name, value)?;
        }
        let tls = parameters.tls(secure)?;
        parameters.config.validate()?;
        Ok(Self { hosts, user, tls, config: parameters.config })
    }
}

#[derive(Default)]
struct Parameters {
    config: Config,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    domain: Option<String>,
}

impl Parameters {
    fn set(&mut self, name: &str, value: String) -> Result<()> {
        match name {
            "root" => self.config.root = value,
            "ttl" => self.config.ttl = url::duration(name, &value)?,
            "margin" => self.config.margin = Some(url::duration(name, &value)?),
            "timeout" => self.config.timeout = url::duration(name, &value)?,
            "drift" => self.config.drift = url::part(name, &value)?,
            "ca" => self.ca = Some(value.into()),
            "cert" => self.cert = Some(value.into()),
            "key" => self.key = Some(value.into()),
            "domain" => self.domain = Some(value),
            _ => {
                return Err(invalid(format!(
                    "the URL has the unknown parameter {name:?}: known are {KNOWN}"
                )));
            }
        }
        Ok(())
    }

    fn tls(&mut self, secure: bool) -> Result<Option<Tls>> {
        let Self { ca, cert, key, domain, .. } = self;
        if !secure {
            return if ca.is_none() && cert.is_none() && key.is_none() && domain.is_none() {
                Ok(None)
            } else {
                Err(invalid("ca=, cert=, key= and domain= are for TLS: give etcds:// instead of etcd://"))
            };
        }
        let identity = match (cert.take(), key.take()) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => return Err(invalid("cert= is given and key= is not: give both or neither")),
            (None, Some(_)) => return Err(invalid("key= is given and cert= is not: give both or neither")),
        };
        // No public roots: a cluster whose certificate any public authority can issue is a mistake.
        let ca = ca.take().ok_or_else(|| {
            invalid(
                "etcds:// needs ca=FILE, the PEM file of the authority that signed the servers' certificates",
            )
        })?;
        Ok(Some(Tls { ca, identity, domain: domain.take() }))
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid_config(message)
}

fn credentials(text: &str) -> Result<(String, Secret)> {
    let (user, password) = text
        .split_once(':')
        .ok_or_else(|| invalid("the URL names a user without a password: give user:password@"))?;
    let user = url::decode("user", user)?;
    if user.is_empty() {
        return Err(invalid("the user name in the URL is empty: give user:password@"));
    }
    Ok((user, Secret(url::decode("password", password)?)))
}

fn host(text: &str) -> Result<String> {
    let wrong = |why: &str| invalid(format!("the host {text:?} {why}: give host:port, [v6]:port or host"));
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(|| wrong("lacks a ']'"))?;
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong("is no IPv6 address"));
            }
            if !port.is_empty() && !port.starts_with(':') {
                return Err(wrong("has something other than a port after the ']'"));
            }
            (format!("[{address}]"), port.strip_prefix(':'))
        }
        None => {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            if name.is_empty() {
                return Err(wrong("has no name"));
            }
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                return Err(wrong("has a name with other than ASCII letters, digits, '.', '-' and '_'"));
            }
            (name.to_owned(), port)
        }
    };
    let port = port.unwrap_or(DEFAULT_PORT);
    match port.parse::<u16>() {
        Ok(1..) => Ok(format!("{name}:{port}")),
        _ => Err(wrong("has a port that is none")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn several_hosts_a_user_and_parameters() {
        let address = Address::parse(
            "etcd://us%40er:p%2Bw+@h1:2380,h2,[::1]:1/?ttl=1500ms&root=/prod%2Felection&drift=0.05",
        )
        .unwrap();
        assert_eq!(address.hosts, ["h1:2380", "h2:2379", "[::1]:1"]);
        assert_eq!(address.user, Some(("us@er".into(), Secret("p+w+".into()))));
        assert_eq!(address.config.ttl, Duration::from_millis(1500));
        assert_eq!(address.config.root, "/prod/election");
        assert!(!format!("{address:?}").contains("p+w"), "{address:?}");
    }

    #[test]
    fn tls_has_its_files() {
        let tls =
            Address::parse("etcds://h?ca=/c.pem&cert=/e.pem&key=/k.pem&domain=etcd").unwrap().tls.unwrap();
        assert_eq!(tls.ca, PathBuf::from("/c.pem"));
        assert_eq!(tls.identity, Some(("/e.pem".into(), "/k.pem".into())));
        assert_eq!(tls.domain.as_deref(), Some("etcd"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_shown() {
        for (url, says) in [
            ("etcd://h?tll=5s", "unknown parameter \"tll\""),
            ("etcd://h?ttl=5", "ttl is \"5\": give a whole number and its unit"),
            ("etcd://h?ttl=-1s", "ttl is \"-1s\""),
            ("etcd://h?ttl=0s", "ttl is 0ns"),
            ("etcd://h?timeout=99999999999999999999s", "timeout is"),
            ("etcd://h?drift=fast", "drift is \"fast\""),
            ("etcd://", "the host \"\" has no name"),
            ("etcd://h1,,h2", "the host \"\" has no name"),
            ("etcd://h:port", "a port that is none"),
            ("etcd://h:0", "a port that is none"),
            ("etcd://[::1", "lacks a ']'"),
            ("etcd://[::1]2379", "other than a port after the ']'"),
            ("etcd://h%zz", "a name with other than ASCII letters"),
            ("etcd://h/election", "give the root as ?root=/election"),
            ("etcd://h?ca=/x", "give etcds://"),
            ("etcds://h", "needs ca=FILE"),
            ("etcds://h?ca=/x&cert=/y", "key= is not"),
            ("etcd://hunter2@h", "a user without a password"),
            ("etcd://u:hunter2%zz@h", "password is not percent-encoded"),
            ("etcd://:hunter2@h", "the user name in the URL is empty"),
            ("etcd://u:hunter2@h?x=hunter2", "unknown parameter \"x\""),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.kind(), election_core::Kind::InvalidConfig, "{url}");
            assert!(error.to_string().starts_with("etcd: "), "{url}: {error}");
            assert!(error.to_string().contains(says), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
