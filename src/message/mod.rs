//! Floor 2: the messages. Requests of clients, notices of the server, and problems as they are
//! reported to clients.

pub mod credentials;
mod description;
mod envelope;
pub mod errors;
pub mod ice;
pub mod ids;
mod lenient;
pub mod notice;
pub mod problem;
mod reader;
pub mod record;
pub mod request;
pub mod roles;

pub use ids::{SessionId, TokenId, UserId};
pub use roles::{Permissions, Role, RoomType};
