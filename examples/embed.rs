//! The whole server inside another program, on a thread of its own.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::error::Error;
use std::io;
use std::thread;

use autamedica_signaling::{Config, Server};

fn main() -> Result<(), Box<dyn Error>> {
    // The defaults of development: this machine only. `Config::production` requires more.
    let mut config = Config::development(*b"a secret of at least 32 bytes ...");
    config.port = 0; // any free port
    config.room_participants_max = 4;
    config.audit_dir = std::env::temp_dir().join("autamedica-embed").join("audit");

    let server = Server::bind(config)?;
    let handle = server.handle();
    let serving = thread::spawn(move || server.run());

    println!("Open http://{}/ in two tabs; Enter ends it.", handle.local_addr());
    io::stdin().read_line(&mut String::new())?;
    println!("{:?}", handle.counters());

    // Everybody is told to reconnect (close code 1012); then the loop ends.
    handle.shutdown();
    serving.join().map_err(|_| "the server panicked")??;
    Ok(())
}
