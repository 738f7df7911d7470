//! HTML is built from tags and escaped text, never by concatenating strings, so that no text can become markup.

use std::fmt::{Display, Write};

/// Complete, safe markup. It can only be made from tags and escaped text.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Html(String);

/// An element that is being built.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Tag {
    name: &'static str,
    attributes: String,
    inside: String,
}

/// Void elements have no content and no end tag.
const VOID: [&str; 6] = ["br", "hr", "img", "input", "link", "meta"];

pub(crate) fn tag(name: &'static str) -> Tag {
    Tag { name, attributes: String::new(), inside: String::new() }
}

pub(crate) fn text(text: impl Display) -> Html {
    let mut html = String::new();
    escape(&mut html, text, Invisible::Shown);
    Html(html)
}

/// Concatenates parts.
pub(crate) fn all<T: Into<Html>>(parts: impl IntoIterator<Item = T>) -> Html {
    let mut html = Html::default();
    parts.into_iter().for_each(|part| html.push(part));
    html
}

/// A path of percent-encoded segments, each of which may contain anything: `/dashboard/orders/a%2Fb`.
pub(crate) fn path(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        path.push('/');
        for byte in part.bytes() {
            match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                true => path.push(char::from(byte)),
                false => write!(path, "%{byte:02X}").unwrap_or_default(),
            }
        }
    }
    path
}

impl Tag {
    /// The name must be a constant of ours; the value may come from outside, except for URLs, which `path` makes.
    pub(crate) fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        // The form sends this value back, so it must stay unchanged.
        let invisible = if name == "value" { Invisible::Kept } else { Invisible::Shown };
        escape(&mut self.attributes, value, invisible);
        self.attributes.push('"');
        self
    }

    /// A boolean attribute, like `hidden`.
    pub(crate) fn flag(self, name: &'static str, there: bool) -> Self {
        if there { self.attr(name, "") } else { self }
    }

    pub(crate) fn class(self, names: impl Display) -> Self {
        self.attr("class", names)
    }

    pub(crate) fn text(mut self, text: impl Display) -> Self {
        escape(&mut self.inside, text, Invisible::Shown);
        self
    }

    pub(crate) fn with(mut self, part: impl Into<Html>) -> Self {
        self.inside.push_str(&part.into().0);
        self
    }

    pub(crate) fn all<T: Into<Html>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        self.with(all(parts))
    }
}

impl Html {
    pub(crate) fn push(&mut self, part: impl Into<Self>) {
        self.0.push_str(&part.into().0);
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole document, with its doctype.
    pub(crate) fn document(self) -> String {
        format!("<!doctype html>\n{}\n", self.0)
    }
}

impl From<Tag> for Html {
    fn from(Tag { name, attributes, inside }: Tag) -> Self {
        if VOID.contains(&name) {
            debug_assert!(inside.is_empty(), "<{name}> holds nothing");
            return Self(format!("<{name}{attributes}>"));
        }
        Self(format!("<{name}{attributes}>{inside}</{name}>"))
    }
}

impl<T: Into<Html>> From<Option<T>> for Html {
    fn from(part: Option<T>) -> Self {
        part.map(Into::into).unwrap_or_default()
    }
}

impl<T: Into<Html>> From<Vec<T>> for Html {
    fn from(parts: Vec<T>) -> Self {
        all(parts)
    }
}

/// Whether characters that reorder or hide the text around them are made visible or kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Invisible {
    Shown,
    Kept,
}

/// Escapes for text and for quoted values. Control characters, which HTML does not allow, become U+FFFD.
fn escape(html: &mut String, text: impl Display, invisible: Invisible) {
    struct Escaping<'a>(&'a mut String, Invisible);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for c in text.chars() {
                match c {
                    '&' => self.0.push_str("&amp;"),
                    '<' => self.0.push_str("&lt;"),
                    '>' => self.0.push_str("&gt;"),
                    '"' => self.0.push_str("&quot;"),
                    '\'' => self.0.push_str("&#39;"),
                    // Browsers normalise a bare CR to LF, so a form would send back another text.
                    '\r' => self.0.push_str("&#13;"),
                    c if c.is_control() && !matches!(c, '\n' | '\t') => self.0.push('\u{fffd}'),
                    c if self.1 == Invisible::Shown && !c.is_ascii() && contract::is_unseen(c) => {
                        self.0.push_str(&view::visible(c.encode_utf8(&mut [0; 4])));
                    }
                    c => self.0.push(c),
                }
            }
            Ok(())
        }
    }
    write!(Escaping(html, invisible), "{text}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_text_stays_text() {
        let hostile = "</p><script>alert(\"'&\u{0}\")</script>";
        let html: Html = tag("p").attr("title", hostile).text(hostile).into();
        let shown = "&lt;/p&gt;&lt;script&gt;alert(&quot;&#39;&amp;\u{fffd}&quot;)&lt;/script&gt;";
        assert_eq!(html.as_str(), format!("<p title=\"{shown}\">{shown}</p>"));
    }

    #[test]
    fn lines_that_a_form_has_sent_are_handed_back_as_they_came() {
        assert_eq!(text("a\r\n\tb\u{7}").as_str(), "a&#13;\n\tb\u{fffd}");
    }

    #[test]
    fn what_reverses_or_hides_text_is_written_out_and_a_form_sends_it_back_as_it_was() {
        let html: Html = tag("input").attr("value", "a\u{202e}b").attr("title", "a\u{202e}b").into();
        assert_eq!(html.as_str(), "<input value=\"a\u{202e}b\" title=\"a\\u202eb\">");
        assert_eq!(text("invoice\u{202e}fdp\u{200b}.exe").as_str(), "invoice\\u202efdp\\u200b.exe");
    }

    #[test]
    fn what_has_no_inside_has_no_end() {
        let html = all([tag("br"), tag("p").with(None::<Tag>)]);
        assert_eq!(html.as_str(), "<br><p></p>");
    }

    #[test]
    fn no_part_of_a_path_leads_elsewhere() {
        assert_eq!(path(&["orders", "../a b?c#d", "é"]), "/orders/..%2Fa%20b%3Fc%23d/%C3%A9");
    }
}
