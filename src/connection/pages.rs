//! HTTP pages beside the rooms.

use crate::base::time::Now;
use crate::wire::http::Request;

/// Pages that a deployment adds to the public address, such as the demo in development.
pub trait Pages {
    /// Appends the answer to a request. Returns `false` if there is no such page.
    fn respond(&mut self, request: &Request<'_>, now: Now, reply: &mut Vec<u8>) -> bool;
}

/// No pages, as in production.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPages;

impl Pages for NoPages {
    fn respond(&mut self, _request: &Request<'_>, _now: Now, _reply: &mut Vec<u8>) -> bool {
        false
    }
}
