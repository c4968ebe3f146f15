//! `rollcall init`

use clap::Args;
use serde_json::json;

use super::{Failure, Global};
use crate::app::{self, MissingStore};

#[derive(Args)]
#[command(
    after_help = "Makes the store that store.url names and, beside a store on disk, its key file. Both are left as they are if \
                  they are there. Back the key file up apart from the store."
)]
pub(super) struct Init {}

impl Init {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.config()?;
        let url = config.shown_store_url();
        app::open(&config, MissingStore::Create).await?;
        global.answer(
            &json!({ "store": url }),
            &format!(
                "The store {url} is ready.\nNext: rollcall organization create acme --name 'Acme Corp' --owner-email \
                 owner@acme.example"
            ),
        )
    }
}
