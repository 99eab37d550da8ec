//! JSON read the slow way (RFC 8259): a tree that keeps what other readers throw away, namely repeated names, halves of
//! surrogate pairs, and numbers as they are written.

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as it is written.
    Number(String),
    /// A string.
    String(Text),
    /// An array.
    Array(Vec<Json>),
    /// An object with all its members, in their order.
    Object(Vec<(Text, Json)>),
}

/// A string in UTF-16, as JSON's escapes have it, so that half a pair can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Vec<u16>);

impl Text {
    /// The string; `None` where half of a surrogate pair is in it.
    pub fn to_text(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }

    fn is(&self, text: &str) -> bool {
        text.encode_utf16().eq(self.0.iter().copied())
    }
}

/// Reads a text that is one JSON value; `None` where it is not one.
pub fn read(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text.as_bytes() };
    reader.space();
    let json = reader.value()?;
    reader.space();
    reader.rest.is_empty().then_some(json)
}

/// The beginning of a text up to the first bracket that opens this level, with all that it has opened closed again; `None` where
/// none does. Quotes and brackets are counted, whether the text is JSON or not.
pub fn closed_at_level(text: &str, level: usize) -> Option<String> {
    let mut closing = Vec::new();
    let (mut in_string, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '[' | '{' => closing.push(if letter == '[' { ']' } else { '}' }),
            ']' | '}' => drop(closing.pop()),
            _ => {}
        }
        if closing.len() == level {
            return Some(text[..=at].chars().chain(closing.into_iter().rev()).collect());
        }
    }
    None
}

impl Json {
    /// The value of the first member of this name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.all(name).next()
    }

    /// The values of all members of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.members().iter().filter(move |(other, _)| other.is(name)).map(|(_, value)| value)
    }

    /// The members of an object.
    pub fn members(&self) -> &[(Text, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The string that it is, where that is one of whole characters.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::String(text) => text.to_text(),
            _ => None,
        }
    }

    /// The number that it is, where it is written in digits alone.
    pub fn integer(&self) -> Option<u64> {
        match self {
            Self::Number(digits) if !digits.starts_with('-') => digits.parse().ok(),
            _ => None,
        }
    }

    /// How many levels of arrays and objects it has.
    pub fn depth(&self) -> usize {
        let inner = self.children().map(Self::depth).max().unwrap_or_default();
        inner + usize::from(matches!(self, Self::Array(_) | Self::Object(_)))
    }

    /// The size of the largest object in it.
    pub fn width(&self) -> usize {
        let own = self.members().len();
        self.children().map(Self::width).max().unwrap_or_default().max(own)
    }

    /// Whether half of a surrogate pair is in a string or a name.
    pub fn has_lone_surrogate(&self) -> bool {
        let own = matches!(self, Self::String(text) if text.to_text().is_none());
        let names = self.members().iter().any(|(name, _)| name.to_text().is_none());
        own || names || self.children().any(Self::has_lone_surrogate)
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        self.elements().iter().chain(self.members().iter().map(|(_, value)| value))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn eat(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal.as_bytes())?;
        Some(())
    }

    fn value(&mut self) -> Option<Json> {
        match self.rest.first()? {
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Boolean(true)),
            b'f' => self.eat("false").map(|()| Json::Boolean(false)),
            b'"' => self.string().map(Json::String),
            b'[' => self.list("[", "]", Self::value).map(Json::Array),
            b'{' => self.list("{", "}", Self::member).map(Json::Object),
            _ => self.number().map(Json::Number),
        }
    }

    fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.eat(open)?;
        self.space();
        if self.eat(close).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.space();
            if self.eat(close).is_some() {
                return Some(items);
            }
            self.eat(",")?;
            self.space();
        }
    }

    fn member(&mut self) -> Option<(Text, Json)> {
        let name = self.string()?;
        self.space();
        self.eat(":")?;
        self.space();
        Some((name, self.value()?))
    }

    fn string(&mut self) -> Option<Text> {
        self.eat("\"")?;
        let mut units = Vec::new();
        loop {
            let end = self.rest.iter().position(|&b| matches!(b, b'"' | b'\\' | 0..0x20))?;
            let (plain, rest) = self.rest.split_at(end);
            // A quote, a backslash or a control character is never part of a longer character.
            units.extend(str::from_utf8(plain).expect("cut between characters").encode_utf16());
            self.rest = &rest[1..];
            match rest[0] {
                b'"' => return Some(Text(units)),
                b'\\' => units.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let (&letter, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match letter {
            b'"' | b'\\' | b'/' => u16::from(letter),
            b'b' => 8,
            b't' => 9,
            b'n' => 10,
            b'f' => 12,
            b'r' => 13,
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        })
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Option<String> {
        let all = self.rest;
        let _ = self.eat("-");
        if let [b'0', _, ..] = self.digits()? {
            return None;
        }
        if self.eat(".").is_some() {
            self.digits()?;
        }
        if self.eat("e").or_else(|| self.eat("E")).is_some() {
            let _ = self.eat("+").or_else(|| self.eat("-"));
            self.digits()?;
        }
        let written = &all[..all.len() - self.rest.len()];
        str::from_utf8(written).ok().map(str::to_owned)
    }

    fn digits(&mut self) -> Option<&[u8]> {
        let end = self.rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!digits.is_empty()).then_some(digits)
    }
}
