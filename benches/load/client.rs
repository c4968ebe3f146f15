//! The thinnest HTTP client: it shares the machine with what is measured and must not be what is measured.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
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
        let (status, answer) = self.try_send(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        answer
    }

    /// Sends a request and answers status and body.
    pub async fn try_send(&mut self, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
        let request = format!("{method} {path} {}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await.expect("sent");
        self.buffer.clear();
        let (status, head, length) = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                break (status, end + 4, length.map_or(0, |length| length.parse::<usize>().expect("a number")));
            }
            self.read().await;
        };
        while self.buffer.len() < head + length {
            self.read().await;
        }
        (status, self.buffer.split_off(head))
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
        assert!(read > 0, "the server closed the connection");
    }
}
