//! The door alone, with few places.

use super::*;
use crate::network::Identity;

const SMALL: Connections = Connections {
    clients: 4,
    per_origin: 3,
    per_member: 2,
    ungreeted: 4,
    ungreeted_per_address: 3,
    burst: 5,
    per_second: 0,
};

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn member(id: u64) -> Sender {
    Sender::Member { id, incarnation: 1 }
}

#[test]
fn connections_that_say_nothing_are_bounded_in_all_and_per_address() {
    let door = Door::new(SMALL);
    let silent: Vec<_> = (0..3).map(|_| door.knock(ip(1)).unwrap()).collect();
    assert!(door.knock(ip(1)).is_none(), "a fourth of one address");
    let other = door.knock(ip(2)).unwrap();
    assert!(door.knock(ip(3)).is_none(), "a fifth in all");
    drop((silent, other));
    assert!(door.knock(ip(3)).is_some());
    assert!(door.knock(ip(1)).is_some() && door.knock(ip(1)).is_some());
    assert!(door.knock(ip(1)).is_none(), "it has used up its burst, and the door counts no seconds");
    assert!(door.knock(ip(2)).is_some(), "the others have theirs");
}

#[test]
fn a_client_leaves_places_to_the_others_and_all_clients_leave_them_to_the_members() {
    let door = Door::new(SMALL);
    let one = Origin::Certificate(Identity::Client("one".into()));
    let two = Origin::Certificate(Identity::Client("two".into()));
    let mut places: Vec<_> = (0..3).map(|_| door.admit(Sender::Client, one.clone()).unwrap().0).collect();
    let refused = door.admit(Sender::Client, one.clone()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the node takes no more connections now: one.client has the most connections it may (3); close some, \
         or try again later"
    );
    places.push(door.admit(Sender::Client, two.clone()).unwrap().0);
    let refused = door.admit(Sender::Client, two.clone()).err().unwrap();
    assert!(refused.to_string().contains("clients have the most connections they may (4)"), "{refused}");
    let of_member: Vec<_> = (0..2).map(|_| door.admit(member(2), two.clone()).unwrap()).collect();
    assert!(door.admit(member(2), two.clone()).is_err());
    assert!(door.admit(member(3), two.clone()).is_ok());
    drop((places, of_member));
    let inside = door.lock();
    assert_eq!((inside.clients, inside.per_origin.len(), inside.per_member.len()), (0, 0, 0));
    assert!(inside.shares.len() <= 2, "those that nobody takes are forgotten later");
}

#[test]
fn connections_of_one_origin_share() {
    let door = Door::new(SMALL);
    let (_one, a) = door.admit(Sender::Client, Origin::Address(ip(1))).unwrap();
    let (_two, b) = door.admit(Sender::Client, Origin::Address(ip(1))).unwrap();
    let (_three, c) = door.admit(Sender::Client, Origin::Address(ip(2))).unwrap();
    assert!(Arc::ptr_eq(&a.shares, &b.shares) && !Arc::ptr_eq(&a.shares, &c.shares));
}

#[test]
fn one_address_fills_no_log_and_a_network_counts_as_one() {
    let door = Door::new(SMALL);
    let may_log = |line, from| door.may_log(line, from);
    assert!(may_log(Line::Closed, ip(1)) && !may_log(Line::Closed, ip(1)));
    assert!(may_log(Line::Refused, ip(1)) && may_log(Line::Closed, ip(2)));
    let v6 = |text: &str| Origin::address(text.parse().unwrap());
    assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff"));
    assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
    assert_eq!(v6("::ffff:10.0.0.1"), Origin::Address(ip(1)));
}

#[test]
fn the_addresses_of_a_scan_are_forgotten() {
    let door = Door::new(Connections { burst: 1, ..SMALL });
    for n in 0..20_000u32 {
        drop(door.knock(IpAddr::V4(n.into())));
    }
    // They are kept for a while, so that a burst cannot be had again by waiting for others to come.
    let later = Instant::now() + Duration::from_secs(11);
    let mut inside = door.lock();
    inside.address(ip(1), 1, later);
    assert_eq!(inside.addresses.len(), 1);
}
