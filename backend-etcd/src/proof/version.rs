//! Which proof of renewal is sound on which servers.

use std::collections::HashSet;
use std::time::Duration;

use election_core::{Operation, Result};
use futures::future::join_all;

use crate::config::Renewal;
use crate::servers::{Bound, Servers};

/// Whether a server ignores what a deposed leader revokes (etcd #15247). From etcd's change logs: 3.4.31,
/// 3.5.13, and 3.6.0 and later. A pre-release may have been cut before the fix.
fn has_fix(version: &str) -> bool {
    let mut parts = version.splitn(3, '.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(3), Some(4), Some(patch)) => patch >= 31,
        (Some(3), Some(5), Some(patch)) => patch >= 13,
        (Some(3), Some(minor), Some(_)) => minor >= 6,
        (Some(major), Some(_), Some(_)) => major >= 4,
        _ => false,
    }
}

/// Chooses the proof: the weakest member decides, and one that cannot be asked counts as the weakest.
///
/// # Errors
/// None but `PermissionDenied` and the like, which every later request would meet too.
pub(crate) async fn choose(servers: &Servers, wanted: Renewal, bound: Bound) -> Result<Renewal> {
    if wanted == Renewal::Swap {
        return Ok(Renewal::Swap);
    }
    let (members, versions) = tokio::join!(members(servers, bound), versions(servers, bound.attempt));
    let members = members?;
    let seen: HashSet<u64> = versions.iter().map(|(member, _)| *member).collect();
    let sound = !members.is_empty()
        && members.is_subset(&seen)
        && versions.iter().all(|(_, version)| has_fix(version));
    let chosen = match (wanted, sound) {
        (Renewal::KeepAlive, false) => {
            tracing::warn!(?versions, members = members.len(), "keep-alives are unsound on these servers");
            Renewal::KeepAlive
        }
        (_, true) => Renewal::KeepAlive,
        (_, false) => Renewal::Swap,
    };
    tracing::info!(?chosen, ?versions, members = members.len(), "etcd: how sessions are renewed");
    Ok(chosen)
}

async fn members(servers: &Servers, bound: Bound) -> Result<HashSet<u64>> {
    let answer = servers
        .call(Operation::Connect, bound, |client| {
            let mut cluster = client.cluster_client();
            async move { cluster.member_list().await }
        })
        .await?;
    Ok(answer.members().iter().map(etcd_client::Member::id).collect())
}

/// Member id and version of every server that answers. A client with several endpoints behind it shows one of
/// them at a time, at random; what is not seen counts as unknown.
async fn versions(servers: &Servers, bound: Duration) -> Vec<(u64, String)> {
    let ask = async |index: usize| {
        let answer = servers
            .call_at(index, Operation::Connect, bound, |client| {
                let mut maintenance = client.maintenance_client();
                async move { maintenance.status().await }
            })
            .await
            .ok()?;
        Some((answer.header()?.member_id(), answer.version().to_owned()))
    };
    let answers = join_all((0..servers.len()).map(ask)).await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::has_fix;

    #[test]
    fn the_versions_with_the_fix_are_those_of_the_change_logs() {
        for version in ["3.4.31", "3.4.40", "3.5.13", "3.5.26", "3.6.0", "3.6.15", "3.7.2", "4.0.0"] {
            assert!(has_fix(version), "{version}");
        }
        for version in
            ["3.4.23", "3.4.30", "3.5.0", "3.5.12", "3.3.27", "3.6.0-rc.1", "3.4.31-dirty", "3", "", "new"]
        {
            assert!(!has_fix(version), "{version}");
        }
    }
}
