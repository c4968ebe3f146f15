//! The thinnest HTTP client: it shares the machine with what is measured and must not be what is measured.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection that is kept open.
pub struct Client {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

/// What is answered.
pub struct Answer {
    pub status: u16,
    pub has_retry_after: bool,
    pub body: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str, token: &str) -> Self {
        Self::connect_with(address, token, "application/scim+json").await
    }

    pub async fn connect_with(address: &str, token: &str, media: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("a socket");
        let head = format!("HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: {media}\r\n");
        Self { stream, head, buffer: Vec::new() }
    }

    pub async fn timed(&mut self, method: &str, path: &str, body: &str) -> Duration {
        let started = Instant::now();
        self.send(method, path, body).await;
        started.elapsed()
    }

    /// Sends a request and answers the body; anything but success ends the run.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let Answer { status, body: answer, .. } = self.try_send(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        answer
    }

    /// Sends a request and answers whatever comes.
    pub async fn try_send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let request = format!("{method} {path} {}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await.expect("sent");
        self.buffer.clear();
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await;
        };
        let head = &self.buffer[..end];
        let status = std::str::from_utf8(&head[9..12]).expect("ASCII").parse().expect("a status");
        let length = header(head, b"content-length: ").map_or(0, |length| length.parse::<usize>().expect("a number"));
        let has_retry_after = header(head, b"retry-after: ").is_some();
        while self.buffer.len() < end + length {
            self.read().await;
        }
        Answer { status, has_retry_after, body: self.buffer.split_off(end) }
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
        assert!(read > 0, "the server closed the connection");
    }
}

/// The value of a header, whose name comes in small letters.
fn header<'h>(head: &'h [u8], name: &[u8]) -> Option<&'h str> {
    let start = head.windows(name.len()).position(|window| window == name)? + name.len();
    let rest = &head[start..];
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'\r')?]).ok()
}
