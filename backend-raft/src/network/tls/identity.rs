//! The name in a certificate.

use std::fmt;

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::types::NodeId;

/// What a certificate makes of its holder within one group.
///
/// It is a DNS name among the certificate's subject alternative names, because every tool that issues
/// certificates can write one, and because the caller's check is then the one that every TLS library does.
/// Such a name needs not be in any DNS. Other names in the certificate are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// `node-<id>.<cluster>`: a member.
    Node(NodeId),
    /// `<who>.client.<cluster>`: may campaign and observe.
    Client(String),
    /// `<who>.admin.<cluster>`: may also remove other people's records and sessions.
    Admin(String),
}

impl Identity {
    /// The DNS name.
    pub(crate) fn name(&self, cluster: &str) -> String {
        format!("{self}.{cluster}")
    }

    /// Reads a name; `None` if it is none of this group's.
    fn parse(name: &str, cluster: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let of_group = name.strip_suffix(cluster)?.strip_suffix('.')?;
        let Some((who, role)) = of_group.rsplit_once('.') else {
            let id = of_group.strip_prefix("node-")?;
            // One spelling only: `node-01` would be another name for the same member.
            return id.parse().ok().filter(|read: &NodeId| read.to_string() == id).map(Self::Node);
        };
        // No wildcard: an identity names one holder.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if who.is_empty() || !who.chars().all(plain) {
            return None;
        }
        match role {
            "client" => Some(Self::Client(who.to_owned())),
            "admin" => Some(Self::Admin(who.to_owned())),
            _ => None,
        }
    }

    /// The one identity that a certificate shows in `cluster`.
    ///
    /// # Errors
    /// What the certificate shows instead.
    pub(crate) fn of(certificate: &CertificateDer<'_>, cluster: &str) -> Result<Self, String> {
        let parsed =
            EndEntityCert::try_from(certificate).map_err(|error| format!("no certificate: {error}"))?;
        let names: Vec<&str> = parsed.valid_dns_names().collect();
        let mut found = names.iter().filter_map(|name| Self::parse(name, cluster));
        match (found.next(), found.next()) {
            (Some(identity), None) => Ok(identity),
            (None, _) if names.is_empty() => Err("no DNS name, wildcards apart".into()),
            _ => Err(names.join(", ")),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node-{id}"),
            Self::Client(who) => write!(f, "{who}.client"),
            Self::Admin(who) => write!(f, "{who}.admin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_its_one_spelling_and_in_its_own_group() {
        let read = |name| Identity::parse(name, "prod");
        assert_eq!(read("node-12.prod"), Some(Identity::Node(12)));
        assert_eq!(read("NODE-1.Prod"), Some(Identity::Node(1)));
        assert_eq!(read("billing.client.prod"), Some(Identity::Client("billing".into())));
        assert_eq!(read("ops.admin.prod"), Some(Identity::Admin("ops".into())));
        for other in [
            "node-1.other",
            "node-1.xprod",
            "node-1prod",
            "node-01.prod",
            "node-+1.prod",
            "node-.prod",
            "node-1.client.prod.x",
            "*.prod",
            "*.client.prod",
            "a.b.client.prod",
            ".client.prod",
            "client.prod",
            "a.member.prod",
            "prod",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        // A client may be called like a member; it is a client all the same.
        assert_eq!(read("node-1.client.prod"), Some(Identity::Client("node-1".into())));
    }

    #[test]
    fn a_name_is_written_as_it_is_read() {
        for identity in [Identity::Node(3), Identity::Client("a-b".into()), Identity::Admin("o".into())] {
            assert_eq!(Identity::parse(&identity.name("c"), "c"), Some(identity));
        }
    }
}
