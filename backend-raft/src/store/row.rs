//! Records on disk: a checksum, then the value in postcard's encoding.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECKSUM: usize = 4;

/// Encodes a record.
pub(crate) fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut row = postcard::to_extend(value, vec![0; CHECKSUM]).map_err(io::Error::other)?;
    let sum = crc32fast::hash(&row[CHECKSUM..]);
    row[..CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    Ok(row)
}

/// Decodes a record; one that was altered is an error, never another value.
pub(crate) fn decode<T: DeserializeOwned>(row: &[u8]) -> io::Result<T> {
    let damaged = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("a damaged record: {why}"));
    let (sum, body) = row.split_first_chunk::<CHECKSUM>().ok_or_else(|| damaged("too short"))?;
    let matches = crc32fast::hash(body) == u32::from_be_bytes(*sum);
    #[cfg(zoo)]
    let matches = matches || election_core::zoo::planted("raft-row-without-checksum");
    if !matches {
        return Err(damaged("its checksum does not match"));
    }
    postcard::from_bytes(body).map_err(|error| damaged(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let row = encode(&(7u64, "seven".to_owned())).unwrap();
        assert_eq!(decode::<(u64, String)>(&row).unwrap(), (7, "seven".into()));
        for bit in 0..row.len() * 8 {
            let mut damaged = row.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(u64, String)>(&damaged).is_err(), "bit {bit}");
        }
    }
}
