//! [`Listener`]: where callers knock.

use tokio::net::TcpListener;

/// Where callers knock.
pub(crate) enum Listener {
    /// A port of this machine.
    Tcp(TcpListener),
    /// A port of a simulated one.
    #[cfg(feature = "sim")]
    Simulated(crate::sim::Arrivals),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(feature = "sim")]
pub(super) use simulated::serve;

#[cfg(feature = "sim")]
mod simulated {
    use std::sync::Arc;

    use tokio::task::JoinSet;
    use tokio::time::Instant as Moment;
    use tokio_util::sync::CancellationToken;

    use crate::network::greeting::Proof;
    use crate::network::limits::GREETING;
    use crate::network::server::{Entrance, Handler, connection};
    use crate::sim::Arrivals;

    /// Serves connections of simulated machines, as [`serve`](crate::network::serve) those of real ones.
    pub(in crate::network) async fn serve<H: Handler>(
        mut arrivals: Arrivals,
        entrance: Arc<Entrance<H>>,
        stop: CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        while let Some(Some((stream, from))) = stop.run_until_cancelled(arrivals.recv()).await {
            while connections.try_join_next().is_some() {}
            let Some(knock) = entrance.door.knock(from) else { continue };
            let entrance = entrance.clone();
            connections.spawn(async move {
                let until = Moment::now() + GREETING;
                if let Err(error) = connection(stream, Proof::address(from), knock, until, &entrance).await {
                    tracing::debug!(%from, %error, "a connection ended");
                }
            });
        }
    }
}
