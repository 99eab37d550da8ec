//! The service manager that started the program, if any: what it passed in the environment, and
//! what we report to it.

use autamedica_signaling::Handle;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::engine::Command;
use autamedica_signaling::reactor::clock::Clock;
use autamedica_signaling::service::supervisor::{Manager, Pulse, Supervised, Watch};

/// Begins to report to the service manager, if there is one. No failure here is a reason not to
/// serve.
pub fn watch(server: Handle) -> Option<Watch> {
    let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
    let server = Running { server, clock: Clock::new() };
    let begun = Manager::at(&name).and_then(|manager| Watch::begin(manager, watchdog(), server));
    begun.inspect_err(|error| log::warn!("the service manager cannot be told: {error}")).ok()
}

/// The interval of the watchdog (sd_watchdog_enabled(3)): how long the manager waits for a
/// keep-alive. `None` if it expects none, or expects it from another process.
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let ours = std::env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0).map(Duration::from_micros)
}

struct Running {
    server: Handle,
    clock: Clock,
}

impl Supervised for Running {
    fn pulses(&mut self, patience: Duration) -> Vec<Pulse> {
        let until = self.clock.instant() + patience;
        let asked = self.server.ask(|_| Command::Look);
        asked.iter().map(|one| one.pulse(until.since(self.clock.instant()))).collect()
    }

    fn is_stopping(&self) -> bool {
        self.server.is_stopping()
    }

    fn connections(&self) -> u64 {
        self.server.counters().connections
    }
}
