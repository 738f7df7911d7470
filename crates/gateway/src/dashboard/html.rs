//! Markup is built, never pasted together: whatever is text stays text, also where it looks like markup.

use std::fmt::{Display, Write};

/// Markup that is whole and safe. Only tags and escaped text become it.
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

/// These have no inside and no end.
const VOID: [&str; 6] = ["br", "hr", "img", "input", "link", "meta"];

pub(crate) fn tag(name: &'static str) -> Tag {
    Tag { name, attributes: String::new(), inside: String::new() }
}

pub(crate) fn text(text: impl Display) -> Html {
    let mut html = String::new();
    escape(&mut html, text, Unseen::Shown);
    Html(html)
}

/// One thing after the other.
pub(crate) fn all<T: Into<Html>>(parts: impl IntoIterator<Item = T>) -> Html {
    let mut html = Html::default();
    parts.into_iter().for_each(|part| html.push(part));
    html
}

/// A path of these parts, each of which may hold anything: `/dashboard/orders/a%2Fb`.
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
    /// Names are ours; values may be anybody's. A link to an address that came from outside is not among them:
    /// `path` makes links.
    pub(crate) fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        // A form sends its values back: they stay what they are.
        let unseen = if name == "value" { Unseen::Kept } else { Unseen::Shown };
        escape(&mut self.attributes, value, unseen);
        self.attributes.push('"');
        self
    }

    /// An attribute that is there or not, like `hidden`.
    pub(crate) fn flag(self, name: &'static str, there: bool) -> Self {
        if there { self.attr(name, "") } else { self }
    }

    pub(crate) fn class(self, names: impl Display) -> Self {
        self.attr("class", names)
    }

    pub(crate) fn text(mut self, text: impl Display) -> Self {
        escape(&mut self.inside, text, Unseen::Shown);
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

    /// The text of a page: this is all of it.
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

/// What becomes of characters that reorder or hide what stands around them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unseen {
    Shown,
    Kept,
}

/// Into text and quoted values alike. Control characters, which no page may hold, become the usual mark.
fn escape(html: &mut String, text: impl Display, unseen: Unseen) {
    struct Escaping<'a>(&'a mut String, Unseen);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for c in text.chars() {
                match c {
                    '&' => self.0.push_str("&amp;"),
                    '<' => self.0.push_str("&lt;"),
                    '>' => self.0.push_str("&gt;"),
                    '"' => self.0.push_str("&quot;"),
                    '\'' => self.0.push_str("&#39;"),
                    // Bare, a browser takes it for the end of a line, and a form sends something else than it was given.
                    '\r' => self.0.push_str("&#13;"),
                    c if c.is_control() && !matches!(c, '\n' | '\t') => self.0.push('\u{fffd}'),
                    c if self.1 == Unseen::Shown && !c.is_ascii() && contract::is_unseen(c) => {
                        self.0.push_str(&view::visible(c.encode_utf8(&mut [0; 4])));
                    }
                    c => self.0.push(c),
                }
            }
            Ok(())
        }
    }
    write!(Escaping(html, unseen), "{text}").unwrap_or_default();
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
