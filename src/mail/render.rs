//! How mails read: templates of text and HTML, each of which an operator can put another in the place of.

use std::ffi::OsStr;
use std::path::Path;

use minijinja::{AutoEscape, Environment, context};
use rust_embed::RustEmbed;

use super::unlinkable::unlinkable;
use super::wording::words;
use crate::domain::brand::Brand;
use crate::domain::mail::{Letter, Mail, Notice, Occasion};

/// The templates that come with the server: `NAME.txt`, whose first line is the subject, and `NAME.html`.
#[derive(RustEmbed)]
#[folder = "src/mail/templates/"]
struct BuiltIn;

/// A mail in words.
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// Templates with the values that all of them share: the origin for links, and the operator's product.
pub struct Templates {
    environment: Environment<'static>,
    public_url: String,
    brand: Brand,
}

impl Templates {
    /// The built-in templates, with those of `folder` in their place where it has any.
    ///
    /// # Errors
    ///
    /// A sentence about the template that cannot be read.
    pub fn new(public_url: &str, brand: Brand, folder: Option<&Path>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|name| match Path::new(name).extension().and_then(OsStr::to_str) {
            Some("html") => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        for name in BuiltIn::iter() {
            let own = folder.map(|folder| folder.join(name.as_ref())).filter(|path| path.exists());
            let text = if let Some(path) = own {
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?
            } else {
                let file = BuiltIn::get(&name).ok_or_else(|| format!("{name} is missing"))?;
                String::from_utf8(file.data.into_owned()).map_err(|error| format!("{name}: {error}"))?
            };
            environment.add_template_owned(name.to_string(), text).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(Self { environment, public_url: public_url.to_owned(), brand })
    }

    pub(super) fn render(&self, mail: &Mail) -> Result<Rendered, String> {
        let name = mail.letter.template();
        let text = self.fill(&format!("{name}.txt"), mail)?;
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Rendered {
            subject: subject.to_owned(),
            text: text.trim_start().to_owned(),
            html: self.fill(&format!("{name}.html"), mail)?,
        })
    }

    fn fill(&self, template: &str, mail: &Mail) -> Result<String, String> {
        let template = self.environment.get_template(template).map_err(|error| error.to_string())?;
        let notice = match &mail.letter {
            Letter::Notice { notice } => Some(words(notice)),
            _ => None,
        };
        let link = self.link(&mail.letter);
        let values = context! {
            name => unlinkable(&mail.name), to => mail.to, link => link, notice => notice,
            at => mail.occasion.as_ref().map(|occasion| occasion.at.format("%-d %B %Y at %H:%M UTC").to_string()),
            cause => shown_cause(mail), letter => unlinkable_names(&mail.letter),
            ..minijinja::Value::from_serialize(&self.brand)
        };
        template.render(values).map_err(|error| error.to_string())
    }

    fn link(&self, letter: &Letter) -> Option<String> {
        let (path, token) = match letter {
            Letter::VerifyEmail { token, .. } => ("verify-email", token),
            Letter::ResetPassword { token } | Letter::SetPassword { token, .. } => ("reset-password", token),
            Letter::Invitation { token, .. } => ("invitation", token),
            Letter::EmailInUse | Letter::Notice { .. } => return None,
        };
        Some(format!("{}/{path}?token={token}", self.public_url))
    }
}

fn unlinkable_names(letter: &Letter) -> Letter {
    match letter.clone() {
        Letter::Invitation { token, organization, inviter, days, message } => Letter::Invitation {
            token,
            organization: unlinkable(&organization),
            inviter: inviter.as_deref().map(unlinkable),
            days,
            message: message.as_deref().map(unlinkable),
        },
        Letter::SetPassword { token, organization } => {
            Letter::SetPassword { token, organization: unlinkable(&organization) }
        }
        Letter::VerifyEmail { token, organization } => {
            Letter::VerifyEmail { token, organization: organization.as_deref().map(unlinkable) }
        }
        other => other,
    }
}

/// The request that caused a mail, as its reader knows it: an address, and a program such as "Firefox 130 on Linux".
fn shown_cause(mail: &Mail) -> Option<minijinja::Value> {
    let (ip, user_agent) = match &mail.letter {
        Letter::Notice { notice: Notice::NewDevice { user_agent, ip } } => (ip, user_agent),
        _ => mail.occasion.as_ref().map(|Occasion { ip, user_agent, .. }| (ip, user_agent))?,
    };
    let program = user_agent.as_deref().map(|raw| unlinkable(&program(raw)));
    Some(context! { ip, program })
}

/// Names the program and the system of a `User-Agent` header; the header itself if they are not known.
fn program(raw: &str) -> String {
    let parsed = woothee::parser::Parser::new().parse(raw);
    match parsed.filter(|agent| agent.name != woothee::woothee::VALUE_UNKNOWN) {
        Some(agent) if agent.os != woothee::woothee::VALUE_UNKNOWN => format!("{} on {}", agent.name, agent.os),
        Some(agent) => agent.name.to_owned(),
        None => raw.to_owned(),
    }
}
