//! The faults.

use autamedica_signaling::base::time::Instant;

use super::super::link::Micros;
use super::super::plan::Mishap;
use super::{Event, Phase, World};

impl World {
    /// Something goes wrong.
    pub(super) fn befall(&mut self, fault: usize) {
        if self.phase != Phase::Trouble {
            return;
        }
        let what = self.plan.faults[fault].what;
        let individual = what
            .person()
            .and_then(|number| self.people.iter().position(|one| one.plan.number == number));
        let link = individual.and_then(|person| self.people[person].tab);
        self.server.app.transcript.line(|| format!("mishap: {what:?} (link {link:?})"));
        match (what, individual, link) {
            (Mishap::Stall { lasts }, ..) => {
                self.stalled_until = self.now + lasts;
                let until = Instant::from_micros(self.stalled_until);
                self.server.app.book.note_stall(Instant::from_micros(self.now), until);
            }
            (Mishap::WallJump { millis }, ..) => {
                self.wall_offset += millis;
                self.server.app.book.note_jump(Instant::from_micros(self.now));
            }
            (Mishap::Restart { politely, lasts }, ..) => {
                self.stop(politely);
                self.after(lasts, Event::Starts);
            }
            (Mishap::DiskStuck { lasts }, ..) => self.disk_stuck_until = self.now + lasts,
            (Mishap::DiskBroken { lasts }, ..) => {
                self.disk_broken_until = self.now + lasts;
                self.set_disk_broken(true);
                self.after(lasts, Event::Mended);
            }
            (Mishap::SlowReader { lasts, .. }, Some(person), _) => {
                self.people[person].slow_until = self.now + lasts;
                self.after(lasts, Event::Wakes(person));
            }
            (Mishap::Sleep { lasts, .. }, Some(person), _) => {
                self.people[person].asleep_until = self.now + lasts;
                self.after(lasts, Event::Wakes(person));
            }
            (Mishap::Cut { to_server, after, server_hears, client_hears, .. }, _, Some(link)) => {
                self.tabs[link].cut_heard = (server_hears, client_hears);
                self.links[link].borrow_mut().cut_after(to_server, after);
            }
            (Mishap::HalfOpen { to_server, to_client, .. }, _, Some(link)) => {
                self.links[link].borrow_mut().swallow(to_server, to_client);
            }
            (Mishap::Lag { by, lasts, .. }, _, Some(link)) => {
                self.links[link].borrow_mut().weather.delay += by;
                self.after(lasts, Event::LagEnds(link, by));
            }
            _ => {}
        }
    }

    /// The wire is cut; each end hears of it, or does not.
    pub(super) fn cut(&mut self, link: usize) {
        self.links[link].borrow_mut().swallow(true, true);
        let (server_hears, client_hears) = self.tabs[link].cut_heard;
        self.server.app.transcript.line(|| {
            format!(
                "link {link} is cut; the server hears {server_hears}, the client {client_hears}"
            )
        });
        if server_hears {
            self.after(self.random_delay(link), Event::ServerHears(link));
        }
        if client_hears {
            self.after(self.random_delay(link), Event::ClientHears(link));
        }
    }

    pub(super) fn end_lag(&mut self, link: usize, by: Micros) {
        let mut link = self.links[link].borrow_mut();
        link.weather.delay = link.weather.delay.saturating_sub(by);
    }

    fn random_delay(&self, link: usize) -> Micros {
        self.links[link].borrow().weather.delay
    }
}
