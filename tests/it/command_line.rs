//! The command line against its documents: each command and flag that a document, the help or an error names is there, and each
//! command does what it says, with a server on the store and without.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

use clap::Command;

use crate::cli::{Running, rollcall, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The definition, with the flags of every command in each.
fn definition() -> Command {
    let mut definition = rollcall::cli::definition();
    definition.build();
    definition
}

/// The documents that name commands.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CONTRIBUTING.md"), root().join("ops/README.md")];
    below(&root().join("docs"), "md", &mut found);
    found
}

fn below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            below(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a document")
}

/// The lines of the shell examples of a document, and its text without any example.
fn examples(document: &str) -> (Vec<&str>, String) {
    let (mut lines, mut rest, mut language) = (Vec::new(), String::new(), None);
    for line in document.lines() {
        match (line.strip_prefix("```"), language) {
            (Some(name), None) => language = Some(name),
            (Some(_), Some(_)) => language = None,
            (None, Some("sh")) => lines.push(line),
            (None, Some(_)) => {}
            (None, None) => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    (lines, rest)
}

/// What stands between backticks, on one line or two.
fn code_spans(text: &str) -> Vec<String> {
    let mut parts = text.split('`');
    let mut spans = Vec::new();
    // Outside, inside, outside, …
    while let (Some(_), Some(inside)) = (parts.next(), parts.next()) {
        spans.push(inside.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    spans
}

/// The words of a shell command without its comment, and the comment.
fn shell_words(line: &str) -> (Vec<String>, &str) {
    let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in command.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (letter, None) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (letter, _) => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    (words, comment)
}

fn knows_flag(command: &Command, flag: &str) -> bool {
    let name = flag.trim_start_matches("--").split('=').next().unwrap_or_default();
    name == "help" || command.get_arguments().any(|argument| argument.get_long() == Some(name))
}

/// What is wrong with a command of which only the beginning may be named.
fn mistake<'w>(definition: &Command, words: impl IntoIterator<Item = &'w str>) -> Option<String> {
    let (mut command, mut values) = (definition, 0);
    let mut flag_takes_value = false;
    for word in words {
        if matches!(word, ">" | "|" | "\\") {
            break;
        }
        if word.starts_with("--") {
            if !knows_flag(command, word) {
                return Some(format!("{} has no flag {word}", command.get_name()));
            }
            let name = word.trim_start_matches("--");
            let argument = command.get_arguments().find(|argument| argument.get_long() == Some(name));
            flag_takes_value = argument
                .is_some_and(|argument| argument.get_action().takes_values() && !argument.is_require_equals_set());
        } else if std::mem::take(&mut flag_takes_value) || word.starts_with('-') {
            // The value of the flag before, or a short flag.
        } else if let Some(found) = command.find_subcommand(word).filter(|_| values == 0) {
            command = found;
        } else if command.has_subcommands() {
            return Some(format!("{} has no command {word}", command.get_name()));
        } else {
            values += 1;
            if values > command.get_positionals().count() {
                return Some(format!("{} does not take {word}", command.get_name()));
            }
        }
    }
    None
}

fn mistake_in(definition: &Command, mention: &str) -> Option<String> {
    let (words, _) = shell_words(mention);
    mistake(definition, words.iter().map(String::as_str).skip(1))
}

/// Every command below this one that has none below it, by its path.
fn leaves<'c>(command: &'c Command, path: &str, found: &mut Vec<(String, &'c Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
        if below.has_subcommands() {
            leaves(below, &path, found);
        } else {
            found.push((path, below));
        }
    }
}

/// D, "README against program".
#[test]
fn every_command_and_flag_of_the_documents_is_there() {
    let definition = definition();
    let mut all = Vec::new();
    leaves(&definition, "", &mut all);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for path in documents() {
        let document = read(&path);
        let (lines, rest) = examples(&document);
        for line in lines.into_iter().filter(|line| line.starts_with("rollcall ")) {
            let (words, comment) = shell_words(line);
            if let Err(error) = rollcall::cli::definition().try_get_matches_from(&words) {
                wrong.push(format!("{}: {line}: {error}", path.display()));
            }
            let flags = comment.split([' ', ',', ';', ':']).filter(|word| word.starts_with("--"));
            let named = words.iter().map(String::as_str).skip(1).chain(flags);
            wrong.extend(mistake(&definition, named).map(|mistake| format!("{}: {line}: {mistake}", path.display())));
            checked += 1;
        }
        for span in code_spans(&rest) {
            let mistake = if span.starts_with("rollcall ") {
                mistake_in(&definition, &span)
            } else if let Some(flag) = span.strip_prefix("--").and_then(|flag| flag.split(' ').next()) {
                // Those of cargo are of the build.
                let is_known = ["features", "no-default-features"].contains(&flag)
                    || all.iter().any(|(_, command)| knows_flag(command, flag));
                (!is_known).then(|| format!("no command has the flag --{flag}"))
            } else {
                continue;
            };
            wrong.extend(mistake.map(|mistake| format!("{}: {span}: {mistake}", path.display())));
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 50, "{checked} mentions were found");
}

/// D, "README against program": help and errors name what is there.
#[test]
fn every_command_that_the_help_or_an_error_names_is_there() {
    let definition = definition();
    let mut all = Vec::new();
    leaves(&definition, "", &mut all);
    let mut wrong = Vec::new();
    for (path, command) in
        all.iter().map(|(path, command)| (path.as_str(), *command)).chain([("rollcall", &definition)])
    {
        let help = command.clone().term_width(0).render_long_help().to_string();
        // An example begins its line, or stands after its name: "Google:  rollcall …".
        let lines = help.lines().filter_map(|line| match line.split_once(":  rollcall ") {
            Some((_, rest)) => Some(format!("rollcall {rest}")),
            None => line.strip_prefix("rollcall ").map(|rest| format!("rollcall {rest}")),
        });
        let spans = code_spans(&help).into_iter().filter(|span| span.starts_with("rollcall "));
        let mentions = lines.chain(spans);
        wrong.extend(
            mentions.filter_map(|mention| mistake_in(&definition, &mention)).map(|one| format!("{path}: {one}")),
        );
    }
    let mut sources = Vec::new();
    below(&root().join("src"), "rs", &mut sources);
    for path in sources {
        for line in read(&path).lines() {
            let spans = code_spans(line).into_iter().filter(|span| span.starts_with("rollcall "));
            let mistakes = spans.filter_map(|span| mistake_in(&definition, &span));
            wrong.extend(mistakes.map(|mistake| format!("{}: {mistake}: {line}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// D, "README against program": the examples run as they stand, on a store that begins empty.
#[test]
fn the_examples_of_the_readme_run_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("FILE"), "a client secret\n").expect("written");
    let document = read(&root().join("README.md"));
    let (lines, _) = examples(&document);
    let mut ran = 0;
    for line in lines.into_iter().filter(|line| line.starts_with("rollcall ")) {
        let (words, _) = shell_words(line);
        let arguments: Vec<&str> = words.iter().map(String::as_str).skip(1).collect();
        match arguments[..] {
            // It does not end by itself, and is run below. The log is empty: no record can be shown.
            ["serve"] | ["log", "show", ..] => continue,
            ["import", ..] => {
                assert!(rollcall(folder.path(), &["organization", "create", "copy", "--no-owner"]).status.success());
            }
            _ => {}
        }
        let output = rollcall(folder.path(), &arguments);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        ran += 1;
    }
    assert!(ran >= 8, "{ran} examples ran");
    let server = Running::start(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--json"]);
    assert!(server.json()["scim"].is_string());
    assert!(server.stop());
}

/// D, "README against program": the example of the help can be pasted from a narrow terminal.
#[test]
fn the_example_of_an_extension_is_json_as_the_help_prints_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = Process::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["extension", "set", "--help"])
        .env("COLUMNS", "70")
        .output()
        .expect("it runs");
    let help = text(&help.stdout);
    let example = help.split_once("{\"schemas\"").and_then(|(_, rest)| rest.split_once("]}")).expect("an example").0;
    let example = format!("{{\"schemas\"{example}]}}");
    serde_json::from_str::<serde_json::Value>(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
    std::fs::write(folder.path().join("hr.json"), example).expect("written");
    let run = |arguments: &[&str]| rollcall(folder.path(), arguments);
    assert!(run(&["organization", "create", "acme", "--no-owner", "--create"]).status.success());
    let set = run(&["extension", "set", "acme", "hr.json"]);
    assert!(set.status.success(), "{}", text(&set.stderr));
}

/// Every command, in an order in which each finds what it needs.
const COMMANDS: &[(&str, &[&str])] = &[
    ("init", &[]),
    ("organization create", &["acme", "--owner-email", "o@acme.example"]),
    ("organization list", &[]),
    ("organization domain add", &["acme", "acme.example"]),
    ("organization domain list", &["acme"]),
    ("directory create", &["acme", "Okta"]),
    ("directory update", &["acme", "Okta", "--dialect", "okta"]),
    ("directory list", &["acme"]),
    ("directory rotate", &["acme", "Okta"]),
    ("directory revoke", &["acme", "Okta"]),
    ("extension set", &["acme", "hr.json"]),
    ("extension list", &["acme"]),
    ("extension delete", &["acme", "urn:acme:scim:hr:1.0:User"]),
    ("connection create", &["acme", "--client-id", "x"]),
    ("connection list", &["acme"]),
    ("connection delete", &["acme", "google-oauth2"]),
    ("root", &[]),
    ("user owner", &["acme", "o@acme.example"]),
    ("user protect", &["acme", "o@acme.example"]),
    ("user unprotect", &["acme", "o@acme.example"]),
    ("user superuser", &["o@acme.example"]),
    ("export", &["acme", "--output", "acme.jsonl"]),
    ("import", &["acme", "people.jsonl"]),
    ("log tail", &["acme"]),
    ("log export", &["acme"]),
    ("migrate", &[]),
    ("doctor", &[]),
    ("audit verify", &[]),
    ("config check", &[]),
    ("config dump", &[]),
    ("schema scim", &[]),
    ("schema graphql", &[]),
    ("completions", &["bash"]),
];

/// Commands that other tests run: they serve, or need a record that a request has left.
const OTHERS: [&str; 3] = ["demo", "serve", "log show"];

fn run(folder: &Path, command: &str, arguments: &[&str]) -> Output {
    rollcall(folder, &command.split(' ').chain(arguments.iter().copied()).collect::<Vec<_>>())
}

/// D, "organization domain list": no command fails for everybody. While a server runs, those that need its store say so.
#[test]
fn every_command_does_what_it_says_and_says_what_stands_in_its_way_while_a_server_runs() {
    let definition = definition();
    let mut all = Vec::new();
    leaves(&definition, "", &mut all);
    let known: BTreeSet<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    let here: BTreeSet<&str> = COMMANDS.iter().map(|(path, _)| *path).chain(OTHERS).collect();
    assert_eq!(known, here, "a new command is run here too");

    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let schema = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:acme:scim:hr:1.0:User",
        "name": "HR", "description": "d", "attributes": [{"name": "badge", "type": "string", "multiValued": false,
        "required": false, "description": "d", "mutability": "readWrite", "returned": "default"}]}"#;
    std::fs::write(folder.join("hr.json"), schema).expect("written");
    std::fs::write(folder.join("people.jsonl"), "{\"userName\": \"ada@acme.example\"}\n").expect("written");
    for (command, arguments) in COMMANDS {
        let output = run(folder, command, arguments);
        assert!(output.status.success(), "{command}: {}{}", text(&output.stdout), text(&output.stderr));
    }
    let unknown = run(folder, "log show", &["acme", "nothing"]);
    assert!(text(&unknown.stderr).contains("no record has the id"), "{}", text(&unknown.stderr));

    std::fs::remove_file(folder.join("acme.jsonl")).expect("exported");
    let server = Running::start(folder, &["serve", "--listen", "127.0.0.1:0", "--json"]);
    assert!(server.json()["url"].is_string());
    for (command, arguments) in COMMANDS {
        let output = run(folder, command, arguments);
        let needs_no_store = ["config", "schema", "completions"].iter().any(|free| command.starts_with(free));
        assert_eq!(output.status.success(), needs_no_store, "{command}: {}", text(&output.stderr));
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(needs_no_store || told.contains("one process at a time"), "{command}: {told}");
    }
    assert!(server.stop());
}
