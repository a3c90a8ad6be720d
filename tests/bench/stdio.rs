//! A client over the pipes of a `tidegate serve --stdio`: one line out, one line in.

use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;

use crate::Result;
use crate::answer::Checker;
use crate::answer::Kind;
use crate::case::Case;

/// An answer that takes longer is not coming.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// What is read at once: as much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Both pipes of one server.
pub(crate) struct Pipes {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Pipes {
    /// Takes the pipes.
    pub(crate) fn new(input: ChildStdin, output: ChildStdout) -> Self {
        Self { input, output: BufReader::with_capacity(READ_BYTES, output), line: Vec::new() }
    }

    /// A client for one case.
    pub(crate) fn client(&mut self, case: Case) -> Client<'_> {
        Client { pipes: self, request: case.message().framed("", "\n"), checker: Checker::new(case) }
    }
}

/// Asks for one case.
pub(crate) struct Client<'a> {
    pipes: &'a mut Pipes,
    request: crate::case::Message,
    checker: Checker,
}

impl Client<'_> {
    /// Bytes of an answer.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.checker.answer_bytes()
    }

    /// One call; an error when the answer is wrong.
    pub(crate) async fn call(&mut self) -> Result<()> {
        let (id, bytes) = self.request.next();
        self.pipes.input.write_all(bytes).await?;
        self.pipes.input.flush().await?;
        loop {
            self.pipes.line.clear();
            let read = self.pipes.output.read_until(b'\n', &mut self.pipes.line);
            if tokio::time::timeout(LONGEST_ANSWER, read).await.map_err(|_| "no answer within 30 s")?? == 0 {
                return Err("the server closed its output".into());
            }
            if self.checker.check(self.pipes.line.trim_ascii_end(), id)? == Kind::Answer {
                return Ok(());
            }
        }
    }
}
