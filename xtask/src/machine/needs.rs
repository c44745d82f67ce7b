//! The list: what is needed, how to see that it is there, which Debian packages bring it.

use std::{fs, path::Path};

use super::protoc;
use crate::run::on_path;

/// Something that is looked for and can be installed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    name: &'static str,
    packages: &'static [&'static str],
    found: Found,
    fallback: bool,
}

/// How to see that it is there.
#[derive(Clone, Copy, Debug)]
enum Found {
    Program(&'static str),
    Jar(&'static str),
    By(fn() -> bool),
}

impl Need {
    const fn program(program: &'static str, packages: &'static [&'static str]) -> Self {
        Self { name: program, packages, found: Found::Program(program), fallback: false }
    }

    const fn jar(jar: &'static str, packages: &'static [&'static str]) -> Self {
        Self { name: jar, packages, found: Found::Jar(jar), fallback: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn packages(&self) -> &'static [&'static str] {
        self.packages
    }

    /// True for what a crate can replace.
    pub(crate) fn has_fallback(&self) -> bool {
        self.fallback
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.found {
            Found::Program(program) => on_path(program).is_some(),
            Found::Jar(jar) => Path::new("/usr/share/java").join(jar).is_file(),
            Found::By(look) => look(),
        }
    }
}

/// etcd-client's build runs protoc. Without `libprotobuf-dev` Debian's protoc lacks the well-known .proto files.
const PROTOC: Need = Need {
    name: "protoc",
    packages: &["protobuf-compiler", "libprotobuf-dev"],
    found: Found::By(protoc::works),
    fallback: true,
};

const COMPILER: Need = Need::program("cc", &["gcc", "libc6-dev"]);

const FAKETIME: Need =
    Need { name: "libfaketime", packages: &["libfaketime"], found: Found::By(has_faketime), fallback: false };

/// What every build with all features needs.
pub(crate) const BUILD: &[Need] = &[COMPILER, PROTOC];

/// What counting instructions needs.
pub(crate) const COUNTING: &[Need] = &[COMPILER, PROTOC, Need::program("valgrind", &["valgrind"])];

/// What the whole test suite needs.
pub(crate) const EVERYTHING: &[Need] = &[
    COMPILER,
    PROTOC,
    Need::program("etcd", &["etcd-server"]),
    Need::program("etcdctl", &["etcd-client"]),
    Need::program("java", &["default-jre-headless"]),
    Need::program("javac", &["default-jdk-headless"]),
    Need::jar("zookeeper.jar", &["libzookeeper-java"]),
    Need::jar("curator-recipes.jar", &["libcurator-recipes-java"]),
    Need::program("setpriv", &["util-linux"]),
    Need::program("nsenter", &["util-linux"]),
    Need::program("unshare", &["util-linux"]),
    Need::program("ip", &["iproute2"]),
    Need::program("iptables", &["iptables"]),
    FAKETIME,
];

/// Its folder is named after the machine's architecture.
fn has_faketime() -> bool {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).any(|library| library.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_names_a_package() {
        assert!(EVERYTHING.iter().all(|need| !need.packages().is_empty()));
    }

    #[test]
    fn what_is_found_by_name_is_found() {
        assert!(Need::program("sh", &["dash"]).is_met());
        assert!(!Need::program("no-such-program", &["none"]).is_met());
        assert!(!Need::jar("no-such.jar", &["none"]).is_met());
    }
}
