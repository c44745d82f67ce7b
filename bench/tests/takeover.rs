//! Every fault that the bench of takeovers knows ends in a takeover.

use bench::rig::{Backend, Rig, Setting};
use bench::takeover::{Fault, Scene};

/// On etcd, whose sessions are the shortest that a busy machine keeps alive.
#[tokio::test]
async fn every_fault_ends_in_a_takeover() {
    if !Backend::all().contains(&Backend::Etcd) {
        return;
    }
    let setting = Setting::single(Backend::Etcd);
    let rig = Rig::start(setting, env!("CARGO_BIN_EXE_driver").as_ref()).await.unwrap();
    for fault in Fault::ALL {
        let mut scene = Scene::start(&rig, fault).await.unwrap();
        let time = scene.takeover(&rig).await.unwrap();
        // What waits for a session to expire takes half its TTL at least; what does not, less than that.
        assert_eq!(time > rig.ttl() / 2, fault != Fault::Exit, "{fault}: {time:?}");
    }
}
