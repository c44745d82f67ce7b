//! The machine itself: a durable append, a round trip over loopback, a committed write of a log of three. The raw
//! limits of etcd and ZooKeeper are measured beside each bench, on the servers of that bench.

use bench::raw::disk::RawDisk;
use bench::raw::net::Loopback;
use bench::suite::{Figure, Goal, Suite, run};
use testkit::WorkDir;

fn main() {
    run("raw", env!("CARGO_BIN_EXE_driver"), raw);
}

fn raw(suite: &mut Suite) {
    for (members, case) in [(1, "append and fdatasync"), (3, "committed by two of three")] {
        let figure = Figure::new("disk", case, Goal::Free);
        let disk = async || {
            let folder = WorkDir::new("raw-")?;
            Ok((RawDisk::new(folder.path(), members)?, folder))
        };
        suite.measure(&figure, disk, async |(disk, _), iters| disk.commits(iters));
    }
    let figure = Figure::new("loopback", "round trip", Goal::Free);
    suite.measure(&figure, async || Loopback::new(), async |loopback, iters| loopback.round_trips(iters));
}
