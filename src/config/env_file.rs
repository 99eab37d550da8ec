//! Files of `NAME=value` lines, as used by Docker, systemd and shells.

use std::ffi::OsString;
use std::path::Path;

use crate::base::redacted::Redacted;

use super::setting;
use super::settings::SETTINGS;
use super::source::{SetBy, Value, read_bounded, why_unreadable};
use super::{Problem, Problems};

/// The settings of one file.
///
/// A line is `NAME=value` or `export NAME=value`, empty, or a comment that begins with `#`. An
/// unquoted value ends where ` #` begins a comment, and is stripped of surrounding blanks. Within
/// single quotes every character is literal; within double quotes `\"`, `\\`, `\$`, `` \` ``, `\n`
/// and `\t` are escapes. Nothing is ever substituted. Since the file is ours alone, a name that is
/// not a setting is refused as a typing error.
#[derive(Debug, Default)]
pub struct EnvFile {
    label: String,
    entries: Vec<Entry>,
    problems: Problems,
}

#[derive(Debug)]
struct Entry {
    name: String,
    value: Redacted<String>,
    line: usize,
}

impl EnvFile {
    /// Reads the file at `path`. Malformed lines are in [`EnvFile::problems`].
    ///
    /// # Errors
    /// The problem with a file that cannot be read at all.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let label = path.display().to_string();
        let accepted = "a text file of NAME=value lines";
        let bytes = read_bounded(path).map_err(|error| {
            Problem::new(&label, format!("this file {}", why_unreadable(&error)), accepted)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            Problem::new(&format!("{label}:{line}"), "this line is not UTF-8 text", accepted)
        })?;
        Ok(Self::parse(&label, &text))
    }

    /// Reads `text`; `label` names it in problems.
    pub fn parse(label: &str, text: &str) -> Self {
        let mut file = Self { label: label.to_owned(), ..Self::default() };
        // Windows editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty()
                && !line.starts_with('#')
                && let Err(problem) = file.read_line(line, index + 1)
            {
                file.problems.push(problem);
            }
        }
        file
    }

    /// The value of `name`, if the file has one that is not empty.
    pub fn value(&self, name: &str) -> Option<Value> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        let text = entry.value.reveal();
        let set_by = SetBy::EnvFile(self.place(entry.line));
        (!text.is_empty()).then(|| Value { text: Redacted::new(OsString::from(text)), set_by })
    }

    /// What is wrong with the file: malformed lines, unknown names, repeated names.
    pub const fn problems(&self) -> &Problems {
        &self.problems
    }

    fn read_line(&mut self, line: &str, number: usize) -> Result<(), Problem> {
        let place = self.place(number);
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The line itself is never shown: any part of it may be a part of a secret.
        let (name, rest) = line.split_once('=').ok_or_else(|| {
            Problem::new(&place, "this line has no `=`", "NAME=value, or # before a comment")
        })?;
        let name = name.trim_end();
        if !is_known(name) {
            return Err(unknown(name, rest, place));
        }
        if let Some(earlier) = self.entries.iter().find(|entry| entry.name == name) {
            let fault = format!("is set a second time, after line {}", earlier.line);
            return Err(Problem::new(name, fault, "one line for each name").at(Some(place)));
        }
        let value = unquote(rest.trim()).map_err(|fault| {
            Problem::new(name, fault, "a value, or 'a value' in single quotes").at(Some(place))
        })?;
        self.entries.push(Entry {
            name: name.to_owned(),
            value: Redacted::new(value),
            line: number,
        });
        Ok(())
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.label)
    }
}

fn is_known(name: &str) -> bool {
    let secret =
        name.strip_suffix("_FILE").and_then(setting::find).is_some_and(setting::Setting::is_secret);
    secret || setting::find(name).is_some()
}

/// The value that the text after the `=` stands for.
fn unquote(text: &str) -> Result<String, &'static str> {
    let (value, rest) = match text.chars().next() {
        Some('\'') => {
            let (value, rest) =
                text[1..].split_once('\'').ok_or("a single quote opens and never closes")?;
            (value.to_owned(), rest)
        }
        Some('"') => unescape(&text[1..])?,
        _ => {
            let end = text.find(" #").or_else(|| text.find("\t#")).unwrap_or(text.len());
            let end = if text.starts_with('#') { 0 } else { end };
            (text[..end].trim_end().to_owned(), "")
        }
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(value)
    } else {
        Err("something stands behind the closing quote")
    }
}

/// The text before the closing double quote, with its escapes resolved, and the text after it.
fn unescape(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(match chars.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => escaped,
                Some('n') => '\n',
                Some('t') => '\t',
                _ => return Err("a backslash stands before something that it does not change; single quotes keep it"),
            }),
            _ => value.push(char),
        }
    }
    Err("a double quote opens and never closes")
}

/// An unknown name. It is shown only if it cannot be the last line of a secret in base64 or base32.
fn unknown(name: &str, rest: &str, place: String) -> Problem {
    let named =
        name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let padding = rest.bytes().all(|byte| byte == b'=');
    let near = nearest(name);
    let accepted = match &near {
        Some(near) => format!("the names of settings; did you mean {near}?"),
        None => "the names that `autamedica-signaling help` lists".to_owned(),
    };
    if near.is_some() || (named && !padding && (1..=40).contains(&name.len())) {
        Problem::new(name, "is not a setting", accepted).at(Some(place))
    } else {
        Problem::new(&place, "the name on this line is not a setting", accepted)
    }
}

/// The name that was most likely meant.
fn nearest(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    if name.len() > 40 {
        return None;
    }
    let names = SETTINGS.iter().flat_map(|setting| {
        let file = setting.is_secret().then(|| format!("{}_FILE", setting.name));
        [Some(setting.name.to_owned()), file].into_iter().flatten()
    });
    let near = names.map(|known| (distance(&name, &known), known)).min()?;
    (near.0 <= 1 + near.1.len() / 5).then_some(near.1)
}

/// How many characters must be inserted, removed or changed to turn `b` into `a` (Levenshtein
/// distance).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_docker_and_systemd_read_them() {
        for (text, value) in [
            ("plain", "plain"),
            ("two words", "two words"),
            ("value # a comment", "value"),
            ("value#not a comment", "value#not a comment"),
            ("# only a comment", ""),
            ("'single # \"quotes\" \\n $HOME'", "single # \"quotes\" \\n $HOME"),
            (r#""double # \"quotes\" \\ \$HOME" # a comment"#, r#"double # "quotes" \ $HOME"#),
            ("$HOME", "$HOME"),
            ("a=b==", "a=b=="),
            ("", ""),
            ("''", ""),
        ] {
            assert_eq!(unquote(text).as_deref(), Ok(value), "{text}");
        }
        for broken in ["'open", "\"open", "\"open\\\"", "'a'b", r#""\q""#, "'"] {
            assert!(unquote(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_typing_error_finds_the_name_that_was_meant() {
        for (wrong, meant) in [
            ("JWT_SECERT", "JWT_SECRET"),
            ("jwt_secret", "JWT_SECRET"),
            ("JWT_SECRET_FIEL", "JWT_SECRET_FILE"),
            ("CORS_ORIGINS", "CORS_ORIGIN"),
            ("HEART_BEAT", "HEARTBEAT"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(meant));
        }
        assert_eq!(nearest("DATABASE_URL"), None);
    }
}
