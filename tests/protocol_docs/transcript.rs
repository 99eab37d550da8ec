//! Reads `docs/transcripts/*.jsonl`: one step per line; the first line is the title.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One conversation, from beginning to end.
pub struct Transcript {
    pub name: String,
    /// Settings of the server that differ from its defaults: name and value.
    pub settings: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

/// One line.
pub struct Step {
    pub line: usize,
    /// Which connection, or `server`.
    pub who: String,
    pub what: What,
}

pub enum What {
    /// Connects; with the claims of a token and how it is presented, and the refusal where it is refused.
    Connect { token: Option<Value>, via: Option<String>, refused: Option<Value> },
    /// The client sends a message; `token` has the claims of what `$token` stands for.
    Send { message: Value, token: Option<Value> },
    /// The client sends a text as it stands there.
    SendText(String),
    /// The client sends a binary message.
    SendBinary,
    /// The client's next message is this.
    Receive(Value),
    /// The client closes.
    Close(u16),
    /// The server closes.
    Closed(u16),
    /// The client's network is gone.
    Drop,
    /// The client's network swallows everything from here on.
    FallSilent,
    /// The server is told to stop.
    Shutdown,
}

/// All transcripts, by name.
pub fn read_all() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/transcripts");
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the transcripts")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    names.sort();
    names.into_iter().map(read).collect()
}

fn read(name: String) -> Transcript {
    let text = super::read(&format!("docs/transcripts/{name}"));
    let mut lines = text.lines().enumerate().map(|(number, line)| {
        let value: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{name}:{}: {error}", number + 1));
        (number + 1, value)
    });
    let (_, first) = lines.next().expect("a first line");
    assert!(first["about"].is_string(), "{name}: the first line says what it is about");
    let settings = first["settings"].as_object().into_iter().flatten();
    let settings = settings.map(|(setting, value)| (setting.clone(), text_of(value))).collect();
    let steps = lines.map(|(line, value)| step(&name, line, &value)).collect();
    Transcript { name, settings, steps }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn step(name: &str, line: usize, value: &Value) -> Step {
    let who = value["who"].as_str().unwrap_or_else(|| panic!("{name}:{line}: who?")).to_owned();
    let some = |field: &str| value.get(field).cloned();
    let code = || value["code"].as_u64().and_then(|code| u16::try_from(code).ok()).expect("a code");
    let kind = value["direction"].as_str().or(value["event"].as_str()).unwrap_or_default();
    let what = match kind {
        "connect" => What::Connect {
            token: some("token"),
            via: value["via"].as_str().map(str::to_owned),
            refused: some("refused"),
        },
        "send" => match (&value["message"], value["text"].as_str()) {
            (Value::Null, Some(text)) => What::SendText(text.to_owned()),
            (Value::Null, None) => What::SendBinary,
            (message, _) => What::Send { message: message.clone(), token: some("token") },
        },
        "receive" => What::Receive(value["message"].clone()),
        "close" => What::Close(code()),
        "closed" => What::Closed(code()),
        "drop" => What::Drop,
        "fall-silent" => What::FallSilent,
        "shutdown" => What::Shutdown,
        other => panic!("{name}:{line}: {other:?} is no step"),
    };
    Step { line, who, what }
}

impl Transcript {
    /// The raw text of the lines, for comparing with excerpts.
    pub fn lines(&self) -> Vec<String> {
        let text = super::read(&format!("docs/transcripts/{}", self.name));
        text.lines().map(str::to_owned).collect()
    }
}
