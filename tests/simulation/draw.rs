//! Draws a plan from a seed.

use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::engine::Rates;
use autamedica_signaling::message::Role;

use super::link::{Micros, Weather};
use super::plan::{
    Audit, Babble, Deed, ENTRIES_ENOUGH, Ending, Fault, MILLISECOND, Mishap, Person, Plan, SECOND,
    Settings, Step, Trespass, Way,
};
use super::random::Random;

/// Every so many seeds there is a crowd.
const CROWD_EVERY: u64 = 16;

/// More connections at once would take long, and show nothing else.
const SIEGE_MAX: u64 = 80;

/// Draws the plan of a seed. Every sixteenth has hundreds of people.
pub fn plan(seed: u64) -> Plan {
    let mut random = Random::new(seed, &[1]);
    let crowd = seed % CROWD_EVERY == CROWD_EVERY - 1;
    let rooms = if crowd { random.between(40..=70) } else { random.between(1..=8) } as u32;
    let lasts = *random.pick(&[10, 20, 40, 60, 120]) * SECOND;
    let mut people = Vec::new();
    for room in 0..rooms {
        let mut random = Random::new(seed, &[2, u64::from(room)]);
        fill_room(&mut random, room, lasts, &mut people);
    }
    let audit = audit(&mut Random::new(seed, &[8]));
    let mut settings = Settings { audit, ..settings(&mut random, people.len(), crowd) };
    draw_rates(&mut Random::new(seed, &[4]), &mut settings);
    let mut faults = faults(&mut random, &people, lasts);
    faults.extend(disk_faults(&mut Random::new(seed, &[9]), lasts));
    faults.sort_by_key(|fault| fault.at);
    draw_floods(&mut Random::new(seed, &[13]), lasts, &settings, &mut people);
    draw_siege(&mut Random::new(seed, &[12]), lasts, &mut settings, &mut people);
    let ending = if random.chance(10) { Ending::Shutdown } else { Ending::EverybodyGoes };
    Plan { seed, settings, people, faults, calm_at: lasts, ending }
}

fn settings(random: &mut Random, people: usize, crowd: bool) -> Settings {
    let plenty = 64 * 1024 * 1024;
    let scarce = random.chance(10);
    let crowded = random.chance(10);
    let cut = random.chance(5);
    let hoarders = random.chance(10);
    Settings {
        heartbeat_secs: *random.pick(if crowd { &[10, 25] } else { &[2, 5, 10, 25] }),
        join_timeout_secs: *random.pick(&[3, 10]),
        head_timeout_secs: *random.pick(&[3, 10]),
        leeway_secs: *random.pick(&[0, 5, 60]),
        grace_secs: *random.pick(&[2, 10, 60]),
        room_age_secs: *random.pick(&[50, 14_400, 14_400, 14_400]),
        room_empty_secs: *random.pick(&[5, 30, 300]),
        retained_bytes_max: *random.pick(&[1_024, 4_096, 65_536]),
        retained_total_max: if hoarders { random.between(4..=32) as usize * 1024 } else { plenty },
        participants_max: random.between(2..=8) as usize,
        message_bytes_max: *random.pick(&[8 * 1024, 64 * 1024]),
        send_queue_bytes_max: *random.pick(&[16 * 1024, 32 * 1024, 256 * 1024]),
        connections_max: if crowded { people * 2 / 3 + 1 } else { 10_000 },
        cut_bytes_max: if cut { random.between(2..=8) as usize * 1024 } else { plenty },
        unsent_bytes_max: if scarce { random.between(4..=64) as usize * 1024 } else { plenty },
        emergency_access: random.chance(50),
        rates: Rates::UNLIMITED,
        bytes_rate: Rate::UNLIMITED,
        audit: None,
        turn_ttl_secs: *random.pick(&[10, 60, 600, 3_600]),
        read_bytes: *random.pick(&[5 * 1024, 16 * 1024, 64 * 1024 + 64]),
        latency: if crowd { 20 } else { *random.pick(&[0, 2, 20]) } * MILLISECOND,
    }
}

/// In every third hospital bytes are limited so that it is felt, and in every third messages are.
fn draw_rates(random: &mut Random, settings: &mut Settings) {
    if random.chance(34) {
        let burst = *random.pick(&[2_048, 4_096, 16_384]);
        settings.bytes_rate = Rate { per_second: *random.pick(&[8_192, 16_384, 65_536]), burst };
    }
    if random.chance(34) {
        let (per_second, burst) = (*random.pick(&[1, 2, 5]), *random.pick(&[2, 4, 10]));
        let signal = Rate { per_second, burst };
        let (per_second, burst) = (*random.pick(&[1, 2]), *random.pick(&[3, 6, 12]));
        settings.rates = Rates { signal, state: Rate { per_second, burst }, ..Rates::UNLIMITED };
    }
}

/// Where messages are limited, some send more of them than anybody is forgiven.
fn draw_floods(random: &mut Random, lasts: Micros, settings: &Settings, people: &mut [Person]) {
    let is_limited = !settings.rates.state.is_unlimited();
    for person in people {
        if !is_limited || !random.chance(10) {
            continue;
        }
        let deed = Deed::Flood { count: random.between(90..=150) as u32 };
        person.steps.push(Step { at: random.below(lasts), deed });
    }
}

/// In every eighth hospital there are hardly enough places, and somebody takes them without a word.
fn draw_siege(random: &mut Random, lasts: Micros, settings: &mut Settings, people: &mut [Person]) {
    if !random.chance(12) {
        return;
    }
    let count = people.len() as u64;
    let places = random.between(count / 2..=count + 8).max(8);
    settings.connections_max = places as usize;
    if random.chance(40) {
        // Each room is behind one router.
        people.iter_mut().for_each(|person| person.address = person.room * 16);
    }
    for _ in 0..random.between(1..=3) {
        let besieger = random.below(count) as usize;
        for _ in 0..random.between(1..=3) {
            let count = random.between(places / 4..=places + 16).min(SIEGE_MAX) as u32;
            let step = Step { at: random.below(lasts), deed: Deed::Besiege { count } };
            people[besieger].steps.push(step);
        }
    }
}

/// A doctor, a patient, some observers, and sometimes somebody who has no business there.
fn fill_room(random: &mut Random, room: u32, lasts: Micros, people: &mut Vec<Person>) {
    // Some doctors see patients in two rooms at once, as the same user.
    let busy_doctor = room % 2 == 1 && random.chance(40);
    let observers = if random.chance(50) { 0 } else { random.between(1..=6) };
    let mut cast = vec![(Role::Doctor, false), (Role::Patient, false)];
    cast.extend((0..observers).map(|_| (Role::Observer, false)));
    if random.chance(20) {
        cast.push((*random.pick(&[Role::Doctor, Role::Patient]), true));
    }
    for (place, (role, rival)) in cast.into_iter().enumerate() {
        let number = room * 16 + place as u32;
        let shared = busy_doctor && role == Role::Doctor && !rival;
        let user = if shared { number - 16 } else { number };
        let home = room;
        people.push(person(
            random,
            Person { number, room, home, user, role, rival, ..NOBODY },
            lasts,
        ));
    }
    if random.chance(10) {
        // A doctor of some other room, with a reason to come.
        let (number, home) = (room * 16 + 15, room + 10_000);
        let doctor = Person { number, room, home, user: number, role: Role::Doctor, ..NOBODY };
        let doctor = person(random, doctor, lasts);
        people.push(Person { permissions: &["room:*", "room:emergency"], ..doctor });
    }
}

/// What a person is before anything is drawn.
const NOBODY: Person = Person {
    number: 0,
    room: 0,
    user: 0,
    home: 0,
    role: Role::Observer,
    rival: false,
    permissions: &["room:*"],
    token_secs: 3_600,
    address: 0,
    way: Way::Header,
    names_stream: true,
    old_secret: false,
    skew_secs: 0,
    weather: Weather { delay: 0, jitter: 0, segment_bytes_max: 1_460, buffer_bytes: 65_536 },
    steps: Vec::new(),
};

fn person(random: &mut Random, mut person: Person, lasts: Micros) -> Person {
    person.permissions = match random.below(20) {
        0 => &["room:join"],
        1 => &["room:signal", "records:read"],
        2 => &["room:join", "room:signal"],
        _ => &["room:*"],
    };
    person.token_secs = *random.pick(&[20, 60, 300, 3_600, 3_600, 3_600]);
    person.way = *random.pick(&[Way::Header, Way::Subprotocol, Way::Join, Way::Connect]);
    person.old_secret = random.chance(20);
    person.skew_secs = *random.pick(&[0, 0, 0, 0, 3, -3, 50, -50]);
    person.weather = Weather {
        delay: *random.pick(&[1, 20, 20, 150]) * MILLISECOND,
        jitter: *random.pick(&[0, 5, 50]) * MILLISECOND,
        segment_bytes_max: *random.pick(&[40, 1_460, 65_536, 65_536]),
        buffer_bytes: *random.pick(&[2_048, 16_384, 65_536]),
    };
    person.steps = steps(random, lasts, person.role);
    person.address = person.number;
    person.names_stream = random.chance(85);
    person
}

fn steps(random: &mut Random, lasts: Micros, role: Role) -> Vec<Step> {
    let mut steps = Vec::new();
    let arrives = random.below(lasts / 3);
    steps.push(Step { at: arrives, deed: Deed::Arrive });
    let mut at = arrives;
    for _ in 0..random.between(2..=14) {
        at += random.below(lasts / 6);
        if at >= lasts {
            break;
        }
        let deed = deed(random);
        steps.push(Step { at, deed });
        let gone = matches!(deed, Deed::Leave | Deed::ClosePage);
        if gone && (role != Role::Observer || random.chance(50)) {
            at += random.below(20 * SECOND);
            steps.push(Step { at, deed: Deed::Arrive });
        }
    }
    steps
}

fn deed(random: &mut Random) -> Deed {
    match random.below(100) {
        0..=24 => Deed::Candidates { count: random.between(1..=8) as u32 },
        25..=39 => Deed::Offer { bytes: offer_bytes(random) },
        40..=42 => Deed::MediaControl,
        43..=46 => Deed::MediaState {
            audio: random.chance(50),
            video: random.chance(50),
            screen: *random.pick(&[None, Some(true), Some(false)]),
        },
        47..=49 => Deed::ConnectionState {
            state: random.pick::<&str>(&[
                "new",
                "connecting",
                "connected",
                "disconnected",
                "failed",
            ]),
        },
        50..=51 => Deed::ConnectionStats,
        52..=54 => Deed::Refresh,
        55..=56 => Deed::Ping,
        57..=61 => Deed::Drop,
        62..=66 => Deed::Reload,
        67..=71 => Deed::SecondTab { resumes: random.chance(60) },
        72..=74 => Deed::Leave,
        75..=77 => Deed::ClosePage,
        78..=79 => Deed::Loiter,
        80 => Deed::Stammer,
        81 if random.chance(50) => Deed::Overclaim,
        81 => Deed::Forge,
        82..=83 if random.chance(20) => Deed::EndSession,
        82..=90 => Deed::Trespass(*random.pick(&[
            Trespass::OtherRoom,
            Trespass::OtherSession,
            Trespass::OtherSender,
            Trespass::Oneself,
            Trespass::Nobody,
            Trespass::JoinTwice,
            Trespass::SendingOffer,
            Trespass::OthersToken,
        ])),
        _ => Deed::Babble(*random.pick(&[
            Babble::NotJson,
            Babble::Array,
            Babble::UnknownType,
            Babble::Repeated,
            Babble::Incomplete,
            Babble::TooLarge,
            Babble::Binary,
            Babble::NotUtf8,
            Babble::BadFrame,
        ])),
    }
}

fn offer_bytes(random: &mut Random) -> u32 {
    match random.below(10) {
        0 => random.between(3_000..=7_000) as u32,
        _ => random.between(100..=1_000) as u32,
    }
}

/// None in some runs, many in others.
fn faults(random: &mut Random, people: &[Person], lasts: Micros) -> Vec<Fault> {
    let share = *random.pick(&[0, 30, 100, 200]);
    let count = people.len() as u64 * share / 100;
    let mut faults = Vec::new();
    for _ in 0..count {
        let person = random.pick(people).number;
        let what = match random.below(90) {
            0..=29 => Mishap::Cut {
                person,
                to_server: random.chance(50),
                after: random.below(2_000),
                server_hears: random.chance(60),
                client_hears: random.chance(70),
            },
            30..=44 => {
                let to_server = random.chance(70);
                Mishap::HalfOpen { person, to_server, to_client: !to_server || random.chance(70) }
            }
            45..=59 => Mishap::Lag {
                person,
                by: random.below(5 * SECOND),
                lasts: random.below(20 * SECOND),
            },
            60..=74 => Mishap::SlowReader { person, lasts: random.below(60 * SECOND) },
            _ => Mishap::Sleep { person, lasts: random.below(120 * SECOND) },
        };
        faults.push(Fault { at: random.below(lasts), what });
    }
    if share > 0 && random.chance(30) {
        let what = Mishap::Stall { lasts: random.below(30 * SECOND) };
        faults.push(Fault { at: random.below(lasts), what });
    }
    if share > 0 && random.chance(15) {
        let politely = random.chance(50);
        let what = Mishap::Restart { politely, lasts: random.below(10 * SECOND) };
        faults.push(Fault { at: random.below(lasts), what });
    }
    for _ in 0..random.below(3) * share.min(1) {
        faults.push(Fault {
            at: random.below(lasts),
            what: Mishap::WallJump { millis: jump(random) },
        });
    }
    faults
}

/// Most keep an audit log.
fn audit(random: &mut Random) -> Option<Audit> {
    let narrow = random.chance(5);
    let room = if narrow { random.between(8..=64) as usize } else { ENTRIES_ENOUGH };
    let delay_max = *random.pick(&[0, 5, 20, 100]) * MILLISECOND;
    random.chance(90).then_some(Audit { delay_max, room })
}

fn disk_faults(random: &mut Random, lasts: Micros) -> Vec<Fault> {
    let mut faults = Vec::new();
    for _ in 0..random.below(3) {
        let for_how_long = random.below(20 * SECOND);
        let what = match random.chance(50) {
            true => Mishap::DiskStuck { lasts: for_how_long },
            false => Mishap::DiskBroken { lasts: for_how_long },
        };
        faults.push(Fault { at: random.below(lasts), what });
    }
    faults
}

fn jump(random: &mut Random) -> i64 {
    let millis = *random.pick(&[1_500, 90_000, 4_000_000]);
    if random.chance(50) { -millis } else { millis }
}
