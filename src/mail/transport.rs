//! Transports of mails: an SMTP server over TLS, a folder of `.eml` files, the log, which shows only that there was one, or the terminal
//! of somebody who asked for the links.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport as _, Message, Tokio1Executor};

use super::{SendError, Sent};
use crate::domain::MailId;
use crate::domain::mail::Mail;

/// Where mails go.
pub enum Transport {
    /// An SMTP server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// A folder of `.eml` files.
    Folder(PathBuf),
    /// Nowhere: the log says that there was one, and what kind.
    Log,
    /// Nowhere: its link is printed on standard error.
    Terminal,
}

impl Transport {
    pub(super) async fn send(&self, id: MailId, mail: &Mail, message: &Message) -> Result<Sent, SendError> {
        match self {
            Self::Smtp(smtp) => match smtp.send(message.clone()).await {
                Ok(_) => Ok(Sent::Delivered),
                Err(error) if error.is_permanent() => Err(SendError::Hopeless(said(&error))),
                Err(error) => Err(SendError::TryAgain(said(&error))),
            },
            Self::Folder(folder) => {
                let written = write(folder, id, message).await;
                written.map(|()| Sent::Delivered).map_err(|error| SendError::TryAgain(error.to_string()))
            }
            Self::Log | Self::Terminal => {
                tracing::warn!(
                    template = mail.letter.template(),
                    "mail not sent: mail.transport is log, and the log has no links"
                );
                Ok(Sent::Shown)
            }
        }
    }
}

/// Prints to whom a mail would have gone, and the link in it.
pub(super) fn show(to: &str, subject: &str, text: &str) {
    let links: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("token=")).collect();
    let line = [&format!("mail to {to}: {subject}")[..], &links.join("\n")[..]].join("\n");
    // Nobody may read standard error: then nobody sees it.
    drop(writeln!(std::io::stderr(), "{}", line.trim_end()));
}

/// What went wrong, without what the server quotes: it may be the address.
fn said(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the server answered {code}"),
        None if error.is_timeout() => "the server did not answer in time".to_owned(),
        None if error.is_tls() => "TLS failed".to_owned(),
        None => "the server could not be reached".to_owned(),
    }
}

/// Whole or not at all: written beside, then renamed. Names sort by time.
async fn write(folder: &Path, id: MailId, message: &Message) -> std::io::Result<()> {
    let (part, whole) = (folder.join(format!(".{id}.part")), folder.join(format!("{id}.eml")));
    tokio::fs::create_dir_all(folder).await?;
    tokio::fs::write(&part, message.formatted()).await?;
    tokio::fs::rename(&part, &whole).await
}
