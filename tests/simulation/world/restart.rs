//! The end of one server, and the beginning of another.

use super::super::book::Book;
use super::super::names;
use super::super::transcript::Transcript;
use super::{Event, World, server};

impl World {
    /// The server stops: with a good-bye to everybody, or so that all connections just break.
    pub(super) fn stop(&mut self, politely: bool) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        for link in std::mem::take(&mut self.knocking) {
            self.at(self.now, Event::ClientHears(link));
        }
        if politely {
            let now = self.server_now();
            self.server.stop(now);
            self.wake_server();
        } else {
            self.replace_server(false);
        }
    }

    /// Another server is there, which knows nothing of the one before.
    pub(super) fn start_anew(&mut self) {
        if std::mem::replace(&mut self.stopped, false) {
            self.replace_server(true);
        }
    }

    /// What is durable is left of the one before, and all of it after a good-bye.
    fn replace_server(&mut self, politely: bool) {
        self.disk.start_anew(politely, &mut self.disk_random);
        self.before = self.tally();
        let app = &mut self.server.app;
        let nothing = Book::new(self.plan.settings.clone(), self.disk.clone());
        let mut book = std::mem::replace(&mut app.book, nothing);
        let kept = if self.plan.settings.audit.is_some() { self.disk.ended() } else { Vec::new() };
        let rooms = self.people.iter().map(|one| one.plan.room);
        let ended = rooms.filter(|room| kept.iter().any(|(it, _)| *it == names::session_id(*room)));
        book.started_anew(ended.collect());
        let transcript = std::mem::replace(&mut app.transcript, Transcript::new(None));
        let keys = self.secrets[..2].to_vec();
        // The sockets of the one before are closed with it.
        self.server = server(&self.plan.settings, keys, book, transcript, &self.disk);
        for link in &self.links {
            link.borrow_mut().key = None;
        }
        (self.turn_at, self.retained_chunks) = (None, 0);
    }
}
