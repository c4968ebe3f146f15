//! Documents known beforehand, by the SHA-256 of their text: `{"documentId": "sha256:…"}`.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::TrustedDocuments;
use super::failure::Failure;

/// Known documents, and whether others are served.
pub(super) struct Documents {
    mode: TrustedDocuments,
    known: HashMap<String, String>,
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Documents {
    /// Reads a manifest as code generators write it: hash → text. Each hash must be that of its text.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with it.
    pub(super) fn read(mode: TrustedDocuments, file: Option<&Path>) -> Result<Self, String> {
        let Some(file) = file.filter(|_| mode != TrustedDocuments::Off) else {
            let missing = mode == TrustedDocuments::Require;
            return if missing {
                Err("must name the documents that are required".to_owned())
            } else {
                Ok(Self { mode, known: HashMap::new() })
            };
        };
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let listed: HashMap<String, String> =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut known = HashMap::new();
        for (id, document) in listed {
            let id = id.strip_prefix("sha256:").unwrap_or(&id).to_lowercase();
            if id != hash(&document) {
                return Err(format!("{}: {id} is not the SHA-256 of its document", file.display()));
            }
            known.insert(id, document);
        }
        Ok(Self { mode, known })
    }

    /// The text to run.
    ///
    /// # Errors
    ///
    /// `PERSISTED_QUERY_NOT_FOUND`; where only known documents are served, for text that is none of them too.
    pub(super) fn choose(&self, id: Option<&str>, text: Option<String>) -> Result<String, Failure> {
        match (id, text) {
            (Some(id), _) => {
                let known = id.strip_prefix("sha256:").and_then(|id| self.known.get(id));
                known.cloned().ok_or_else(unknown)
            }
            (None, Some(text)) if self.mode == TrustedDocuments::Require => {
                if self.known.contains_key(&hash(&text)) {
                    Ok(text)
                } else {
                    Err(unknown())
                }
            }
            (None, Some(text)) => Ok(text),
            (None, None) => Err(unknown()),
        }
    }
}

fn unknown() -> Failure {
    Failure::new("PERSISTED_QUERY_NOT_FOUND", "no document with that id is known here")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &str = "{ me { accountId } }";

    fn documents(mode: TrustedDocuments, id: &str) -> Result<Documents, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        write!(file, "{}", serde_json::json!({ id: TEXT })).expect("written");
        Documents::read(mode, Some(file.path()))
    }

    #[test]
    fn known_documents_are_served_by_hash_and_others_as_the_mode_says() {
        let id = hash(TEXT);
        let sent = format!("sha256:{id}");
        for (mode, other) in [(TrustedDocuments::Prefer, true), (TrustedDocuments::Require, false)] {
            let documents = documents(mode, &id).expect("read");
            assert_eq!(documents.choose(Some(&sent), None).expect("known"), TEXT);
            assert!(documents.choose(Some("sha256:00"), None).is_err() && documents.choose(Some(&id), None).is_err());
            assert_eq!(documents.choose(None, Some("{ x }".to_owned())).is_ok(), other);
            assert!(documents.choose(None, Some(TEXT.to_owned())).is_ok());
            assert!(documents.choose(None, None).is_err());
        }
        assert!(documents(TrustedDocuments::Prefer, "00").is_err(), "a hash of something else");
        assert!(Documents::read(TrustedDocuments::Require, None).is_err());
    }
}
