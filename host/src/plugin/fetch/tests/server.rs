//! A server of a test's own on this machine, plain or with TLS, that answers as it is told to, also badly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What a server answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status and a body.
    Body(u16, Vec<u8>),
    /// A body without its length, ended by closing.
    Unmeasured(Vec<u8>),
    /// A status, headers and a body.
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A redirect.
    To(String),
    /// Some bytes of a body that would be longer, and then nothing, for as long as the client stays.
    Stalls(Vec<u8>),
    /// Some bytes of a body that would be longer, and then the end.
    BreaksOff(Vec<u8>),
}

/// A request as it came: its method and path, and its headers in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: String,
}

impl Asked {
    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

/// The server; ended when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The authority that signed the server's certificate (DER).
pub(crate) fn authority() -> Vec<u8> {
    CertificateDer::from_pem_slice(include_bytes!("authority.pem")).unwrap().to_vec()
}

impl Server {
    /// Starts one without TLS; `answer` is given the path with its query.
    pub(crate) async fn plain(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start("http", None, move |asked| answer(asked.path())).await
    }

    /// Starts one without TLS that looks at all of a request.
    pub(crate) async fn scripted(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start("http", None, answer).await
    }

    /// Starts one with TLS, for `localhost` and 127.0.0.1.
    pub(crate) async fn tls(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("server.key.pem")).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        Self::start("https", Some(TlsAcceptor::from(Arc::new(config))), move |asked| answer(asked.path())).await
    }

    async fn start(scheme: &'static str, tls: Option<TlsAcceptor>, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, seen) = (tls.clone(), answer.clone(), seen.clone());
                connections.spawn(async move {
                    match tls {
                        Some(tls) => {
                            // A client that does not trust the certificate hangs up here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*answer, &seen).await;
                            }
                        }
                        None => serve(stream, &*answer, &seen).await,
                    }
                });
            }
        });
        Self { address, scheme, asked, task }
    }

    /// The URL of a path, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}://127.0.0.1:{}{path}", self.scheme, self.address.port())).unwrap()
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request of a connection and closes it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &(dyn Fn(&Asked) -> Reply + Send + Sync),
    asked: &Mutex<Vec<Asked>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let request = Asked { line, headers: headers.to_ascii_lowercase() };
    asked.lock().unwrap().push(request.clone());
    let begin = |status: u16, more: &str| format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n{more}\r\n");
    let longer = |bytes: &[u8]| begin(200, &format!("content-length: {}\r\n", bytes.len() + 1_000));
    // The client may be gone already; that is its right.
    let _ = match answer(&request) {
        Reply::Body(status, body) => write(&mut stream, &begin(status, &format!("content-length: {}\r\n", body.len())), &body).await,
        Reply::With(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            write(&mut stream, &begin(status, &format!("{headers}content-length: {}\r\n", body.len())), &body).await
        }
        Reply::Unmeasured(body) => write(&mut stream, &begin(200, ""), &body).await,
        Reply::To(location) => write(&mut stream, &begin(307, &format!("location: {location}\r\ncontent-length: 0\r\n")), b"").await,
        Reply::BreaksOff(body) => write(&mut stream, &longer(&body), &body).await,
        Reply::Stalls(body) => {
            let written = write_open(&mut stream, &longer(&body), &body).await;
            // Ends when the client hangs up.
            let _ = stream.read_u8().await;
            written
        }
    };
}

async fn write_open<S: AsyncWrite + Unpin>(stream: &mut S, head: &str, body: &[u8]) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, head: &str, body: &[u8]) -> std::io::Result<()> {
    write_open(stream, head, body).await?;
    stream.shutdown().await
}
