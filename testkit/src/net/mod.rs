//! A network of hosts for one test: each a network namespace of its own, all on one bridge.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Net`] | the bridge, in a namespace of its own, and a link from it to this process |
//! | [`Host`] | a namespace with an address, where servers and workers are started |
//! | [`Family`] | IPv4 or IPv6: what kind of address |
//! | [`Rule`], [`Weather`] | what a host does to the packets of another: lose them, or refuse them |
//!
//! No namespace has a name, and none is known outside this process: each is held open by a child that dies with us
//! (see [`process`](crate::process)). When the last process in a namespace has gone, the kernel removes it with its
//! links, addresses and rules, and a link's other end goes with it. So a test that is killed leaves nothing behind.
//!
//! It takes the rights of root: see [`Tool::Namespaces`](crate::need::Tool::Namespaces).
//!
//! ```no_run
//! # fn demo() -> anyhow::Result<()> {
//! use testkit::net::{Fate, Net, Rule, Weather};
//!
//! let net = Net::new()?;
//! let (server, client) = (net.host("server")?, net.host("client")?);
//! // Half a link: what the client sends is lost, what the server sends arrives.
//! let weather = Weather::impose([Rule::new(&client, &server, Fate::Lost)])?;
//! // … and afterwards the answer to the question whether it hit anything.
//! assert!(weather.lift()? > 0);
//! # Ok(())
//! # }
//! ```

mod host;
mod namespace;
mod network;
mod subnet;
mod weather;

pub use host::Host;
pub(crate) use namespace::are_allowed;
pub use network::Net;
pub use subnet::Family;
pub use weather::{Fate, Rule, Weather};
