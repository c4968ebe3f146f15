//! The browser side is embedded as it is at build time: the server is built again when it changes.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=src/mail/templates");
    println!("cargo::rerun-if-changed=src/api/pages/templates");
}
