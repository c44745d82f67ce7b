//! [`Subnet`]: 254 addresses that no other test has.

use std::{fs::File, net::Ipv4Addr};

use anyhow::{Result, bail};

use crate::lease::try_lease;

/// 198.18.0.0/15 belongs to the testers of networks (RFC 2544): no real host is there. It holds 512 subnets.
const SUBNETS: u16 = 512;

/// A /24 that belongs to this process until the value is dropped.
#[derive(Debug)]
pub(super) struct Subnet {
    number: u16,
    /// Holds the lock; never read.
    _lock: File,
}

impl Subnet {
    /// Leases one for which `is_free` says yes: a namespace that is still dying holds on to its subnet for a moment.
    pub(super) fn lease(mut is_free: impl FnMut(&Self) -> Result<bool>) -> Result<Self> {
        let start = rand::random_range(0..SUBNETS);
        for step in 0..SUBNETS {
            let number = (start + step) % SUBNETS;
            let Some(lock) = try_lease("subnets", number)? else { continue };
            let subnet = Self { number, _lock: lock };
            if is_free(&subnet)? {
                return Ok(subnet);
            }
        }
        bail!("all {SUBNETS} subnets of 198.18.0.0/15 are taken: end the tests that hold them")
    }

    /// The name of the link between the bridge and this process; at most 15 bytes.
    pub(super) fn link(&self) -> String {
        format!("testkit{}", self.number)
    }

    /// The address number `host`, from 1 to 254.
    pub(super) fn address(&self, host: u8) -> Ipv4Addr {
        let [high, low] = self.number.to_be_bytes();
        Ipv4Addr::new(198, 18 + high, low, host)
    }

    /// The same as `ip addr` wants it.
    pub(super) fn with_length(&self, host: u8) -> String {
        format!("{}/24", self.address(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_distinct_and_within_the_range() {
        let one = Subnet::lease(|_| Ok(true)).unwrap();
        let other = Subnet::lease(|subnet| Ok(subnet.number != one.number)).unwrap();
        assert_ne!(one.address(1), other.address(1));
        for subnet in [one, other] {
            assert!(matches!(subnet.address(7).octets(), [198, 18 | 19, _, 7]));
        }
    }

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        let mut refused = None;
        let leased = Subnet::lease(|subnet| Ok(refused.replace(subnet.number).is_some())).unwrap();
        assert_eq!(refused, Some(leased.number));
    }
}
