//! Leader election that Rust services can trust: one trait, [`Elector`], over etcd, ZooKeeper and an embedded
//! Raft that needs no server.
//!
//! This crate is a facade: the words are those of [`election_core`], and [`connect`] picks the backend by the
//! scheme of a URL.

pub use election_core::*;

/// Connects to the coordination service that a URL names.
///
/// | scheme | feature | service |
/// | --- | --- | --- |
/// | `rafts://`, `raft://` | `raft` (default) | an embedded Raft group, as a member or as a client, over TLS or plain |
/// | `etcd://`, `etcds://` | `etcd` | an etcd cluster, plain or over TLS |
/// | `zk://` | `zk` | a ZooKeeper ensemble |
///
/// The parameters of each are described in `backend_raft::RaftConfig::from_url`, `backend_etcd::connect` and
/// `backend_zk::Config`.
///
/// # Errors
/// [`Kind::InvalidConfig`] if the scheme is unknown, its feature is off, or a parameter is out of bounds;
/// [`Kind::Unavailable`] or [`Kind::Timeout`] if the service cannot be reached within a bounded time;
/// [`Kind::PermissionDenied`] if it refuses the credentials.
///
/// # Cancel safety
/// Cancel safe: a session that was being opened expires with its TTL.
pub async fn connect(url: &str) -> Result<std::sync::Arc<dyn Coordinator>> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "raft")]
        "raft" | "rafts" => Ok(backend_raft::connect(url).await?),
        #[cfg(feature = "etcd")]
        "etcd" | "etcds" => Ok(backend_etcd::connect(url).await?),
        #[cfg(feature = "zk")]
        "zk" => Ok(backend_zk::connect(url).await?),
        #[cfg(not(feature = "raft"))]
        "raft" | "rafts" => Err(feature_off(scheme, "raft")),
        #[cfg(not(feature = "etcd"))]
        "etcd" | "etcds" => Err(feature_off(scheme, "etcd")),
        #[cfg(not(feature = "zk"))]
        "zk" => Err(feature_off(scheme, "zk")),
        _ => Err(Error::invalid_config(format!(
            "unknown scheme {scheme:?} in the URL: give rafts://, raft://, etcd://, etcds:// or zk://"
        ))),
    }
}

#[cfg(not(all(feature = "raft", feature = "etcd", feature = "zk")))]
fn feature_off(scheme: &str, feature: &str) -> Error {
    Error::invalid_config(format!(
        "{scheme}:// needs the feature {feature:?} of the crate `election`, which is off: \
         build with `--features {feature}`"
    ))
}

/// The README's Rust blocks are doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_scheme_is_named_and_so_are_the_known_ones() {
        for url in ["consul://h", "billing", "", "://", "http://user:secret@h"] {
            let error = connect(url).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidConfig);
            let text = error.to_string();
            assert!(text.contains("rafts://, raft://, etcd://, etcds:// or zk://"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[cfg(feature = "raft")]
    #[tokio::test]
    async fn an_embedded_raft_protects_what_it_sends_or_is_told_not_to() {
        for (url, says) in [("rafts://h1:1", "ca is missing"), ("raft://h1:1", "plaintext=yes")] {
            let error = connect(url).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidConfig);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[cfg(not(feature = "etcd"))]
    #[tokio::test]
    async fn a_scheme_whose_feature_is_off_names_the_feature() {
        let error = connect("etcd://h:2379").await.unwrap_err();
        assert!(error.to_string().contains("--features etcd"), "{error}");
    }
}
