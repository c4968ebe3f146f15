//! `rollcall extension`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use scim::{Extension, Schema};
use serde_json::{Value, json};

use super::{Failure, Global, operator_in, told};

/// Lines of at most 60 letters: a terminal would wrap a longer one inside a text, and then it is no JSON any more.
const EXAMPLE: &str = r#"FILE is a schema as /Schemas serves it (RFC 7643 §7):

{"schemas": [
   "urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:acme:scim:hr:1.0:User",
 "name": "HR",
 "description": "What HR knows",
 "attributes": [
  {"name": "badge",
   "type": "string",
   "multiValued": false,
   "required": false,
   "description": "Badge number",
   "mutability": "readWrite",
   "returned": "default"}]}

It is known at the next request, in /Schemas and /ResourceTypes too. Setting it again may add attributes."#;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Extended {
    User,
    Group,
}

#[derive(Subcommand)]
pub(super) enum ExtensionCommand {
    /// Add an extension schema to an organization's users or groups, or add attributes to one
    #[command(after_help = EXAMPLE)]
    Set {
        /// Short name of the organization
        organization: String,
        /// A JSON file with the schema
        file: PathBuf,
        /// What it extends
        #[arg(long, default_value = "user")]
        of: Extended,
    },
    /// List the extensions of an organization; with --json, their schemas
    List {
        /// Short name of the organization
        organization: String,
    },
    /// Remove an extension that nobody has a value in
    Delete {
        /// Short name of the organization
        organization: String,
        /// URN of the schema
        urn: String,
    },
}

impl ExtensionCommand {
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Set { organization, file, of } => {
                let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                let schema: Schema =
                    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
                let resource_type = match of {
                    Extended::User => "User",
                    Extended::Group => "Group",
                };
                let service = global.open().await?;
                let operator = operator_in(&service, &organization).await?;
                let extension = Extension { resource_type: resource_type.to_owned(), schema };
                let set = service.set_extension(&operator, extension).await.map_err(told)?;
                let text = format!("{} is known to the directories of {organization}.", set.schema.id);
                global.answer(&described(&set), &text)
            }
            Self::List { organization } => {
                let service = global.open().await?;
                let operator = operator_in(&service, &organization).await?;
                let listed = service.list_extensions(&operator).await.map_err(told)?;
                let values: Vec<Value> = listed.iter().map(described).collect();
                let line = |extension: &Extension| {
                    let names: Vec<&str> =
                        extension.schema.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
                    format!("{}  {}  {}", extension.schema.id, extension.resource_type, names.join(","))
                };
                let lines: Vec<String> = listed.iter().map(line).collect();
                global.answer(&json!({ "extensions": values }), &lines.join("\n"))
            }
            Self::Delete { organization, urn } => {
                let service = global.open().await?;
                let operator = operator_in(&service, &organization).await?;
                service.delete_extension(&operator, &urn).await.map_err(told)?;
                global.answer(&json!({ "deleted": urn }), &format!("{urn} is removed."))
            }
        }
    }
}

fn described(extension: &Extension) -> Value {
    json!({"resourceType": extension.resource_type, "schema": extension.schema})
}
