//! Floor 3: admission. From an address, a request head or a token to a grant.

pub mod addresses;
mod census;
pub mod claims;
pub mod door;
pub mod fixed_windows;
pub mod gate;
pub mod grant;
pub mod mint;
mod network;
pub mod origin;
pub mod tokens;
mod user_rates;

pub use addresses::Addresses;
pub use gate::{Gate, GateLimits};
pub use grant::Grant;
pub use origin::Origins;
pub use tokens::{TokenFault, TokenRules, Tokens};
