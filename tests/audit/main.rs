//! The audit log on real files: what is reported durable is there, whatever happens, and nothing in
//! it can be changed unnoticed.

mod disk;
mod keys;
mod kill;
mod lock;
mod place;
mod reserve;
mod retention;
mod sealed;
mod support;
mod tampering;
mod torn;
mod writing;
