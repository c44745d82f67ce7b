//! [`Net`]: the bridge that hosts are plugged into.

use std::{
    fs,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use anyhow::{Context, Result, ensure};

use super::{
    host::Host,
    namespace::{Namespace, run_outside},
    subnet::{Family, Subnet},
};

/// This process's own address on the subnet.
const CONTROL: u8 = 1;

/// The hosts count from here; the highest is 254.
const FIRST_HOST: u8 = 10;

/// One bridge in a namespace of its own, to which hosts are added.
///
/// This process has a link to it too, outside all [`Weather`](super::Weather): an administrator's client reaches every
/// host, also those that are cut off from each other. Dropping it pulls the plug of all hosts.
#[derive(Debug)]
pub struct Net {
    switch: Namespace,
    subnet: Subnet,
    next: AtomicU8,
}

impl Net {
    /// A bridge without hosts, linked to this process. The hosts will have IPv4 addresses.
    ///
    /// # Errors
    ///
    /// When namespaces are not allowed or `ip` is missing: see [`need::has`](crate::need::has).
    pub fn new() -> Result<Self> {
        Self::of(Family::V4)
    }

    /// The same with addresses of that kind.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); also when the machine has no IPv6.
    pub fn of(family: Family) -> Result<Self> {
        let switch = Namespace::new()?;
        switch.run("ip", &["-batch", "-"], "link add br0 type bridge\nlink set br0 up\n")?;
        let subnet = Subnet::lease(family, |subnet| Ok(plug_control(&switch, subnet).is_ok()))?;
        let link = subnet.link();
        switch.run("ip", &["-batch", "-"], "link set control master br0\nlink set control up\n")?;
        if family == Family::V6 {
            // Containers often begin without. Where it cannot be had, the address is refused, and that says why.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "0");
        }
        run_outside("ip", &subnet.assign(CONTROL, &link).split(' ').collect::<Vec<_>>())?;
        run_outside("ip", &["link", "set", &link, "up"])?;
        Ok(Self { switch, subnet, next: AtomicU8::new(FIRST_HOST) })
    }

    /// A new host on the bridge.
    ///
    /// # Errors
    ///
    /// When the bridge is full, or the kernel refuses.
    pub fn host(&self, name: &str) -> Result<Arc<Host>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ensure!((FIRST_HOST..=254).contains(&number), "the subnet is full: make another Net");
        let host = Host::new(name, self.subnet.address(number))?;
        let plug = format!(
            "link add port{number} type veth peer name eth0 netns {}\n\
             link set port{number} master br0\nlink set port{number} up\n",
            host.namespace().id()
        );
        self.switch.run("ip", &["-batch", "-"], &plug)?;
        let configure = format!("{}\nlink set eth0 up\n", self.subnet.assign(number, "eth0"));
        host.namespace().run("ip", &["-batch", "-"], &configure)?;
        Ok(Arc::new(host))
    }

    /// Several hosts: `<prefix>-0`, `<prefix>-1`, ….
    ///
    /// # Errors
    ///
    /// As [`host`](Self::host).
    pub fn hosts(&self, prefix: &str, count: usize) -> Result<Vec<Arc<Host>>> {
        (0..count).map(|i| self.host(&format!("{prefix}-{i}"))).collect()
    }

    /// The address of this process as the hosts see it.
    #[must_use]
    pub fn control(&self) -> IpAddr {
        self.subnet.address(CONTROL)
    }

    /// The name of the link between this process and the bridge, in our own namespace.
    #[must_use]
    pub fn link(&self) -> String {
        self.subnet.link()
    }
}

/// Fails when there is such a link already: that of a namespace that is still dying, or of somebody who does not lease.
fn plug_control(switch: &Namespace, subnet: &Subnet) -> Result<()> {
    let (link, switch) = (subnet.link(), switch.id().to_string());
    let plug = ["link", "add", &link, "type", "veth", "peer", "name", "control", "netns", switch.as_str()];
    run_outside("ip", &plug).map(drop).context("cannot link this process to the bridge")
}
