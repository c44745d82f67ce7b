//! The ZooKeeper servers that the other tests rely on, and the administrator's view of them.
#![forbid(unsafe_code)]
#![cfg(feature = "zk")]

use std::time::Duration;

use testkit::{
    need::{self, Tool},
    tls::Certificates,
    until,
    zk::{Zk, ZkOptions},
};
use zookeeper_client::{Acls, Client, CreateMode, SaslOptions, TlsOptions};

const SOON: Duration = Duration::from_secs(20);

async fn connect(zk: &Zk) -> anyhow::Result<Client> {
    let connector = Client::connector().with_session_timeout(zk.options().maximum_session());
    Ok(connector.connect(&zk.authority()).await?)
}

#[tokio::test]
async fn records_are_seen_deleted_and_expired() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let zk = Zk::start(ZkOptions::new().tick(Duration::from_secs(1))).await?;
    let admin = zk.admin().await?;
    assert!(admin.records("/election/a").await?.is_empty());
    admin.create("/election/a", b"").await?;
    let client = connect(&zk).await?;
    let ephemeral = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    for value in [b"1", b"2", b"3"] {
        client.create("/election/a/x-latch-", value, &ephemeral).await?;
    }
    let records = admin.records("/election/a").await?;
    let values: Vec<u8> = records.iter().flat_map(|record| record.value.clone()).collect();
    assert_eq!(values, b"123");
    assert!(admin.delete(&records[0].key).await?);
    assert!(!admin.delete(&records[0].key).await?);

    assert_eq!(records[1].session, client.session_id().0);
    let mut states = client.state_watcher();
    admin.expire(records[1].session).await?;
    assert!(admin.records("/election/a").await?.is_empty(), "the records go with the session");
    until("the client to learn of it", SOON, || {
        let state = states.state();
        async move { Ok(state.is_terminated().then_some(())) }
    })
    .await?;
    assert!(admin.expire(records[1].session).await.is_err(), "it has ended already");
    admin.delete_all("/election").await
}

#[tokio::test]
async fn three_servers_survive_faults_and_keep_their_data() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let zk = Zk::start(ZkOptions::new().nodes(3).fast()).await?;
    zk.admin().await?.create("/kept", b"yes").await?;
    let leader = zk.leader().await?;
    zk.kill(leader)?;
    until("another leader", SOON, || async { Ok((zk.leader().await? != leader).then_some(())) }).await?;
    zk.restart(leader).await?;
    zk.pause(0)?;
    until("an administrator", SOON, || async {
        Ok(zk.admin().await?.client().get_data("/kept").await.ok().map(drop))
    })
    .await?;
    zk.resume(0)?;
    zk.wait_ready().await
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let certificates = Certificates::new("client")?;
    let zk = Zk::start(ZkOptions::new().tls(&certificates)).await?;
    let secure = zk.secure_endpoints().join(",");
    let read = |path| std::fs::read_to_string(path);
    let tls = TlsOptions::default()
        .with_pem_ca(&read(certificates.authority())?)?
        .with_pem_identity(&read(certificates.client_certificate())?, &read(certificates.client_key())?)?;
    let client = Client::connector().with_tls(tls).secure_connect(&secure).await?;
    client.list_children("/").await?;
    let stranger = Certificates::new("stranger")?;
    let tls = TlsOptions::default()
        .with_pem_ca(&read(certificates.authority())?)?
        .with_pem_identity(&read(stranger.client_certificate())?, &read(stranger.client_key())?)?;
    let refused = Client::connector().with_tls(tls).with_fail_eagerly().secure_connect(&secure).await;
    assert!(refused.is_err());
    Ok(())
}

#[tokio::test]
async fn sasl_is_demanded_of_everybody() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let zk = Zk::start(ZkOptions::new().sasl_digest("app", "secret")).await?;
    let connect = |password: &'static str| {
        let sasl = SaslOptions::digest_md5("app", password);
        let connector = Client::connector().with_sasl(sasl).with_fail_eagerly();
        let authority = zk.authority();
        async move { connector.connect(&authority).await }
    };
    connect("secret").await?.list_children("/").await?;
    assert!(connect("wrong").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_protected_znode_is_closed_to_others() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let zk = Zk::start(ZkOptions::new().enforce_digest()).await?;
    let owner = zk.admin_as("owner", "secret").await?;
    owner.create("/mine", b"1").await?;
    owner.protect("/mine").await?;
    let other = zk.admin_as("other", "secret").await?;
    assert!(other.client().get_data("/mine").await.is_err());
    let nobody = async { anyhow::Ok(connect(&zk).await?.list_children("/").await?) };
    assert!(nobody.await.is_err());
    Ok(())
}
