//! The deadline of a session: `election-core/src/session.rs`, `config.rs` (`Timing::validity`), `leadership.rs`.
//!
//! Three candidates and a service with one seat. The service keeps a holder for a TTL after the last renewal that it
//! handled, by its own clock. The candidates' clocks are slower, equal and faster, by the drift bound. In real time
//! the service counts six units per tick, the candidates five, six and seven; a TTL is three ticks of the service.
//!
//! | action | code |
//! | --- | --- |
//! | `Ask`, `Renew` | `Clock::now()`, then the request: its age counts from here |
//! | `Grant`, `Handle` | the service takes the request up |
//! | `Won`, `Proven` | the answer is there: `SessionState::new`, `SessionState::prove` |
//! | `Notice` | `SessionState::valid` sees the deadline pass, for the timer, a check or a late proof |
//! | `Resign`, `Cancel`, `Release` | `Leadership::resign`, a dropped campaign, and the removal of the record |
//! | `Pause`, `Resume` | SIGSTOP, a suspended machine, a starved runtime |
//! | `Failover` | another server takes over and gives the session a full TTL |

mod properties;
mod recipe;

/// A full TTL by the service's clock.
const TTL: i8 = 18;
const SERVICE: i8 = 6;
const CLOCKS: [i8; 3] = [5, 6, 7];
/// TTL × (1 − drift), where drift is a sixth.
const VALIDITY: i8 = 15;
const GRANTS: u8 = 3;
const EXPIRIES: u8 = 2;
const PAUSES: u8 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Recipe,
    /// The deadline counts from the receipt of the answer.
    FromReceipt,
    /// The whole TTL is trusted.
    NoDrift,
    /// A timer ends the claim, on time unless the process is paused; a check asks for the timer's flag.
    TimerFlag,
    /// The clock stands still while the process is suspended: `std::time::Instant`.
    StandsStill,
    /// The clock can be set back: `SystemTime`.
    WallClock,
    /// A proof that comes after the deadline counts.
    Revives,
    /// The server that takes over goes by what it knew of the session, which is out of date.
    FailoverForgets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Out,
    Asking {
        age: i8,
    },
    /// Dropped; the request is still on its way.
    Abandoned,
    Granted {
        age: i8,
        token: u8,
    },
    Leading {
        left: i8,
        token: u8,
    },
    Leaving {
        token: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    None,
    Sent {
        age: i8,
    },
    Answered {
        age: i8,
    },
    /// The seat is somebody else's.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    role: Role,
    renewal: Renewal,
    paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seat {
    holder: u8,
    token: u8,
    idle: i8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    seat: Option<Seat>,
    processes: [Process; 3],
    granted: u8,
    claimed: u8,
    expiries: u8,
    pauses: u8,
    failovers: u8,
    steps_back: u8,
    token_reused: bool,
    revived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Tick,
    Ask(u8),
    Grant(u8),
    Won(u8),
    Renew(u8),
    Handle(u8),
    Proven(u8),
    RenewalLost(u8),
    Notice(u8),
    Resign(u8),
    Cancel(u8),
    NeverArrives(u8),
    Release(u8),
    Pause(u8),
    Resume(u8),
    SetClockBack(u8),
    Expire,
    Failover,
}

#[derive(Clone)]
struct Deadline(Variant);
