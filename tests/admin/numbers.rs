//! Statistics, health and readiness.

use serde_json::json;

use crate::common::{Client, couple, http, people};
use crate::support::Managed;

#[test]
fn the_seven_numbers_say_what_there_is() {
    let managed = Managed::start();
    let names = [
        "activeConnections",
        "activeSessions",
        "messagesPerSecond",
        "avgConnectionTime",
        "errorRate",
        "memoryUsage",
        "cpuUsage",
    ];
    let idle = managed.stats();
    assert!(names.iter().all(|name| idle[name].is_number()), "{idle}");
    assert_eq!((&idle["activeConnections"], &idle["activeSessions"]), (&json!(0), &json!(0)));
    let (mut doctor, mut patient) = couple(&managed.server);
    let offer = doctor.offer_to(&patient.person, 2_000);
    let busy = managed.wait_for("/stats", |told| {
        doctor.send(&offer);
        assert_eq!(patient.receive(), offer);
        told["messagesPerSecond"].as_f64() > Some(0.0)
    });
    assert_eq!((&busy["activeConnections"], &busy["activeSessions"]), (&json!(2), &json!(1)));
    assert!(busy["memoryUsage"].as_u64() > Some(1_000_000), "{busy}");
    assert!(busy["avgConnectionTime"].as_f64() > Some(0.0), "{busy}");
    assert_eq!(busy["errorRate"], 0);
    assert!(busy["messagesRelayed"].as_u64() > Some(0));
    doctor.send(&json!({ "type": "nonsense" }));
    doctor.expect_error("UNKNOWN_TYPE");
    let erring = managed.wait_for("/stats", |told| told["errorRate"].as_f64() > Some(0.0));
    assert!(erring["errorRate"].as_f64() <= Some(1.0), "{erring}");
}

#[test]
fn ready_says_which_part_is_not_and_health_that_the_loop_turns() {
    let managed = Managed::start_with(|config| config.connections_max = 1);
    let health = managed.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    let ready = json!({ "status": "ready", "audit": "ok", "connections": "ok", "draining": false });
    assert_eq!(managed.get("/ready").json(), ready);
    let doctor = Client::join(&managed.server, &people().0);
    let full = managed.get("/ready");
    assert_eq!((full.status, &full.json()["connections"]), (503, &json!("full")));
    doctor.close();
    managed.wait_for("/ready", |told| told["connections"] == "ok");
    // The administrator is told even where clients find no door any more.
    managed.server.handle().shutdown();
}

#[test]
fn head_is_answered_without_a_body() {
    let managed = Managed::start();
    for path in ["/", "/metrics", "/stats", "/health"] {
        let response = crate::support::ask(managed.admin, "HEAD", path, "");
        assert_eq!((response.status, response.body.len()), (200, 0), "{path}");
        assert!(response.field("Content-Length").is_some_and(|length| length != "0"));
        http::check_fields(&response);
    }
}
