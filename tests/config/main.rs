//! What an operator may set, what is refused, and the wording of the problems.

mod document;
mod files;
mod given;
mod ice;
mod tls;
mod values;
