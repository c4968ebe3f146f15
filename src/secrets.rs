//! What a server needs beside its store: the keys that seal, and the way mails go out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use lettre::Tokio1Executor;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::app::StartError;
use crate::clock::Entropy;
use crate::config::{Config, ConfigError, MailConfig, MailSecurity, MailTransport, read_secret};
use crate::crypto::seal::{KEY_BYTES, Sealer};
use crate::mail::{Mailer, Templates, Transport};

/// What seals what the store must not read. In memory a key lives as long as the store; on disk one is made beside the
/// store at the first start; a store elsewhere is shared by several nodes, which must be given the same one.
///
/// # Errors
///
/// [`StartError::Keys`], saying what to do.
pub fn sealer(config: &Config) -> Result<Sealer, StartError> {
    let file = &config.sign_in.key_file;
    if !file.as_os_str().is_empty() {
        return read_keys(file);
    }
    let url = &config.store.url;
    match url.split_once("://") {
        Some(("mem", _)) => from_keys(&[new_key()], Path::new("memory")),
        Some(("surrealkv" | "rocksdb", path)) => {
            let path = path.split('?').next().unwrap_or(path);
            let file = key_file_beside(Path::new(path));
            if !file.exists() {
                make_key_file(&file)?;
            }
            read_keys(&file)
        }
        _ => Err(StartError::Keys(
            "sign_in.key_file must name a file of keys that all nodes share: make one with\n  \
             head -c 32 /dev/urandom | base64 > rollcall.key"
                .to_owned(),
        )),
    }
}

/// The key file of a store on disk in this folder, unless `sign_in.key_file` names another.
pub fn key_file_beside(folder: &Path) -> PathBuf {
    PathBuf::from(format!("{}.key", folder.display().to_string().trim_end_matches('/')))
}

fn new_key() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Entropy::default().bytes::<KEY_BYTES>().to_vec())
}

fn from_keys(keys: &[Zeroizing<Vec<u8>>], file: &Path) -> Result<Sealer, StartError> {
    Sealer::new(keys).map_err(|reason| StartError::Keys(format!("{}: {reason}", file.display())))
}

fn read_keys(file: &Path) -> Result<Sealer, StartError> {
    let unreadable = |reason: String| StartError::Keys(format!("the key file {}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| unreadable(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, _> = lines.map(|line| BASE64.decode(line.as_bytes()).map(Zeroizing::new)).collect();
    from_keys(&keys.map_err(|_| unreadable("a line is not base64".to_owned()))?, file)
}

/// Made whole or not at all, and readable by nobody else.
fn make_key_file(file: &Path) -> Result<(), StartError> {
    let write = || {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut made = options.open(file)?;
        writeln!(
            made,
            "# Seals authenticator seeds, mails and signing keys of the store beside it. Keep it, and keep it secret."
        )?;
        writeln!(made, "{}", BASE64.encode(&new_key()))?;
        made.sync_all()?;
        // A power cut right after the first start would otherwise leave a store without its key.
        std::fs::File::open(folder)?.sync_all()
    };
    match write() {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StartError::Keys(format!("the key file {} cannot be made: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// What writes and sends mails.
///
/// # Errors
///
/// [`StartError::Config`] for an address, a template or a server that cannot be used.
pub fn mailer(config: &Config, public_url: &str) -> Result<Mailer, StartError> {
    let mail = &config.mail;
    let senseless = |setting, reason: String| ConfigError::Senseless { setting, reason };
    let folder = Some(mail.templates_folder.as_path()).filter(|folder| !folder.as_os_str().is_empty());
    let templates = Templates::new(public_url, config.brand(), folder)
        .map_err(|reason| senseless("mail.templates_folder", reason))?;
    let from = mail.from.parse().map_err(|error| senseless("mail.from", format!("{error}")))?;
    let transport = match mail.transport {
        MailTransport::Log => Transport::Log,
        MailTransport::Terminal => Transport::Terminal,
        MailTransport::Folder => Transport::Folder(mail.folder.clone()),
        MailTransport::Smtp => Transport::Smtp(smtp(mail)?),
    };
    Ok(Mailer::new(templates, transport, from))
}

/// Certificates are verified, and without TLS where TLS is demanded nothing is sent (EM-04).
fn smtp(mail: &MailConfig) -> Result<AsyncSmtpTransport<Tokio1Executor>, ConfigError> {
    let refused = |reason: String| ConfigError::Senseless { setting: "mail.host", reason };
    let parameters = || TlsParameters::new(mail.host.clone()).map_err(|error| refused(error.to_string()));
    let tls = match mail.security {
        MailSecurity::Tls => Tls::Wrapper(parameters()?),
        MailSecurity::Starttls => Tls::Required(parameters()?),
        MailSecurity::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(Duration::from_secs(mail.time_seconds)));
    if let Some(password) = read_secret("mail.password_file", &mail.password_file)? {
        builder = builder.credentials(Credentials::new(mail.username.clone(), password.expose_secret().to_owned()));
    }
    Ok(builder.build())
}
