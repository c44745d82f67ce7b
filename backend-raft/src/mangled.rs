//! Bytes that were damaged on their way, or made up: every decoder of the backend, fed with mangled copies of
//! real encodings. What comes out may be an error or another value; never a panic, and never much memory.

use std::process::Command as Process;

use bytes::Bytes;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::RaftConfig;
use crate::network::{mangle, samples as sent};
use crate::samples;
use crate::store::row;

type Decoder = fn(&[u8]) -> Result<(), String>;

/// Real encodings of one kind, and what reads them.
struct Kind {
    name: &'static str,
    samples: Vec<Vec<u8>>,
    decode: Decoder,
    /// Whether every damage must be noticed.
    checked: bool,
}

fn message<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), String> {
    mangle::decode::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

fn record<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), String> {
    row::decode::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

fn messages<T: Serialize + DeserializeOwned>(name: &'static str, samples: Vec<T>) -> Kind {
    let samples = samples.iter().map(|sample| postcard::to_stdvec(sample).unwrap()).collect();
    Kind { name, samples, decode: message::<T>, checked: false }
}

fn records<T: Serialize + DeserializeOwned>(name: &'static str, samples: Vec<T>) -> Kind {
    let samples = samples.iter().map(|sample| row::encode(sample).unwrap()).collect();
    Kind { name, samples, decode: record::<T>, checked: true }
}

fn kinds() -> Vec<Kind> {
    let stream = sent::ups().iter().flat_map(mangle::frame).collect();
    vec![
        messages("greeting", sent::hellos()),
        messages("its answer", sent::greetings()),
        messages("request", sent::ups()),
        messages("answer", sent::downs()),
        Kind { name: "stream of frames", samples: vec![stream], decode: mangle::read_frames, checked: false },
        records("log entry", samples::entries()),
        records("vote", vec![samples::vote()]),
        records("mark", vec![samples::log_id(300)]),
        records("snapshot", vec![(samples::meta(), Bytes::from(vec![3; 200]))]),
    ]
}

/// What tends to go wrong: a bit, the end, the length in front.
fn mangled(sample: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let flipped = (0..sample.len() * 8).map(|bit| {
        let mut copy = sample.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    let cut = (0..sample.len()).map(|end| sample[..end].to_vec());
    // A number that claims that four, or eight, gigabytes follow, in place of whatever was there.
    let huge: [&[u8]; 3] =
        [&[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]];
    let swollen = (0..sample.len()).flat_map(move |at| {
        huge.map(|number| {
            let mut copy = sample.to_vec();
            copy.splice(at..=at, number.iter().copied());
            copy
        })
    });
    flipped.chain(cut).chain(swollen)
}

#[test]
fn mangled_bytes_are_errors_or_other_values() {
    for Kind { name, samples, decode, checked } in kinds() {
        let mut errors = 0;
        for sample in samples {
            decode(&sample).unwrap_or_else(|error| panic!("a {name} as it was written: {error}"));
            for bytes in mangled(&sample) {
                match decode(&bytes) {
                    Ok(()) => assert!(!checked, "a damaged {name} is taken for a good one: {bytes:?}"),
                    Err(error) => {
                        errors += 1;
                        assert!(
                            error.contains("bytes that are no message")
                                || error.contains("a message of more than")
                                || error.contains("bytes remaining on stream")
                                || error.contains("a damaged record"),
                            "{name}: {error}"
                        );
                    }
                }
            }
        }
        assert!(errors > 0, "no damage to a {name} was noticed");
    }
}

/// Runs the test above in a process that may not have more than a gigabyte: an allocation of what a length says,
/// before the bytes are there, would end it.
#[test]
fn mangled_bytes_take_no_more_memory_than_they_are() {
    let own = std::env::current_exe().unwrap();
    let ran = Process::new("sh")
        .args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""])
        .arg(own)
        .args(["--exact", "mangled::mangled_bytes_are_errors_or_other_values", "--test-threads", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

proptest! {
    #[test]
    fn made_up_bytes_are_errors_or_values(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in kinds() {
            (kind.decode)(&bytes).ok();
        }
    }

    #[test]
    fn made_up_urls_are_errors_or_configurations(
        scheme in "(raft|rafts|etcd|)",
        hosts in "[a-z0-9.:,\\[\\]]{0,40}",
        query in "((node|data|listen|ttl|patience|ca|cert|key|plaintext|cluster|profile|x)=[^&#]{0,12}&?){0,5}",
        rest in "\\PC{0,20}",
    ) {
        RaftConfig::from_url(&format!("{scheme}://{hosts}?{query}{rest}")).ok();
        RaftConfig::from_url(&rest).ok();
    }

    #[test]
    fn a_mangled_url_is_an_error_or_a_configuration(at in 0..120usize, by in any::<char>()) {
        let good = "rafts://127.0.0.1:7001,[::1]:7002,h3:7003?node=1&data=%2Fvar%2Flib&profile=lan&ttl=400ms&ca=a&cert=b&key=c";
        prop_assert!(RaftConfig::from_url(good).is_ok());
        let mangled: String = good.chars().enumerate().map(|(place, c)| if place == at { by } else { c }).collect();
        RaftConfig::from_url(&mangled).ok();
    }
}
