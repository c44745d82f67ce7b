//! A run of real contenders on a real server, with its leaders killed, is recorded and checked.
#![forbid(unsafe_code)]
#![cfg(all(feature = "etcd", feature = "zk", feature = "raft"))]

mod rig;

use std::time::Duration;

use testkit::checker::{Bounds, Facts, Left};
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::history::History;
use testkit::need::{self, Tool};
use testkit::raft::{RaftCluster, RaftOptions};
use testkit::zk::{Zk, ZkOptions};

use rig::{Rig, clean, mutations};

/// The run is clean, and no lie that is put into it goes unnoticed.
fn judge((history, facts): (History, Facts)) -> anyhow::Result<()> {
    clean(&history, &facts);
    mutations::all_are_found(&history, &facts);
    Ok(())
}

fn left(records: Vec<testkit::Record>) -> Vec<Left> {
    let left = |record: testkit::Record| Left {
        token: record.order.unsigned_abs(),
        value: String::from_utf8_lossy(&record.value).into_owned(),
    };
    records.into_iter().map(left).collect()
}

#[tokio::test]
async fn killed_leaders_on_etcd_break_no_law() -> anyhow::Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    let etcd = Etcd::start(EtcdOptions::new().fast()).await?;
    let ttl = etcd.options().minimum_ttl();
    let url = format!("etcd://{}?ttl={}s", etcd.authority(), ttl.as_secs());
    let look = async || Ok(Some(left(etcd.admin().await?.records("/election/chaos/").await?)));
    let outage = async || {
        etcd.kill(0)?;
        tokio::time::sleep(ttl * 2).await;
        etcd.restart(0).await
    };
    judge(Rig::new(&url, Bounds::for_ttl(ttl))?.run(look, outage).await?)
}

#[tokio::test]
async fn killed_leaders_on_zookeeper_break_no_law() -> anyhow::Result<()> {
    if !need::has(Tool::ZooKeeper) {
        return Ok(());
    }
    let zk = Zk::start(ZkOptions::new().tick(Duration::from_millis(200))).await?;
    let ttl = Duration::from_secs(1);
    let url = format!("zk://{}?timeout={}ms", zk.authority(), ttl.as_millis());
    let look = async || Ok(Some(left(zk.admin().await?.records("/election/chaos").await?)));
    let outage = async || {
        zk.kill(0)?;
        tokio::time::sleep(ttl * 2).await;
        zk.restart(0).await
    };
    judge(Rig::new(&url, Bounds::for_ttl(ttl))?.run(look, outage).await?)
}

#[tokio::test]
async fn killed_leaders_on_raft_break_no_law() -> anyhow::Result<()> {
    let options = RaftOptions::new(env!("CARGO_BIN_EXE_testkit-raft-node")).nodes(1).profile("lan");
    let raft = RaftCluster::start(options).await?;
    let ttl = Duration::from_secs(1);
    let url = format!("raft://{}?profile=lan&ttl={}ms", raft.authority(), ttl.as_millis());
    let outage = async || {
        raft.kill(0)?;
        tokio::time::sleep(ttl * 2).await;
        raft.restart(0).await
    };
    judge(Rig::new(&url, Bounds::for_ttl(ttl))?.run(async || Ok(None), outage).await?)
}
