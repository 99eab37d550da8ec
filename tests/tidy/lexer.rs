//! Rust source as tokens, precise enough to check house rules: comments are removed, strings cannot
//! be mistaken for code, and every token knows its line, its inline module and whether it is
//! compiled only for tests.

use std::rc::Rc;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword; raw identifiers come without their `r#`.
    Ident,
    /// A string, character or number; its text is not kept.
    Literal,
    /// `'a`.
    Lifetime,
    /// One character of punctuation, or `::`.
    Punct,
}

/// One token and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    /// Empty for a literal.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
    /// The line of its last character: another one than `line` for a literal of several lines.
    pub last_line: usize,
    /// The inline modules around it, the outermost first.
    pub modules: Rc<Vec<String>>,
    /// Whether it stands in something that is compiled for tests only.
    pub test: bool,
}

impl Token {
    /// Whether this is the name, keyword or punctuation `text`.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

/// The tokens of a source file.
pub fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    let mut tokens = lexer.tokens;
    mark_modules(&mut tokens);
    mark_tests(&mut tokens);
    tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn step(&mut self) {
        let (start, line) = (self.at, self.line);
        let kind = match self.peek(0) {
            c if c.is_whitespace() => return self.advance(1),
            '/' if self.peek(1) == '/' => return self.line_comment(),
            '/' if self.peek(1) == '*' => return self.block_comment(),
            '"' => self.quoted('"'),
            '\'' => self.character_or_lifetime(),
            c if c.is_ascii_digit() => self.number(),
            c if is_word(c) => self.word(),
            ':' if self.peek(1) == ':' => {
                self.advance(2);
                Kind::Punct
            }
            _ => {
                self.advance(1);
                Kind::Punct
            }
        };
        let text: String = self.chars[start..self.at].iter().collect();
        let text = match kind {
            Kind::Literal => String::new(),
            _ => text.trim_start_matches("r#").to_owned(),
        };
        let modules = Rc::default();
        let last_line = self.line;
        self.tokens.push(Token { kind, text, line, last_line, modules, test: false });
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count.min(self.chars.len() - self.at) {
            self.line += usize::from(self.chars[self.at] == '\n');
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.advance(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.advance(1);
                    continue;
                }
            }
            self.advance(2);
            if depth == 0 {
                return;
            }
        }
    }

    /// From an opening quote to behind the closing one.
    fn quoted(&mut self, quote: char) -> Kind {
        self.advance(1);
        while self.at < self.chars.len() && self.peek(0) != quote {
            self.advance(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.advance(1);
        Kind::Literal
    }

    fn character_or_lifetime(&mut self) -> Kind {
        if self.peek(1) == '\\' || self.peek(2) == '\'' {
            return self.quoted('\'');
        }
        self.advance(1);
        while is_word(self.peek(0)) {
            self.advance(1);
        }
        Kind::Lifetime
    }

    fn number(&mut self) -> Kind {
        while is_word(self.peek(0)) || (self.peek(0) == '.' && self.peek(1).is_ascii_digit()) {
            self.advance(1);
        }
        Kind::Literal
    }

    /// A name, or a literal with a prefix: `b"…"`, `c"…"`, `b'…'`, `r#"…"#` and their like.
    fn word(&mut self) -> Kind {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.advance(1);
        }
        let prefix: String = self.chars[start..self.at].iter().collect();
        match (prefix.as_str(), self.peek(0)) {
            ("b" | "c", '"') => self.quoted('"'),
            ("b", '\'') => self.quoted('\''),
            ("r" | "br" | "cr", '"' | '#') => self.raw(),
            _ => Kind::Ident,
        }
    }

    /// A raw string, or a raw identifier.
    fn raw(&mut self) -> Kind {
        let mut hashes = 0;
        while self.peek(hashes) == '#' {
            hashes += 1;
        }
        self.advance(hashes + usize::from(self.peek(hashes) == '"'));
        if self.chars[self.at - 1] != '"' {
            while is_word(self.peek(0)) {
                self.advance(1);
            }
            return Kind::Ident;
        }
        let closes = |lexer: &Self| {
            lexer.peek(0) == '"' && (1..=hashes).all(|ahead| lexer.peek(ahead) == '#')
        };
        while self.at < self.chars.len() && !closes(self) {
            self.advance(1);
        }
        self.advance(1 + hashes);
        Kind::Literal
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Tells every token inside `mod name { … }` so.
fn mark_modules(tokens: &mut [Token]) {
    let mut around: Vec<(usize, Rc<Vec<String>>)> = Vec::new();
    let mut depth = 0;
    for at in 0..tokens.len() {
        let modules = around.last().map(|(_, modules)| Rc::clone(modules)).unwrap_or_default();
        if tokens[at].is("{") {
            depth += 1;
            if at >= 2 && tokens[at - 2].is("mod") {
                let mut inner = modules.to_vec();
                inner.push(tokens[at - 1].text.clone());
                around.push((depth, Rc::new(inner)));
            }
        } else if tokens[at].is("}") {
            if around.last().is_some_and(|(opened, _)| *opened == depth) {
                around.pop();
            }
            depth = depth.saturating_sub(1);
        }
        tokens[at].modules = modules;
    }
}

/// Tells every token of an item behind `#[cfg(test)]` or `#[test]` so.
fn mark_tests(tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        if !tokens[at].is("#") {
            continue;
        }
        let inner = tokens.get(at + 1).is_some_and(|next| next.is("!"));
        let open = at + 1 + usize::from(inner);
        if !tokens.get(open).is_some_and(|next| next.is("[")) {
            continue;
        }
        let close = matching(tokens, open);
        if !is_for_tests(&tokens[open + 1..close]) {
            continue;
        }
        let end = if inner { tokens.len() - 1 } else { item_end(tokens, close + 1) };
        tokens[at..=end].iter_mut().for_each(|token| token.test = true);
    }
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let names = |text: &str| attribute.iter().any(|token| token.is(text));
    match attribute {
        [only] => only.is("test"),
        [first, ..] => first.is("cfg") && names("test") && !names("not") && !names("any"),
        [] => false,
    }
}

/// The last token of the item, field or statement that begins at `start`, attributes included.
fn item_end(tokens: &[Token], start: usize) -> usize {
    const BLOCKS: [&str; 10] = [
        "fn",
        "mod",
        "impl",
        "struct",
        "enum",
        "trait",
        "union",
        "macro_rules",
        "unsafe",
        "extern",
    ];
    let last = tokens.len() - 1;
    let (mut at, mut keyword) = (start, "");
    while at <= last {
        let token = &tokens[at];
        match token.text.as_str() {
            "(" | "[" => at = matching(tokens, at),
            "}" => return at.saturating_sub(1),
            ";" => return at,
            "," if !BLOCKS.contains(&keyword) => return at,
            "{" if BLOCKS.contains(&keyword) || keyword.is_empty() => return matching(tokens, at),
            "{" => at = matching(tokens, at),
            "pub" | "async" | "#" => {}
            "const" if tokens.get(at + 1).is_some_and(|next| next.is("fn")) => {}
            text if keyword.is_empty() && token.kind == Kind::Ident => keyword = text,
            _ => {}
        }
        at += 1;
    }
    last
}

/// Where the bracket at `open` is closed; the last token where it is not.
pub fn matching(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        let words: Vec<_> = lex(source).into_iter().map(|token| token.text).collect();
        words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_hold_no_code() {
        assert_eq!(words("a // unwrap()\nb"), "a b");
        assert_eq!(words("a /* x /* y */ unwrap() */ b"), "a b");
        assert_eq!(words(r#"a "un\"wrap" b"#), "a b");
        assert_eq!(words("a r#\"x \" y\"# b br\"z\\\" c"), "a b c");
        assert_eq!(words(r"a 'x' '\'' b'\\' '{' b"), "a b");
        assert_eq!(words("r#type x.0.y 0..3 1.5e3"), "type x . . y . .");
    }

    #[test]
    fn a_lifetime_is_no_open_quote() {
        assert_eq!(words("fn f<'a>(x: &'a str) -> &'static str { x }").matches("str").count(), 2);
    }

    #[test]
    fn lines_are_counted_through_literals_and_comments() {
        let tokens = lex("a \"1\n2\" /* \n */ b\nc");
        let lines: Vec<_> = tokens.iter().map(|token| (token.line, token.last_line)).collect();
        assert_eq!(lines, [(1, 1), (1, 2), (3, 3), (4, 4)]);
    }

    #[test]
    fn what_only_tests_compile_is_told_apart() {
        let in_tests = |source: &str| {
            let tokens = lex(source);
            let marked = |name: &str| tokens.iter().any(|token| token.is(name) && token.test);
            (marked("inside"), marked("outside"))
        };
        for source in [
            "fn outside() {} #[cfg(test)] mod tests { fn f(a: [u8; 2]) { inside() } }",
            "#[cfg(test)] use inside::{a, b}; fn outside() {}",
            "#[cfg(test)] #[derive(Debug)] pub struct S { inside: u8 } struct T { outside: u8 }",
            "struct S { #[cfg(test)] inside: u8, outside: u8 }",
            "#[cfg(all(test, unix))] pub const fn f() -> u8 { inside() } fn outside() {}",
            "#[test] fn f() { inside() } fn outside() {}",
            "#[cfg(test)] const C: [S; 1] = [S { inside: 1 }]; fn outside() {}",
        ] {
            assert_eq!(in_tests(source), (true, false), "{source}");
        }
        assert_eq!(in_tests("#[cfg(not(test))] fn inside() {}"), (false, false));
        assert_eq!(in_tests("#![cfg(test)] fn inside() {} fn outside() {}"), (true, true));
    }

    #[test]
    fn tokens_know_their_modules() {
        let tokens = lex("mod a { mod b { x } y } z");
        let of = |name: &str| {
            let token = tokens.iter().find(|token| token.is(name)).expect("there");
            token.modules.join("::")
        };
        assert_eq!((of("x"), of("y"), of("z")), ("a::b".into(), "a".into(), String::new()));
    }
}
