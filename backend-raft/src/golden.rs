//! What is sent and what is written, byte for byte, as the version that says so has always done it.
//!
//! postcard writes no names: a variant that moves, or a field, is read as another one by a version that does not know,
//! and nothing tells. So every message, every variant of each, and every record on disk has its bytes in
//! `tests/fixtures/golden`, in one file for each version.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};

use crate::backup::{self, Contents};
use crate::network::{mangle, samples as sent};
use crate::samples;
use crate::store::{self, row};

/// What a type is called, and what its variants are, in their order.
type Shape = (&'static str, &'static [&'static str]);

/// Asks a type for its shape: that is what it tells a deserializer first.
struct Ask<'a>(&'a mut Shape);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("it was only asked"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = (name, variants);
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = (name, &[]);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The encodings of one version.
#[derive(Default)]
struct Golden(Vec<(String, Vec<u8>)>);

impl Golden {
    /// Messages of one type: if it has variants, all of them.
    fn messages<T: Serialize + DeserializeOwned>(&mut self, samples: &[T]) {
        let mut shape: Shape = ("", &[]);
        T::deserialize(Ask(&mut shape)).err();
        let (name, variants) = shape;
        let mut missing = variants.to_vec();
        for sample in samples {
            let bytes = postcard::to_stdvec(sample).unwrap();
            let again: T = mangle::decode(&bytes).unwrap();
            assert_eq!(postcard::to_stdvec(&again).unwrap(), bytes, "{name}");
            // An encoding begins with the variant's place; no type of ours has more than one byte can tell.
            let variant = bytes.first().and_then(|place| variants.get(usize::from(*place)));
            missing.retain(|other| Some(other) != variant);
            self.0.push((variant.map_or(name.into(), |variant| format!("{name}::{variant}")), bytes));
        }
        assert!(missing.is_empty(), "the samples have none of {name}::{{{}}}", missing.join(", "));
    }

    /// Records on disk.
    fn records<T: Serialize + DeserializeOwned>(&mut self, name: &str, samples: &[T]) {
        for sample in samples {
            let bytes = row::encode(sample).unwrap();
            let again: T = row::decode(&bytes).unwrap();
            assert_eq!(row::encode(&again).unwrap(), bytes, "{name}");
            self.0.push((name.into(), bytes));
        }
    }

    fn lines(&self) -> Vec<String> {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            })
        };
        self.0.iter().map(|(name, bytes)| format!("{name} {}", hex(bytes))).collect()
    }

    /// Compares with the file of this version of `what`, whose number is the constant `constant`.
    fn compare(&self, what: &str, version: u32, constant: &str) {
        let file = file(what, version);
        let again = format!(
            "write {} with\n  GOLDEN=write cargo test -p backend-raft --lib golden\nand commit it",
            file.display()
        );
        if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") && !file.exists() {
            std::fs::write(&file, self.lines().join("\n") + "\n").unwrap();
        }
        let golden = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{what} version {version} has no bytes yet ({error}): {again}"));
        let (ours, golden) = (self.lines(), golden.lines().map(str::to_owned).collect::<Vec<_>>());
        let all = ours.len().max(golden.len());
        let differs = (0..all).map(|at| (ours.get(at), golden.get(at))).find(|(ours, golden)| ours != golden);
        let Some((ours, golden)) = differs else { return };
        let line = |line: Option<&String>| line.map_or_else(|| "nothing".to_owned(), String::clone);
        let (ours, golden) = (line(ours), line(golden));
        panic!(
            "what {what} version {version} is has changed.\n  it was {golden}\n  it is  {ours}\nProcesses from before \
             this change cannot read that, or read something else and do not notice. Either take the change back, or \
             raise {constant}, say so in CHANGELOG.md, and {again}. (If only names or samples have changed, or no \
             version with this number was ever released: remove that file, and do the last of it only.)"
        );
    }
}

fn file(what: &str, version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/golden/{what}-{version}.txt"))
}

#[test]
fn what_is_sent_is_what_the_version_of_the_protocol_says() {
    let mut golden = Golden::default();
    golden.messages(&sent::hellos());
    golden.messages(&sent::senders());
    golden.messages(&sent::greetings());
    golden.messages(&sent::refused());
    golden.messages(&sent::ups());
    golden.messages(&sent::requests());
    golden.messages(&sent::changes());
    golden.messages(&samples::payloads());
    golden.messages(&samples::commands());
    golden.messages(&sent::downs());
    golden.messages(&sent::responses());
    golden.messages(&sent::appended());
    golden.messages(&sent::not_transferred());
    golden.messages(&sent::outcomes());
    golden.messages(&sent::refusals());
    golden.messages(&sent::failures());
    golden.messages(&sent::items());
    golden.messages(&sent::session_events());
    golden.0.push(("frame".into(), mangle::frame(&sent::hellos()[0])));
    golden.compare("wire", mangle::VERSION.into(), "VERSION in network/wire.rs");
}

#[test]
fn what_is_written_is_what_the_format_of_the_data_directory_says() {
    let mut golden = Golden::default();
    golden.messages(&samples::payloads());
    golden.messages(&samples::commands());
    golden.records("log entry", &samples::entries());
    golden.records("vote", &[samples::vote()]);
    golden.records("mark", &[samples::log_id(300)]);
    golden.records("acknowledged", &[300u64.to_be_bytes()]);
    golden.records("snapshot", &[(samples::meta(), Bytes::from_static(b"its state"))]);
    golden.0.push(("state".into(), samples::snapshot()));
    golden.compare("disk", store::FORMAT, "FORMAT in store/identity.rs");
}

#[test]
fn what_is_in_a_backup_is_what_its_format_says() {
    let mut golden = Golden::default();
    let members = [(1, "h1:1".into()), (2, "h2:1".into())].into();
    let contents =
        Contents { cluster: "election".into(), index: 300, members, state: samples::snapshot().into() };
    golden.0.push(("backup".into(), contents.encode().unwrap().to_vec()));
    golden.compare("backup", backup::FORMAT, "FORMAT in backup/contents.rs");
}

#[test]
fn a_variant_without_a_sample_is_noticed() {
    let some = || Golden::default().messages(&sent::refusals()[1..]);
    let panic = std::panic::catch_unwind(some).unwrap_err();
    let says = panic.downcast_ref::<String>().unwrap();
    assert!(says.contains("Refusal::{Name}"), "{says}");
}
