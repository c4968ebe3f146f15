//! Connections whose other end says nothing, or takes nothing: they are given up on (DO-06, O-05).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

/// How a connection of HTTP/2 begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often it is looked whether more of it has come.
const LOOKED_EVERY: Duration = Duration::from_millis(20);
/// How long what still comes is read and dropped once the server has closed its side: a client that is sending when the
/// connection is reset loses the answer that it was sent.
const LINGERS: Duration = Duration::from_millis(500);
/// How much of it is read and dropped, in bytes: a body somewhat larger than the largest that is taken.
const MOST_DROPPED: usize = 6 << 20;
/// What a client has to take each time it may take its time.
const TAKEN_AT_LEAST: usize = 64 * 1024;

/// Waits until it can be told which version of HTTP it is; whether that was in time. The HTTP library has no clock for this.
pub(super) async fn begins(stream: &TcpStream, time: Duration) -> bool {
    let begins = async {
        let mut seen = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut seen).await {
                Ok(0) | Err(_) => return false,
                Ok(count) if count < PREFACE.len() && PREFACE.starts_with(&seen[..count]) => sleep(LOOKED_EVERY).await,
                Ok(_) => return true,
            }
        }
    };
    timeout(time, begins).await.unwrap_or(false)
}

/// A connection that breaks when what it is sent is not taken: 64 KiB at least in each of these times.
pub(super) struct Paced {
    stream: TcpStream,
    time: Duration,
    /// Runs while something waits to be taken.
    waits: Option<Pin<Box<Sleep>>>,
    taken: usize,
    /// Runs once the server has closed its side.
    lingers: Option<Pin<Box<Sleep>>>,
    dropped: usize,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, time: Duration) -> Self {
        Self { stream, time, waits: None, taken: 0, lingers: None, dropped: 0 }
    }

    fn begin_anew(&mut self) {
        self.waits = None;
        self.taken = 0;
    }

    /// What came of writing, unless it has waited for too long.
    fn poll_taken(&mut self, polled: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(count)) => {
                self.taken += count;
                if self.taken >= TAKEN_AT_LEAST {
                    self.begin_anew();
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let time = self.time;
                let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(time)));
                ready!(waits.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "what was sent was not taken")))
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() && buffer.filled().len() > before {
            self.begin_anew();
        }
        polled
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_taken(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_taken(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        // Before anything is read: reading uses up the turn of a task whose client keeps sending.
        let lingers = self.lingers.get_or_insert_with(|| Box::pin(sleep(LINGERS)));
        if lingers.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut unwanted = [0; 4_096];
        while self.dropped < MOST_DROPPED {
            let mut buffer = ReadBuf::new(&mut unwanted);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.dropped += buffer.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
