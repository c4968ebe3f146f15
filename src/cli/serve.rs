//! `rollcall serve`

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use super::{Failure, Global, stop};
use crate::config::MailTransport;
use crate::domain::Caller;
use crate::{app, telemetry};

#[derive(Args)]
#[command(after_help = "Stops on an interrupt or SIGTERM, letting requests finish; a second signal ends it at once.")]
pub(super) struct Serve {
    /// Address and port instead of the configured ones; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Print the links of outgoing mails on standard error, on a server with mail.transport = "log"
    #[arg(long)]
    print_links: bool,
}

impl Serve {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let mut config = global.config()?;
        if self.print_links {
            if config.mail.transport != MailTransport::Log {
                return Err(
                    "mails are sent by mail.transport: --print-links is for a server that has none (\"log\")".into()
                );
            }
            config.mail.transport = MailTransport::Terminal;
        }
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        let _telemetry = telemetry::start(&config)?;
        super::log_environment_warnings();
        let bound = app::bind(&config).await?;
        let service = bound.open(&config).await?;
        let known = service.list_organizations(&Caller::operator(None)).await.map_err(super::told)?;
        let mut root = None;
        if known.is_empty() {
            tracing::warn!(
                "there is no organization yet: make one with the credential of root that is printed, or stop and run `rollcall \
                 organization create SHORT_NAME --owner-email EMAIL`"
            );
            root = Some(super::root::issue(&service).await?);
        }
        let listening = bound.serve_with(&config, service)?;
        // Before it is said to be ready: whoever starts it may stop it at once.
        let stop = stop::requested()?;
        let url = listening.public_url.clone();
        tracing::info!(%url, address = %listening.address, "serving");
        let management = listening.management().map(|address| format!("http://{address}"));
        let mut value = json!({"url": url, "scim": format!("{url}/scim/v2"), "graphql": format!("{url}/graphql"),
                               "management": management});
        let mut text = format!("Serving SCIM at {url}/scim/v2 and the account API at {url}/graphql");
        // Printed, never logged: logs are kept and shipped.
        if let Some(credential) = root {
            value["root"] = credential.value;
            text.push_str(&format!("\n{}\nUse it with the mutation createOrganization.", credential.text));
        }
        super::unless_closed(global.answer(&value, &text))?;
        stop::serve_until(listening, stop).await
    }
}
