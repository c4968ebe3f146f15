//! An SMTP server that keeps what it is given: mails in tests travel over a real socket and a real conversation.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailin::response::{Action, OK, Response};
use mailin::{Handler, Session, SessionBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Head and body.
    pub data: Vec<u8>,
}

/// What arrived, and how the server behaves.
#[derive(Default)]
struct Inbox {
    mails: Mutex<Vec<Received>>,
    arrived: Notify,
    /// How many mails are still to be refused for now.
    refusals: Mutex<u32>,
}

/// A server on a port of its own.
#[derive(Clone)]
pub struct SmtpSink {
    /// Where it listens.
    pub address: SocketAddr,
    inbox: Arc<Inbox>,
}

struct Conversation {
    inbox: Arc<Inbox>,
    current: Received,
}

impl Handler for Conversation {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, _from: &str) -> Response {
        self.current = Received { to: Vec::new(), data: Vec::new() };
        OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let mut refusals = self.inbox.refusals.lock().expect("not poisoned");
        if *refusals > 0 {
            *refusals -= 1;
            return mailin::response::NO_SERVICE;
        }
        self.current.to.push(to.to_owned());
        OK
    }

    fn data(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.current.data.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.inbox.mails.lock().expect("not poisoned").push(self.current.clone());
        self.inbox.arrived.notify_waiters();
        OK
    }
}

impl SmtpSink {
    /// Starts a server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inbox = Arc::new(Inbox::default());
        let served = inbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let handler =
                    Conversation { inbox: served.clone(), current: Received { to: Vec::new(), data: Vec::new() } };
                tokio::spawn(converse(stream, SessionBuilder::new("sink").build(peer.ip(), handler)));
            }
        });
        Self { address, inbox }
    }

    /// Refuses the next mails, for now.
    pub fn refuse(&self, count: u32) {
        *self.inbox.refusals.lock().expect("not poisoned") = count;
    }

    /// How many mails it still refuses.
    pub fn refusals_left(&self) -> u32 {
        *self.inbox.refusals.lock().expect("not poisoned")
    }

    /// Everything that arrived.
    pub fn all(&self) -> Vec<Received> {
        self.inbox.mails.lock().expect("not poisoned").clone()
    }

    /// Waits until so many mails have arrived for an address; answers the last of them.
    pub async fn nth(&self, to: &str, count: usize) -> Received {
        let waiting = async {
            loop {
                let arrived = self.inbox.arrived.notified();
                let mails: Vec<Received> =
                    self.all().into_iter().filter(|mail| mail.to.iter().any(|known| known == to)).collect();
                if mails.len() >= count {
                    return mails[count - 1].clone();
                }
                arrived.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("no mail {count} for {to}; there are {}", self.all().len()))
    }
}

async fn converse(stream: TcpStream, mut session: Session<Conversation>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut response = session.greeting();
    loop {
        if !matches!(response.action, Action::NoReply) {
            let reply = response.buffer().expect("a reply");
            if writer.write_all(&reply).await.is_err() {
                return;
            }
        }
        if matches!(response.action, Action::Close) {
            return;
        }
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => response = session.process(&line),
        }
    }
}
