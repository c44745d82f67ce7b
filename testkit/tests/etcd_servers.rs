//! The etcd servers that the other tests rely on, and the administrator's view of them.
#![forbid(unsafe_code)]
#![cfg(feature = "etcd")]

use std::time::Duration;

use testkit::{
    etcd::{Etcd, EtcdOptions},
    need::{self, Tool},
    tls::Certificates,
    until,
};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn records_are_seen_deleted_and_forgotten() -> anyhow::Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    let etcd = Etcd::start(EtcdOptions::new().fast()).await?;
    let admin = etcd.admin().await?;
    admin.put("/election/a/1", b"one").await?;
    admin.put("/election/a/2", b"two").await?;
    admin.put("/election/ab/1", b"not of this election").await?;
    let records = admin.records("/election/a/").await?;
    assert_eq!(records.iter().map(|record| record.value.as_slice()).collect::<Vec<_>>(), [b"one", b"two"]);
    assert!(records[0].order < records[1].order);
    assert!(admin.delete("/election/a/1").await?);
    assert!(!admin.delete("/election/a/1").await?);
    assert_eq!(admin.compact().await?, admin.revision().await?);
    assert_eq!(admin.delete_all("/election/").await?, 2);
    assert!(admin.leases().await?.is_empty());
    assert!(admin.revoke(4711).await.is_err());
    assert!(etcd.metric(0, "etcd_server_proposals_committed_total").await? > 0.0);
    Ok(())
}

#[tokio::test]
async fn three_servers_survive_faults_and_keep_their_data() -> anyhow::Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    let etcd = Etcd::start(EtcdOptions::new().nodes(3).fast()).await?;
    etcd.admin().await?.put("/kept", b"yes").await?;
    let leader = etcd.leader().await?;
    etcd.kill(leader)?;
    assert!(etcd.pause(leader).is_err(), "a dead server cannot be paused");
    until("another leader", SOON, || async { Ok((etcd.leader().await? != leader).then_some(())) }).await?;
    etcd.restart(leader).await?;

    let leader = etcd.leader().await?;
    etcd.pause(leader)?;
    // Also a connection that a paused server accepts and never answers must not stop the administrator.
    assert_eq!(etcd.admin().await?.records("/kept").await?.len(), 1);
    etcd.resume(leader)?;
    etcd.wait_ready().await
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused() -> anyhow::Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    let certificates = Certificates::new("client")?;
    let etcd = Etcd::start(EtcdOptions::new().fast().tls(&certificates)).await?;
    etcd.admin().await?.put("/over-tls", b"yes").await?;
    let url = format!("http://{}", etcd.endpoints()[0]);
    let plain = etcd_client::Client::connect([url], None).await?;
    let get = tokio::time::timeout(SOON, plain.kv_client().get("/over-tls", None)).await?;
    assert!(get.is_err());
    Ok(())
}

#[tokio::test]
async fn a_user_reaches_only_what_was_granted() -> anyhow::Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    let etcd = Etcd::start(EtcdOptions::new().fast()).await?;
    let admin = etcd.admin().await?;
    admin.add_user("app", "secret", "/election/").await?;
    admin.enable_auth("root-secret").await?;
    assert!(admin.records("/").await.is_err(), "the door is locked");
    etcd.admin_as("root", "root-secret").await?.put("/elsewhere", b"1").await?;
    assert!(etcd.admin_as("root", "wrong").await.is_err());
    let url = format!("http://{}", etcd.endpoints()[0]);
    let options = etcd_client::ConnectOptions::new().with_user("app", "secret");
    let app = etcd_client::Client::connect([url], Some(options)).await?;
    app.kv_client().put("/election/x", "1", None).await?;
    assert!(app.kv_client().get("/elsewhere", None).await.is_err());
    Ok(())
}
