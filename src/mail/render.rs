//! How mails read: templates of text and HTML, each of which an operator can put another in the place of.

use std::ffi::OsStr;
use std::path::Path;

use minijinja::{AutoEscape, Environment, context};
use rust_embed::RustEmbed;

use crate::domain::mail::{Letter, Mail, Notice};

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

/// Templates with what they all know: the origin for links, and what the server is called.
pub struct Templates {
    environment: Environment<'static>,
    public_url: String,
    product: String,
}

impl Templates {
    /// The built-in templates, with those of `folder` in their place where it has any.
    ///
    /// # Errors
    ///
    /// A sentence about the template that cannot be read.
    pub fn new(public_url: &str, product: &str, folder: Option<&Path>) -> Result<Self, String> {
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
        Ok(Self { environment, public_url: public_url.to_owned(), product: product.to_owned() })
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
        let (link, sentence) = (self.link(&mail.letter), sentence(&mail.letter));
        let values = context! {
            product => self.product, name => unlinkable(&mail.name), link => link, sentence => sentence,
            letter => unlinkable_names(&mail.letter),
        };
        template.render(values).map_err(|error| error.to_string())
    }

    fn link(&self, letter: &Letter) -> Option<String> {
        let (path, token) = match letter {
            Letter::VerifyEmail { token } => ("verify-email", token),
            Letter::ResetPassword { token } => ("reset-password", token),
            Letter::Invitation { token, .. } => ("invitation", token),
            Letter::EmailInUse | Letter::Notice { .. } => return None,
        };
        Some(format!("{}/{path}?token={token}", self.public_url))
    }
}

/// A name that no mail program makes a link of (EM-03).
fn unlinkable(name: &str) -> String {
    name.replace("://", ": //").replace("www.", "www .")
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
        other => other,
    }
}

/// A notice in one sentence.
fn sentence(letter: &Letter) -> Option<String> {
    let Letter::Notice { notice } = letter else { return None };
    Some(match notice {
        Notice::PasswordChanged => "The password of your account was changed.".to_owned(),
        Notice::AuthenticatorAdded => "An authenticator app was added to your account.".to_owned(),
        Notice::AuthenticatorRemoved => "The authenticator app was removed from your account.".to_owned(),
        Notice::MfaReset => {
            "An administrator removed the second factors of your account and ended all sign-ins.".to_owned()
        }
        Notice::RecoveryCodesMade => {
            "New recovery codes were made for your account; the earlier ones stopped working.".to_owned()
        }
        Notice::RecoveryCodeUsed { remaining: 0 } => {
            "The last recovery code of your account was used: make new ones now.".to_owned()
        }
        Notice::RecoveryCodeUsed { remaining } => {
            format!("A recovery code of your account was used; {remaining} are left.")
        }
        Notice::PrimaryEmailChanged { to } => format!("The primary address of your account is now {to}."),
        Notice::ProfileChanged => "An administrator changed the profile of your account.".to_owned(),
        Notice::PasswordReset => {
            "An administrator set a temporary password for your account and ended all sign-ins.".to_owned()
        }
        Notice::NewDevice { user_agent, ip } => format!(
            "Your account was used on a device not seen before: {} from {}.",
            user_agent.as_deref().unwrap_or("an unknown program"),
            ip.as_deref().unwrap_or("an unknown address"),
        ),
        Notice::Locked => {
            "After too many failed sign-ins your account is locked. Set a new password by mail to open it again."
                .to_owned()
        }
        Notice::ProviderLinked { provider } => {
            format!("You can sign in to your account with {provider} from now on.")
        }
        Notice::CopyNoticed => {
            "A secret of one of your sign-ins was used twice: somebody may have a copy. That sign-in was ended."
                .to_owned()
        }
    })
}
