//! `rollcall config`

use clap::Subcommand;
use serde_json::{Map, json};

use super::{Failure, Global};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Say whether the settings are usable
    Check,
    /// Show every setting, its value, and where it came from
    Dump,
}

impl ConfigCommand {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Check => {
                global.config()?.store_settings()?;
                global.answer(&json!({"ok": true}), "The settings are usable.")
            }
            Self::Dump => {
                let origins = Config::origins(global.config_file().as_deref())?;
                let value: Map<_, _> = origins
                    .iter()
                    .map(|(name, origin)| (name.clone(), json!({"value": origin.value, "from": origin.from})))
                    .collect();
                let width = origins.keys().map(String::len).max().unwrap_or_default();
                let lines: Vec<String> = origins
                    .iter()
                    .map(|(name, origin)| format!("{name:width$} = {}  # {}", origin.value, origin.from))
                    .collect();
                global.answer(&value.into(), &lines.join("\n"))
            }
        }
    }
}
