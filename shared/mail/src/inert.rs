//! Names that others chose, made harmless for a mail.

/// How many characters of a name a mail shows.
const LONGEST: usize = 120;

/// `name` as a mail shows it: one line, no hidden characters, and nothing that a mail program would turn into a link.
///
/// Mail programs make links of anything that looks like an address, in the text and the HTML part alike, so a name such as
/// `evil.example` would become one in a mail that the reader trusts. A visible space after the dot, colon, at sign or backslash
/// ends the address for every one of them. Invisible characters would not: programs differ in which they skip, UTS #46 maps most
/// of them to nothing, and spam filters count them as a trick. A refusal would stop the mails of honest names. In honest names the
/// space is what typography asks for anyway: `e. V.`, `Dr. Weber`, `S. L.`. Digits keep their dot: `2.0`.
pub(crate) fn inert(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    let (mut before, mut last) = (' ', ' ');
    for character in name.chars().filter(|character| !is_hidden(*character)) {
        let character = if character.is_whitespace() || character.is_control() {
            ' '
        } else {
            character
        };
        if character == ' ' && last == ' ' {
            continue;
        }
        if must_part(before, last, character) {
            text.push(' ');
            before = ' ';
        } else {
            before = last;
        }
        text.push(character);
        last = character;
    }
    let text = text.trim_end();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Whether `last` and `next` together could be read as a part of an address, or as an encoded word of a header (RFC 2047).
fn must_part(before: char, last: char, next: char) -> bool {
    let is_number = before.is_ascii_digit() && next.is_ascii_digit();
    match (last, next) {
        (' ', _) | (_, ' ') => false,
        // The ideographic, full width and half width stops separate the labels of a domain too (UTS #46).
        ('.' | '。' | '．' | '｡', _) => next.is_alphanumeric() && !is_number,
        (':', _) => !is_number,
        ('@' | '\\', _) | (_, '@') | ('=', '?') => true,
        _ => false,
    }
}

/// Zero-width and direction-changing characters. Names with them are refused where they are entered; this is the second net.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_is_parted() {
        for (name, shown) in [
            ("evil.com", "evil. com"),
            ("www.evil.example/pay", "www. evil. example/pay"),
            ("www.163.com", "www. 163. com"),
            ("https://evil.example", "https: //evil. example"),
            ("http://1.2.3.4/", "http: //1.2.3.4/"),
            ("HTTPS:evil", "HTTPS: evil"),
            ("mailto:eve@evil.example", "mailto: eve @ evil. example"),
            ("tel:+49301234", "tel: +49301234"),
            ("tel:49301234", "tel: 49301234"),
            (r"\\evil\share", r"\ \ evil\ share"),
            ("evil。com", "evil。 com"),
            ("ev.\u{200b}il.\u{2060}com", "ev. il. com"),
            ("=?utf-8?q?Bank?=", "= ?utf-8?q?Bank?="),
        ] {
            assert_eq!(inert(name), shown);
        }
    }

    #[test]
    fn honest_names_stay_readable() {
        for (name, shown) in [
            ("Praxis Müller & Söhne", "Praxis Müller & Söhne"),
            ("Hilfe im Alltag e.V.", "Hilfe im Alltag e. V."),
            ("Dr.Weber", "Dr. Weber"),
            ("St. Mary's", "St. Mary's"),
            ("Care 2.0, 12:30", "Care 2.0, 12:30"),
            ("Clínica Sol, S.L.", "Clínica Sol, S. L."),
            ("عيادة النور", "عيادة النور"),
            ("东京诊所", "东京诊所"),
            ("Wait...", "Wait..."),
        ] {
            assert_eq!(inert(name), shown);
        }
    }

    #[test]
    fn a_name_is_one_line_without_hidden_characters() {
        assert_eq!(inert(" a\r\nBcc: b\t\0c\u{2028}d\u{85}e "), "a Bcc: b c d e");
        assert_eq!(inert("Ada\u{202e}ecalevoL"), "AdaecalevoL");
        assert_eq!(inert("\u{200b} \u{feff}"), "");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(inert(&"ä".repeat(10_000)).chars().count(), LONGEST + 1);
    }
}
