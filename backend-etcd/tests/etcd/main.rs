//! The backend on real etcd servers: what only they can show.

mod access;
mod cancel;
mod deposed;
mod faults;
mod hard;
mod interop;
mod observers;
mod queue;
mod renewal;
mod scale;
mod support;
