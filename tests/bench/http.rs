//! An HTTP/1.1 client that does as little as one can: prepared bytes out, one answer in, on a kept connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::Result;
use crate::answer::Checker;
use crate::answer::Kind;
use crate::case::Case;
use crate::case::Message;
use crate::case::REVISION;
use crate::case::find;

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// An answer that takes longer is not coming.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// A kept connection that asks for one case.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Message,
    checker: Checker,
    received: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, case: Case) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let checker = Checker::new(case);
        Ok(Self { stream, request: request(address, case), checker, received: Vec::with_capacity(READ_BYTES), body: Vec::new() })
    }

    /// One call; an error when the answer is wrong.
    pub(crate) async fn call(&mut self) -> Result<()> {
        let (id, bytes) = self.request.next();
        self.stream.write_all(bytes).await?;
        tokio::time::timeout(LONGEST_ANSWER, self.receive()).await.map_err(|_| "no answer within 30 s")??;
        match self.checker.check(&self.body, id)? {
            Kind::Answer => Ok(()),
            Kind::Notification => Err("the response ended before the answer".into()),
        }
    }

    /// Bytes of an answer's body.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.checker.answer_bytes()
    }

    /// Reads one response; its message is then the body.
    async fn receive(&mut self) -> Result<()> {
        self.received.clear();
        self.body.clear();
        let head_end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.read(READ_BYTES).await?;
        };
        let head = Head::parse(&self.received[..head_end])?;
        match head.length {
            Some(length) => {
                while self.received.len() < head_end + length {
                    self.read(head_end + length - self.received.len()).await?;
                }
                self.body.extend_from_slice(&self.received[head_end..head_end + length]);
            }
            None => self.receive_chunks(head_end).await?,
        }
        if head.status != 200 {
            return Err(format!("status {}: {}", head.status, String::from_utf8_lossy(&self.body)).into());
        }
        if head.event_stream {
            self.body = last_event(&self.body);
        }
        Ok(())
    }

    async fn receive_chunks(&mut self, mut at: usize) -> Result<()> {
        loop {
            let line_end = loop {
                if let Some(end) = find(&self.received[at..], b"\r\n") {
                    break at + end;
                }
                self.read(READ_BYTES).await?;
            };
            let size = std::str::from_utf8(&self.received[at..line_end])?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
            at = line_end + 2;
            while self.received.len() < at + size + 2 {
                self.read(at + size + 2 - self.received.len()).await?;
            }
            self.body.extend_from_slice(&self.received[at..at + size]);
            at += size + 2;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn read(&mut self, wanted: usize) -> Result<()> {
        self.received.reserve(wanted.max(READ_BYTES));
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }
}

/// What matters of a response's head.
struct Head {
    status: u16,
    /// None when the body comes in chunks.
    length: Option<usize>,
    event_stream: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no HTTP response: {text}"))?;
        let mut head = Self { status, length: None, event_stream: false };
        let mut chunked = false;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("content-type") {
                head.event_stream = value.starts_with("text/event-stream");
            }
        }
        if head.length.is_none() && !chunked { Err("a response without length".into()) } else { Ok(head) }
    }
}

/// The data of the last event in a stream that has any.
fn last_event(stream: &[u8]) -> Vec<u8> {
    let lines = stream.split(|byte| *byte == b'\n');
    let mut data = lines.filter_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii).filter(|data| !data.is_empty());
    data.next_back().unwrap_or_default().to_vec()
}

/// The request with every header that the revision asks for.
fn request(address: SocketAddr, case: Case) -> Message {
    let message = case.message();
    let (method, name) = case.method();
    let name = name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: {REVISION}\r\nMcp-Method: {method}\r\n{name}Content-Length: {}\r\n\r\n",
        message.len()
    );
    message.framed(&head, "")
}
