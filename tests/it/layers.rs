//! Who may import whom (house style, section 2): read from the `use` lines and paths of the source.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What the code of a layer must not name.
const WALLS: &[(&str, &[&str])] = &[
    ("domain", &["crate::service", "crate::store", "crate::api", "axum", "async_graphql", "surrealdb", "tokio"]),
    ("crypto", &["crate::service", "crate::store", "crate::api", "axum", "surrealdb"]),
    ("mail", &["crate::service", "crate::store", "crate::api", "axum", "async_graphql", "surrealdb"]),
    ("openid", &["crate::service", "crate::store", "crate::api", "axum", "async_graphql", "surrealdb"]),
    ("store", &["crate::service", "crate::api", "axum", "async_graphql"]),
    ("service", &["crate::api", "axum", "async_graphql", "surrealdb"]),
    ("api", &["crate::store", "surrealdb", "crate::crypto"]),
    ("cli", &["crate::store", "surrealdb", "axum"]),
];

/// The lines of code of a file: no comments, no tests.
fn code(source: &str) -> impl Iterator<Item = &str> {
    let source = source.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(source);
    source.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

fn names(line: &str, forbidden: &str) -> bool {
    line.match_indices(forbidden).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + forbidden.len()..].chars().next();
        let part_of_a_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part_of_a_word(before) && !part_of_a_word(after)
    })
}

#[test]
fn no_import_crosses_a_wall() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (layer, forbidden) in WALLS {
        let mut files = Vec::new();
        sources(&root.join(layer), &mut files);
        assert!(!files.is_empty(), "{layer} has code");
        for file in files {
            let source = std::fs::read_to_string(&file).expect("source");
            for line in code(&source) {
                for name in forbidden.iter().filter(|name| names(line, name)) {
                    broken.push(format!("{}: {name} in `{line}`", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn d12_surrealdb_is_named_in_the_store_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files.iter().filter(|file| !file.starts_with(root.join("store"))) {
        let source = std::fs::read_to_string(file).expect("source");
        let named: Vec<&str> = code(&source).filter(|line| names(line, "surrealdb") && line.contains("::")).collect();
        assert!(named.is_empty(), "{}: {named:?}", file.display());
    }
}

/// S-15: a group gives more than was granted to it directly, so decisions ask `roles_through`.
#[test]
fn direct_grants_are_read_only_where_they_are_what_is_edited() {
    const READ_IN: &[&str] = &["roles.rs"];
    const EDITED_IN: &[&str] = &["roles.rs", "local_groups.rs", "service_accounts.rs"];
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service"), &mut files);
    for file in files {
        let source = std::fs::read_to_string(&file).expect("source");
        let is_one_of = |allowed: &[&str]| allowed.iter().any(|name| file.ends_with(name));
        for (name, allowed) in [("list_grants", READ_IN), ("direct_roles", EDITED_IN)] {
            let found: Vec<&str> = code(&source).filter(|line| names(line, name)).collect();
            assert!(found.is_empty() || is_one_of(allowed), "{}: ask roles_through: {found:?}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "scim/src", "tests", "benches"] {
        if root.join(folder).exists() {
            sources(&root.join(folder), &mut files);
        }
    }
    for file in files {
        let source = std::fs::read_to_string(&file).expect("source");
        assert!(source.starts_with("//!"), "{} begins with what it is", file.display());
    }
}

#[test]
fn the_walls_are_seen_where_they_are_crossed() {
    assert!(names("use crate::store::Store;", "crate::store"));
    assert!(names("let x: surrealdb::Value = y;", "surrealdb"));
    assert!(!names("use crate::storefront::Door;", "crate::store"));
}
