//! Writes that ZooKeeper refuses to a leader of the past.

mod common;

use common::{campaign, connect, elector, patiently, records, single};
use election_core::{Kind, Loss};
use testkit::need::{self, Tool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_write_needs_the_record_to_be_there() {
    if !need::has(Tool::ZooKeeper) {
        return;
    }
    let zk = single().await;
    let admin = zk.admin().await.unwrap();
    admin.create("/app", b"0").await.unwrap();
    let coordinator = connect(&zk.authority(), 8000).await;
    let leader = campaign(&elector(&coordinator, "fenced"), "a").await;
    let record = coordinator.fence(&leader).await.unwrap();
    assert_eq!(record.path(), records(&admin, "fenced", 1).await[0].key);
    record.commit(|write| write.add_set_data("/app", b"1", None)).await.unwrap();
    let read = || async { admin.client().get_data("/app").await.unwrap().0 };
    assert_eq!(read().await, b"1");

    // One operation that is refused takes the others with it.
    let refused = record.commit(|write| {
        write.add_set_data("/app", b"2", None)?;
        write.add_delete("/absent", None)
    });
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Unexpected);
    assert_eq!(read().await, b"1");

    // The servers refuse it even when the leader does not know yet: here it is asked in the same moment.
    admin.delete(record.path()).await.unwrap();
    let refused = record.commit(|write| write.add_set_data("/app", b"3", None)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::NotLeader, "{refused}");
    assert_eq!(read().await, b"1");
    assert_eq!(patiently("the loss", leader.lost()).await, Loss::Deposed);
    assert_eq!(coordinator.fence(&leader).await.unwrap_err().kind(), Kind::NotLeader);
}
