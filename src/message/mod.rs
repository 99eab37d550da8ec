//! Floor 2: what is said. Requests of clients, notices of the server, and problems as the client hears of them.

pub mod ids;
pub mod roles;

pub use ids::{SessionId, UserId};
pub use roles::{Permissions, Role, RoomType};
