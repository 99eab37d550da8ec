//! The WebRTC signaling server through which a doctor and a patient find each other and set up an encrypted video call.

pub mod admission;
pub mod base;
pub mod config;
pub mod message;
pub mod wire;
