//! SIGHUP and [`Handle::reload`]: everything is read again. If all of it is valid, it takes effect
//! at once; otherwise none of it does.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Handle;
use super::parts::{door, tokens, warn_of_its_end};
use crate::admission::door::Rules;
use crate::config::{Config, Problems, changes};
use crate::service::audit::{Audit, OwnRecord};

/// Reads the configuration again.
pub type Read = Box<dyn FnMut() -> Result<Config, Problems> + Send>;

/// What a reload needs.
pub struct Reloading {
    pub read: Read,
    /// The configuration in effect.
    pub config: Config,
    pub handle: Handle,
    pub audit: Option<Audit>,
}

impl Reloading {
    /// The reload as a function. Call it on a thread of its own: the event loops go on meanwhile.
    pub fn into_call(self) -> impl FnMut() + Send {
        // One at a time, so that the last to begin takes effect last.
        let this = Arc::new(Mutex::new(self));
        move || {
            let this = Arc::clone(&this);
            let work = move || this.lock().unwrap_or_else(PoisonError::into_inner).reload();
            if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
                log::error!("nothing was reloaded, no thread can be started: {error}");
            }
        }
    }

    fn reload(&mut self) {
        if let Err(problems) = self.take_over() {
            log::error!("nothing was reloaded, everything stays as it was. {problems}");
            return;
        }
        if let Some(audit) = &self.audit
            && let Err(error) = audit.reload_keys()
        {
            log::error!("the keys of the audit log stay as they were: {error}");
        }
    }

    fn take_over(&mut self) -> Result<(), Problems> {
        let next = (self.read)()?;
        next.validate()?;
        let mut taken = self.config.with_reloaded(&next);
        let begins = |config: &Config| config.tls_cert.is_some();
        if begins(&taken) != begins(&self.config) {
            log::warn!("a port begins or ceases to speak TLS with the next start only");
            (taken.tls_cert, taken.tls_key) =
                (self.config.tls_cert.clone(), self.config.tls_key.clone());
        }
        let proxied = |config: &Config| config.trusted_proxies.is_empty();
        if taken.behind_proxy && proxied(&taken) != proxied(&self.config) {
            log::warn!("limits by address follow TRUSTED_PROXIES with the next start only");
        }
        // A setting that is valid by itself may conflict with one that cannot be changed.
        taken.validate()?;
        let tls = taken.tls_files().map(|files| files.load()).transpose()?;
        // A secret that is too short has already been reported.
        let Ok(tokens) = tokens(&taken) else { return Ok(()) };
        for change in changes(&self.config, &next) {
            let (name, [before, after]) = (change.name, &change.values);
            if change.at_once {
                log::info!("{name}: {before:?} became {after:?}");
            } else {
                log::warn!("{name}: {before:?} becomes {after:?} with the next start");
            }
        }
        self.handle.use_rules(Rules { tokens, door: door(&taken) });
        if let Some(tls) = tls {
            warn_of_its_end(&tls);
            self.handle.use_tls(tls);
            log::info!("TLS: newcomers are shown the certificate that was read now");
        }
        log::set_max_level(taken.log_level);
        if let Some(audit) = &self.audit {
            audit.note(OwnRecord::configuration(taken.summary()));
        }
        self.config = taken;
        log::info!("reloaded");
        Ok(())
    }
}
