//! A server that answers what a test tells it, in that order, and keeps what it was sent, byte for byte.
#![allow(dead_code)] // Every test uses its own part of it.

pub(crate) mod every_call;
pub(crate) mod log;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bs2_events::biostar_x::{BiostarX, BiostarXOptions, ImportOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SESSION: &str = "435564a0e0d2443fa2d8f86d5bb40622";

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status and body.
    Body(u16, String),
    /// The same with a session in the header.
    Session(u16, String, String),
    /// Closes the connection.
    Cut,
    /// Says nothing.
    Silence,
}

/// What the server was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and path with query.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A request and what is known of it: gives the answer.
type Answerer = dyn FnMut(&Received) -> Answer + Send;

#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Script {
    /// Answers logins with a session, and the other requests in this order; then it says 500.
    pub(crate) async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::with(move |request| {
            if request.line == "POST /api/login" && !matches!(answers.front(), Some(Answer::Session(..))) {
                return Answer::Session(200, SESSION.to_owned(), vector("login"));
            }
            answers.pop_front().unwrap_or_else(|| Answer::Body(500, "the script has ended".to_owned()))
        })
        .await
    }

    pub(crate) async fn with(answer: impl FnMut(&Received) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (log, answer) = (Arc::clone(&received), Arc::new(Mutex::new(answer)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), answer.clone() as Arc<Mutex<Answerer>>));
            }
        });
        Self { address, received }
    }

    pub(crate) fn builder(&self) -> BiostarXOptions {
        BiostarXOptions::new(&self.address)
            .with_credentials("operator-canary", "password-canary")
            .with_patience(Duration::ZERO)
            .with_timeout(Duration::from_secs(20))
    }

    pub(crate) fn client(&self) -> BiostarX {
        BiostarX::new(self.builder()).unwrap()
    }

    /// What was received so far, without logins.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.all().into_iter().filter(|request| request.line != "POST /api/login").collect()
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> usize {
        self.all().iter().filter(|request| request.line == "POST /api/login").count()
    }
}

/// Lookups need not wait: every answer comes at once.
pub(crate) fn options() -> ImportOptions {
    ImportOptions::default().with_settle(Duration::ZERO)
}

/// A payload of `tests/support/vectors/biostar_x`, without the line break at its end.
pub(crate) fn vector(name: &str) -> String {
    let path = format!("{}/tests/support/vectors/biostar_x/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

pub(crate) fn ok(name: &str) -> Answer {
    Answer::Body(200, vector(name))
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Received>>>, answer: Arc<Mutex<Answerer>>) {
    while let Some(request) = receive(&mut stream).await {
        log.lock().unwrap().push(request.clone());
        let answer = (answer.lock().unwrap())(&request);
        let (status, session, body) = match answer {
            Answer::Body(status, body) => (status, String::new(), body),
            Answer::Session(status, id, body) => (status, format!("bs-session-id: {id}\r\n"), body),
            Answer::Cut => return,
            Answer::Silence => std::future::pending().await,
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{session}content-length: {length}\r\n\r\n");
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(Received { line, headers, body })
}
