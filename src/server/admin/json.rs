//! Writes a JSON text from front to back.

use crate::wire::json;

/// The text written so far.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
}

impl Json {
    /// An object with these members.
    pub fn object(members: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut json = Self::default();
        json.braces(b"{}", members);
        json.out
    }

    /// An object as a member.
    pub fn member(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(b"{}", members);
    }

    /// An object as an element.
    pub fn element(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.braces(b"{}", members);
    }

    /// An array as a member.
    pub fn array(&mut self, name: &str, elements: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(b"[]", elements);
    }

    /// An array of numbers as an element; missing values are `null`.
    pub fn numbers(&mut self, numbers: &[Option<f64>]) {
        self.separate();
        self.braces(b"[]", |json| {
            for number in numbers {
                json.separate();
                json.write_number(*number);
            }
        });
    }

    /// A string as a member.
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        json::write_string(&mut self.out, text);
    }

    /// A whole number as a member.
    pub fn whole(&mut self, name: &str, number: u64) {
        self.name(name);
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    /// A number as a member; `null` if there is none.
    pub fn number(&mut self, name: &str, number: Option<f64>) {
        self.name(name);
        self.write_number(number);
    }

    /// A boolean as a member.
    pub fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    fn write_number(&mut self, number: Option<f64>) {
        match number.filter(|number| number.is_finite()) {
            Some(number) => {
                let text = format!("{number:.6}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                self.out.extend_from_slice(text.as_bytes());
            }
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn name(&mut self, name: &str) {
        self.separate();
        json::write_string(&mut self.out, name);
        self.out.push(b':');
    }

    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    fn braces(&mut self, both: &[u8; 2], inside: impl FnOnce(&mut Self)) {
        self.out.push(both[0]);
        inside(self);
        self.out.push(both[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_and_nowhere_else() {
        let text = Json::object(|json| {
            json.text("a", "{");
            json.member("b", |_| {});
            json.array("c", |json| {
                json.element(|json| json.flag("d", true));
                json.numbers(&[Some(1.5), None, Some(200.0), Some(f64::NAN)]);
            });
            json.whole("e", 7);
            json.number("f", Some(0.0));
        });
        let expected = r#"{"a":"{","b":{},"c":[{"d":true},[1.5,null,200,null]],"e":7,"f":0}"#;
        assert_eq!(String::from_utf8(text).expect("text"), expected);
    }
}
