//! The name, logo and address of the operator's product, as mails and pages show them.

use serde::Serialize;

/// The operator's product: the application that people sign in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brand {
    /// The name, as in "Sign in to Rollcall".
    pub product: String,
    /// An `https` address of an image about 40 pixels high; `None`: the name is shown as text.
    pub logo_url: Option<String>,
    /// The address where people go on to after a page, or from a mail; `None`: no link is shown.
    pub application_url: Option<String>,
}

impl Brand {
    /// A brand of a name alone.
    pub fn named(product: &str) -> Self {
        Self { product: product.to_owned(), logo_url: None, application_url: None }
    }
}
