//! Authorities and certificates for tests. Also a part of the library's own tests.

#![allow(dead_code, reason = "each test uses its part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::pki_types::UnixTime;

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    /// The parameters of a URL.
    pub(crate) fn query(&self) -> String {
        format!("ca={}&cert={}&key={}", self.ca.display(), self.cert.display(), self.key.display())
    }

    /// The same certificate, trusting another authority.
    pub(crate) fn trusting(&self, other: &Authority) -> Self {
        Self { ca: other.ca.clone(), ..self.clone() }
    }
}

/// From when until when, in seconds from now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity(pub(crate) i64, pub(crate) i64);

/// An hour around now.
pub(crate) const VALID: Validity = Validity(-1800, 1800);
/// Run out a minute ago.
pub(crate) const EXPIRED: Validity = Validity(-1800, -60);

/// An authority, with its files in one folder.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Authority {
    /// An authority whose certificate is `<folder>/<name>.pem`.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let ca = folder.join(format!("{name}.pem"));
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder: folder.into(), ca }
    }

    /// A member's certificate.
    pub(crate) fn node(&self, id: u64, cluster: &str) -> Files {
        let name = format!("node-{id}.{cluster}");
        self.issue(&name, &[&name], VALID)
    }

    /// A client's certificate.
    pub(crate) fn client(&self, who: &str, cluster: &str) -> Files {
        let name = format!("{who}.client.{cluster}");
        self.issue(&name, &[&name], VALID)
    }

    /// An administrator's certificate.
    pub(crate) fn admin(&self, who: &str, cluster: &str) -> Files {
        let name = format!("{who}.admin.{cluster}");
        self.issue(&name, &[&name], VALID)
    }

    /// Writes `<file>.pem` and `<file>.key`, each replaced by a rename.
    pub(crate) fn issue(&self, file: &str, names: &[&str], validity: Validity) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap();
        let at = |seconds: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now + seconds).unwrap())
        };
        (params.not_before, params.not_after) = (at(validity.0), at(validity.1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let place = |end: &str| self.folder.join(format!("{file}.{end}"));
        let files = Files { ca: self.ca.clone(), cert: place("pem"), key: place("key") };
        for (path, contents) in [(&files.cert, certificate), (&files.key, key.serialize_pem())] {
            let new = path.with_extension("new");
            fs::write(&new, contents).unwrap();
            fs::rename(&new, path).unwrap();
        }
        files
    }
}
