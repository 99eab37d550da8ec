//! Floor 3: who may come in. From a request head or a token to a grant.

pub mod door;
pub mod grant;

pub use grant::Grant;
