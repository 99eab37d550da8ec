//! What an operator may set, what is refused, and in which words.

mod document;
mod files;
mod given;
mod ice;
mod tls;
mod values;
