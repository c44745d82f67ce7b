//! Certificates alone: which ones a process takes for its own, which ones it believes, and until when.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use super::keys::Contents;
use super::testing::{Authority, EXPIRED, Files, VALID, Validity};
use super::{Credentials, Held, Identity, Keys, Verdict, Whose};
use crate::transport::TlsFiles;

fn files(files: &Files) -> TlsFiles {
    TlsFiles { ca: files.ca.clone(), cert: files.cert.clone(), key: files.key.clone() }
}

fn load(of: &Files, node: Option<u64>) -> Result<Arc<Credentials>, String> {
    Credentials::load(files(of), "c", node).map(Arc::new)
}

fn authority(name: &str) -> (TempDir, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), name);
    (dir, authority)
}

async fn chain(of: &Files, node: Option<u64>) -> super::Chain {
    load(of, node).unwrap().current().await.chain().to_vec()
}

fn replace(path: &Path, by: &Path) {
    let new = path.with_extension("new");
    fs::copy(by, &new).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_process_hears_at_its_start_what_is_wrong_with_its_files() {
    let (dir, ca) = authority("ca");
    let other = Authority::new(dir.path(), "other");
    let good = ca.node(1, "c");
    assert_eq!(load(&good, Some(1)).unwrap().own(), Identity::Node(1));
    let garbage = dir.path().join("garbage.pem");
    fs::write(&garbage, "no certificate").unwrap();
    let missing = dir.path().join("missing.pem");
    let with_cert = |cert: &Path| Files { cert: cert.into(), ..good.clone() };
    for (bad, node, says) in [
        (Files { ca: missing.clone(), ..good.clone() }, Some(1), "missing.pem: cannot be read"),
        (Files { ca: garbage.clone(), ..good.clone() }, Some(1), "ca is "),
        (Files { key: garbage.clone(), ..good.clone() }, Some(1), "not a private key in PEM form"),
        (with_cert(&garbage), Some(1), "it holds no certificate in PEM form"),
        (with_cert(&ca.node(2, "c").cert), Some(1), "key"),
        (ca.node(2, "c"), Some(1), "its names are node-2.c, and this process needs node-1.c"),
        (ca.client("x", "c"), Some(1), "its names are x.client.c, and this process needs node-1.c"),
        (ca.node(1, "d"), Some(1), "its names are node-1.d, and this process needs node-1.c"),
        (ca.issue("w", &["*.c"], VALID), Some(1), "its names are no DNS name, wildcards apart"),
        (ca.issue("two", &["node-1.c", "x.client.c"], VALID), Some(1), "exactly one name of this cluster"),
        (
            ca.issue("none", &[], VALID),
            None,
            "no DNS name, wildcards apart, and this process needs NAME.client.c",
        ),
        (ca.issue("old", &["node-1.c"], EXPIRED), Some(1), "expired"),
        (ca.issue("early", &["x.client.c"], Validity(600, 1800)), None, "not valid yet"),
        (good.trusting(&other), Some(1), "UnknownIssuer"),
    ] {
        let error = load(&bad, node).unwrap_err();
        assert!(error.contains(says), "no {says:?} in {error}");
    }
    load(&ca.issue("host", &["db7.example.org", "node-1.c"], VALID), Some(1)).unwrap();
    load(&ca.node(1, "c"), None).unwrap();
}

#[tokio::test]
async fn a_node_is_believed_under_its_own_name_only() {
    let (dir, ca) = authority("ca");
    let keys = load(&ca.client("x", "c"), None).unwrap().current().await;
    let now = UnixTime::now();
    let one = chain(&ca.node(1, "c"), Some(1)).await;
    assert_eq!(keys.check_node(&one, 1, now), Ok(()));
    assert!(keys.check_node(&one, 2, now).unwrap_err().contains("node-1.c"));
    // A certificate for several names would pass for each of them.
    for (file, names, shown) in
        [("wild", &["*.c"][..], "*.c"), ("both", &["node-1.c", "node-2.c"], "it is for node-1.c, node-2.c")]
    {
        let certificate = CertificateDer::from_pem_file(ca.issue(file, names, VALID).cert).unwrap();
        let error = keys.check_node(&[certificate], 1, now).unwrap_err();
        assert!(error.contains(shown), "{error}");
    }
    let stranger = Authority::new(dir.path(), "stranger");
    let theirs = chain(&stranger.node(1, "c"), Some(1)).await;
    assert!(keys.check_node(&theirs, 1, now).unwrap_err().contains("UnknownIssuer"));
    assert!(keys.check_caller(&theirs, now).unwrap_err().contains("UnknownIssuer"));
    assert!(keys.check_node(&[], 1, now).is_err() && keys.check_caller(&[], now).is_err());
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 3600));
    assert!(keys.check_node(&one, 1, later).unwrap_err().contains("expired"));
}

#[tokio::test]
async fn new_files_are_taken_and_broken_ones_are_not() {
    let (dir, ca) = authority("ca");
    let own = ca.node(1, "c");
    let credentials = load(&own, Some(1)).unwrap();
    let first = credentials.current().await;
    let pause = || tokio::time::sleep(Duration::from_millis(1100));
    pause().await;
    assert!(Arc::ptr_eq(&first, &credentials.current().await), "nothing has changed");
    // Half of a replacement: the new certificate with the old key.
    let next = ca.issue("next", &["node-1.c"], VALID);
    replace(&own.cert, &next.cert);
    pause().await;
    assert!(Arc::ptr_eq(&first, &credentials.current().await));
    fs::remove_file(&own.key).unwrap();
    pause().await;
    assert!(Arc::ptr_eq(&first, &credentials.current().await));
    replace(&own.key, &next.key);
    pause().await;
    let second = credentials.current().await;
    assert_ne!(second.chain(), first.chain());
    // Another member's certificate does not become this one's by being put in its place.
    let wrong = ca.issue("wrong", &["node-2.c"], VALID);
    replace(&own.cert, &wrong.cert);
    replace(&own.key, &wrong.key);
    pause().await;
    assert!(Arc::ptr_eq(&second, &credentials.current().await));
    drop(dir);
}

#[test]
fn mangled_files_are_errors_or_other_files() {
    let (_dir, ca) = authority("ca");
    let good = ca.node(1, "c");
    let read = |file: &Path| fs::read(file).unwrap();
    let (paths, mut refused) = (files(&good), 0);
    let whole = || Contents { ca: read(&good.ca), cert: read(&good.cert), key: read(&good.key) };
    Keys::new(&whole(), &paths, "c", Some(1)).unwrap_or_else(|why| panic!("{why}"));
    for step in 0..300usize {
        let mut contents = whole();
        let file =
            [&mut contents.ca, &mut contents.cert, &mut contents.key].into_iter().nth(step % 3).unwrap();
        let at = step * 7919 % file.len();
        match step % 4 {
            0 => file.truncate(at),
            1 => file[at] ^= 1 << (step % 8),
            2 => file[at] = b'A' + (step % 26) as u8,
            _ => drop(file.splice(at..at, [b'\n', 0xff, 0])),
        }
        refused += usize::from(Keys::new(&contents, &paths, "c", Some(1)).is_err());
    }
    assert!(refused > 200, "{refused}");
}

/// A connection of the client `own` to node 1.
async fn held(own: &Arc<Credentials>, node: &Files) -> (Held, Arc<Keys>) {
    let keys = own.current().await;
    (Held::new(own.clone(), keys.clone(), chain(node, Some(1)).await, Whose::Node(1)), keys)
}

#[tokio::test]
async fn a_connection_is_old_before_its_certificate_runs_out_and_bad_after() {
    let (_dir, ca) = authority("ca");
    let client = load(&ca.client("x", "c"), None).unwrap();
    let now = UnixTime::now();
    let after = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + seconds));
    let (mut held, keys) = held(&client, &ca.issue("n", &["node-1.c"], Validity(-60, 600))).await;
    assert_eq!(held.judge(keys.clone(), now), Verdict::Good);
    assert_eq!(held.judge(keys.clone(), after(530)), Verdict::Good);
    assert_eq!(held.judge(keys.clone(), after(560)), Verdict::Old, "less than a minute is left");
    assert!(matches!(held.judge(keys, after(610)), Verdict::Bad(why) if why.contains("expired")));
}

#[tokio::test]
async fn new_keys_make_a_callers_connection_old_and_an_authority_that_is_withdrawn_makes_it_bad() {
    let (dir, ca) = authority("ca");
    let own = load(&ca.client("x", "c"), None).unwrap();
    let (mut held, _) = held(&own, &ca.node(1, "c")).await;
    let fresh = load(&ca.client("x", "c"), None).unwrap().current().await;
    assert_eq!(held.judge(fresh, UnixTime::now()), Verdict::Old);
    let other = Authority::new(dir.path(), "other");
    let moved = load(&other.client("x", "c"), None).unwrap().current().await;
    assert!(
        matches!(held.judge(moved.clone(), UnixTime::now()), Verdict::Bad(why) if why.contains("UnknownIssuer"))
    );
    // The same at the listening end, which does not make connections.
    let keys = own.current().await;
    let of_caller = chain(&ca.client("y", "c"), None).await;
    let mut caller = Held::new(own.clone(), keys, of_caller, Whose::Caller);
    let fresh = load(&ca.client("x", "c"), None).unwrap().current().await;
    assert_eq!(caller.judge(fresh, UnixTime::now()), Verdict::Good);
    assert!(matches!(caller.judge(moved, UnixTime::now()), Verdict::Bad(_)));
}
