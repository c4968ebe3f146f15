//! Mails as they are sent: templates in, SMTP or a folder out. What is sent, and when, the service decides.

mod render;
mod transport;
mod unlinkable;
mod wording;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

pub use render::Templates;
pub use transport::Transport;

use crate::domain::MailId;
use crate::domain::mail::Mail;

/// Why a mail was not sent.
#[derive(Debug)]
pub enum SendError {
    /// It never will be.
    Hopeless(String),
    /// It may be later.
    TryAgain(String),
}

/// The outcome of a mail that is not to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The mail server or the folder has it.
    Delivered,
    /// Nobody has it: the log says that there was one, or the terminal showed its link.
    Shown,
}

/// Writes and sends mails.
pub struct Mailer {
    templates: Templates,
    transport: Transport,
    from: Mailbox,
}

impl Mailer {
    /// A mailer that sends from this address.
    pub fn new(templates: Templates, transport: Transport, from: Mailbox) -> Self {
        Self { templates, transport, from }
    }

    /// Sends one mail, with the same `Message-ID` however often it is tried: whoever gets it twice can tell.
    ///
    /// # Errors
    ///
    /// [`SendError`]
    pub async fn send(&self, id: MailId, mail: &Mail) -> Result<Sent, SendError> {
        if let Transport::Terminal = self.transport {
            let letter = self.templates.render(mail).map_err(SendError::Hopeless)?;
            transport::show(&mail.to, &one_line(&letter.subject), &letter.text);
            return Ok(Sent::Shown);
        }
        let message = self.message(id, mail).map_err(SendError::Hopeless)?;
        self.transport.send(id, mail, &message).await
    }

    /// The message as it goes out: one recipient, text and HTML. Names and subjects are encoded by the library; what
    /// would break a line is taken out before (EM-02).
    fn message(&self, id: MailId, mail: &Mail) -> Result<Message, String> {
        let letter = self.templates.render(mail)?;
        let address: Address = mail.to.parse().map_err(|error| format!("the address: {error}"))?;
        let name = Some(one_line(&mail.name)).filter(|name| !name.is_empty());
        let domain = self.from.email.domain();
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(one_line(&letter.subject))
            .message_id(Some(format!("<{id}@{domain}>")))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.text))
                    .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html)),
            )
            .map_err(|error| error.to_string())
    }
}

/// Text that cannot end a header: control characters and Unicode's own line ends become spaces.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::brand::Brand;
    use crate::domain::mail::{Letter, Occasion};

    fn message(name: &str, organization: &str) -> String {
        let from = "Rollcall <no-reply@id.example>".parse().expect("a mailbox");
        let templates = Templates::new("https://id.example", Brand::named("Rollcall"), None).expect("templates");
        let mailer = Mailer::new(templates, Transport::Log, from);
        let letter = Letter::Invitation {
            token: "rci_secret".to_owned(),
            organization: organization.to_owned(),
            inviter: Some(name.to_owned()),
            days: 7,
            message: None,
        };
        let mail = Mail { to: "babs@example.com".to_owned(), name: name.to_owned(), letter, occasion: None };
        let message = mailer.message(MailId::new(Uuid::nil()), &mail).expect("a message");
        String::from_utf8(message.formatted()).expect("ASCII")
    }

    #[test]
    fn em02_names_cannot_add_headers_or_recipients() {
        for hostile in
            ["a\r\nBcc: evil@example.com", "a\nSubject: x", "a%0d%0aBcc: x", "a\u{2028}Bcc: x", "=?utf-8?q?=0aBcc:?="]
        {
            let text = message(hostile, hostile);
            let head = text.split("\r\n\r\n").next().expect("a head");
            let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with([' ', '\t'])).collect();
            for name in ["To:", "Subject:", "From:"] {
                assert_eq!(lines.iter().filter(|line| line.starts_with(name)).count(), 1, "{hostile:?}: {head}");
            }
            assert!(!lines.iter().any(|line| line.starts_with("Bcc")), "{hostile:?}: {head}");
        }
    }

    #[test]
    fn em03_names_are_no_markup() {
        let text = message("<a href=\"https://evil.example\">x</a>", "https://evil.example");
        let parsed = mail_parser::MessageParser::default().parse(text.as_bytes()).expect("a mail").into_owned();
        let html = parsed.body_html(0).expect("HTML").into_owned();
        assert!(!html.contains("href=\"https://evil"), "{html}");
        assert!(html.contains("&lt;a href"), "{html}");
        assert!(html.contains("https://id.example/invitation?token=rci_secret"), "{html}");
    }

    fn letters() -> Vec<Letter> {
        use crate::domain::mail::Notice;
        let notices = [
            Notice::PasswordChanged,
            Notice::AuthenticatorAdded,
            Notice::AuthenticatorRemoved,
            Notice::MfaReset,
            Notice::RecoveryCodesMade,
            Notice::RecoveryCodeUsed { remaining: 3 },
            Notice::RecoveryCodeUsed { remaining: 0 },
            Notice::PrimaryEmailChanged { to: "b…@example.com".to_owned() },
            Notice::AddressAdded { address: "c…@example.com".to_owned() },
            Notice::AddressProven { address: "c…@example.com".to_owned() },
            Notice::AddressRemoved { address: "c…@example.com".to_owned() },
            Notice::TokenMade { name: "laptop".to_owned() },
            Notice::CodesUsedUp,
            Notice::ProfileChanged,
            Notice::PasswordReset,
            Notice::NewDevice { user_agent: Some("curl/8.5".to_owned()), ip: Some("192.0.2.7".to_owned()) },
            Notice::Locked,
            Notice::ProviderLinked { provider: "Google".to_owned() },
            Notice::CopyNoticed,
        ];
        let token = || "rcx_secret".to_owned();
        let invitation = Letter::Invitation {
            token: token(),
            organization: "Acme".to_owned(),
            inviter: Some("Ada Lovelace".to_owned()),
            days: 7,
            message: Some("See you on Monday.".to_owned()),
        };
        let others = [
            Letter::VerifyEmail { token: token(), organization: Some("Acme".to_owned()) },
            Letter::SetPassword { token: token(), organization: "Acme".to_owned() },
            Letter::EmailInUse,
            Letter::ResetPassword { token: token() },
        ];
        notices.into_iter().map(|notice| Letter::Notice { notice }).chain(others).chain([invitation]).collect()
    }

    #[test]
    fn every_mail_tells_the_same_in_text_and_html_with_when_where_from_and_a_way_on() {
        let brand = Brand {
            product: "Example".to_owned(),
            logo_url: Some("https://www.example.com/logo.png".to_owned()),
            application_url: Some("https://app.example.com/".to_owned()),
        };
        let templates = Templates::new("https://id.example", brand, None).expect("templates");
        let at = "2026-03-01T08:05:00Z".parse().expect("a time");
        for letter in letters() {
            let has_link = !matches!(letter, Letter::Notice { .. } | Letter::EmailInUse);
            let (ip, user_agent) = (Some("192.0.2.7".to_owned()), Some("curl/8.5".to_owned()));
            let occasion = Some(Occasion { at, ip, user_agent });
            let mail = Mail { to: "babs@example.com".to_owned(), name: "Babs".to_owned(), letter, occasion };
            let rendered = templates.render(&mail).expect("rendered");
            assert!(!rendered.subject.is_empty() && rendered.subject.len() <= 78, "{}", rendered.subject);
            for body in [&rendered.text, &rendered.html] {
                assert!(body.contains("1 March 2026 at 08:05 UTC"), "when: {body}");
                assert!(body.contains("babs@example.com") && body.contains("https://app.example.com/"), "{body}");
                assert_eq!(body.contains("token=rcx_secret"), has_link, "{body}");
                assert!(!body.contains("{{") && !body.contains("{%"), "{body}");
            }
            if matches!(mail.letter, Letter::Notice { .. }) {
                assert!(rendered.text.contains("192.0.2.7") && rendered.html.contains("192.0.2.7"), "where from");
            }
            assert!(rendered.html.contains("src=\"https://www.example.com/logo.png\""), "{}", rendered.html);
        }
    }
}
