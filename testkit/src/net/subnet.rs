//! [`Subnet`]: 254 addresses that no other test has.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Result, bail};

use crate::lease::try_lease;

/// 198.18.0.0/15 belongs to the testers of networks (RFC 2544): no real host is there. It holds 512 subnets. Of
/// 2001:2::/48, which is theirs as well (RFC 5180), we take as many.
const SUBNETS: u16 = 512;

/// What kind of addresses the hosts have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6, and no other.
    V6,
}

/// A /24, or a /64, that belongs to this process until the value is dropped.
#[derive(Debug)]
pub(super) struct Subnet {
    number: u16,
    family: Family,
    /// Holds the lock; never read.
    _lock: File,
}

impl Subnet {
    /// Leases one for which `is_free` says yes: a namespace that is still dying holds on to its subnet for a moment.
    pub(super) fn lease(family: Family, mut is_free: impl FnMut(&Self) -> Result<bool>) -> Result<Self> {
        let start = rand::random_range(0..SUBNETS);
        for step in 0..SUBNETS {
            let number = (start + step) % SUBNETS;
            let Some(lock) = try_lease("subnets", number)? else { continue };
            let subnet = Self { number, family, _lock: lock };
            if is_free(&subnet)? {
                return Ok(subnet);
            }
        }
        bail!("all {SUBNETS} subnets of the tests are taken: end the tests that hold them")
    }

    /// The name of the link between the bridge and this process; at most 15 bytes.
    pub(super) fn link(&self) -> String {
        format!("testkit{}", self.number)
    }

    /// The address number `host`, from 1 to 254.
    pub(super) fn address(&self, host: u8) -> IpAddr {
        let [high, low] = self.number.to_be_bytes();
        match self.family {
            Family::V4 => Ipv4Addr::new(198, 18 + high, low, host).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 2, 0, self.number, 0, 0, 0, host.into()).into(),
        }
    }

    /// What `ip` is told to give a link that address, at once: nobody else on the bridge can have it.
    pub(super) fn assign(&self, host: u8, link: &str) -> String {
        let (length, at_once) = match self.family {
            Family::V4 => (24, ""),
            Family::V6 => (64, " nodad"),
        };
        format!("addr add {}/{length} dev {link}{at_once}", self.address(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_distinct_and_within_the_range() {
        let one = Subnet::lease(Family::V4, |_| Ok(true)).unwrap();
        let other = Subnet::lease(Family::V4, |subnet| Ok(subnet.number != one.number)).unwrap();
        assert_ne!(one.address(1), other.address(1));
        for subnet in [&one, &other] {
            let IpAddr::V4(address) = subnet.address(7) else { panic!("{subnet:?}") };
            assert!(matches!(address.octets(), [198, 18 | 19, _, 7]));
        }
        let third = Subnet::lease(Family::V6, |_| Ok(true)).unwrap();
        assert!(![one.number, other.number].contains(&third.number));
        assert_eq!(third.address(7).to_string(), format!("2001:2:0:{:x}::7", third.number));
    }

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        let mut refused = None;
        let leased =
            Subnet::lease(Family::V4, |subnet| Ok(refused.replace(subnet.number).is_some())).unwrap();
        assert_eq!(refused, Some(leased.number));
    }
}
