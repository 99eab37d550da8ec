//! Plays a transcript against a running server: the given messages must arrive, in this order, and
//! nothing else.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

use super::cast::{fill, is_like, token};
use super::schema::{Schema, Unknown};
use super::transcript::{Step, Transcript, What};
use crate::common::client::upgrade;
use crate::common::{Raw, TestServer, raw};
use crate::settings;

/// The messages that a client gets as another one sent them.
pub const RELAYED: [&str; 4] = ["offer", "answer", "ice-candidate", "media-control"];

/// Errors about the shape of a message: just those for which the schema refuses it as well.
pub const SHAPE: [&str; 2] = ["BAD_MESSAGE", "UNKNOWN_TYPE"];

pub struct Stage<'a> {
    schema: &'a Schema,
    // In this order, so that they have gone before the server waits for them.
    connections: BTreeMap<String, Connection>,
    server: TestServer,
    /// The texts of relayed messages, as they were sent.
    relayed: Vec<String>,
}

struct Connection {
    socket: WebSocket<TcpStream>,
    /// The last message, until its first answer: whether the schema lets it through.
    fits_schema: Option<bool>,
    is_over: bool,
}

/// Plays all of it; panics with the line that went otherwise.
pub fn play(transcript: &Transcript, schema: &Schema) {
    let config = settings(&transcript.settings);
    let server = TestServer::start_with(|given| *given = config);
    let mut stage = Stage { schema, connections: BTreeMap::new(), server, relayed: Vec::new() };
    for step in &transcript.steps {
        stage
            .perform(step)
            .unwrap_or_else(|what| panic!("{}:{}: {what}", transcript.name, step.line));
    }
    stage.end().unwrap_or_else(|what| panic!("{}, at the end: {what}", transcript.name));
}

impl Stage<'_> {
    fn perform(&mut self, step: &Step) -> Result<(), String> {
        match &step.what {
            What::Connect { token, via, refused: Some(refused) } => {
                self.be_refused(token.as_ref(), via.as_deref(), refused)
            }
            What::Connect { token, via, .. } => {
                let connection = self.connect(token.as_ref(), via.as_deref());
                let taken = self.connections.insert(step.who.clone(), connection);
                if taken.is_some() { Err("is connected already".to_owned()) } else { Ok(()) }
            }
            What::Send { message, token: claims } => {
                let message = fill(message, &claims.as_ref().map(token).unwrap_or_default());
                let fits = self.fits_schema(&message);
                let text = message.to_string();
                if RELAYED.iter().any(|kind| message["type"] == *kind) {
                    self.relayed.push(text.clone());
                }
                self.speaker(step)?.send(Message::text(text), fits)
            }
            What::SendText(text) => self.speaker(step)?.send(Message::text(text.as_str()), None),
            What::SendBinary => self.speaker(step)?.send(Message::binary(vec![0, 255]), None),
            What::Receive(expected) => self.receive(step, expected),
            What::Close(code) => {
                let frame = CloseFrame { code: (*code).into(), reason: "".into() };
                let speaker = self.speaker(step)?;
                speaker.socket.close(Some(frame)).map_err(|error| error.to_string())?;
                speaker.expect_close(1000)
            }
            What::Closed(code) => self.speaker(step)?.expect_close(*code),
            What::Drop => {
                let speaker = self.speaker(step)?;
                speaker.is_over = true;
                speaker.socket.get_ref().shutdown(Shutdown::Both).map_err(|error| error.to_string())
            }
            // Nobody reads, so nobody answers pings.
            What::FallSilent => Ok(()),
            What::Shutdown => {
                self.server.handle().shutdown();
                Ok(())
            }
        }
    }

    fn connect(&self, claims: Option<&Value>, via: Option<&str>) -> Connection {
        let address = self.server.address();
        let token = claims.map(token);
        let socket = match (token, via) {
            (None, _) => upgrade(address, "/ws", &[]),
            (Some(token), None | Some("Authorization")) => {
                upgrade(address, "/ws", &[("Authorization", &format!("Bearer {token}"))])
            }
            (Some(token), Some("Sec-WebSocket-Protocol")) => {
                let offered = format!("autamedica.v1, bearer.{token}");
                upgrade(address, "/ws", &[("Sec-WebSocket-Protocol", &offered)])
            }
            (_, Some(other)) => panic!("{other} is no way to present a token"),
        };
        let (socket, _) = socket.expect("an upgrade");
        Connection { socket, fits_schema: None, is_over: false }
    }

    fn be_refused(
        &self,
        claims: Option<&Value>,
        via: Option<&str>,
        refused: &Value,
    ) -> Result<(), String> {
        let token = claims.map(token).unwrap_or_default();
        let request = match via {
            Some("query") => {
                raw::upgrade_request("").replace("/ws ", &format!("/ws?token={token} "))
            }
            _ => raw::upgrade_request(&format!("Authorization: Bearer {token}\r\n")),
        };
        let mut raw = Raw::connect(self.server.address());
        raw.send(request.as_bytes());
        let response = raw.read_response();
        self.schema.check("HttpRefusal", &response.json(), Unknown::Refused)?;
        let got = json!({ "status": response.status, "code": response.json()["code"] });
        if got == *refused { Ok(()) } else { Err(format!("was refused with {got}")) }
    }

    fn receive(&mut self, step: &Step, expected: &Value) -> Result<(), String> {
        let text = self.speaker(step)?.next_text()?;
        let got: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if !is_like(expected, &got) {
            return Err(format!("came {text}"));
        }
        // Someone else's message holds whatever that one put in.
        let is_relayed = RELAYED.iter().any(|kind| got["type"] == *kind);
        let unknown = if is_relayed { Unknown::Allowed } else { Unknown::Refused };
        self.schema.check("ServerMessage", &got, unknown)?;
        if is_relayed && !self.relayed.contains(&text) {
            return Err("is not byte for byte what was sent".to_owned());
        }
        let refused = SHAPE.iter().any(|code| got["code"] == *code);
        match self.speaker(step)?.fits_schema.take() {
            Some(true) if refused => Err("the schema lets it through".to_owned()),
            Some(false) if !refused => Err("the schema does not let it through".to_owned()),
            _ => Ok(()),
        }
    }

    /// Whether a client may send this, as far as the schema can say: it does not know when `reason` is required.
    fn fits_schema(&self, message: &Value) -> Option<bool> {
        let fits = self.schema.check("ClientMessage", message, Unknown::Allowed).is_ok();
        let is_reason_open = message["type"] == "join-room" && message["reason"].is_null();
        (!fits || !is_reason_open).then_some(fits)
    }

    fn speaker(&mut self, step: &Step) -> Result<&mut Connection, String> {
        self.connections
            .get_mut(&step.who)
            .filter(|connection| !connection.is_over)
            .ok_or_else(|| format!("{} is not connected", step.who))
    }

    /// Nothing came that the transcript does not tell of: the answer to a ping is the next thing that everybody hears.
    fn end(mut self) -> Result<(), String> {
        for (who, connection) in self.connections.iter_mut().filter(|(_, one)| !one.is_over) {
            connection.send(Message::text(r#"{"type":"ping"}"#), None)?;
            let text = connection.next_text().map_err(|what| format!("{who}: {what}"))?;
            if !text.starts_with(r#"{"type":"pong""#) {
                return Err(format!("{who} got also {text}"));
            }
        }
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, message: Message, fits_schema: Option<bool>) -> Result<(), String> {
        self.fits_schema = fits_schema;
        self.socket.send(message).map_err(|error| error.to_string())
    }

    fn next_text(&mut self) -> Result<String, String> {
        loop {
            match self.socket.read().map_err(|error| format!("nothing came: {error}"))? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Ping(_) | Message::Pong(_) => {}
                other => return Err(format!("came {other:?}")),
            }
        }
    }

    fn expect_close(&mut self, code: u16) -> Result<(), String> {
        self.is_over = true;
        let got = loop {
            match self.socket.read().map_err(|error| format!("no close frame came: {error}"))? {
                Message::Close(frame) => break frame.map_or(1005, |frame| u16::from(frame.code)),
                Message::Ping(_) | Message::Pong(_) => {}
                other => return Err(format!("came {other:?}")),
            }
        };
        if got != code {
            return Err(format!("was closed with {got}"));
        }
        match self.socket.read() {
            Err(Error::ConnectionClosed) => Ok(()),
            other => Err(format!("behind the close frame came {other:?}")),
        }
    }
}
