//! The command line. Every command answers people, or programs with `--json`; errors say what to do.

mod audit;
mod config;
mod connection;
pub mod demo;
mod directory;
mod directory_policies;
mod doctor;
mod export;
mod extension;
mod import;
mod init;
mod log;
mod migrate;
mod organization;
mod root;
mod serve;
mod stop;
mod user;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use serde_json::Value;

use crate::app::{MissingStore, StartError};
use crate::config::{Config, ConfigError, check_store_url, environment_warnings, processors};
use crate::domain::{Caller, Error};
use crate::service::Service;

/// What a command fails with: told to the user, exit code 1.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// SurrealDB's parser and executor recurse; their threads get the stack it asks for.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// The settings of a machine on which Rollcall is installed.
const CONFIG_FILE: &str = "/etc/rollcall.toml";

#[derive(Parser)]
#[command(
    name = "rollcall",
    version,
    about = "A SCIM 2.0 provisioning server for the people and groups of many organizations",
    after_help = "Start with:  rollcall demo\n\nExit codes: 0 done, 1 it failed, 2 the command line is wrong."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every command takes.
#[derive(Args, Clone)]
struct Global {
    /// Settings file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Settings file; /etc/rollcall.toml if absent and there. `rollcall config dump` shows what can be set"
    )]
    config: Option<PathBuf>,
    /// Store to use instead of the configured one.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Store to use instead of the configured one: mem://, surrealkv://PATH, ws://HOST:PORT, …"
    )]
    store: Option<String>,
    /// Make the store if there is none: for every command but serve, demo and init, which make one anyway
    #[arg(long, global = true)]
    create: bool,
    /// Answer one line of JSON instead of text; logs go to standard error either way
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve sample organizations from memory and print what to paste into a SCIM client
    Demo(demo::Demo),
    /// Serve
    Serve(serve::Serve),
    /// Make the store and its key, and say what comes next
    Init(init::Init),
    /// Check or show the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring the store and the databases of all organizations up to date
    Migrate(migrate::Migrate),
    /// Make and list organizations
    #[command(subcommand)]
    Organization(organization::OrganizationCommand),
    /// Make, list and rotate directories: the SCIM clients of an organization
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Add schemas of one's own to users and groups
    #[command(subcommand)]
    Extension(extension::ExtensionCommand),
    /// Set up, list and remove login providers: OpenID Connect, Google among them
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// Make owners and superusers; protect users from their directories
    #[command(subcommand)]
    User(user::UserCommand),
    /// Print a credential of root: good once, for 15 minutes, to make an organization or give one back its owner
    Root(root::Root),
    #[command(about = "Take an organization's people and groups out, as JSON lines")]
    Export(export::Export),
    #[command(about = "Put people and groups into an organization, from JSON lines")]
    Import(import::Import),
    /// See what identity providers sent, what came of it and why
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Check settings, store and organizations, and suggest a fix for each problem
    Doctor(doctor::Doctor),
    /// Check that the audit trail is whole
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Print what the server promises
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum SchemaCommand {
    /// The SCIM schemas, as served at /Schemas
    Scim,
    /// The GraphQL schema, as served at /graphql/schema.graphql
    Graphql,
}

/// The definition of the command line, against which documents are checked.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// How many threads carry out requests: one more than there are processors, since one may wait for the disk or for a lock of
/// the database.
fn workers() -> usize {
    processors().max(2) + 1
}

/// Runs the command line of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::files::keep_private();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().worker_threads(workers()).thread_stack_size(STACK_BYTES).build();
    let outcome = match runtime {
        // On a worker, not on the main thread: workers have the stack.
        Ok(runtime) => {
            runtime.block_on(async { tokio::spawn(run_to_the_end(cli)).await.map_err(Failure::from).flatten() })
        }
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has read enough, as `head` does.
        Err(failure) if is_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error, which may be closed.
fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Whether a command failed because nothing reads its standard output any more.
fn is_closed_pipe(failure: &Failure) -> bool {
    failure.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// However it ends, what was written is put where the next process finds it.
async fn run_to_the_end(cli: Cli) -> Result<(), Failure> {
    let outcome = Box::pin(run(cli)).await;
    crate::app::close_stores().await;
    outcome
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let global = cli.global;
    // A server has a log to say it in.
    if !matches!(cli.command, Command::Demo(_) | Command::Serve(_)) {
        for warning in environment_warnings() {
            tell(&format!("warning: {warning}"));
        }
    }
    match cli.command {
        Command::Demo(demo) => demo.run(&global).await,
        Command::Serve(serve) => serve.run(&global).await,
        Command::Init(init) => init.run(&global).await,
        Command::Config(command) => command.run(&global),
        Command::Migrate(migrate) => migrate.run(&global).await,
        Command::Organization(command) => command.run(&global).await,
        Command::Directory(command) => command.run(&global).await,
        Command::Extension(command) => command.run(&global).await,
        Command::Connection(command) => command.run(&global).await,
        Command::User(command) => command.run(&global).await,
        Command::Root(root) => root.run(&global).await,
        Command::Export(export) => export.run(&global).await,
        Command::Import(import) => import.run(&global).await,
        Command::Log(command) => command.run(&global).await,
        Command::Doctor(doctor) => doctor.run(&global).await,
        Command::Audit(command) => command.run(&global).await,
        Command::Schema(SchemaCommand::Scim) => schema_scim(),
        Command::Schema(SchemaCommand::Graphql) => {
            std::io::stdout().write_all(crate::api::graphql::sdl().as_bytes())?;
            Ok(())
        }
        Command::Completions { shell } => {
            // Into memory first: the generator panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rollcall", &mut script);
            Ok(std::io::stdout().write_all(&script)?)
        }
    }
}

impl Global {
    /// The settings, with the flags over them.
    fn config(&self) -> Result<Config, ConfigError> {
        self.config_of(self.config_file().as_deref())
    }

    /// The settings file: one place, which the server and every command of the operator read.
    fn config_file(&self) -> Option<PathBuf> {
        let shared = || Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.exists());
        self.config.clone().or_else(shared)
    }

    /// The settings of this file, with the flags over them.
    fn config_of(&self, file: Option<&Path>) -> Result<Config, ConfigError> {
        let mut config = Config::load(file)?;
        if let Some(url) = &self.store {
            check_store_url(url)?;
            config.store.url.clone_from(url);
        }
        Ok(config)
    }

    async fn open(&self) -> Result<Arc<Service>, StartError> {
        let missing = if self.create { MissingStore::Create } else { MissingStore::Refuse };
        crate::app::open(&self.config()?, missing).await
    }

    /// Answers: the value for programs, the text for people.
    fn answer(&self, value: &Value, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{value}")?;
        } else {
            writeln!(out, "{}", text.trim_end())?;
        }
        out.flush()?;
        Ok(())
    }
}

/// Says on the log which variables of the environment are ignored and may have been meant as settings.
fn log_environment_warnings() {
    for warning in environment_warnings() {
        tracing::warn!(warning, "environment");
    }
}

/// The answer of a command that goes on after it: a server serves whether or not somebody reads where.
fn unless_closed(answered: Result<(), Failure>) -> Result<(), Failure> {
    match answered {
        Err(failure) if is_closed_pipe(&failure) => Ok(()),
        answered => answered,
    }
}

/// The operator, in the organization with this short name.
async fn operator_in(service: &Service, short_name: &str) -> Result<Caller, Failure> {
    match service.get_organization(&Caller::operator(None), short_name).await {
        Ok(organization) => Ok(Caller::operator(Some(organization.id))),
        Err(Error::NotFound(_)) => {
            Err(format!("no such organization: '{short_name}'. `rollcall organization list` shows them.").into())
        }
        Err(error) => Err(told(error)),
    }
}

/// An error of the service with its cause: whoever holds the machine may see it.
fn told(error: Error) -> Failure {
    match &error {
        Error::Internal(cause) | Error::Unavailable(cause) => format!("{error}: {cause}").into(),
        _ => error.into(),
    }
}

fn schema_scim() -> Result<(), Failure> {
    let schemas = serde_json::to_string_pretty(scim::schema::all())?;
    writeln!(std::io::stdout(), "{schemas}")?;
    Ok(())
}

/// A bar on standard error; nothing where nobody looks.
fn progress(length: usize, what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {elapsed}");
    let bar = indicatif::ProgressBar::new(length as u64).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_design_promises_is_understood() {
        for line in [
            "rollcall demo --listen 127.0.0.1:0 --store mem:// --organizations 2 --mail-dir mails --json",
            "rollcall serve --config rollcall.toml",
            "rollcall init",
            "rollcall organization list --create",
            "rollcall config dump",
            "rollcall organization create acme --name Acme",
            "rollcall directory create acme Okta --dialect okta --scope users,groups",
            "rollcall directory rotate acme Okta",
            "rollcall directory update acme Okta --dialect okta --restore-inactive --require-if-match=false",
            "rollcall extension set acme hr.json --of user",
            "rollcall audit verify --organization acme",
            "rollcall doctor --json",
            "rollcall doctor --repair --yes",
            "rollcall migrate --convert --salvage",
            "rollcall log tail acme --outcome refused --method patch --since 24h --follow",
            "rollcall export acme --output acme.jsonl",
            "rollcall import acme acme.jsonl --directory Okta",
            "rollcall log show acme 019b76daa8007009b07e4d0afaf23c06",
            "rollcall log export acme --directory Okta --output log.jsonl",
            "rollcall organization domain add acme acme.example",
            "rollcall user superuser owner@acme.example",
            "rollcall root",
            "rollcall user owner acme owner@acme.example",
            "rollcall schema scim",
            "rollcall completions bash",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
