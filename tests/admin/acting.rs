//! An operator's actions, what participants in calls are told of them, and their audit records.

use std::net::Ipv4Addr;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use crate::common::raw::close;
use crate::common::{Client, Person, Raw, client, couple, key, people, session};
use crate::support::{Managed, deeds};

/// The same person with another token, of this `jti`.
pub fn with_jti(person: &Person, jti: &str) -> Person {
    let ticket = Ticket {
        user: UserId::parse(&person.user).expect("an id"),
        role: Role::parse(person.role).expect("a role"),
        session: SessionId::parse(&person.session).expect("an id"),
        permissions: &["room:*"],
        room_type: None,
        issued_at: clock::wall_time(),
        lifetime: Duration::from_secs(3_600),
        issuer: None,
        audience: None,
        id: Some(jti),
    };
    Person { token: mint(&key(), &ticket), ..person.clone() }
}

/// The status with which an upgrade with this person's token is refused.
pub fn refused(managed: &Managed, person: &Person) -> Option<u16> {
    let bearer = format!("Bearer {}", person.token);
    let upgraded = client::upgrade(managed.server.address(), "/ws", &[("Authorization", &bearer)]);
    upgraded.err().map(|status| status.as_u16())
}

#[track_caller]
fn expect_expelled(client: &mut Client) {
    client.expect_error("FORBIDDEN");
    assert_eq!(client.expect_close(), 4403);
}

/// What `/api/rooms` calls the only room and its participant in this role.
fn names(managed: &Managed, role: &str) -> (String, String) {
    let rooms = managed.get("/api/rooms").json();
    let room = &rooms["rooms"][0];
    let members = room["participants"].as_array().expect("participants");
    let member = members.iter().find(|one| one["role"] == role).expect("one in this role");
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    (text(&room["session"]), text(&member["user"]))
}

#[test]
fn a_session_that_an_operator_ends_stays_ended() {
    let managed = Managed::start();
    let (mut doctor, mut patient) = couple(&managed.server);
    let (name, _) = names(&managed, "doctor");
    managed.act(&format!("/api/sessions/{name}/end"));
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.expect("room-status")["status"], "ended");
        assert_eq!(client.expect_close(), 4410);
    }
    let mut again = Client::connect(&managed.server, &doctor.person);
    again.send(&doctor.person.join_request());
    again.expect_error("SESSION_ENDED");
    assert_eq!(again.expect_close(), 4410);
    // It is no room any more; by its id neither.
    assert_eq!(managed.post(&format!("/api/sessions/{}/end", doctor.person.session)).status, 404);
    let session = doctor.person.session.clone();
    let records = managed.stop_and_read();
    let [deed] = deeds(&records)[..] else { panic!("one deed: {records:?}") };
    assert_eq!((&deed["action"], &deed["session"]), (&json!("end-session"), &json!(name)));
    assert!(!deed.to_string().contains(&session), "{deed}");
    let ended = records.iter().filter(|one| one["status"] == "ended").count();
    assert_eq!(ended, 1, "{records:?}");
}

#[test]
fn a_participant_who_is_removed_hears_4403_and_the_others_that_it_left() {
    let managed = Managed::start();
    let (mut doctor, mut patient) = couple(&managed.server);
    let (session, user) = names(&managed, "patient");
    managed.act(&format!("/api/sessions/{session}/participants/{user}/remove"));
    expect_expelled(&mut patient);
    let left = doctor.expect("peer-left");
    assert_eq!(left["userId"], patient.person.user.as_str());
    assert_eq!(left["reason"], "removed");
    assert_eq!(
        managed.post(&format!("/api/sessions/{session}/participants/{user}/remove")).status,
        404
    );
    // Removed is not revoked: the place is free for whoever has a token.
    let _again = Client::join(&managed.server, &patient.person);
    doctor.expect("peer-joined");
    let records = managed.stop_and_read();
    let [deed] = deeds(&records)[..] else { panic!("one deed") };
    assert_eq!((&deed["action"], &deed["user"]), (&json!("remove-participant"), &json!(user)));
    assert!(records.iter().any(|one| one["event"] == "leave" && one["reason"] == "removed"));
}

#[test]
fn whoever_is_revoked_goes_from_wherever_it_is_and_does_not_come_back() {
    let managed = Managed::start();
    let (mut doctor, mut patient) = couple(&managed.server);
    // A second connection of the same person, which has not joined; and one that shows its token only later.
    let mut outside = Client::connect(&managed.server, &patient.person);
    let mut anonymous = Client::anonymous(&managed.server, &patient.person);
    managed.act(&format!("/api/revocations?user={}&seconds=600", patient.person.user));
    expect_expelled(&mut patient);
    expect_expelled(&mut outside);
    assert_eq!(doctor.expect("peer-left")["reason"], "removed");
    assert_eq!(refused(&managed, &patient.person), Some(403));
    let mut join = patient.person.join_request();
    join["authToken"] = patient.person.token.as_str().into();
    anonymous.send(&join);
    expect_expelled(&mut anonymous);
    // Nor with any other token, nor to another session.
    let user = UserId::parse(&patient.person.user).expect("an id");
    let elsewhere = Person::with(Role::Patient, session(), user, &["room:*"]);
    assert_eq!(refused(&managed, &elsewhere), Some(403));
    assert_eq!(refused(&managed, &doctor.person), None, "nobody else is concerned");
    // It is lifted by none at all.
    managed.act(&format!("/api/revocations?user={}&seconds=0", patient.person.user));
    let _again = Client::join(&managed.server, &patient.person);
    let told: Vec<Value> = deeds(&managed.stop_and_read()).into_iter().cloned().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for deed in told {
        assert_eq!((&deed["action"], &deed["target"]), (&json!("revoke"), &json!("user")));
        assert!(deed["until"].is_string() && deed["sealed"].is_string(), "{deed}");
        assert!(!deed.to_string().contains(&patient.person.user), "{deed}");
    }
}

#[test]
fn a_single_token_or_a_whole_session_can_be_revoked() {
    let managed = Managed::start();
    let (doctor, patient) = people();
    let (stolen, own) = (with_jti(&patient, "stolen"), with_jti(&patient, "own"));
    let mut thief = Client::join(&managed.server, &stolen);
    managed.act("/api/revocations?jti=stolen");
    expect_expelled(&mut thief);
    assert_eq!(refused(&managed, &stolen), Some(403));
    let mut rightful = Client::join(&managed.server, &own);
    // A token that was revoked refreshes nothing, and the one before it is as good as it was.
    rightful.send(&json!({ "type": "refresh-token", "authToken": stolen.token, "id": 1 }));
    assert_eq!(rightful.expect_error("FORBIDDEN")["id"], 1);
    let mut doctor_inside = Client::join(&managed.server, &doctor);
    managed.act(&format!("/api/revocations?session={}", doctor.session));
    doctor_inside.expect("room-status");
    doctor_inside.expect("peer-left");
    expect_expelled(&mut doctor_inside);
    rightful.expect("peer-joined");
    rightful.expect("room-status");
    expect_expelled(&mut rightful);
    assert_eq!(refused(&managed, &own), Some(403));
    let other = people().0;
    let _other = Client::join(&managed.server, &other);
    let told = managed.get("/api/revocations").json();
    let targets: Vec<_> = told["revocations"].as_array().expect("a list").iter().collect();
    assert_eq!(targets.len(), 2, "{told}");
    assert!(!told.to_string().contains(&doctor.session) && !told.to_string().contains("stolen"));
}

#[test]
fn the_log_level_is_set_and_told() {
    let managed = Managed::start();
    let before = managed.get("/api/overview").json()["logLevel"].clone();
    let before = before.as_str().expect("a level").to_owned();
    managed.act("/api/log-level?level=error");
    assert_eq!(managed.get("/api/overview").json()["logLevel"], "error");
    managed.act(&format!("/api/log-level?level={before}"));
    let records = managed.stop_and_read();
    let levels: Vec<_> = deeds(&records).iter().map(|one| one["level"].clone()).collect();
    assert_eq!(levels, [json!("error"), json!(before)]);
}

#[test]
fn drain_is_what_a_signal_does() {
    let managed = Managed::start();
    let mut doctor = Client::join(&managed.server, &people().0);
    managed.act("/api/drain");
    assert!(managed.server.handle().is_stopping());
    doctor.expect_error("SERVER_SHUTDOWN");
    assert_eq!(doctor.expect_close(), 1012);
    let records = managed.stop_and_read();
    assert_eq!(deeds(&records)[0]["action"], "drain");
}

#[test]
fn whoever_comes_in_is_recorded_with_where_from_however_many_strangers_come() {
    let managed = Managed::start();
    let address = managed.server.address();
    // More than are written one by one.
    for _ in 0..1_500 {
        Raw::connect(address).send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    managed.server.wait_until("all of them", |now| now.accepted >= 1_500);
    let (doctor, patient) = people();
    let (here, there) = (Ipv4Addr::new(127, 0, 7, 1), Ipv4Addr::new(127, 0, 7, 2));
    let mut inside = [(here, &doctor), (there, &patient)].map(|(from, person)| {
        let mut raw = Raw::connect_from(address, from.into());
        raw.join(person);
        raw
    });
    inside.iter_mut().for_each(|raw| raw.send(&close(1000)));
    let records = managed.stop_and_read();
    let came: Vec<_> = records.iter().filter(|one| one["event"] == "admission").collect();
    let [doctor, patient] = came[..] else { panic!("two came in: {came:?}") };
    assert!(doctor["address"].is_string() && patient["address"].is_string(), "{came:?}");
    assert_ne!(doctor["address"], patient["address"]);
}
